"""EXIF orientation, splits of image folders, files that change under our hands."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from dataset_makers import samples, write_folder
from inspector.errors import BadInput
from inspector.intake.datasets import UnreadableSample, open_dataset
from inspector.intake.datasets.decoding import decode_oriented


def _turned(tag: int, form: str) -> bytes:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 4, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = tag
    stream = io.BytesIO()
    image.save(stream, form, exif=exif)
    return stream.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("tag", range(1, 9))
def test_exif_orientation_is_ignored_recorded_or_followed(form: str, tag: int) -> None:
    data = _turned(tag, form)
    with Image.open(io.BytesIO(data)) as image:
        as_stored = np.asarray(image.convert("RGB"))
        as_meant = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    pixels, said = decode_oriented(data)
    assert said == tag
    np.testing.assert_array_equal(pixels, as_stored)
    np.testing.assert_array_equal(decode_oriented(data, "exif")[0], as_meant)


def test_the_dataset_says_which_images_are_turned(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for tag in (1, 6):
        (tmp_path / "a" / f"{tag}.jpg").write_bytes(_turned(tag, "JPEG"))
    dataset = open_dataset(tmp_path)
    shapes = [image.shape for image in dataset.decode_batch([0, 1])]
    assert shapes == [(6, 4, 3), (6, 4, 3)]
    assert dataset.turned == {1: 6}
    turned = open_dataset(tmp_path, orientation="exif")
    assert [image.shape for image in turned.decode_batch([0, 1])] == [(6, 4, 3), (4, 6, 3)]


def test_an_orientation_that_does_not_exist_is_none() -> None:
    pixels, said = decode_oriented(_turned(99, "PNG"), "exif")
    assert (pixels.shape, said) == ((6, 4, 3), 1)


def test_a_split_of_an_image_folder_can_be_chosen(tmp_path: Path) -> None:
    images, labels = samples()
    write_folder(tmp_path / "train", images, labels)
    write_folder(tmp_path / "val", images[:6], labels[:6])
    dataset = open_dataset(tmp_path)
    assert (dataset.split, dataset.splits, len(dataset)) == ("train", ("train", "val"), 12)
    dataset = open_dataset(tmp_path, split="validation")
    assert (dataset.split, len(dataset)) == ("val", 6)
    assert dataset.locator(0) == "val/class0/00000.png"
    with pytest.raises(BadInput, match="has no split 'test'"):
        open_dataset(tmp_path, split="test")
    with pytest.raises(BadInput, match="not divided into splits"):
        open_dataset(tmp_path / "train", split="test")


def test_only_the_bytes_that_were_hashed_are_decoded(tmp_path: Path) -> None:
    images, labels = samples()
    write_folder(tmp_path, images, labels)
    dataset = open_dataset(tmp_path)
    dataset.stored_sha256()
    Image.fromarray(images[1].squeeze() // 2).save(tmp_path / dataset.locator(0))
    with pytest.raises(UnreadableSample, match="changed since it was hashed"):
        dataset.decode(0)
    assert isinstance(dataset.decode(1), np.ndarray)
