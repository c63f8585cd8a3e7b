"""What weights leave open: the choices between which only measuring decides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from inspector.intake.models.candidates import Candidate
from inspector.intake.models.chains import chain_channels, geometries, norm_orders
from inspector.intake.models.networks.layer_chain import ACTIVATIONS
from inspector.intake.models.normalisations import Normalisation
from inspector.intake.models.preprocess import Preprocess
from inspector.intake.models.timm_models import timm_side

_LARGEST_NATIVE = 512
_REFINED = ("activation", "pooling", "order")
_SMALLEST_CROPPED = 96
_FIXED_SIZE = ("vit_", "maxvit_")

Size = tuple[int, int]


@dataclass(frozen=True)
class Setting:
    """One way to run the network on the data.

    Attributes
    ----------
    candidate : Candidate
        The network with its arguments.
    preprocess : Preprocess
        How images reach it.
    choices : tuple of (str, str)
        What was chosen, for people: ("normalisation", "CIFAR-10") and so on.
    """

    candidate: Candidate
    preprocess: Preprocess
    choices: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    def changed(
        self, name: str, text: str, args: dict[str, Any] | None = None, **preprocess: Any
    ) -> Setting:
        """Return a copy with one choice made differently."""
        candidate = self.candidate
        if args:
            candidate = replace(candidate, args={**candidate.args, **args})
        choices = (*(pair for pair in self.choices if pair[0] != name), (name, text))
        return Setting(candidate, replace(self.preprocess, **preprocess), choices)

    def scaled(self, scale: Normalisation) -> Setting:
        """Return a copy with other scaling of pixel values."""
        return self.changed(
            "normalisation", scale.name, mean=scale.mean, std=scale.std, scale=scale.scale
        )


def starting_points(
    candidate: Candidate, image: Size | None, wanted: Size | None = None
) -> list[Setting]:
    """List the networks and input sizes to begin with, the likelier ones first.

    Parameters
    ----------
    candidate : Candidate
        From `recognise`.
    image : (int, int) or None
        Height and width of the images, when all have one size.
    wanted : (int, int), optional
        The size of the network's input, where it is given.
    """
    mode = "L" if candidate.in_channels == 1 else "RGB"
    count = candidate.in_channels
    plain = Preprocess(mode, (32, 32), (0.0,) * count, (1.0,) * count)
    if candidate.network == "chain":
        return _chain_points(candidate, wanted or image, plain)
    points = []
    for size, fit in _sizes(candidate, image, wanted):
        setting = Setting(candidate, replace(plain, size=size, fit=fit))
        text = f"{size[0]}×{size[1]}" + ("" if size == image else f", {fit}")
        setting = setting.changed("size", text)
        stems = _stems(candidate, size)
        points += [setting.changed("stem", text, args) for text, args in stems] or [setting]
    return points


def _chain_points(candidate: Candidate, image: Size | None, plain: Preprocess) -> list[Setting]:
    points = []
    for way in geometries(candidate.args["layers"], image):
        size = (way["size"][0], way["size"][1])
        channels = chain_channels(candidate.args["layers"], size)
        if channels not in (1, 3):
            continue
        way = way | {"in_channels": channels}
        preprocess = replace(
            plain,
            mode="L" if channels == 1 else "RGB",
            size=size,
            mean=(0.0,) * channels,
            std=(1.0,) * channels,
        )
        setting = Setting(candidate, preprocess)
        points.append(setting.changed("layout", _layout(way), way))
    return points


def _layout(way: dict[str, Any]) -> str:
    if "padding" not in way:
        return "no convolutions"
    places = way["strided"] or way["pools"]
    kind = "stride 2 in" if way["strided"] else "pooling after"
    where = ", ".join(str(place + 1) for place in places) or "none"
    padding = {"same": "padded", "none": "not padded", "first": "first padded"}[way["padding"]]
    return f"{kind} convolution {where}, {padding}"


def _sizes(candidate: Candidate, image: Size | None, wanted: Size | None) -> list[tuple[Size, str]]:
    if wanted is not None:
        return [(wanted, "stretch" if image == wanted or max(wanted) <= 96 else "crop")]
    native = [(image, "stretch")] if image and max(image) <= _LARGEST_NATIVE else []
    if candidate.family in ("builtin", "plugin"):
        sides = (32, 64) if image and native else (32, 64, 224)
        others = [((side, side), "stretch") for side in sides]
        if image and native:
            # A network for small images takes any size, so smaller ones are worth a look only when
            # the images are clearly larger. What a plugin's network takes is not known.
            larger = candidate.family == "plugin"
            others = [pair for pair in others if larger or pair[0][0] * 1.5 < min(image)]
        return native + [pair for pair in others if pair[0] != image]
    side = _usual_side(candidate)
    usual: list[tuple[Size, str]] = [((side, side), "crop"), ((side, side), "stretch")]
    if image and image[0] == image[1]:
        # Cropping the middle of a picture that is enlarged anyway would throw its border away.
        usual = usual[::-1] if image[0] > side else usual[1:]
    if candidate.name.startswith(_FIXED_SIZE):
        return usual
    return native + [pair for pair in usual if pair[0] != image]


def _usual_side(candidate: Candidate) -> int:
    """Return the side of the images that a large network is usually trained on."""
    if candidate.family == "timm":
        return timm_side(candidate.name)
    return int(candidate.args.get("image_size", 299 if candidate.name == "inception_v3" else 224))


def fits(setting: Setting) -> list[Setting]:
    """List the ways in which large images are commonly brought to the network's size.

    The present one comes first: with images that labels cannot tell apart it stays.
    """
    size = setting.preprocess.size
    if min(size) < _SMALLEST_CROPPED:
        return [setting]
    side, small = round(min(size) * 8 / 7), min(size)
    ways: list[tuple[str, dict[str, Any]]] = [
        (f"{side}, middle {size[0]}×{size[1]}", {"fit": "crop", "side": 0}),
        (f"{small}, middle {size[0]}×{size[1]}", {"fit": "crop", "side": small}),
        (f"{size[0]}×{size[1]}", {"fit": "stretch", "side": 0}),
        (f"{side}×{side}, middle {size[0]}×{size[1]}", {"fit": "stretch-crop", "side": 0}),
    ]
    return [setting, *(setting.changed("size", text, **way) for text, way in ways)]


def _stems(candidate: Candidate, size: Size) -> list[tuple[str, dict[str, Any]]]:
    """List what can stand between the image and the first residual block."""
    large = ("stride 2, pooling", 2, True)
    small = [("stride 1, no pooling", 1, False), ("stride 1, pooling", 1, True)]
    small.append(("stride 2, no pooling", 2, False))
    if candidate.network == "resnet":
        if len(candidate.args["blocks"]) == 3:
            return []
        order = [*small, large] if candidate.args["kernel"] < 7 else [large, *small]
        return [(text, {"stride": stride, "pool": pool}) for text, stride, pool in order]
    if candidate.family == "torchvision" and re.match(r"(wide_)?resne", candidate.name):
        # Users who train torchvision's ResNets on small images take the early reduction out.
        order = [large, *small] if max(size) <= 96 else [large]
        return [(text, {"stem_stride": stride, "stem_pool": pool}) for text, stride, pool in order]
    return []


def carried(point: Setting, best: Setting) -> Setting:
    """Return a starting point with everything else as in the best setting so far."""
    args = {key: best.candidate.args[key] for key in _REFINED if key in best.candidate.args}
    kept = best.preprocess
    preprocess = replace(
        point.preprocess, mode=kept.mode, mean=kept.mean, std=kept.std, scale=kept.scale
    )
    if preprocess.channels != len(kept.mean):
        return point
    own = {name for name, _ in point.choices}
    choices = point.choices + tuple(pair for pair in best.choices if pair[0] not in own)
    candidate = replace(point.candidate, args={**point.candidate.args, **args})
    return Setting(candidate, preprocess, choices)


def refinements(setting: Setting) -> list[list[Setting]]:
    """List the remaining choices about the network, one list of alternatives per choice."""
    candidate = setting.candidate
    lists: list[list[Setting]] = []
    if candidate.network == "chain":
        layers: Sequence[Any] = candidate.args["layers"]
        lists.append(_alternatives(setting, "activation", list(ACTIVATIONS)))
        if candidate.args.get("pools"):
            lists.append(_alternatives(setting, "pooling", ["max", "avg"]))
        lists.append(_alternatives(setting, "order", norm_orders(layers)))
    elif len(candidate.args.get("head", ())) > 1 and candidate.family == "torchvision":
        lists.append(_alternatives(setting, "activation", list(ACTIVATIONS)))
    return [alternatives for alternatives in lists if len(alternatives) > 1]


def _alternatives(setting: Setting, name: str, values: list[str]) -> list[Setting]:
    unit = f" {name}" if name == "pooling" else ""
    return [setting.changed(name, value + unit, {name: value}) for value in values]
