"""Which networks the weights can belong to: read off names and shapes, never off values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from inspector.errors import BadInput
from inspector.intake.models.chains import (
    Shapes,
    chain_channels,
    geometries,
    norm_orders,
    read_chain,
)
from inspector.intake.models.networks.layer_chain import LayerChain
from inspector.intake.models.networks.preact_resnet import PreActResNet, preact_name, read_preact
from inspector.intake.models.networks.resnet_small import SmallResNet, read_resnet, resnet_name
from inspector.intake.models.networks.vgg_bn import chain_name
from inspector.intake.models.networks.wide_resnet import WideResNet, read_wide, wide_name
from inspector.intake.models.plugin_architectures import Architecture, build_plugin
from inspector.intake.models.signatures import Signature, signatures
from inspector.intake.models.timm_models import build_timm
from inspector.intake.models.torchvision_models import build_torchvision, without_storage

_COUNTER = "num_batches_tracked"
_POSITIONS = "encoder.pos_embedding"  # of torchvision's vision transformers


@dataclass(frozen=True)
class Candidate:
    """A network that weights can belong to.

    Attributes
    ----------
    family : str
        "torchvision", "builtin", "timm" or "plugin".
    name : str
        Such as "resnet18", "resnet20", "preact_resnet18", "plain_cnn".
    network : str
        Which builder makes it; for torchvision, timm and plugins the name again.
    args : dict
        JSON-able arguments of the builder, with ``num_classes`` and ``in_channels``.
    score : float
        Share of the tensors that agree; 1.0 when all do.
    """

    family: str
    name: str
    network: str
    args: dict[str, Any] = field(default_factory=dict)
    score: float = 1.0

    @property
    def num_classes(self) -> int:
        """Number of answers."""
        return int(self.args["num_classes"])

    @property
    def in_channels(self) -> int:
        """Channels of the image."""
        return int(self.args["in_channels"])


def _chain(num_classes: int, in_channels: int, **arguments: Any) -> nn.Module:
    return LayerChain(**arguments)


# Each of them: the network, how it is read off the weights, what it is called.
_FAMILIES: dict[str, tuple[Callable[..., nn.Module], Any, Any]] = {
    "resnet": (SmallResNet, read_resnet, resnet_name),
    "preact": (PreActResNet, read_preact, preact_name),
    "wide": (WideResNet, read_wide, wide_name),
}


BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "chain": LayerChain,
    **{network: made[0] for network, made in _FAMILIES.items()},
}
"""What makes each kind of built-in network."""


def make_network(candidate: Candidate) -> nn.Module:
    """Make the network of a candidate, untrained, on the device of the surrounding context."""
    if candidate.family == "torchvision":
        return build_torchvision(candidate.network, candidate.args)
    if candidate.family == "timm":
        return build_timm(candidate.network, candidate.args)
    if candidate.family == "plugin":
        # On the CPU: code of others need not work without storage.
        with torch.device("cpu"):
            return build_plugin(candidate.network, candidate.args)
    arguments = {key: value for key, value in candidate.args.items() if key != "size"}
    if candidate.network == "chain":
        return _chain(**arguments)
    return _FAMILIES[candidate.network][0](**arguments)


def shapes_of(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of a network's weights, without normalisation's counters."""
    return countless({key: tuple(tensor.shape) for key, tensor in network.state_dict().items()})


def countless(shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """Leave out the counters of batch normalisation, which checkpoints before 2018 lack."""
    return {key: shape for key, shape in shapes.items() if not key.endswith(_COUNTER)}


def builtin_candidates(shapes: Shapes) -> list[Candidate]:
    """List the networks for small images that have weights of exactly these names and shapes."""
    shapes = countless(shapes)
    found = []
    for family, (_, read, name) in _FAMILIES.items():
        arguments = read(shapes)
        if (
            arguments is None
            or min(_integers(arguments)) < 1
            or max(_integers(arguments)) > 1 << 16
        ):
            continue
        candidate = Candidate("builtin", name(arguments), family, arguments)
        try:
            made = without_storage(lambda candidate=candidate: make_network(candidate))  # type: ignore[misc]
        except (ValueError, ZeroDivisionError):
            continue  # shapes that no such network has
        if shapes_of(made) == shapes:
            found.append(candidate)
    # An option-A ResNet has the weights of a chain too: a chain is what is left when nothing else
    # fits.
    return found or _chain_candidates(shapes)


def _integers(arguments: Mapping[str, Any]) -> list[int]:
    numbers: list[int] = []
    for value in arguments.values():
        values = value if isinstance(value, list) else [value]
        numbers.extend(item for item in values if type(item) is int)
    return numbers


def _chain_candidates(shapes: Shapes) -> list[Candidate]:
    layers = read_chain(shapes)
    if layers is None:
        return []
    ways = geometries(layers, None)
    if not ways:
        return []
    arguments = ways[0] | {
        "layers": layers,
        "num_classes": layers[-1]["outputs"],
        "in_channels": chain_channels(layers, ways[0]["size"]),
        "activation": "relu",
        "pooling": "max",
        "order": norm_orders(layers)[0],
    }
    return [Candidate("builtin", chain_name(layers), "chain", arguments)]


def torchvision_candidates(shapes: Shapes) -> list[Candidate]:
    """List torchvision's networks with these weights, class count and channels read off them."""
    shapes = countless(shapes)
    found = []
    for signature in signatures().values():
        arguments = _torchvision_arguments(signature, shapes)
        if arguments is not None:
            found.append(Candidate("torchvision", signature.name, signature.name, arguments))
    return found


def _torchvision_arguments(signature: Signature, shapes: Shapes) -> dict[str, Any] | None:
    agreeing = signature.agreeing(shapes)
    missing = set(signature.shapes) - agreeing
    extra = set(shapes) - agreeing
    arguments: dict[str, Any] = {}
    if missing and all(key.startswith(("aux", "Aux")) for key in missing):
        arguments["auxiliary"] = False
        missing = set()
    if missing == {_POSITIONS} == extra:
        side = _image_size(shapes, signature)
        if side is None:
            return None
        arguments["image_size"] = side
        missing, extra = set(), set()
    head = {key for key in signature.head if not key.startswith(("aux", "Aux"))}
    if missing and missing == head:
        replaced = _replaced_head(signature, shapes, extra)
        if replaced is None:
            return None
        arguments |= replaced
    elif missing or extra:
        return None
    else:
        arguments["num_classes"] = shapes[min(head)][0]
    arguments["in_channels"] = shapes[signature.stem][1]
    return arguments


def _image_size(shapes: Shapes, signature: Signature) -> int | None:
    there, usual = shapes[_POSITIONS], signature.shapes[_POSITIONS]
    if len(there) != 3 or there[::2] != usual[::2]:
        return None
    side = math.isqrt(max(0, there[1] - 1))
    return side * shapes[signature.stem][-1] if side and side * side == there[1] - 1 else None


def _replaced_head(signature: Signature, shapes: Shapes, extra: set[str]) -> dict[str, Any] | None:
    """Read linear layers that a user put in place of the last one (``fc = Sequential(...)``)."""
    weight = next((key for key in signature.head if key.endswith(".weight")), "")
    name = weight.removesuffix(".weight")
    if not extra or not all(key.startswith(f"{name}.") for key in extra):
        return None
    layers = read_chain({key[len(name) + 1 :]: shapes[key] for key in shapes if key in extra})
    if layers is None or any(layer["kind"] != "linear" for layer in layers):
        return None
    if len(signature.shapes[weight]) != 2 or layers[0]["inputs"] != signature.shapes[weight][1]:
        return None
    return {
        "head": layers,
        "head_name": name,
        "activation": "relu",
        "num_classes": layers[-1]["outputs"],
    }


def named_candidate(family: str, name: str, shapes: Shapes, stated: Mapping[str, Any]) -> Candidate:
    """Return a network that somebody named, with what the weights show of its size.

    Parameters
    ----------
    family : str
        "timm" or "plugin".
    name : str
    shapes : mapping of str to tuple of int
        The weights.
    stated : mapping
        ``num_classes`` and ``in_channels`` where they are known, and arguments of the builder.
    """
    arguments = {"num_classes": head_rows(shapes), "in_channels": image_channels(shapes)}
    return Candidate(family, name, name, {**arguments, **stated})


def plugin_candidates(shapes: Shapes, offered: Iterable[Architecture]) -> list[Candidate]:
    """List the plugins' networks that have weights of exactly these names and shapes."""
    shapes = countless(shapes)
    found = []
    for entry in offered:
        if entry.builder is None:
            continue
        candidate = named_candidate("plugin", entry.id, shapes, {})
        try:
            made = make_network(candidate)
        except BadInput:
            continue  # it wants arguments that only a spec can give
        if shapes_of(made) == shapes:
            found.append(candidate)
    return found


def head_rows(shapes: Shapes) -> int:
    """Return the rows of the last linear layer: the last matrix whose bias is as long."""
    rows = 0
    for key, shape in shapes.items():
        bias = shapes.get(f"{key.removesuffix('.weight')}.bias")
        if key.endswith(".weight") and len(shape) == 2 and bias in (None, shape[:1]):
            # A matrix without a bias counts only where no other is left.
            rows = shape[0] if bias is not None or not rows else rows
    return max(rows, 1)


def image_channels(shapes: Shapes) -> int:
    """Return the channels of the image: those of the first convolution, 3 without one."""
    first = next((shape for shape in shapes.values() if len(shape) == 4), (0, 3))
    return first[1] if first[1] in (1, 3) else 3
