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
    plugin_candidates,
    torchvision_candidates,
)
from inspector.intake.models.nameable import UNSIZED
from inspector.intake.models.plugin_architectures import architectures
from inspector.intake.models.ranking import differences, likenesses
from inspector.intake.models.signatures import builtin_names, signatures, table

_SPEC = (
    "If it is a network of your own: put its builder into a plugin and name it in a spec, "
    '[architecture] family = "plugin", name = "…" (see plugins/README.md), then give --spec.'
)


def recognise(
    tensors: Mapping[str, Tensor],
    arch: str | None = None,
    classes: int | None = None,
    family: str | None = None,
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
    family : str, optional
        "builtin" or "torchvision", when the analyst knows that.

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
    found: list[Candidate] = []
    if family in (None, "torchvision"):
        found = torchvision_candidates(shapes)
    if not found and family in (None, "builtin"):
        found = builtin_candidates(shapes)
    if family is None and all(candidate.network == "chain" for candidate in found):
        # Weights of a residual network can look like a chain: what an installed plugin knows of
        # them comes first, and is measured against it.
        found = plugin_candidates(shapes, architectures()) + found
    _not_quantised(tensors, found)
    if not found:
        raise _unknown(shapes, arch)
    if arch is not None:
        fitting = [candidate for candidate in found if same_name(arch, candidate.name)]
        if not fitting:
            raise _mismatch(arch, shapes, found)
        found = fitting
    return with_classes(found, classes)


def with_classes(found: list[Candidate], classes: int | None) -> list[Candidate]:
    """Return the candidates that have so many answers.

    Raises
    ------
    BadInput
        None has.
    """
    if classes is None:
        return found
    fitting = [candidate for candidate in found if candidate.num_classes == classes]
    if not fitting:
        there = found[0].num_classes
        raise BadInput(
            f"The network has {there} classes, not {classes}.",
            "Its last layer says so.",
            f"Leave --classes out or give --classes {there}.",
        )
    return fitting


def _not_quantised(tensors: Mapping[str, Tensor], found: list[Candidate]) -> None:
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


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower()).replace("wrn", "wideresnet")


def same_name(arch: str, name: str) -> bool:
    """Tell whether an analyst's word for a network can mean one of ours."""
    asked, known = _key(arch), _key(name)
    return asked in (known, known.removesuffix("small"), known.removesuffix("bn"))


def _known(arch: str) -> None:
    names = [*signatures(), *builtin_names(), *UNSIZED]
    if any(same_name(arch, name) for name in names):
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
    near = likenesses(countless(shapes), count=3)
    why = f"{len(shapes)} tensors, the first {next(iter(shapes))!r}."
    if near:
        shares = ", ".join(f"{like.name} ({like.score:.0%} of the tensors agree)" for like in near)
        why += f" Nearest: {shares}."
        if near[0].differs and near[0].score > 0.3:
            why += f" Against {near[0].name}: {'; '.join(near[0].differs[:4])}."
    if arch is not None:
        why += f" {_difference(arch, shapes)}"
    return BadInput("The weights belong to no network that Inspector knows.", why, _SPEC)


def _mismatch(arch: str, shapes: Mapping[str, tuple[int, ...]], found: list[Candidate]) -> BadInput:
    names = list(dict.fromkeys(candidate.name for candidate in found))
    return BadInput(
        f"The weights are not those of {arch}.",
        _difference(arch, shapes),
        f"They are those of {' or '.join(names)}: leave --arch out or give --arch {names[0]}.",
    )


def _difference(arch: str, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Name the first tensors in which weights differ from a network of this name."""
    named = next((entry for entry in table() if same_name(arch, entry.name)), None)
    if named is None:
        return ""
    return f"Against {named.name}: {'; '.join(differences(named, countless(shapes), 3))}."
