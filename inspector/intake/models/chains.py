"""Rebuilding a chain of layers from its weights: order, normalisations, and where poolings fit.

Weights show neither poolings nor padding nor activations, but two things narrow them down: numbers
in the names leave gaps where layers without weights stood (``features.0``, ``features.3``), and the
first linear layer says how large the last feature map was.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

Layer = dict[str, Any]
Shapes = Mapping[str, tuple[int, ...]]

SIDES = (32, 28, 64, 24, 36, 40, 48, 16, 20, 96, 112, 128, 160, 192, 224, 256)
"""Sizes of images that networks are commonly made for, the likelier ones first."""

_MAX_LAYERS = 64


def read_chain(shapes: Shapes) -> list[Layer] | None:
    """Put the layers of a chain in order, or return None when the weights are no chain.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        In the order of the file, which is used where the names have no order of their own.

    Returns
    -------
    list of dict
        As `LayerChain` takes them.
    """
    layers: list[Layer] = []
    norms: dict[str, int] = {}
    taken: set[str] = set()
    for key, shape in shapes.items():
        name = key.rpartition(".")[0]
        if not key.endswith(".weight") or not name:
            continue
        if len(shape) == 4 and shape[2] == shape[3]:
            layers.append(_layer("conv", name, shape, shapes))
        elif len(shape) == 2:
            layers.append(_layer("linear", name, shape, shapes))
        elif len(shape) == 1 and shapes.get(f"{name}.running_mean") == shape:
            norms[name] = shape[0]
            taken |= {f"{name}.{part}" for part in ("running_mean", "running_var")}
            taken.add(f"{name}.num_batches_tracked")
        else:
            return None
        taken |= {key, f"{name}.bias"}
    if not layers or len(layers) > _MAX_LAYERS or not set(shapes) <= taken:
        return None
    for order in (layers, sorted(layers, key=lambda layer: _natural(layer["name"]))):
        # sorted is stable: convolutions come before linear layers in every network that flattens.
        chain = sorted(order, key=lambda layer: str(layer["kind"]))
        if _joins(chain):
            return chain if _attach(chain, norms) else None
    return None


def _layer(kind: str, name: str, shape: tuple[int, ...], shapes: Shapes) -> Layer:
    layer: Layer = {"kind": kind, "name": name, "inputs": shape[1], "outputs": shape[0]}
    if kind == "conv":
        layer["kernel"] = shape[2]
    return layer | {"bias": f"{name}.bias" in shapes, "norm": ""}


def _natural(name: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", name)
    return [(1, int(part[:9]), "") if part.isdigit() else (0, 0, part) for part in parts]


def _joins(chain: Sequence[Layer]) -> bool:
    for before, after in pairwise(chain):
        if before["kind"] == after["kind"]:
            if after["inputs"] != before["outputs"]:
                return False
        elif not before["outputs"] or after["inputs"] % before["outputs"]:
            return False
    return chain[-1]["kind"] == "linear"


def _attach(chain: Sequence[Layer], norms: Mapping[str, int]) -> bool:
    """Give every normalisation to the layer that it follows: by index, number, folder, order."""
    left = sorted(norms, key=_natural)
    rules: tuple[Callable[[str, str], bool], ...] = (
        lambda norm, name: _together(norm, name) and _index(norm) - _index(name) == 1,
        lambda norm, name: _together(norm, name) and _index(norm) - _index(name) == 2,
        lambda norm, name: re.findall(r"\d+", norm) == re.findall(r"\d+", name) != [],
        lambda norm, name: "." in norm and _together(norm, name),
        lambda norm, name: True,
    )
    for rule in rules:
        for norm in list(left):
            fits = (
                layer
                for layer in chain
                if not layer["norm"]
                and layer["outputs"] == norms[norm]
                and rule(norm, layer["name"])
            )
            layer = next(fits, None)
            if layer is not None:
                layer["norm"] = norm
                left.remove(norm)
    return not left


def _together(one: str, other: str) -> bool:
    return one.rpartition(".")[0] == other.rpartition(".")[0]


def _index(name: str) -> float:
    last = name.rpartition(".")[2]
    return int(last) if last.isdigit() and len(last) < 6 else math.nan


def geometries(layers: Sequence[Layer], image: tuple[int, int] | None) -> list[dict[str, Any]]:
    """List the ways in which pooling and padding lead to the size that the linear layer wants.

    Parameters
    ----------
    layers : sequence of dict
        From `read_chain`.
    image : (int, int) or None
        Height and width of the images, when they all have one size. Ways that fit it come alone.

    Returns
    -------
    list of dict
        Arguments of `LayerChain` (``pools``, ``strided``, ``padding``, ``pooled``) and ``size``,
        the (height, width) that they fit; the likelier ones first, at most 12.
    """
    convolutions = [layer for layer in layers if layer["kind"] == "conv"]
    if not convolutions:
        return _flat(layers[0]["inputs"], image)
    wanted = layers[len(convolutions)]["inputs"] // convolutions[-1]["outputs"]
    ways = list(_ways(layers, len(convolutions)))
    for sizes in ([image] if image else [], [(side, side) for side in SIDES]):
        found = [
            way | {"pooled": int(wanted == 1), "size": list(size)}
            for way in ways
            for size in sizes
            if _fits([_left(side, convolutions, way) for side in size], wanted)
        ]
        if found:
            return found[:12]
    side = math.isqrt(wanted)
    if side * side != wanted:
        return []
    # No pooling fits: the map is then averaged to that size, as torchvision's VGG does.
    return [ways[0] | {"pooled": side, "size": list(image or (SIDES[0], SIDES[0]))}]


def _fits(left: Sequence[int], wanted: int) -> bool:
    return min(left) >= 1 and wanted in (1, math.prod(left))


def _flat(inputs: int, image: tuple[int, int] | None) -> list[dict[str, Any]]:
    sides = [math.isqrt(inputs // channels) for channels in (1, 3) if inputs % channels == 0]
    sizes = [image] if image else [(side, side) for side in sides]
    fitting = [size for size in sizes if inputs in (size[0] * size[1], 3 * size[0] * size[1])]
    return [{"size": list(size)} for size in fitting]


def chain_channels(layers: Sequence[Layer], size: Sequence[int]) -> int:
    """Return the channels of the image that a chain takes: 1 or 3 for one without convolutions."""
    if layers[0]["kind"] == "conv":
        return int(layers[0]["inputs"])
    return int(layers[0]["inputs"]) // (size[0] * size[1])


def _ways(layers: Sequence[Layer], count: int) -> Iterator[dict[str, Any]]:
    kernels = {layer["kernel"] for layer in layers[:count]}
    paddings = ["same", "none", "first"] if kernels != {1} and count > 1 else ["same", "none"]
    seen = set()
    for strided in (False, True):
        # Strides take no place of their own, so gaps between names say nothing about them.
        for places in _everywhere(count) if strided else _places(layers, count):
            for padding in paddings:
                key = (strided, tuple(places), padding)
                if key in seen or (strided and not places):
                    continue
                seen.add(key)
                yield {
                    "pools": [] if strided else list(places),
                    "strided": list(places) if strided else [],
                    "padding": padding,
                }


def _places(layers: Sequence[Layer], count: int) -> list[list[int]]:
    """List likely sets of layers with a pooling behind, out of the gaps that the names leave."""
    slots = [_slots(layers[number], layers[number + 1]) for number in range(count - 1)]
    if not any(free is not None for free in slots):
        return _everywhere(count)
    open_places = [number for number, free in enumerate(slots) if free is None or free >= 1]
    wider = [number for number, free in enumerate(slots) if free is not None and free >= 2]
    narrow = [number for number in open_places if number not in wider]
    # The same convolution widths with different gaps: only the wider gaps hold a pooling.
    inner = [open_places, wider, narrow, []]
    return [places + tail for places in inner for tail in ([count - 1], [])]


def _everywhere(count: int) -> list[list[int]]:
    every = list(range(count))
    return [every, every[:-1], every[1::2], every[-1:], every[::2], every[1:], []]


def _slots(layer: Layer, following: Layer) -> int | None:
    """Count the places between two layers that an activation leaves free; None if unknown."""
    before = layer["norm"] or layer["name"]
    if not _together(before, following["name"]):
        return None
    gap = _index(following["name"]) - _index(before) - 1
    if math.isnan(gap) or gap < 0:
        return None
    activated = layer["norm"] and _index(layer["norm"]) - _index(layer["name"]) == 2
    return int(gap) if activated else max(0, int(gap) - 1)


def _left(side: int, convolutions: Sequence[Layer], way: Mapping[str, Any]) -> int:
    for number, layer in enumerate(convolutions):
        kept = way["padding"] == "same" or (way["padding"] == "first" and number == 0)
        step = 2 if number in way["strided"] else 1
        side = (side + 2 * (layer["kernel"] // 2 if kept else 0) - layer["kernel"]) // step + 1
        if number in way["pools"]:
            side //= 2
        if side < 1:
            return 0
    return side


def norm_orders(layers: Sequence[Layer]) -> list[str]:
    """List where the activation can stand, before or after the normalisation, by the names."""
    gaps = {
        _index(layer["norm"]) - _index(layer["name"])
        for layer in layers
        if layer["norm"] and _together(layer["norm"], layer["name"])
    }
    gaps = {gap for gap in gaps if not math.isnan(gap)}
    if gaps == {1.0}:
        return ["norm-act"]
    if gaps == {2.0}:
        return ["act-norm"]
    return ["norm-act", "act-norm"] if any(layer["norm"] for layer in layers) else ["norm-act"]
