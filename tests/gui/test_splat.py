"""The picture of the map: where points land, who lies on top, what a pixel answers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from inspector.gui import splat
from inspector.gui.splat import Picture, Points, View

BACK, HIDDEN, RIM = 0xFF000000, 0xFF222222, 0xFFFFFFFF
RED, BLUE = 0xFFFF0000, 0xFF0000FF


def points(*spots: tuple[float, float]) -> Points:
    xy = np.array(spots, np.float32)
    made = Points(xy[:, 0], xy[:, 1])
    made.paint(np.full(len(spots), RED, np.uint32))
    return made


def draw(of: Points, view: View | None = None, size: int = 100, **more: object) -> Picture:
    view = view or View(0, 0, 1)
    return of.draw(view, size, size, background=BACK, hidden=HIDDEN, rim=RIM, **more)  # type: ignore[arg-type]


def test_a_point_lands_where_the_view_says_and_y_points_up() -> None:
    picture = draw(points((10, 20)))
    assert picture.pixels[50 - 20, 50 + 10] == RED
    assert picture.pixels[50 + 20, 50 + 10] == BACK
    view = View(10, 20, 3.0)
    assert view.to_data(
        *[
            float(v[0])
            for v in view.to_pixels(np.array([7], np.float32), np.array([9], np.float32), 100, 100)
        ],
        100,
        100,
    ) == (pytest.approx((7, 9)))


def test_panning_and_zooming_keep_the_point_under_the_mouse() -> None:
    view = View(3, -2, 2.0)
    before = view.to_data(70, 30, 100, 100)
    assert view.zoomed(1.7, 70, 30, 100, 100).to_data(70, 30, 100, 100) == pytest.approx(before)
    assert view.panned(5, -8).to_data(75, 22, 100, 100) == pytest.approx(before)


def test_all_points_fit_into_the_view_of_all() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(5, 100, (2, 500)).astype(np.float32)
    right, down = View.fitting(x, y, 300, 200).to_pixels(x, y, 300, 200)
    assert right.min() > 0
    assert right.max() < 300
    assert down.min() > 0
    assert down.max() < 200


def test_points_outside_or_without_coordinates_are_not_drawn() -> None:
    some = points((1e30, 0), (-1e30, -1e30), (np.nan, 0), (np.inf, 3), (60, 0))
    picture = draw(some)
    assert (picture.pixels == BACK).all()
    assert picture.total == 3  # The two without finite coordinates do not count.


def test_selected_lies_on_tagged_lies_on_the_rest_lies_on_hidden() -> None:
    n = 4
    some = Points(np.zeros(n, np.float32), np.zeros(n, np.float32))
    colours = np.array([1, 2, 3, 4], np.uint32) + 0xFF000000
    some.paint(colours)
    mask = {k: np.arange(n) == k for k in range(n)}
    some.arrange(visible=~mask[0], tagged=mask[2], selected=mask[3])
    picture = draw(some)
    assert picture.pixels[50, 50] == colours[3]
    assert (picture.pixels == RIM).any()
    some.arrange(visible=~mask[0], tagged=mask[2])
    assert draw(some).pixels[50, 50] == colours[2]
    some.arrange(visible=mask[1])
    assert draw(some).pixels[50, 50] == colours[1]
    some.arrange(visible=np.zeros(n, bool))
    assert draw(some).pixels[50, 50] == HIDDEN


def test_a_pixel_answers_which_sample_it_shows_but_never_a_hidden_one() -> None:
    some = points((-20, 0), (0, 0), (20, 0))
    picture = draw(some)
    assert [some.row_at(picture, x, 50) for x in (30, 50, 70)] == [0, 1, 2]
    assert some.row_at(picture, 33, 51) == 0
    assert some.row_at(picture, 50, 90) == -1
    assert some.row_at(picture, -1, 50) == -1
    some.arrange(visible=np.array([True, False, True]))
    assert some.row_at(draw(some), 50, 50) == -1


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_few_and_many_points_give_the_same_buffer(steps: int) -> None:
    rng = np.random.default_rng(steps)
    shape = (60, 70)
    inner = rng.integers(10, 50, (2, 400))
    cells = (inner[0] * shape[1] + inner[1]).astype(np.int32)
    places = np.arange(1, 401, dtype=np.int32)
    stamped = splat._spread(cells, places, steps, (shape[0] * 50, shape[1]))[: shape[0]]
    buffer = np.zeros(shape, np.int32)
    buffer.reshape(-1)[cells] = places
    assert np.array_equal(stamped, splat._grown(buffer, steps))


def test_few_points_are_drawn_larger_and_more_so_on_dense_screens() -> None:
    sizes = [splat.growth(n) for n in (10, 1_000, 10_000, 100_000)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1]
    assert splat.growth(100_000, ratio=2.0) == 2
    once, twice = draw(points((0, 0))), draw(points((0, 0)), ratio=2.0)
    assert (twice.pixels != BACK).sum() > 2 * (once.pixels != BACK).sum()


def test_a_draft_is_a_fair_sample_that_keeps_what_is_on_top() -> None:
    n = 10_000
    rng = np.random.default_rng(0)
    xy = rng.normal(0, 10, (n, 2)).astype(np.float32)
    some = Points(xy[:, 0], xy[:, 1])
    labels = np.arange(n) // (n // 2)  # First half one class, second half the other.
    some.paint(np.where(labels == 0, RED, BLUE).astype(np.uint32))
    selected = np.arange(n) % 200 == 0
    some.arrange(selected=selected)
    picture = draw(some, limit=1_000)
    assert picture.drawn < 1_200
    assert picture.total == n
    red, blue = (int((picture.pixels == colour).sum()) for colour in (RED, BLUE))
    assert 0.6 < red / blue < 1.8
    rows = some.rows[picture.rank[picture.rank > 0] - 1]
    assert selected[rows].any()


def test_the_same_points_give_the_same_picture() -> None:
    xy = np.random.default_rng(3).normal(0, 20, (2, 5_000)).astype(np.float32)

    def pixels() -> NDArray[np.uint32]:
        some = Points(xy[0], xy[1])
        some.paint(np.arange(5_000, dtype=np.uint32))
        return draw(some).pixels

    assert np.array_equal(pixels(), pixels())


def test_very_many_points_show_density_by_brightness() -> None:
    n = splat.DENSE + 1
    x = np.zeros(n, np.float32)
    x[: n // 100] = 30
    some = Points(x, np.zeros(n, np.float32))
    some.paint(np.full(n, RED, np.uint32))
    picture = draw(some)
    assert picture.dense
    thick, thin = (int(picture.pixels[50, at] >> 16 & 0xFF) for at in (50, 80))
    assert thick > thin > 60
    assert not draw(some, limit=1_000).dense


def test_a_million_points_are_drawn_quickly() -> None:

    xy = np.random.default_rng(0).normal(0, 30, (2, 1_000_000)).astype(np.float32)
    some = Points(xy[0], xy[1])
    some.paint(np.full(1_000_000, RED, np.uint32))
    draw(some, size=700)
    assert draw(some, size=700).drawn == 1_000_000
    # Some 20 ms by itself; the bound only catches a return to one Python step per point.
