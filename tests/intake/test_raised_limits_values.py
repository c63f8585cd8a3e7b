"""Limits on evidence: which can be raised, how far, and what a refusal says of them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inspector.errors import BadInput
from inspector.intake import limits
from inspector.intake.datasets import UnreadableSample, open_dataset
from inspector.intake.datasets.decoding import decode_image
from inspector.intake.limits import LIMITS, parsed, raise_limits, trusted


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_raised", {})


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("image-bytes=128MiB", 128 << 20),
        ("image-bytes=0.5G", 500_000_000),
        ("image-pixels=100_000_000", 100_000_000),
        ("model-bytes = 20gib", 20 << 30),
    ],
)
def test_values_are_read_as_people_write_them(word: str, value: int) -> None:
    assert parsed([word]) == {word.split("=")[0].strip(): value}


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("pixels=3", "No limit is called 'pixels'"),
        ("image-pixels", "is no value"),
        ("image-pixels=-1", "is no value"),
        ("image-pixels=1e99", "is no value"),
        ("image-pixels=nan", "is no value"),
        ("image-pixels=1000", "can be raised from 64,000,000 pixels"),
        ("image-pixels=900T", "at most 4,000,000,000 pixels"),
        ("array-bytes=2000Ti", "at most 1 TiB"),
    ],
)
def test_other_values_are_refused_in_one_sentence(word: str, why: str) -> None:
    with pytest.raises(BadInput, match=why) as caught:
        parsed([word])
    assert str(caught.value).isprintable()
    assert caught.value.fix


def test_a_received_case_cannot_exceed_a_ceiling_or_lower_a_limit() -> None:
    told = {
        "image-pixels": 10**18,
        "image-bytes": 5,
        "model-bytes": "1",
        "model-tensors": True,
        "unknown": 7,
        "tar-members": 30_000_000,
    }
    assert trusted(told) == {
        "image-pixels": LIMITS["image-pixels"].ceiling,
        "tar-members": 30_000_000,
    }


def _large() -> bytes:
    file = io.BytesIO()
    Image.new("L", (9000, 8000)).save(file, "PNG")
    return file.getvalue()


def test_an_image_above_the_limit_is_read_once_it_is_raised() -> None:
    data = _large()
    with pytest.raises(UnreadableSample, match=r"limit of 64,000,000 pixels \(image-pixels\)"):
        decode_image(data)
    raise_limits({"image-pixels": 80_000_000})
    assert decode_image(data).shape == (8000, 9000, 1)


def test_a_refusal_names_the_option_and_the_option_helps(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    images = np.zeros((300_000, 32, 32), np.uint8)
    np.savez_compressed(path, x=images, y=np.arange(len(images)) % 3)
    with pytest.raises(BadInput, match="--raise-limit array-ratio=VALUE"):
        open_dataset(path)
    raise_limits(parsed(["array-ratio=5000"]))
    assert len(open_dataset(path)) == 300_000
