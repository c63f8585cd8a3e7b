"""What a file says beside its weights, turned into what is tried first.

Hints come from whoever made the file. They are measured like every other setting, and shorten the
search only where the network is right on nearly all labels with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inspector.intake.models.answers import order_by_name
from inspector.intake.models.candidates import Candidate
from inspector.intake.models.hints import Hints, LayerHint
from inspector.intake.models.normalisations import Normalisation
from inspector.intake.models.spec import ModelSpec
from inspector.intake.models.stated import Pins

SURE = 0.9
"""Share of right answers from which on a hint needs no alternatives: little could be better."""

_ACTIVATIONS = {
    "ReLU": "relu",
    "ELU": "elu",
    "LeakyReLU": "leaky_relu",
    "GELU": "gelu",
    "SiLU": "silu",
    "Tanh": "tanh",
}
_POOLINGS = {"MaxPool2d": "max", "AvgPool2d": "avg"}


def hinted_pins(hints: Hints, candidate: Candidate) -> Pins:
    """Return what a file says of how its network is wired and fed; empty where it says nothing."""
    args: dict[str, Any] = {}
    if candidate.network == "chain":
        args = _chain(hints, candidate)
    elif candidate.network == "resnet" and len(candidate.args["blocks"]) > 3:
        args = _stem(hints, "stride", "pool")
    elif candidate.family == "torchvision" and "resne" in candidate.name:
        args = _stem(hints, "stem_stride", "stem_pool")
    preprocess: dict[str, Any] = {}
    if hints.size is not None:
        preprocess["size"] = tuple(hints.size)
    if hints.interpolation:
        preprocess["interpolation"] = hints.interpolation
    if hints.size is not None and hints.crop is not None and 0.25 < hints.crop < 1:
        preprocess["fit"] = "crop"
        preprocess["side"] = round(min(hints.size) / hints.crop)
    return Pins(args, preprocess)


def hinted_scale(hints: Hints, channels: int) -> Normalisation | None:
    """Return mean and deviation that a file names, for so many channels."""
    if hints.mean is None or hints.std is None or len(hints.mean) != len(hints.std):
        return None
    if len(hints.mean) not in (1, channels) or min(hints.std) <= 0:
        return None
    times = channels // len(hints.mean)
    return Normalisation("as the file says", hints.mean * times, hints.std * times)


def hinted_labels(hints: Hints, spec: ModelSpec, data: Sequence[str], answers: int) -> ModelSpec:
    """Return a spec with the names of classes that a file has, where nothing is stated of them.

    They are used when they are those of the data: then the file says in which order the model
    answers, which decides how its answers and the labels belong together.
    """
    if "labels" in spec.stated or len(hints.labels) != answers:
        return spec
    if not order_by_name(hints.labels, data):
        return spec
    labels = {"names": list(hints.labels)}
    return ModelSpec({**spec.stated, "labels": labels}, spec.name, spec.sha256)


def _stem(hints: Hints, stride: str, pool: str) -> dict[str, Any]:
    first = hints.layer("conv1")
    step = _single(first, "stride") if first is not None else None
    if step is None:
        return {}
    # Pooling layers in front of the first block: torchvision's is called maxpool.
    pooled = hints.layer("maxpool")
    return {stride: step, pool: pooled is not None and pooled.kind == "MaxPool2d"}


def _chain(hints: Hints, candidate: Candidate) -> dict[str, Any]:
    """Read activation, padding, strides and poolings of a chain of layers off a module."""
    args: dict[str, Any] = {}
    kinds = [_ACTIVATIONS[kind] for kind in hints.activations if kind in _ACTIVATIONS]
    if len(kinds) == 1 == len(hints.activations):
        args["activation"] = kinds[0]
    names = [layer["name"] for layer in candidate.args["layers"] if layer["kind"] == "conv"]
    convolutions = [hints.layer(name) for name in names]
    if not names or any(layer is None for layer in convolutions):
        return args
    known = [layer for layer in convolutions if layer is not None]
    steps = [_single(layer, "stride") for layer in known]
    if set(steps) <= {1, 2}:
        args["strided"] = [place for place, step in enumerate(steps) if step == 2]
    kept = [
        _single(layer, "padding") == (_single(layer, "kernel_size") or 0) // 2 for layer in known
    ]
    if all(kept):
        args["padding"] = "same"
    elif all(_single(layer, "padding") == 0 for layer in known):
        args["padding"] = "none"
    pools, sorts = _poolings(hints, names)
    # A network may pool by a function, which leaves no layer: then nothing is known.
    if pools:
        args["pools"] = pools
    if len(set(sorts)) == 1:
        args["pooling"] = sorts[0]
    return args


def _poolings(hints: Hints, names: Sequence[str]) -> tuple[list[int], list[str]]:
    """Return behind which convolutions a pooling by 2 stands, and of what kind."""
    places, sorts = [], []
    before = -1
    for layer in hints.layers:
        if layer.name in names:
            before = names.index(layer.name)
        elif layer.kind in _POOLINGS and before >= 0 and _single(layer, "kernel_size") == 2:
            places.append(before)
            sorts.append(_POOLINGS[layer.kind])
    return sorted(set(places)), sorts


def _single(layer: LayerHint, name: str) -> int | None:
    """Return a setting that is the same in both directions; None when it is not, or not there."""
    value = layer.settings.get(name)
    values = value if isinstance(value, tuple) else (value,)
    if values and len(set(values)) == 1 and type(values[0]) is int:
        return values[0]
    return None
