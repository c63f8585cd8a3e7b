"""Images reach the network as stated: size, channels, scale; and the way back is exact."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from inspector.errors import BadInput
from inspector.intake.models import Preprocess
from inspector.intake.models.normalisations import normalisations

IMAGENET = Preprocess("RGB", (4, 5), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)


def test_known_answer(images):
    batch = IMAGENET(images)
    assert batch.shape == (3, 3, 4, 5)
    assert batch.dtype is torch.float32
    expected = (images / 255 - np.array(IMAGENET.mean)) / np.array(IMAGENET.std)
    np.testing.assert_allclose(batch.numpy(), expected.transpose(0, 3, 1, 2), atol=1e-5)


def test_a_list_gives_the_same_as_an_array(images):
    torch.testing.assert_close(IMAGENET(list(images)), IMAGENET(images))


def test_bgr_turns_the_channels(images):
    turned = Preprocess("BGR", (4, 5), (0.1, 0.2, 0.3), (1.0, 1.0, 1.0))(images)
    straight = Preprocess("RGB", (4, 5), (0.3, 0.2, 0.1), (1.0, 1.0, 1.0))(images)
    torch.testing.assert_close(turned, straight.flip(1))


def test_grey_images_for_a_colour_network_and_the_reverse(images):
    grey = images[..., :1]
    batch = IMAGENET(grey)
    np.testing.assert_allclose(batch[:, 1].numpy(), (grey[..., 0] / 255 - 0.456) / 0.224, atol=1e-5)
    luma = Preprocess("L", (4, 5), (0.0,), (1.0,))(images)
    expected = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in images])
    assert luma.shape == (3, 1, 4, 5)
    np.testing.assert_allclose(luma[:, 0].numpy() * 255, expected, atol=1.0)


def test_images_of_different_sizes_and_channels():
    random = np.random.default_rng(1)
    mixed = [
        random.integers(0, 256, shape, dtype=np.uint8)
        for shape in ((4, 5, 3), (40, 30, 3), (7, 9, 1))
    ]
    batch = IMAGENET(mixed)
    assert batch.shape == (3, 3, 4, 5)
    torch.testing.assert_close(batch[:1], IMAGENET(mixed[0][None]))


@pytest.mark.parametrize("fit", ["stretch", "crop"])
def test_resizing_is_like_pillow(fit):
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, 32:] = 200
    picture[20:30, 10:20, 1] = 255
    batch = Preprocess("RGB", (28, 28), (0.0,) * 3, (1.0,) * 3, fit=fit)(picture[None])
    image = Image.fromarray(picture).resize((32, 32) if fit == "crop" else (28, 28), 2)
    if fit == "crop":
        image = image.crop((2, 2, 30, 30))
    np.testing.assert_allclose(batch[0].permute(1, 2, 0).numpy() * 255, np.asarray(image), atol=1.5)


@pytest.mark.parametrize("mode", ["RGB", "BGR", "L"])
def test_pixel_space_agrees_and_undo_is_exact(images, mode):
    count = 1 if mode == "L" else 3
    images = images[..., :count]
    preprocess = Preprocess(mode, (4, 5), (0.4, 0.5, 0.6)[:count], (0.2, 0.3, 0.4)[:count])
    batch = preprocess(images)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    torch.testing.assert_close(preprocess.normalise(pixels), batch, rtol=1e-5, atol=1e-5)
    assert np.array_equal(preprocess.undo(batch), images)
    low, high = preprocess.pixel_range()
    assert low.shape == high.shape == (count,)
    black = preprocess(np.zeros_like(images))
    white = preprocess(np.full_like(images, 255))
    torch.testing.assert_close(black[0, :, 0, 0], low)
    torch.testing.assert_close(white[0, :, 0, 0], high)


def test_unscaled_pixels():
    raw = Preprocess("L", (2, 2), (0.0,), (1.0,), scale=1.0)
    image = np.array([[[[0], [255]], [[7], [100]]]], np.uint8)
    assert raw(image).flatten().tolist() == [0, 255, 7, 100]
    pixels = torch.from_numpy(image).permute(0, 3, 1, 2) / 255.0
    torch.testing.assert_close(raw.normalise(pixels), raw(image))
    assert np.array_equal(raw.undo(raw(image)), image)


def test_gradients_pass_through():
    pixels = torch.rand(1, 3, 4, 5, requires_grad=True)
    IMAGENET.normalise(pixels).sum().backward()
    expected = 1 / torch.tensor(IMAGENET.std).view(1, 3, 1, 1).expand(1, 3, 4, 5)
    torch.testing.assert_close(pixels.grad, expected)


def test_read_only_evidence_is_neither_changed_nor_warned_about():
    for shape in ((2, 4, 5, 1), (2, 4, 5, 3)):
        images = np.full(shape, 9, np.uint8)
        images.flags.writeable = False
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            IMAGENET(images)
        assert (images == 9).all()


def test_an_empty_batch():
    assert IMAGENET(np.zeros((0, 4, 5, 3), np.uint8)).shape == (0, 3, 4, 5)
    assert IMAGENET([]).shape == (0, 3, 4, 5)


def test_round_trip_through_json():
    for preprocess in (IMAGENET, Preprocess("L", (8, 8), (0.5,), (0.5,), 1.0, "crop")):
        assert Preprocess.from_dict(json.loads(json.dumps(preprocess.as_dict()))) == preprocess


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "CMYK"},
        {"size": [0, 5]},
        {"size": [10**9, 5]},
        {"size": "big"},
        {"mean": [0.5]},
        {"std": [0, 0, 0]},
        {"scale": 0},
        {"std": [float("nan")] * 3},
        {"fit": "tile"},
    ],
)
def test_descriptions_that_describe_nothing(change):
    with pytest.raises(BadInput, match="not valid"):
        Preprocess.from_dict(IMAGENET.as_dict() | change)


def test_the_datas_own_mean_is_tried_unless_a_usual_pair_is_near():
    random = np.random.default_rng(0)
    dark = [random.integers(0, 60, (8, 8, 1), dtype=np.uint8) for _ in range(20)]
    names = [entry.name for entry in normalisations(1, dark)]
    assert names[0] == "0 to 1"
    assert "mean and deviation of the data" in names
    own = next(entry for entry in normalisations(1, dark) if entry.name.startswith("mean"))
    values = np.concatenate([image.ravel() for image in dark]) / 255
    assert own.mean[0] == pytest.approx(values.mean(), abs=1e-4)
    assert own.std[0] == pytest.approx(values.std(), abs=1e-4)
    like_mnist = [np.array([[[0], [0]], [[0], [133]]], np.uint8)] * 4  # mean .1304
    assert all(len(entry.mean) == 3 for entry in normalisations(3, like_mnist))
