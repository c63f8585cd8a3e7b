"""Hints out of the JSON files beside a model: transformers' and timm's configurations."""

from __future__ import annotations

import math
from typing import Any

from inspector.intake.models.contents import visible
from inspector.intake.models.hints import Hints
from inspector.intake.models.inert_hints import MAX_CLASSES, names_of_classes

# Pillow's numbers for filters, as image processors write them.
_FILTERS = {0: "nearest", 2: "bilinear", 3: "bicubic"}


def hints_of_config(config: Any, processor: Any) -> Hints:
    """Read what ``config.json`` and ``preprocessor_config.json`` say.

    Parameters
    ----------
    config, processor : object
        Decoded JSON, or None where the file is missing; of any shape, since strangers wrote it.
    """
    config = config if type(config) is dict else {}
    processor = processor if type(processor) is dict else {}
    pretrained = config.get("pretrained_cfg")
    pretrained = pretrained if type(pretrained) is dict else {}
    sources = [
        name
        for name, found in (("config.json", config), ("preprocessor_config.json", processor))
        if found
    ]
    if not sources:
        return Hints()
    labels = names_of_classes(config.get("id2label") or config.get("label_names"))
    mean, std = _normalisation(processor) or _timm_normalisation(pretrained) or (None, None)
    input_size = pretrained.get("input_size")
    channels = config.get("num_channels", input_size[0] if type(input_size) is list else None)
    return Hints(
        source=" and ".join(sources),
        architecture=_architecture(config),
        num_classes=_count(config.get("num_classes"), MAX_CLASSES)
        or _count(config.get("num_labels"), MAX_CLASSES)
        or len(labels)
        or None,
        in_channels=_count(channels, 4096),
        mean=mean,
        std=std,
        size=_size(processor.get("crop_size"))
        or _size(processor.get("size"))
        or _size(input_size)
        or _size(config.get("image_size")),
        interpolation=_interpolation(processor, pretrained),
        crop=_crop(processor, pretrained),
        labels=labels,
    )


def _architecture(config: dict[str, Any]) -> str:
    for key in ("architecture", "architectures", "model_type"):
        value = config.get(key)
        value = value[0] if type(value) is list and value else value
        if type(value) is str and value:
            return visible(value, 160)
    return ""


def _count(value: Any, limit: int) -> int | None:
    return value if type(value) is int and 0 < value <= limit else None


def _floats(value: Any) -> tuple[float, ...] | None:
    if type(value) is not list or len(value) not in (1, 3):
        return None
    if not all(type(part) in (int, float) and math.isfinite(part) for part in value):
        return None
    return tuple(float(part) for part in value)


def _normalisation(processor: dict[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return mean and standard deviation for pixel values between 0 and 1."""
    mean, std = _floats(processor.get("image_mean")), _floats(processor.get("image_std"))
    if processor.get("do_normalize") is False:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if mean is None or std is None or len(mean) != len(std) or min(std) <= 0:
        return None
    factor = processor.get("rescale_factor", 1 / 255)
    if processor.get("do_rescale") is False:
        factor = 1.0
    if type(factor) not in (int, float) or not math.isfinite(factor) or factor <= 0:
        return None
    # Other programs scale to other ranges first; in ours pixels go from 0 to 1.
    stretch = 255 * factor
    return tuple(part / stretch for part in mean), tuple(part / stretch for part in std)


def _timm_normalisation(
    pretrained: dict[str, Any],
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    mean, std = _floats(pretrained.get("mean")), _floats(pretrained.get("std"))
    if mean is None or std is None or len(mean) != len(std) or min(std) <= 0:
        return None
    return mean, std


def _size(value: Any) -> tuple[int, int] | None:
    if type(value) is dict:
        side = value.get("shortest_edge")
        value = [value.get("height", side), value.get("width", side)]
    if type(value) is int:
        value = [value, value]
    if type(value) is list and len(value) == 3:
        value = value[1:]  # channels stand first
    if type(value) is not list or len(value) != 2:
        return None
    if not all(type(side) is int and 4 <= side <= 4096 for side in value):
        return None
    return value[0], value[1]


def _interpolation(processor: dict[str, Any], pretrained: dict[str, Any]) -> str:
    resample = processor.get("resample")
    found = _FILTERS.get(resample, "") if type(resample) is int else ""
    named = pretrained.get("interpolation")
    return found or (named if type(named) is str and named in _FILTERS.values() else "")


def _crop(processor: dict[str, Any], pretrained: dict[str, Any]) -> float | None:
    for value in (processor.get("crop_pct"), pretrained.get("crop_pct")):
        if isinstance(value, (int, float)) and 0.3 <= value <= 1.0:
            return float(value)
    return None
