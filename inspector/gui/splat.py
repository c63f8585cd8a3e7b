"""Points drawn into one image with numpy, fast enough to pan a million of them.

Every point writes its place in the drawing order into one ``int32`` buffer, one write per point;
where two points meet, the one that is drawn later has the larger number and stays. Points grow to
their size by maxima of the shifted buffer, and colours are looked up at the end, so that the cost
of size and colour does not depend on the number of points. The same buffer answers what lies under
the mouse. A million points take some 15 ms per frame; as `pyqtgraph.ScatterPlotItem`, 250.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

DRAFT = 250_000
"""Most points that are drawn while the view moves."""
DENSE = 300_000
"""Visible points from which brightness shows how many lie under a pixel."""
_MARGIN = 8
"""Pixels around the image that points may grow into, so that growing needs no bounds check."""


@dataclass(frozen=True)
class View:
    """Which part of the plane an image shows.

    Attributes
    ----------
    x, y : float
        Data coordinates of the middle of the image.
    scale : float
        Pixels per data unit, the same both ways.
    """

    x: float = 0.0
    y: float = 0.0
    scale: float = 1.0

    def to_pixels(
        self, x: NDArray[np.float32], y: NDArray[np.float32], width: int, height: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return pixel coordinates (right, down) as float32; the data's y points up."""
        scale = np.float32(self.scale)
        return (
            x * scale + np.float32(width / 2 - self.x * self.scale),
            y * -scale + np.float32(height / 2 + self.y * self.scale),
        )

    def to_data(self, right: float, down: float, width: int, height: int) -> tuple[float, float]:
        """Return the data coordinates of a pixel."""
        return (
            self.x + (right - width / 2) / self.scale,
            self.y - (down - height / 2) / self.scale,
        )

    def zoomed(self, factor: float, right: float, down: float, width: int, height: int) -> View:
        """Return the view with another scale in which the given pixel shows the same data."""
        x, y = self.to_data(right, down, width, height)
        return View(x + (self.x - x) / factor, y + (self.y - y) / factor, self.scale * factor)

    def panned(self, right: float, down: float) -> View:
        """Return the view after the data moved by so many pixels."""
        return View(self.x - right / self.scale, self.y + down / self.scale, self.scale)

    @staticmethod
    def fitting(
        x: NDArray[np.float32], y: NDArray[np.float32], width: int, height: int, border: int = 24
    ) -> View:
        """Return the view that just holds all points, with a border in pixels."""
        if not x.size:
            return View()
        left, right = float(x.min()), float(x.max())
        low, high = float(y.min()), float(y.max())
        wide, tall = max(right - left, 1e-9), max(high - low, 1e-9)
        scale = min(max(width - 2 * border, 1) / wide, max(height - 2 * border, 1) / tall)
        return View((left + right) / 2, (low + high) / 2, scale)


@dataclass(frozen=True)
class Picture:
    """One drawn image.

    Attributes
    ----------
    pixels : ndarray, shape (height, width), uint32
        Packed colours as `QImage.Format_RGB32` wants them; a view of a larger buffer, so lines do
        not follow each other at once.
    rank : ndarray, shape (height, width), int32
        Drawing order plus one of the point on top, 0 for none.
    drawn, total : int
        Points that this drawing looked at, and points that there are.
    dense : bool
        Whether brightness shows how many points lie under a pixel.
    """

    pixels: NDArray[np.uint32]
    rank: NDArray[np.int32]
    drawn: int
    total: int
    dense: bool


class Points:
    """Points in four layers: hidden by the filter, ordinary, tagged, selected (drawn last).

    Parameters
    ----------
    x, y : ndarray, shape (n,), float32
        Coordinates; points without finite ones are left out.

    Attributes
    ----------
    rows : ndarray, shape (m,), int32
        Row of each point in drawing order.
    layers : tuple of slice
        Where the four layers lie in `rows`.
    """

    def __init__(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> None:
        finite = np.flatnonzero(np.isfinite(x) & np.isfinite(y)).astype(np.int32)
        # A fixed shuffle: no class covers another for being later in the file, a prefix of a layer
        # is a fair sample for the draft, and the same case gives the same picture.
        self._shuffled = np.random.default_rng(0).permutation(finite)
        self._given = x, y
        self._colours = np.full(x.shape, 0xFFFFFFFF, np.uint32)
        self.arrange()

    @property
    def count(self) -> int:
        """Number of points that can be drawn."""
        return int(self.rows.size)

    @property
    def coordinates(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Coordinates by row, each of shape (n,)."""
        return self._given

    def arrange(
        self,
        visible: NDArray[np.bool_] | None = None,
        tagged: NDArray[np.bool_] | None = None,
        selected: NDArray[np.bool_] | None = None,
    ) -> None:
        """Sort the points into their layers; each mask has shape (n,)."""
        order = self._shuffled
        layer = np.ones(order.size, np.int8)
        if visible is not None:
            layer[~visible[order]] = 0
        if tagged is not None:
            layer[tagged[order] & (layer == 1)] = 2
        if selected is not None:
            layer[selected[order]] = 3
        parts = [order[layer == k] for k in range(4)]
        ends = np.cumsum([part.size for part in parts])
        self.layers = tuple(slice(int(end) - part.size, int(end)) for end, part in zip(ends, parts))
        self.rows = np.concatenate(parts)
        self._x = self._given[0][self.rows].astype(np.float32)
        self._y = self._given[1][self.rows].astype(np.float32)
        self._place = np.arange(1, self.rows.size + 1, dtype=np.int32)
        self._lookup = np.empty(0, np.uint32)

    def paint(self, colours: NDArray[np.uint32]) -> None:
        """Set the packed colour of every row, shape (n,)."""
        self._colours = colours
        self._lookup = np.empty(0, np.uint32)

    def view_of_all(self, width: int, height: int) -> View:
        """Return the view that just holds every point."""
        return View.fitting(self._x, self._y, width, height)

    def pixels(
        self, view: View, width: int, height: int
    ) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
        """Return rows and pixel coordinates of the points that can be picked: none hidden.

        Returns
        -------
        rows : ndarray, shape (m,), int32
        right, down : ndarray, shape (m,), float32
        """
        start = self.layers[0].stop if self.layers[0].stop < self.count else 0
        right, down = view.to_pixels(self._x[start:], self._y[start:], width, height)
        return self.rows[start:], right, down

    def draw(
        self,
        view: View,
        width: int,
        height: int,
        *,
        background: int,
        hidden: int,
        rim: int,
        limit: int | None = None,
        ratio: float = 1.0,
    ) -> Picture:
        """Draw the points.

        Parameters
        ----------
        view : View
            In units of these pixels.
        width, height : int
            Size of the image in device pixels.
        background, hidden, rim : int
            Packed colours: of no point, of points that the filter hides, around selected points.
        limit : int, optional
            Draft: draw about so many points, each layer in proportion, but a fifth at least
            of the limit for those on top.
        ratio : float
            Device pixels per logical pixel; points grow with it.
        """
        spans = self._spans(limit)
        drawn = sum(span.stop - span.start for span in spans)
        dense = drawn - (spans[0].stop - spans[0].start) > DENSE
        shape = (height + 2 * _MARGIN, width + 2 * _MARGIN)
        cells, places = [], []
        for span in spans:
            cell, inside = _cells(self._x[span], self._y[span], view, width, height)
            cells.append(cell[inside])
            places.append(self._place[span][inside])
        steps = growth(sum(cell.size for cell in cells), ratio)
        rank = _spread(np.concatenate(cells[:3]), np.concatenate(places[:3]), steps, shape)
        lookup = self._lookup_table(background, hidden)
        pixels = lookup.take(rank, mode="clip")
        if dense:
            counts = np.bincount(np.concatenate(cells[1:]), minlength=rank.size).astype(np.int32)
            _shade(pixels, _grown(counts.reshape(shape), steps))
        if cells[3].size:
            rim_steps = steps + max(1, round(ratio))
            _overlay(pixels, rank, (cells[3], places[3]), (steps, rim_steps), lookup, rim)
        inner = (slice(_MARGIN, _MARGIN + height), slice(_MARGIN, _MARGIN + width))
        return Picture(pixels[inner], rank[inner], drawn, self.count, dense)

    def row_at(self, picture: Picture, right: int, down: int, reach: int = 4) -> int:
        """Return the row of the point nearest to a pixel within ``reach`` pixels, -1 for none."""
        high, wide = picture.rank.shape
        if not (0 <= right < wide and 0 <= down < high):
            return -1
        left, up = max(0, right - reach), max(0, down - reach)
        near = picture.rank[up : down + reach + 1, left : right + reach + 1]
        downs, rights = np.nonzero(near > self.layers[0].stop)
        if not rights.size:
            return -1
        gap = (rights + left - right) ** 2 + (downs + up - down) ** 2
        best = int(gap.argmin())
        return int(self.rows[near[downs[best], rights[best]] - 1])

    def _spans(self, limit: int | None) -> list[slice]:
        if limit is None or self.count <= limit:
            return list(self.layers)
        share = limit / self.count
        answer = []
        for number, layer in enumerate(self.layers):
            size = layer.stop - layer.start
            least = limit // 5 if number >= 2 else 0
            answer.append(
                slice(layer.start, layer.start + min(size, max(least, int(size * share))))
            )
        return answer

    def _lookup_table(self, background: int, hidden: int) -> NDArray[np.uint32]:
        if not self._lookup.size:
            self._lookup = np.empty(self.count + 1, np.uint32)
            self._lookup[0] = background
            self._lookup[1:] = self._colours[self.rows]
            self._lookup[1 : self.layers[0].stop + 1] = hidden
        return self._lookup


def growth(shown: int, ratio: float = 1.0) -> int:
    """Return by how many pixels points grow each way: few points are drawn larger."""
    steps = 4 if shown < 400 else 3 if shown < 2_500 else 2 if shown < 12_000 else 1
    return min(_MARGIN - 2, max(1, round(steps * ratio)))


def _cells(
    x: NDArray[np.float32], y: NDArray[np.float32], view: View, width: int, height: int
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return each point's place in the flat buffer with margin, and which places are valid."""
    right, down = view.to_pixels(x, y, width, height)
    # Clipped while still a float: far outside, it would not fit into 32 bits.
    column = np.floor(np.clip(right, -1, width)).astype(np.int32)
    line = np.floor(np.clip(down, -1, height)).astype(np.int32)
    inside = (column.view(np.uint32) < width) & (line.view(np.uint32) < height)
    line += _MARGIN
    line *= width + 2 * _MARGIN
    line += column
    line += _MARGIN
    return line, inside


def _spread(
    cells: NDArray[np.int32], places: NDArray[np.int32], steps: int, shape: tuple[int, ...]
) -> NDArray[np.int32]:
    """Return a buffer in which a point covers pixels up to ``steps`` away, later ones on top.

    Many points are written once each and the buffer is grown; few are written to each of their
    pixels. Both give the same buffer, whichever is quicker.
    """
    buffer = np.zeros(shape[0] * shape[1], np.int32)
    offsets = _disc(steps, shape[1])
    if _are_few(cells.size * offsets.size, buffer.size * steps):
        # Point by point, so that of two points on one pixel the later one is written last.
        buffer[(cells[:, None] + offsets).ravel()] = np.repeat(places, offsets.size)
        return buffer.reshape(shape)
    buffer[cells] = places
    return _grown(buffer.reshape(shape), steps)


def _are_few(writes: int, pixels: int) -> bool:
    """Tell whether writing each pixel by its index is quicker than passing over whole buffers."""
    return writes < pixels


def _overlay(
    pixels: NDArray[np.uint32],
    rank: NDArray[np.int32],
    points: tuple[NDArray[np.int32], NDArray[np.int32]],
    steps: tuple[int, int],
    lookup: NDArray[np.uint32],
    rim: int,
) -> None:
    """Draw points with a rim over what is there, in place: all rims first, then all points."""
    cells, places = points
    inner, outer = (_disc(size, pixels.shape[1]) for size in steps)
    if _are_few(2 * cells.size * (inner.size + outer.size), pixels.size):
        around = (cells[:, None] + outer).ravel()
        rank.reshape(-1)[around] = np.repeat(places, outer.size)
        pixels.reshape(-1)[around] = rim
        colours = lookup[places]
        pixels.reshape(-1)[(cells[:, None] + inner).ravel()] = np.repeat(colours, inner.size)
        return
    core = _spread(cells, places, steps[0], pixels.shape)
    around = _grown(core, steps[1] - steps[0])
    np.copyto(rank, around, where=around > 0)
    np.copyto(pixels, np.uint32(rim), where=around > 0)
    np.copyto(pixels, lookup.take(core, mode="clip"), where=core > 0)


@cache
def _disc(steps: int, wide: int) -> NDArray[np.int32]:
    """Return the flat offsets of the pixels that `_grown` spreads one point to."""
    spot = np.zeros((2 * steps + 1, 2 * steps + 1), np.int32)
    spot[steps, steps] = 1
    down, right = np.nonzero(_grown(spot, steps))
    return ((down - steps) * wide + right - steps).astype(np.int32)


def _grown(buffer: NDArray[np.int32], steps: int) -> NDArray[np.int32]:
    """Return the buffer with every number spread by ``steps`` pixels, larger numbers on top.

    Odd steps spread crosswise and even ones to the square, which makes an octagon.
    """
    for step in range(steps):
        out = buffer.copy()
        np.maximum(out[1:], buffer[:-1], out=out[1:])
        np.maximum(out[:-1], buffer[1:], out=out[:-1])
        source = buffer if step % 2 == 0 else out.copy()
        np.maximum(out[:, 1:], source[:, :-1], out=out[:, 1:])
        np.maximum(out[:, :-1], source[:, 1:], out=out[:, :-1])
        buffer = out
    return buffer


def _shade(pixels: NDArray[np.uint32], counts: NDArray[np.int32]) -> None:
    """Darken, in place, pixels with few points below: brightness follows the log of the count."""
    covered = counts > 0
    if not covered.any():
        return
    most = max(2, int(np.quantile(counts[covered], 0.999)))
    share = np.log1p(np.arange(most + 1)) / np.log1p(most)
    weight = (share * 176 + 80).astype(np.uint32)[np.minimum(counts, most)]
    red_blue = ((pixels & 0x00FF00FF) * weight >> 8) & 0x00FF00FF
    green = ((pixels & 0x0000FF00) * weight >> 8) & 0x0000FF00
    np.copyto(pixels, np.uint32(0xFF000000) | red_blue | green, where=covered)
