"""Files are told apart by content, whatever they are called, and hostile content raises nothing."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from inspector.intake.sniff import NAMES, sniff


def checkpoint(**options):
    file = io.BytesIO()
    torch.save({"w": torch.zeros(2, 3)}, file, **options)
    return file.getvalue()


def archive(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name in names:
            made.writestr(name, b"x")
    return file.getvalue()


def tar(*names, style=tarfile.GNU_FORMAT):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=style) as made:
        for name in names:
            made.addfile(tarfile.TarInfo(name), io.BytesIO())
    return file.getvalue()


def picture(kind):
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, kind)
    return file.getvalue()


def array(save):
    file = io.BytesIO()
    save(file, np.zeros(3))
    return file.getvalue()


CASES = {
    "empty": b"",
    "safetensors": safetensors.torch.save({"w": torch.zeros(2)}),
    "torch-zip": checkpoint(),
    "torch-legacy": checkpoint(_use_new_zipfile_serialization=False),
    "torch-tar": tar("sys_info", "pickle", "storages", "tensors"),
    "torchscript": archive("m/data.pkl", "m/constants.pkl", "m/code/__torch__.py"),
    "torch-export": archive("m/archive_format", "m/archive_version", "m/models/model.json"),
    "torch-package": archive("MAR-INF/MANIFEST.json", "model.pt"),
    "keras": archive("metadata.json", "config.json", "model.weights.h5"),
    "npz": array(np.savez),
    "npy": array(np.save),
    "zip": archive("a.txt", "b.txt"),
    "tar": tar("a", "b"),
    "pickle": pickle.dumps({"a": 1}),
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "onnx": b"\x08\x08\x12\x07pytorch\x1a\x052.1.0:\x10",
    "tensorflow": b"\x08\x01\x12\x9a\x01\x0a\x04",
    "tflite": b"\x1c\0\0\0TFL3" + bytes(60),
    "gguf": b"GGUF\x03\0\0\0",
    "idx": bytes([0, 0, 8, 3]) + (2).to_bytes(4, "big") * 3 + bytes(8),
    "gzip": gzip.compress(b"x"),
    "image": picture("PNG"),
    "sqlite": b"SQLite format 3\0" + bytes(100),
    "program": b"\x7fELF" + bytes(100),
    "html": b"\n<!DOCTYPE html><html><body>Sign in</body></html>",
    "git-lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
    "text": "weights are elsewhere, für dich\n".encode(),
    "unknown": bytes(range(1, 32)) * 3,
}


@pytest.mark.parametrize("kind", CASES)
def test_each_kind_is_recognised(kind):
    assert sniff(CASES[kind]) == kind
    assert kind in NAMES


def test_old_tar_without_magic_and_other_protocols():
    plain = bytearray(tar("sys_info", "pickle", "storages", "tensors", style=tarfile.USTAR_FORMAT))
    plain[257:265] = bytes(8)  # the format of 1979 had no magic
    plain[148:156] = b" " * 8
    plain[148:156] = b"%06o\0 " % sum(plain[:512])
    assert sniff(bytes(plain)) in ("torch-tar", "tar")
    assert sniff(checkpoint(pickle_protocol=4)) == "torch-zip"
    legacy = checkpoint(pickle_protocol=4, _use_new_zipfile_serialization=False)
    assert sniff(legacy) == "torch-legacy"


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "BMP", "WEBP", "TIFF"])
def test_pictures(kind):
    assert sniff(picture(kind)) == "image"


@pytest.mark.parametrize("kind", CASES)
def test_cut_and_flipped_files_raise_nothing(kind):
    random = np.random.default_rng(0)
    content = CASES[kind]
    for cut in {1, 2, 3, 4, 5, 8, 9, 20, len(content) // 2, len(content) - 1}:
        assert sniff(content[: max(cut, 0)]) in NAMES
    for _ in range(60):
        damaged = bytearray(content or b"x")
        for place in random.integers(0, len(damaged), 8):
            damaged[place] = random.integers(256)
        assert sniff(bytes(damaged)) in NAMES


def test_a_directory_of_half_a_million_entries_is_not_read():
    entry = b"PK\x01\x02" + bytes(42)
    content = b"PK\x03\x04" + bytes(30) + entry * 300_000 + b"PK\x05\x06" + bytes(18)
    assert sniff(content) == "zip"
