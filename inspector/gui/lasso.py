"""Which points a drawn outline holds: a quick answer while drawing, the exact one at its end."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QImage, QPainter, QPen, QPolygonF

from inspector.gui.selection import Mode

STEP = 2.0
"""Pixels that the mouse must move before the stroke gets another corner."""
CORNERS = 256
"""Most corners of a finished stroke."""


class Stroke:
    """An outline in the making, in pixels of the canvas.

    Parameters
    ----------
    start : QPointF
        Where the button went down.
    box : bool
        A rectangle from there to the mouse; else the free path of the mouse.
    """

    def __init__(self, start: QPointF, box: bool) -> None:
        self._corners = [start]
        self._end = start
        self._box = box

    def extend(self, to: QPointF) -> bool:
        """Follow the mouse; False when it did not move far enough to matter."""
        step = to - self._end
        if abs(step.x()) + abs(step.y()) < STEP:
            return False
        self._end = to
        if not self._box:
            self._corners.append(to)
        return True

    @property
    def outline(self) -> NDArray[np.float64]:
        """Corners, shape (k, 2); of a long stroke every so many-th, at most `CORNERS`."""
        if self._box:
            a, b = self._corners[0], self._end
            return np.array([[a.x(), a.y()], [b.x(), a.y()], [b.x(), b.y()], [a.x(), b.y()]], float)
        corners = np.array([[corner.x(), corner.y()] for corner in self._corners], float)
        if len(corners) <= CORNERS:
            return corners
        return corners[np.linspace(0, len(corners) - 1, CORNERS).round().astype(int)]

    @property
    def polygon(self) -> QPolygonF:
        """The outline for painting."""
        return QPolygonF([QPointF(x, y) for x, y in self.outline])

    @property
    def is_click(self) -> bool:
        """Whether the mouse hardly moved, so that a point is meant and not an area."""
        span = np.ptp(self.outline, axis=0)
        return bool(span.max() < 4)


def mode_of(modifiers: Qt.KeyboardModifier) -> Mode:
    """Return what Shift (add), Alt (remove) and Ctrl (keep common) make of a gesture."""
    if modifiers & Qt.KeyboardModifier.ShiftModifier:
        return "add"
    if modifiers & Qt.KeyboardModifier.AltModifier:
        return "remove"
    if modifiers & Qt.KeyboardModifier.ControlModifier:
        return "intersect"
    return "new"


def roughly_inside(
    right: NDArray[np.float32], down: NDArray[np.float32], outline: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Tell which points lie inside, to the pixel: for the live preview.

    The outline is painted into a mask and each point looks up its pixel: 9 ms for a million points
    however many corners there are.
    """
    return _looked_up(right, down, outline, stroke=False)[0]


def inside(right: ArrayLike, down: ArrayLike, outline: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which points lie inside, exactly (even-odd rule).

    The painted mask decides the points that are farther than a pixel from the outline; the few
    others are tested by crossing number (Shimrat 1962, CACM algorithm 112).

    Parameters
    ----------
    right, down : array_like, shape (n,)
        Coordinates; ones that are not finite are outside.
    outline : ndarray, shape (k, 2)
        Corners in the same coordinates; closed by itself.
    """
    xs = np.asarray(right)
    ys = np.asarray(down)
    answer, close = _looked_up(xs, ys, outline, stroke=True)
    near = np.flatnonzero(close)
    answer[near] = crossing(xs[near], ys[near], outline)
    return answer


def crossing(
    x: NDArray[np.floating], y: NDArray[np.floating], outline: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Tell which points a ray to the right leaves through an odd number of edges."""
    px, py = x.astype(np.float64), y.astype(np.float64)
    answer = np.zeros(px.shape, bool)
    for (x0, y0), (x1, y1) in zip(outline, np.roll(outline, -1, axis=0)):
        if y0 == y1:
            continue
        spans = (py >= min(y0, y1)) & (py < max(y0, y1))
        answer ^= spans & (px < x0 + (py - y0) * ((x1 - x0) / (y1 - y0)))
    return answer


def _looked_up(
    right: NDArray[np.floating],
    down: NDArray[np.floating],
    outline: NDArray[np.float64],
    *,
    stroke: bool,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which points lie on filled pixels, and which on pixels near the outline."""
    low = np.floor(outline.min(axis=0)) - 3
    wide, high = (int(size) for size in np.ceil(outline.max(axis=0)) - low + 4)
    image = QImage(wide, high, QImage.Format.Format_Grayscale8)
    image.fill(0)
    painter = QPainter(image)
    shape = QPolygonF([QPointF(x - low[0], y - low[1]) for x, y in outline])
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(Qt.GlobalColor.white)
    painter.drawPolygon(shape, Qt.FillRule.OddEvenFill)
    if stroke:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(Qt.GlobalColor.gray, 4))
        painter.drawPolygon(shape)
    painter.end()
    mask = np.frombuffer(image.constBits(), np.uint8).reshape(high, image.bytesPerLine())
    # Comparisons with NaN are False, so such points never reach the conversion below.
    within = (right >= low[0]) & (down >= low[1]) & (right < low[0] + wide) & (down < low[1] + high)
    at = np.flatnonzero(within)
    columns = (right[at] - low[0]).astype(np.intp)
    lines = (down[at] - low[1]).astype(np.intp)
    values = mask[lines, columns]
    filled = np.zeros(right.shape, bool)
    close = np.zeros(right.shape, bool)
    filled[at] = values == 255
    close[at] = (values != 0) & (values != 255)
    return filled, close
