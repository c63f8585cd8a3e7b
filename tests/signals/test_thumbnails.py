"""Thumbnails show what was decoded: at native size where it is small, by area where it is not."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.signals import compute_signals
from inspector.signals.thumbnails import Frame, choose_frame


def placed(frame, image):
    out = np.zeros(frame.shape, np.uint8)
    frame.place(image, out)
    return out


@pytest.mark.parametrize(
    ("shapes", "colour", "expected"),
    [
        ([(28, 28, 1)], False, (28, 28, 1)),
        ([(64, 48, 3)], False, (64, 48, 3)),
        ([(224, 224, 3)], True, (64, 64, 3)),
        ([(100, 200, 3)], True, (32, 64, 3)),
        ([(1, 1000, 1)], False, (1, 64, 1)),
        ([(28, 28, 1)] * 3, True, (28, 28, 3)),
        ([(28, 28, 1), (28, 28, 3)], False, (28, 28, 3)),
        ([(28, 28, 1), (10, 40, 1)], False, (40, 40, 1)),
        ([(28, 28, 3), (500, 300, 3)], True, (64, 64, 3)),
        ([], False, (64, 64, 1)),
    ],
)
def test_the_frame_fits_the_data(shapes, colour, expected):
    assert choose_frame(shapes, colour).shape == expected


def test_small_images_keep_every_pixel_and_stand_in_the_middle():
    image = np.arange(1, 7, dtype=np.uint8).reshape(2, 3, 1)
    out = placed(Frame(6, 7, 1), image)
    np.testing.assert_array_equal(out[2:4, 2:5], image)
    assert np.count_nonzero(out) == 6


def test_large_images_are_reduced_by_the_mean_over_the_area():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (256, 128, 3), dtype=np.uint8)
    means = image.reshape(64, 4, 32, 4, 3).mean((1, 3))
    out = placed(Frame(64, 64, 3), image)
    assert np.abs(out[:, 16:48].astype(float) - means).max() <= 1
    assert not out[:, :16].any()
    assert not out[:, 48:].any()


def test_a_small_bright_patch_of_a_photograph_stays_visible():
    image = np.zeros((480, 480, 1), np.uint8)
    image[400:430, 400:430] = 255
    out = placed(Frame(64, 64, 1), image)
    assert out.max() == 255
    assert out.mean() == pytest.approx(image.mean(), rel=0.02)


def test_grey_is_repeated_in_colour_and_colour_reduced_to_luma():
    grey = np.full((2, 2, 1), 77, np.uint8)
    assert (placed(Frame(2, 2, 3), grey) == 77).all()
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 255
    assert (placed(Frame(2, 2, 1), red) == 76).all()


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5000, 3), (5000, 1, 1), (65, 64, 3)])
def test_extreme_shapes_fit(shape):
    image = np.full(shape, 200, np.uint8)
    for frame in (Frame(64, 64, 3), Frame(1, 1, 1), Frame(3, 64, 3)):
        assert placed(frame, image).max() == 200


def test_large_images_of_one_size_share_a_frame_of_their_proportions(
    make_model, make_data, tmp_path
):
    data = make_data(6, side=160, channels=3)
    found = compute_signals(make_model(channels=3), data, tmp_path / "s").get("thumbnails")
    assert found.shape == (6, 64, 64, 3)
    np.testing.assert_array_equal(found[2], placed(Frame(64, 64, 3), data.images[2]))
