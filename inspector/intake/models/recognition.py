"""Naming the network that weights belong to, and saying clearly when there is none."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from inspector.errors import BadInput
from inspector.intake.models.candidates import (
    Candidate,
    builtin_candidates,
    countless,
    nearest,
    torchvision_candidates,
)
from inspector.intake.models.signatures import signatures

BUILTIN_NAMES = (
    "plain_cnn",
    "plain_cnn_bn",
    "mlp",
    *(f"resnet{depth}_small" for depth in (18, 34, 50, 101, 152)),
    *(f"resnet{depth}" for depth in (20, 32, 44, 56, 110)),
    *(f"preact_resnet{depth}" for depth in (18, 34, 50, 101, 152)),
    *(f"vgg{depth}{kind}_small" for depth in (11, 13, 16, 19) for kind in ("", "_bn")),
    "wide_resnet16_4",
    "wide_resnet28_10",
    "wide_resnet34_10",
    "wide_resnet40_2",
)
"""Networks for small images by their usual names; other depths and widths are recognised too."""


def recognise(
    tensors: Mapping[str, Tensor], arch: str | None = None, classes: int | None = None
) -> list[Candidate]:
    """Name the networks that these weights can belong to.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        Weights under the network's own names, as `read_weights` returns them.
    arch : str, optional
        The name of the network, when the analyst knows it. "resnet18" also stands for the version
        with a 3×3 first layer; capitals, hyphens and underscores do not matter.
    classes : int, optional
        How many answers it is expected to have.

    Returns
    -------
    list of Candidate
        All that fit, at least one.

    Raises
    ------
    BadInput
        Nothing fits, ``arch`` is no known name or another network's, or the class count differs.
    """
    shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    if arch is not None:
        _known(arch)
    found = torchvision_candidates(shapes) or builtin_candidates(shapes)
    integers = [
        key
        for key, tensor in tensors.items()
        if tensor.ndim >= 2 and not tensor.is_floating_point() and tensor.dtype != torch.bool
    ]
    if found and any(key.endswith(".weight") for key in integers):
        raise BadInput(
            f"The weights are whole numbers ({integers[0]!r}): the network was quantised.",
            "Its gradients cannot be examined.",
            "Ask for the float32 weights from before quantisation.",
        )
    if not found:
        raise _unknown(shapes, arch)
    if arch is not None:
        fitting = [candidate for candidate in found if _same(arch, candidate.name)]
        if not fitting:
            raise _mismatch(arch, shapes, found)
        found = fitting
    if classes is not None:
        answers = sorted({candidate.num_classes for candidate in found})
        found = [candidate for candidate in found if candidate.num_classes == classes]
        if not found:
            raise BadInput(
                f"The network has {answers[0]} classes, not {classes}.",
                "Its last layer says so.",
                f"Leave --classes out or give --classes {answers[0]}.",
            )
    return found


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower()).replace("wrn", "wideresnet")


def _same(arch: str, name: str) -> bool:
    asked, known = _key(arch), _key(name)
    return asked in (known, known.removesuffix("small"), known.removesuffix("bn"))


def _known(arch: str) -> None:
    names = [*signatures(), *BUILTIN_NAMES]
    if any(_same(arch, name) for name in names):
        return
    # Depths and widths that are not listed: the weights will tell whether they are there.
    if re.fullmatch(r"(preact)?(wide)?resnet[\d]+(small|width\d+)?", _key(arch)):
        return
    close = difflib.get_close_matches(_key(arch), [_key(name) for name in names], 5, 0.5)
    shown = [next(name for name in names if _key(name) == key) for key in dict.fromkeys(close)]
    raise BadInput(
        f"No network is called {arch!r}.",
        f"Similar names: {', '.join(shown)}." if shown else "",
        "Leave --arch out: the weights are recognised by their names and shapes.",
    )


def _unknown(shapes: Mapping[str, tuple[int, ...]], arch: str | None) -> BadInput:
    close = nearest(shapes)
    why = f"{len(shapes)} tensors, the first {next(iter(shapes))!r}."
    if close:
        shares = ", ".join(f"{name} ({share:.0%} of the tensors agree)" for name, share in close)
        why += f" Nearest: {shares}."
    if arch is not None:
        why += f" {_difference(arch, shapes)}"
    return BadInput(
        "The weights belong to no network that Inspector knows.",
        why,
        "Known are torchvision's classification networks and "
        "ResNet, PreActResNet, VGG, WideResNet and plain networks for small images.",
    )


def _mismatch(arch: str, shapes: Mapping[str, tuple[int, ...]], found: list[Candidate]) -> BadInput:
    names = list(dict.fromkeys(candidate.name for candidate in found))
    return BadInput(
        f"The weights are not those of {arch}.",
        _difference(arch, shapes),
        f"They are those of {' or '.join(names)}: leave --arch out or give --arch {names[0]}.",
    )


def _difference(arch: str, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Name the first tensor in which weights differ from a torchvision network."""
    signature = next((entry for name, entry in signatures().items() if _same(arch, name)), None)
    if signature is None:
        return ""
    there = countless(shapes)
    agreeing = signature.agreeing(there)
    for key in (signature.stem, *signature.shapes):
        if key not in agreeing:
            wanted, other = signature.shapes[key], there.get(key)
            if other is None:
                return f"{arch} has {key!r}, which is not among them."
            sizes = ("×".join(map(str, shape)) for shape in (other, wanted))
            return f"{key!r} is {next(sizes)}; {arch} has {next(sizes)}."
    extra = next(key for key in there if key not in agreeing)
    return f"{extra!r} does not occur in {arch}."
