"""Draw a sweep of drills: attack success and detectability over size, opacity and rate, as a PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from inspector.errors import BadInput

_CELL, _LEFT, _TOP, _GAP = (76, 34), 84, 84, 36
_INK, _FAINT = (30, 30, 30), (110, 110, 110)
# Ends and middle of a colour scale that stays apart for the colour-blind (after Crameri 2018).
_SCALE = np.array([[250, 250, 245], [120, 170, 205], [20, 60, 120]], float)
_MEASURES = (("success", "attack success", 0.0), ("auroc", "AUROC of planted samples", 0.5))


def draw_drills(drills: Sequence[Mapping[str, Any]]) -> Image.Image:
    """Return two rows of panels, success above detectability, one column for each poison rate.

    Parameters
    ----------
    drills : sequence of mapping
        Those of a drill document. Every panel has trigger sizes to the right and opacities upwards;
        the number in a cell is what its colour shows. Panels differ in rate, learning rate and
        architecture.

    Raises
    ------
    BadInput
        There is nothing to draw.
    """
    if not drills:
        raise BadInput("There is nothing to draw.", "No drill was finished.")
    panels: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for drill in drills:
        own = drill["settings"]
        key = (own["architecture"], own["learning_rate"], own["rate"])
        panels.setdefault(key, []).append(drill)
    sizes = _ordered(drill["settings"]["size"] for drill in drills)
    opacities = _ordered(drill["settings"]["opacity"] for drill in drills)
    across, down = max(_CELL[0] * len(sizes), 170), _CELL[1] * len(opacities)
    width = _LEFT + len(panels) * (across + _GAP)
    height = 2 * (_TOP + down) + 40
    picture = Image.new("RGB", (max(width, 460), height), (255, 255, 255))
    pen = ImageDraw.Draw(picture)
    names = ", ".join(sorted({str(drill["attack"]) for drill in drills}))
    _write(pen, (_LEFT, 10), f"Drill: {names}", 17, _INK)
    for row, (name, title, low) in enumerate(_MEASURES):
        top = _TOP + row * (down + _TOP)
        _write(pen, (_LEFT, top - 42), title, 14, _INK)
        for line, opacity in enumerate(reversed(opacities)):
            said = "own" if opacity is None else f"{opacity:g}"
            at = top + line * _CELL[1] + 9
            _write(pen, (8, at), f"opacity {said}", 12, _FAINT)
        for column, (key, members) in enumerate(panels.items()):
            left = _LEFT + column * (across + _GAP)
            _write(pen, (left, top - 22), _heading(key, panels), 12, _FAINT)
            for drill in members:
                own = drill["settings"]
                x = left + sizes.index(own["size"]) * _CELL[0]
                y = top + (len(opacities) - 1 - opacities.index(own["opacity"])) * _CELL[1]
                _cell(pen, x, y, drill[name], low)
            for place, size in enumerate(sizes):
                said = "no size" if size is None else f"{size} px"
                _write(pen, (left + place * _CELL[0] + 6, top + down + 4), said, 12, _FAINT)
    return picture


def write_drill_plot(drills: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw a sweep into a PNG file; see `draw_drills`.

    Raises
    ------
    BadInput
        There is nothing to draw, or the file cannot be written.
    """
    picture = draw_drills(drills)
    try:
        picture.save(path, format="PNG")
    except OSError as error:
        raise BadInput(
            f"{path} cannot be written.", f"{error.strerror or error}.", "Give another --plot."
        ) from None


def _ordered(values: Any) -> list[Any]:
    return sorted(set(values), key=lambda value: (value is not None, value or 0))


def _heading(key: tuple[Any, ...], panels: Mapping[tuple[Any, ...], Any]) -> str:
    """Name a panel by what differs."""
    architecture, step, rate = key
    parts = [f"rate {rate:.2%}"]
    if len({other[1] for other in panels}) > 1:
        parts.append(f"step {step:g}")
    if len({other[0] for other in panels}) > 1:
        parts.insert(0, str(architecture))
    return ", ".join(parts)


def _cell(pen: ImageDraw.ImageDraw, x: int, y: int, value: float | None, low: float) -> None:
    box = (x, y, x + _CELL[0] - 3, y + _CELL[1] - 3)
    if value is None:
        pen.rectangle(box, outline=_FAINT)
        return
    colour = _colour((value - low) / (1 - low))
    pen.rectangle(box, fill=(int(colour[0]), int(colour[1]), int(colour[2])))
    ink = (255, 255, 255) if colour.mean() < 140 else _INK
    _write(pen, (x + 18, y + 7), f"{value:.2f}", 14, ink)


def _colour(share: float) -> NDArray[np.float64]:
    at = float(np.clip(share, 0, 1)) * (len(_SCALE) - 1)
    low = min(int(at), len(_SCALE) - 2)
    mixed: NDArray[np.float64] = _SCALE[low] + (at - low) * (_SCALE[low + 1] - _SCALE[low])
    return mixed


def _write(
    pen: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    size: int,
    ink: tuple[int, int, int],
) -> None:
    pen.text(at, text, fill=ink, font=ImageFont.load_default(size))
