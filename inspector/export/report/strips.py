"""A strip of dots: how far each of many networks deviates, and from where on that counts."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

_WIDTH, _HEIGHT, _SCALE = 340, 22, 18
"""Of a strip, and the height of its scale, in pixels of the page."""
_FINE, _OVER = 2, 4
"""Pixels of the picture for each of the page; and how much larger it is drawn, to be smoothed."""
_MARGIN = 8
_GOLDEN = 0.618034
_PAPER, _ZERO, _DOT, _OWN, _LINE, _TEXT = (
    *("#ffffff", "#d8dce1", "#7d9cc0", "#1d2126", "#c4680a", "#4a525b"),
)

Axis = tuple[float, float]


def axis_of(beside: Sequence[Mapping[str, Any]]) -> Axis:
    """Return the ends that the strips of one method have in common.

    Parameters
    ----------
    beside : sequence of mapping
        ``shadows`` of the rows that were compared, see `beside_of`.
    """
    values = [0.0]
    for one in beside:
        values += [one["deviation"], *(one.get("others") or ())]
        values += [] if one["threshold"] is None else [one["threshold"]]
    low, high = min(values), max(values)
    room = 0.04 * (high - low) or 0.1
    return round(low - room, 4), round(high + room, 4)


def strip_picture(beside: Mapping[str, Any], axis: Axis, words: str) -> dict[str, Any]:
    """Draw one class: the shadows as dots, the network as a diamond, the threshold as a line.

    Returns
    -------
    dict
        As of `as_picture`; the PNG is twice as fine as its width and height say.
    """
    image, draw = _sheet(_HEIGHT)
    unit, tall = _FINE * _OVER, _HEIGHT * _FINE * _OVER
    middle = tall / 2
    draw.line([(_at(0.0, axis), 0), (_at(0.0, axis), tall)], _ZERO, unit)
    draw.line([(_at(axis[0], axis), middle), (_at(axis[1], axis), middle)], _ZERO, unit)
    for at, value in enumerate(beside.get("others") or ()):
        # Beside one another where they would lie on one another.
        away = ((at * _GOLDEN) % 1 - 0.5) * 0.55 * tall
        _dot(draw, _at(value, axis), middle + away, 2.3 * unit, _DOT)
    if beside["threshold"] is not None:
        place = _at(beside["threshold"], axis)
        draw.line([(place, 0), (place, tall)], _LINE, 2 * unit)
    x, side = _at(beside["deviation"], axis), 5.5 * unit
    diamond = [(x - side, middle), (x, middle - side), (x + side, middle), (x, middle + side)]
    draw.polygon(diamond, _OWN, _PAPER, unit)
    return _finished(image, words)


def scale_picture(axis: Axis, words: str) -> dict[str, Any]:
    """Draw the numbers that belong below the strips."""
    image, draw = _sheet(_SCALE)
    unit = _FINE * _OVER
    font = ImageFont.load_default(10 * unit)
    for value in ticks(axis):
        x = _at(value, axis)
        draw.line([(x, 0), (x, 3 * unit)], _TEXT, unit)
        draw.text((x, 4 * unit), f"{value:g}", _TEXT, font, anchor="ma")
    return _finished(image, words)


def ticks(axis: Axis, most: int = 6) -> list[float]:
    """Return round numbers within the ends, so many at most."""
    span = axis[1] - axis[0]
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * by for by in (1, 2, 5, 10, 20) if span / (power * by) <= most - 1)
    first, last = math.ceil(axis[0] / step), math.floor(axis[1] / step)
    return [round(at * step, 10) for at in range(first, last + 1)]


def _at(value: float, axis: Axis) -> float:
    share = (value - axis[0]) / (axis[1] - axis[0])
    return (_MARGIN + min(max(share, 0.0), 1.0) * (_WIDTH - 2 * _MARGIN)) * _FINE * _OVER


def _sheet(height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (_WIDTH * _FINE * _OVER, height * _FINE * _OVER), _PAPER)
    return image, ImageDraw.Draw(image)


def _dot(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: str) -> None:
    draw.ellipse([x - radius, y - radius, x + radius, y + radius], colour)


def _finished(image: Image.Image, words: str) -> dict[str, Any]:
    small = image.reduce(_OVER).quantize(32, dither=Image.Dither.NONE)
    file = io.BytesIO()
    small.save(file, "PNG", optimize=True)
    return {
        "alt": words,
        "width": small.width // _FINE,
        "height": small.height // _FINE,
        "png": base64.b64encode(file.getvalue()).decode("ascii"),
    }
