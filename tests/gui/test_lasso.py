"""Outlines: the exact answer, the quick one, and how a stroke grows."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt

from inspector.gui import lasso


def spots(n: int = 4_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    x, y = (np.random.default_rng(seed).random((2, n)) * 400).astype(np.float32)
    return x, y


def circle(corners: int = 60) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return np.stack([200 + 120 * np.cos(angle), 180 + 120 * np.sin(angle)], axis=1)


def test_inside_a_circle_is_what_geometry_says() -> None:
    x, y = spots()
    distance = np.hypot(x - 200, y - 180)
    found = lasso.inside(x, y, circle(256))
    assert found[distance < 119].all()
    assert not found[distance > 121].any()


@pytest.mark.parametrize("seed", range(20))
def test_the_painted_mask_changes_nothing_in_the_exact_answer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    outline = rng.random((rng.integers(3, 80), 2)) * rng.choice([4, 40, 400]) + 20
    if seed % 2:
        outline = outline.round()
    x, y = spots(3_000, seed)
    low, high = outline.min(axis=0), outline.max(axis=0)
    x[:2_000] = low[0] + rng.random(2_000) * (high[0] - low[0])
    y[:2_000] = low[1] + rng.random(2_000) * (high[1] - low[1])
    assert np.array_equal(lasso.inside(x, y, outline), lasso.crossing(x, y, outline))


def test_the_preview_differs_by_boundary_points_alone() -> None:
    x, y = spots(20_000)
    outline = circle()
    rough, exact = lasso.roughly_inside(x, y, outline), lasso.inside(x, y, outline)
    assert (rough != exact).mean() < 0.01
    assert abs(np.hypot(x - 200, y - 180)[rough != exact] - 120).max() < 2


def test_points_without_coordinates_are_outside() -> None:
    x = np.array([200, np.nan, np.inf, -np.inf, 1e30], np.float32)
    y = np.full(5, 180, np.float32)
    assert lasso.inside(x, y, circle()).tolist() == [True, False, False, False, False]


def test_a_stroke_that_crosses_itself_leaves_out_what_is_enclosed_twice() -> None:
    star = circle(5)[[0, 2, 4, 1, 3]]
    middle = np.array([200.0]), np.array([180.0])
    assert not lasso.inside(*middle, star)[0]


def test_a_long_stroke_is_thinned_and_a_short_one_is_a_click() -> None:
    stroke = lasso.Stroke(QPointF(0, 0), box=False)
    assert not stroke.extend(QPointF(0.5, 0.5))
    assert stroke.is_click
    for step in range(3_000):
        stroke.extend(QPointF(step * 3, (step % 7) * 3))
    assert len(stroke.outline) == lasso.CORNERS
    assert not stroke.is_click


def test_a_box_has_four_corners_whichever_way_it_is_drawn() -> None:
    box = lasso.Stroke(QPointF(300, 300), box=True)
    box.extend(QPointF(100, 250))
    box.extend(QPointF(80, 60))
    x, y = np.array([100, 310], np.float32), np.array([100, 100], np.float32)
    assert len(box.outline) == 4
    assert lasso.inside(x, y, box.outline).tolist() == [True, False]


@pytest.mark.parametrize(
    ("held", "mode"),
    [
        (Qt.KeyboardModifier.NoModifier, "new"),
        (Qt.KeyboardModifier.ShiftModifier, "add"),
        (Qt.KeyboardModifier.AltModifier, "remove"),
        (Qt.KeyboardModifier.ControlModifier, "intersect"),
    ],
)
def test_modifiers(held: Qt.KeyboardModifier, mode: str) -> None:
    assert lasso.mode_of(held) == mode
