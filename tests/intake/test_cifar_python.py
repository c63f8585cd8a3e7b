"""CIFAR's pickled batches: read as data, and nothing of what a pickle could do is done."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from dataset_checks import refusal
from dataset_makers import python2_pickle, write_cifar_python
from inspector.intake.datasets import open_dataset
from inspector.intake.datasets.array_pickle import read_array_pickle
from inspector.intake.datasets.cifar_python import CifarPython


@pytest.mark.parametrize("python", [2, 3, 4, 5])
def test_batches_of_every_protocol(tmp_path: Path, python: int) -> None:
    rows, labels = write_cifar_python(tmp_path, python=python)
    dataset = open_dataset(tmp_path)
    assert isinstance(dataset, CifarPython)
    assert dataset.class_names[3] == "name3"
    assert dataset.labels.tolist() == labels.tolist()
    pixels = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(dataset.decode_batch(np.arange(20)), pixels)
    assert dataset.locator(12) == "data_batch_2#2"
    assert len(open_dataset(tmp_path / "data_batch_1")) == 10
    assert any("data_batch_3" in note for note in dataset.notes)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_python_3_protocol_2_bytes_and_numpy_labels(tmp_path: Path, protocol: int) -> None:
    rng = np.random.default_rng(0)
    data = np.asfortranarray(rng.integers(0, 256, (4, 3072), dtype=np.uint8))
    batch = {b"data": data, b"fine_labels": np.arange(4), b"coarse_labels": [np.int64(1)] * 4}
    (tmp_path / "train").write_bytes(pickle.dumps(batch, protocol))
    dataset = open_dataset(tmp_path)
    assert dataset.labels.tolist() == [0, 1, 2, 3]
    assert dataset.stored_bytes(2) == data[2].tobytes()


class _Command:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_commands_are_named_and_never_run(tmp_path: Path, protocol: int) -> None:
    marker = tmp_path / "marker"
    batch = {"data": np.zeros((1, 3072), np.uint8), "labels": [0], "x": _Command(marker)}
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(batch, protocol))
    for path in (tmp_path, tmp_path / "data_batch_1"):
        message = refusal(path)
        assert "it names posix.system" in message
        assert "Nothing was run" in message
    assert not marker.exists()


def _refused(content: bytes) -> str:
    with pytest.raises(Exception) as caught:
        read_array_pickle(content, "x")
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x80\x02cbuiltins\neval\nU\x011\x85R.", "it names builtins.eval"),
        (b"(S'id'\nios\nsystem\n.", "INST"),
        (b"\x80\x02cnumpy\nndarray\n)\x81.", "NEWOBJ"),
        (b"\x80\x02P1\n.", "PERSID"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02}q\x00", "damaged"),
        (b"\x80\x02.", "damaged"),
        (b"\x80\x02h\x05.", "damaged"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "it names os.system"),
        (pickle.dumps(np.array([object()]), 4), "it names builtins.object"),
        (pickle.dumps(np.zeros(3, [("a", "u1")]), 4), "an array of records"),
    ],
)
def test_what_no_batch_needs_is_refused(content: bytes, said: str) -> None:
    assert said in _refused(content)


def test_memo_bombs_and_lies_about_size_cost_nothing() -> None:
    # An index of 2**31 - 1 makes the usual unpickler take 16 GiB for its memo.
    assert read_array_pickle(b"\x80\x02K\x05r\xff\xff\xff\x7f.", "x") == 5
    steps = b"".join(b"0(h%ch%ctq%c" % (i, i, i + 1) for i in range(200))
    laughs = b"\x80\x02]q\x00" + steps
    assert isinstance(read_array_pickle(laughs + b".", "x"), tuple)
    lie = python2_pickle({"data": np.zeros((2, 3), np.uint8)}).replace(
        b"J\x02\x00\x00\x00J\x03\x00\x00\x00", b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f"
    )
    assert "declares" in _refused(lie)
    # Made of a number, the bytes of an array would be so many zeros that the file never held.
    kind = b"cnumpy\ndtype\nX\x02\x00\x00\x00u1K\x00K\x01\x87R"
    zeros = b"cnumpy.core.numeric\n_frombuffer\n(J\x00\x00\x00\x10" + kind
    zeros += b"J\x00\x00\x00\x10\x85X\x01\x00\x00\x00CtR."
    assert "an array without bytes" in _refused(b"\x80\x02" + zeros)
    assert "damaged" in _refused(b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f" + b"abc.")


@pytest.mark.parametrize(
    "batch",
    [
        [1, 2],
        {"data": [1], "labels": [0]},
        {"data": np.zeros((1, 3072), np.uint8)},
        {"data": np.zeros((1, 100), np.uint8), "labels": [0]},
        {"data": np.zeros((1, 3072), np.uint8), "labels": ["a"]},
        {"data": np.zeros((1, 3072), np.uint8), "labels": [1 << 70]},
        {"data": np.zeros((2, 3072), np.uint8), "labels": [0]},
    ],
)
def test_other_pickles_get_one_sentence(tmp_path: Path, batch: object) -> None:
    (tmp_path / "b").write_bytes(pickle.dumps(batch, 4))
    assert refusal(tmp_path / "b")
