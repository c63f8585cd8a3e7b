"""How many frames per second the map pans, and what selecting on it costs.

Run by hand: ``python tests/benchmarks/map_panning.py [--size 1100x640] [--ratio 1]``; offscreen
unless QT_QPA_PLATFORM says otherwise. A frame is a mouse movement up to the finished repaint of the
canvas. Targets: 60 frames per second with 100,000 points, 25 with 1,000,000; the slowest frame in
twenty counts, not the mean. The verdict goes by processor time: other programs take wall time.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from numpy.typing import NDArray
from PySide6.QtWidgets import QApplication

from inspector.gui import lasso, map_canvas
from inspector.gui.map_canvas import MapCanvas
from inspector.gui.theme import class_colours, packed

TARGETS = {100_000: 60, 1_000_000: 25}
SETTINGS = ("plain", "5 % selected", "half hidden")


def blobs(n: int) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
    """Return ten round clusters, shape (n, 2), and their packed colours, shape (n,)."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 10, n)
    angle = label * 0.63
    middle = np.stack([np.cos(angle), np.sin(angle)], axis=1) * 6
    xy = (middle + rng.normal(0, 1, (n, 2))).astype(np.float32)
    palette = np.array([packed(colour) for colour in class_colours(10)], np.uint32)
    return xy, palette[label]


def canvas_with(n: int, size: tuple[int, int], setting: str) -> MapCanvas:
    """Return a shown canvas with ``n`` points."""
    canvas = MapCanvas()
    canvas.resize(*size)
    canvas.show()
    while not canvas.windowHandle().isExposed():
        QApplication.processEvents()  # Before that, a repaint is skipped and costs nothing.
    xy, colours = blobs(n)
    canvas.set_points(xy)
    canvas.set_colours(colours)
    some = np.random.default_rng(1).random(n)
    selected = some < 0.05 if setting == "5 % selected" else None
    visible = some < 0.5 if setting == "half hidden" else None
    canvas.set_layers(visible, None, selected)
    canvas.repaint()
    if canvas.picture is None:
        raise SystemExit("Nothing was painted, so nothing can be measured.")
    return canvas


def pan(canvas: MapCanvas, frames: int) -> NDArray[np.float64]:
    """Move the map in a circle; return wall and processor seconds per frame, shape (2, frames)."""
    seconds = np.empty((2, frames))
    for frame in range(frames):
        angle = frame / 12
        wall, busy = time.perf_counter(), time.thread_time()
        canvas.set_view(canvas.view.panned(9 * np.cos(angle), 9 * np.sin(angle)))
        canvas.repaint()
        seconds[:, frame] = time.perf_counter() - wall, time.thread_time() - busy
    return seconds


def measure(n: int, size: tuple[int, int], setting: str, frames: int) -> None:
    """Print one line."""
    canvas = canvas_with(n, size, setting)
    seconds = pan(canvas, frames)
    drawn = 0 if canvas.picture is None else canvas.picture.drawn
    (wall, wall_slow), (busy, busy_slow) = (
        (1 / one.mean(), 1 / float(np.quantile(one, 0.95))) for one in seconds
    )
    target = TARGETS.get(n)
    verdict = "" if target is None else ("ok" if busy_slow >= target else f"below {target}")
    print(
        f"{n:>9,}  {setting:<13} {wall:6.0f} {wall_slow:6.0f} {busy:9.0f} {busy_slow:6.0f}"
        f"   {drawn:>9,} {canvas._full_cost * 1e3:9.1f} ms  {verdict}"
    )
    canvas.close()


def select(n: int, size: tuple[int, int]) -> None:
    """Print what a lasso of 256 corners around half of the points costs."""
    canvas = canvas_with(n, size, "plain")
    assert canvas.points is not None
    angle = np.linspace(0, 2 * np.pi, 256, endpoint=False)
    outline = np.stack(
        [size[0] / 2 + size[0] / 4 * np.cos(angle), size[1] / 2 + size[1] / 3 * np.sin(angle)],
        axis=1,
    )
    began = time.perf_counter()
    rows, right, down = canvas.points.pixels(canvas.view, *size)
    placed = time.perf_counter()
    lasso.roughly_inside(right, down, outline)
    rough = time.perf_counter()
    mask = np.zeros(n, bool)
    mask[rows[lasso.inside(right, down, outline)]] = True
    exact = time.perf_counter()
    canvas.set_layers(None, None, mask)
    canvas.repaint()
    shown = time.perf_counter()
    print(
        f"{n:>9,}  lasso: at its start {1e3 * (placed - began):.1f} ms, "
        f"preview {1e3 * (rough - placed):.1f} ms, exact {1e3 * (exact - rough):.1f} ms; "
        f"{mask.sum():,} shown selected after {1e3 * (shown - exact):.1f} ms"
    )
    canvas.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1100x640")
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--ratio", type=float, default=1.0, help="device pixels per pixel")
    asked = parser.parse_args()
    os.environ["QT_SCALE_FACTOR"] = str(asked.ratio)
    app = QApplication([])
    width, height = (int(side) for side in asked.size.split("x"))
    print(
        f"{width} × {height} at {asked.ratio:g}; drafts when a frame takes longer than "
        f"{map_canvas.SLOW_FRAME * 1e3:.0f} ms; load {os.getloadavg()[0]:.1f}"
    )
    print("   points  shown         frames/s  (p95)  by processor  (p95)   drawn   full frame")
    for n in (10_000, 100_000, 300_000, 1_000_000):
        for setting in SETTINGS:
            measure(n, (width, height), setting, asked.frames)
    for n in (100_000, 1_000_000):
        select(n, (width, height))
    app.quit()


if __name__ == "__main__":
    main()
