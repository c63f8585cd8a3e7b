"""Damaged and hostile IDX, NPZ and CIFAR files: one clear line each, nothing run."""

from __future__ import annotations

import gzip
import io
import os
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_checks import (
    refusal,
)
from dataset_makers import idx_bytes, samples, write_cifar10, write_idx
from inspector.errors import BadInput
from inspector.intake.datasets import open_dataset


def test_idx_wrong_magic_type_and_size(tmp_path: Path) -> None:
    images, labels = samples()
    write_idx(tmp_path, images[..., 0], labels)
    file = tmp_path / "train-images-idx3-ubyte"
    content = file.read_bytes()
    for changed, words in (
        (b"\x01" + content[1:], "no IDX file: it starts with 01 00 08 03"),
        (content[:2] + b"\x0d" + content[3:], "elements of type 0x0d"),
        (content[:-1], "It was cut off"),
        (content + b"\0", "Something was appended"),
        (content[:10], "ends within its header"),
        (content[:3] + b"\x09" + content[4:], "no IDX file"),
    ):
        file.write_bytes(changed)
        assert words in refusal(tmp_path)
        file.unlink()
        (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(changed))
        assert words in refusal(tmp_path)
        (tmp_path / "train-images-idx3-ubyte.gz").unlink()


def test_idx_truncated_or_corrupt_gzip(tmp_path: Path) -> None:
    images, labels = samples(n=300)
    write_idx(tmp_path, images[..., 0], labels, gz=True)
    file = tmp_path / "train-images-idx3-ubyte.gz"
    content = file.read_bytes()
    file.write_bytes(content[:-500])
    assert "the compressed stream ends too early" in refusal(tmp_path)
    file.write_bytes(content[:-6] + b"\0\0" + content[-4:])
    assert "checksum (CRC)" in refusal(tmp_path)
    file.write_bytes(content[:2000] + b"\xff" * 50 + content[2050:])
    assert "damaged" in refusal(tmp_path)
    file.write_bytes(content + b"trailing garbage")
    assert "damaged" in refusal(tmp_path)


@pytest.mark.parametrize("gz", [False, True])
def test_idx_huge_declared_size_allocates_nothing(tmp_path: Path, gz: bool) -> None:
    images, labels = samples()
    write_idx(tmp_path, images[..., 0], labels, gz=gz)
    lie = struct.pack(">BBBBIII", 0, 0, 8, 3, 2**32 - 1, 2**31, 2**31) + bytes(100)
    name = "train-images-idx3-ubyte" + (".gz" if gz else "")
    (tmp_path / name).write_bytes(gzip.compress(lie) if gz else lie)
    tracemalloc.start()
    try:
        assert "4294967295 x 2147483648" in refusal(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_idx_gzip_bomb_stops_at_the_declared_size(tmp_path: Path) -> None:
    images, labels = samples()
    write_idx(tmp_path, images[..., 0], labels, gz=True)
    bomb = gzip.compress(idx_bytes(images[..., 0]) + bytes(100_000_000), 1)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(bomb)
    tracemalloc.start()
    try:
        assert "more than 433" in refusal(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_idx_counts_differ_and_files_swapped_or_missing(tmp_path: Path) -> None:
    images, labels = samples()
    write_idx(tmp_path, images[..., 0], labels[:-1])
    message = refusal(tmp_path)
    assert "12 images but 11 labels" in message
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(labels))
    assert "has 1 dimension" in refusal(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    assert "no pair of IDX files" in refusal(tmp_path)
    assert "was not found" in refusal(tmp_path / "train-images-idx3-ubyte")
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(labels[:0]))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(images[:0, ..., 0]))
    assert "holds no images" in refusal(tmp_path)


def test_idx_several_sets_must_be_chosen_from(tmp_path: Path) -> None:
    images, labels = samples()
    write_idx(tmp_path, images[..., 0], labels, "emnist-digits-train")
    write_idx(tmp_path, images[..., 0], labels, "emnist-letters-train")
    assert "several IDX sets" in refusal(tmp_path)
    assert len(open_dataset(tmp_path / "emnist-letters-train-images-idx3-ubyte")) == 12


def test_idx_label_far_above_the_others_is_noted(tmp_path: Path) -> None:
    images, labels = samples()
    labels[5] = 200
    write_idx(tmp_path, images[..., 0], labels)
    assert any("the largest is 200" in note for note in open_dataset(tmp_path).notes)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.zeros((3, 4, 4), np.uint8), "y": np.array([0, -1, 1])}, "row 1 has the label -1"),
        ({"x": np.zeros((3, 4, 4), np.uint8), "y": np.array([0, 10**9, 1])}, "label 1000000000"),
        ({"x": np.zeros((3, 4, 4), np.uint8), "y": np.array([0.5, 1, 1])}, "no class indices"),
        ({"x": np.zeros((3, 4, 4), np.uint8), "y": np.array([np.nan, 1, 1])}, "no class indices"),
        ({"x": np.zeros((3, 4, 4), np.uint8), "y": np.arange(4)}, "3 images but 4 labels"),
        ({"x": np.zeros((3, 4, 4), np.uint8), "y": np.ones((3, 2))}, "not one-hot"),
        ({"x": np.zeros((3, 4, 4, 5), np.uint8), "y": np.arange(3)}, "no array of grey or RGB"),
        ({"x": np.zeros((0, 4, 4), np.uint8), "y": np.arange(0)}, "holds no images"),
        ({"x": np.uint8(3), "y": np.uint8(3)}, "holds no images"),
        ({"x": np.full((3, 4, 4), -2.5), "y": np.arange(3)}, "look normalised"),
        ({"x": np.full((3, 4, 4), np.nan), "y": np.arange(3)}, "finite"),
        ({"x": np.zeros((3, 4, 4), complex), "y": np.arange(3)}, "has the type complex128"),
        ({"x": np.zeros((3, 4, 4), "i4,f8"), "y": np.arange(3)}, "has the type"),
        ({"a": np.zeros((3, 4, 4), np.uint8)}, "no known pair of images and labels"),
        (
            {
                "x": np.zeros((3, 4, 4), np.uint8),
                "y": np.arange(3),
                "classes": np.array(["a", "b"]),
            },
            "Class names: 2.",
        ),
    ],
)
def test_npz_bad_arrays(tmp_path: Path, arrays: dict[str, np.ndarray], words: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    assert words in refusal(tmp_path / "a.npz")


class _Marks:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (os.mkdir, (str(self.marker),))


def test_npz_pickles_are_never_run(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    evil = np.array([_Marks(marker)], dtype=object)
    good = {"x": np.zeros((3, 4, 4), np.uint8), "y": np.arange(3)}
    np.savez(tmp_path / "a.npz", x=evil, y=np.arange(3))
    assert "pickled Python objects" in refusal(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", **good, class_names=evil)
    dataset = open_dataset(tmp_path / "b.npz")
    assert any("class_names holds pickled Python objects" in note for note in dataset.notes)
    with zipfile.ZipFile(tmp_path / "c.npz", "w") as archive:
        archive.writestr("x.npy", b"\x80\x04cposix\nsystem\n.")
        archive.writestr("y.npy", b"\x80\x04.")
    assert "pickled Python objects" in refusal(tmp_path / "c.npz")
    assert not marker.exists()


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _archive(
    path: Path, members: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED
) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_npz_ambiguous_members(tmp_path: Path) -> None:
    x, y = _npy(np.zeros((2, 4, 4), np.uint8)), _npy(np.arange(2))
    path = _archive(tmp_path / "a.npz", [("x.npy", x), ("y.npy", y), ("x.npy", x)])
    assert "two members named x.npy" in refusal(path)
    path = _archive(tmp_path / "a.npz", [("x.npy", x), ("y.npy", y), ("X.npy", x)])
    assert "two members named" in refusal(path)
    path = _archive(tmp_path / "a.npz", [("x.npy", x), ("y.npy", y)], zipfile.ZIP_LZMA)
    assert "packed by method" in refusal(path)


def test_npz_bombs_lies_and_damage(tmp_path: Path) -> None:
    y = _npy(np.arange(2))
    huge = b"\x93NUMPY\x01\x00v\x00" + (
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000, 100000, 1000), }".ljust(117)
        + b"\n"
    )
    path = _archive(tmp_path / "lie.npz", [("x.npy", huge + bytes(50)), ("y.npy", y)])
    assert "declares the shape (1000000, 100000, 1000)" in refusal(path)

    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("x.npy", "w") as stream:
            for _ in range(300):
                stream.write(bytes(1 << 20))
        archive.writestr("y.npy", y)
    started = time.process_time()
    assert "would expand to 0.3 GiB" in refusal(tmp_path / "bomb.npz")
    assert time.process_time() - started < 2

    images, labels = samples()
    np.savez(tmp_path / "good.npz", x=images, y=labels)
    content = bytearray((tmp_path / "good.npz").read_bytes())
    content[400] ^= 0xFF
    (tmp_path / "flipped.npz").write_bytes(content)
    assert "CRC" in refusal(tmp_path / "flipped.npz")
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    assert "cannot be unpacked" in refusal(tmp_path / "cut.npz")
    (tmp_path / "empty.npz").write_bytes(b"PK\x05\x06" + bytes(18))
    assert "known format" in refusal(tmp_path / "empty.npz")


def test_cifar_damage(tmp_path: Path) -> None:
    records = write_cifar10(tmp_path)
    file = tmp_path / "data_batch_2.bin"
    file.write_bytes(records[:2].tobytes()[:-7])
    assert "no whole records of 3,073 bytes" in refusal(tmp_path)
    records[1, 0] = 10
    file.write_bytes(records[:2].tobytes())
    assert "row 11 has the label 10" in refusal(tmp_path)
    file.write_bytes(b"")
    assert any("data_batch_2.bin is empty" in note for note in open_dataset(tmp_path).notes)
    (tmp_path / "data_batch_1.bin").write_bytes(b"")
    assert "It is empty" in refusal(tmp_path)


def test_cifar_pickles_are_refused(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    import pickle

    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(_Marks(marker), 2))
    assert "could run code" in refusal(tmp_path)
    assert "could run code" in refusal(tmp_path / "data_batch_1")
    assert not marker.exists()


_SEEDS = {
    "train-images-idx3-ubyte": idx_bytes(samples()[0][..., 0]),
    "train-images-idx3-ubyte.gz": gzip.compress(idx_bytes(samples()[0][..., 0])),
    "a.npz": b"",
}


@settings(max_examples=120, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(_SEEDS)))
def test_mutated_files_open_or_are_refused(
    tmp_path_factory, data: st.DataObject, name: str
) -> None:
    folder = tmp_path_factory.mktemp("mutant")
    images, labels = samples()
    content = _SEEDS[name]
    if not content:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, x=images, y=labels)
        content = buffer.getvalue()
    mutant = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(mutant) - 1))
        mutant[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(mutant)))
    (folder / name).write_bytes(mutant[:cut] if data.draw(st.booleans()) else mutant)
    (folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    message = ""
    try:
        dataset = open_dataset(folder / name)
        dataset.decode_batch(np.arange(len(dataset)))
        dataset.digest()
    except BadInput as error:
        message = str(error)
    assert message.isprintable()
