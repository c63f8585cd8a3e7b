"""Every key of a model spec with what its value must be; a check returns the value it takes."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

FAMILIES = ("builtin", "torchvision", "timm", "plugin")
CONTAINERS = ("auto", "state_dict", "pickled-module", "torchscript-weights", "safetensors")
RESIZES = ("none", "shorter-side", "exact")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic")
CROPS = ("none", "center")
OUTPUTS = ("logits", "probabilities", "log-probabilities")
ORIENTATIONS = ("ignore", "exif")

_LONGEST = 512
_MOST_NAMES = 100_000
_LARGEST_SIDE = 4096
_HEX = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")

Check = Callable[[Any], Any]
"""Takes a value; returns it in its plain form or raises ValueError with what it must be."""


def nearest_key(key: str, known: Iterable[str]) -> str | None:
    """Return the known key that is most like one, None when none is."""
    near = difflib.get_close_matches(key.lower(), list(known), 1, 0.5)
    return near[0] if near else None


def _text(value: Any) -> str:
    if isinstance(value, str) and len(value) <= _LONGEST and all(c >= " " for c in value):
        return value
    raise ValueError(f"one line of text of at most {_LONGEST} characters")


def _filled(value: Any) -> str:
    if _text(value).strip():
        return str(value)
    raise ValueError("text that is not empty")


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("true or false")


def _count(value: Any) -> int:
    if type(value) is int and 1 <= value <= 1 << 20:
        return value
    raise ValueError("a whole number from 1 on")


def _side(value: Any) -> int:
    if type(value) is int and 1 <= value <= _LARGEST_SIDE:
        return value
    raise ValueError(f"a number of pixels from 1 to {_LARGEST_SIDE}")


def _number(value: Any) -> float:
    if type(value) in (int, float) and math.isfinite(value) and abs(value) < 1e9:
        return float(value)
    raise ValueError("a number")


def _positive(value: Any) -> float:
    if type(value) in (int, float) and 1e-9 < value < 1e9:
        return float(value)
    raise ValueError("a number above 0")


def _choice(*choices: str) -> Check:
    def check(value: Any) -> str:
        if value in choices and isinstance(value, str):
            return value
        raise ValueError(f"one of {', '.join(choices)}")

    return check


def _list(of: Check, most: int, *, counts: tuple[int, ...] = ()) -> Check:
    def check(value: Any) -> list[Any]:
        wanted = f"{' or '.join(map(str, counts))} values" if counts else f"at most {most} values"
        if not isinstance(value, (list, tuple)) or len(value) > most:
            raise ValueError(f"a list of {wanted}")
        if counts and len(value) not in counts:
            raise ValueError(f"a list of {wanted}")
        return [of(item) for item in value]

    return check


def _relative(value: Any) -> str:
    """Take the path of a file below the folder that the spec lies in."""
    path = PurePosixPath(_filled(value))
    if path.is_absolute() or ".." in path.parts or "\\" in value or "\0" in value or ":" in value:
        raise ValueError('the path of a file beside the spec, relative and without ".."')
    return str(path)


def _digest(value: Any) -> str:
    if isinstance(value, str) and _HEX.fullmatch(value.lower()):
        return value.lower()
    raise ValueError("64 hexadecimal digits")


def _scalars(value: Any) -> dict[str, Any]:
    """Take arguments for a builder: names with numbers, text, true or false."""
    if not isinstance(value, Mapping) or len(value) > 64:
        raise ValueError("a table of at most 64 arguments")
    for key, argument in value.items():
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise ValueError("a table whose keys are names of arguments")
        if type(argument) not in (str, int, float, bool):
            raise ValueError(f"a table of numbers, text, true or false; {key} is none of them")
        if isinstance(argument, str):
            _text(argument)
        elif not isinstance(argument, bool):
            _number(argument)
    return dict(value)


def _label_map(value: Any) -> dict[str, int]:
    if not isinstance(value, Mapping) or len(value) > _MOST_NAMES:
        raise ValueError("a table from classes of the data to numbers of the model's answers")
    for key, index in value.items():
        if not isinstance(key, str) or type(index) is not int or not 0 <= index < 1 << 20:
            raise ValueError("a table like { cat = 3 }: class of the data = number of the answer")
    return dict(value)


SECTIONS: dict[str, dict[str, Check]] = {
    "weights": {
        "file": _relative,
        "sha256": _digest,
        "container": _choice(*CONTAINERS),
        "select": _text,
        "strip_prefix": _list(_filled, 16),
        "ignore": _list(_filled, 256),
        "strict": _flag,
    },
    "architecture": {
        "family": _choice(*FAMILIES),
        "name": _filled,
        "num_classes": _count,
        "in_channels": _count,
        "args": _scalars,
    },
    "preprocess": {
        "mode": _choice("RGB", "BGR", "L"),
        "size": _list(_side, 2, counts=(2,)),
        "resize": _choice(*RESIZES),
        "resize_to": _side,
        "interpolation": _choice(*INTERPOLATIONS),
        "antialias": _flag,
        "crop": _choice(*CROPS),
        "scale": _positive,
        "mean": _list(_number, 3, counts=(1, 3)),
        "std": _list(_positive, 3, counts=(1, 3)),
        "normalize_inside_model": _flag,
        "orientation": _choice(*ORIENTATIONS),
    },
    "labels": {
        "names": _list(_text, _MOST_NAMES),
        "file": _relative,
        "map": _label_map,
    },
    "output": {"kind": _choice(*OUTPUTS)},
    "features": {"layer": _filled},
}
"""Sections of a spec; every key is optional."""
