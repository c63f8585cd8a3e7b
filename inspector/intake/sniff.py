"""What a file is, told by its content. Names and extensions are never asked."""

from __future__ import annotations

import io
import re
import tarfile
import zipfile

NAMES: dict[str, str] = {
    "empty": "an empty file",
    "safetensors": "a safetensors file",
    "torch-zip": "a PyTorch checkpoint",
    "torch-legacy": "a PyTorch checkpoint in the format before 1.6",
    "torch-tar": "a PyTorch checkpoint in the tar format before 0.1.10",
    "torchscript": "a TorchScript program",
    "torch-export": "a torch.export program (.pt2)",
    "torch-package": "a torch.package or model archive, which carries code",
    "pickle": "a bare Python pickle",
    "onnx": "an ONNX graph",
    "hdf5": "an HDF5 file (Keras .h5 among others)",
    "keras": "a Keras model",
    "tensorflow": "a TensorFlow saved model",
    "tflite": "a TensorFlow Lite model",
    "gguf": "a GGUF language model",
    "npz": "a NumPy archive (.npz)",
    "npy": "a NumPy array (.npy)",
    "idx": "an IDX array",
    "zip": "a zip archive",
    "tar": "a tar archive",
    "gzip": "a gzip-compressed file",
    "compressed": "a compressed file",
    "image": "a picture",
    "sqlite": "an SQLite database",
    "program": "an executable program",
    "html": "a web page",
    "git-lfs": "a Git LFS pointer, not the file itself",
    "text": "a text file",
    "unknown": "nothing that is known here",
}
"""Every kind that `sniff` answers, with words for people."""

MAX_MEMBERS = 200_000
"""Entries of a zip archive beyond which its directory is not read: it would fill the memory."""

# 0x1950a86a20f9469cfc6c, the number that torch.save pickled first until 1.6, in little endian.
_LEGACY_MAGIC = b"l\xfc\x9cF\xf9 j\xa8P\x19"
_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF")
_COMPRESSED = (b"\xfd7zXZ\0", b"BZh", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c", b"Rar!")
_PREFIXES: tuple[tuple[bytes, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"\x93NUMPY", "npy"),
    (b"GGUF", "gguf"),
    (b"SQLite format 3\0", "sqlite"),
    (b"\x7fELF", "program"),
    (b"MZ", "program"),
    (b"\x1f\x8b", "gzip"),
    (b"version https://git-lfs", "git-lfs"),
    *((magic, "compressed") for magic in _COMPRESSED),
    *((magic, "image") for magic in _IMAGES),
)
_IDX_TYPES = b"\x08\x09\x0b\x0c\x0d\x0e"
_ONNX_TAGS = b"\x12\x1a\x22\x2a\x3a\x42"
# Protocols 0 and 1 have no magic either; these are the ways in which their writers begin.
_OLD_PICKLE = re.compile(
    rb"\([dl]p\d+\n|\(?[ci][A-Za-z_][\w.]*\n[A-Za-z_][\w.]*\n|[}\])]q\x00|\([SV]['\w]"
)
_TEXT = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]+")


def sniff(content: bytes) -> str:
    """Tell what a file holds; one of the keys of `NAMES`.

    Parameters
    ----------
    content : bytes
        The whole file: the kinds of zip archives are told apart by their member names, which lie at
        the end. Nothing is decompressed and nothing is unpickled.
    """
    head = content[:512]
    if not head:
        return "empty"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _sniff_zip(content)
    if _LEGACY_MAGIC in head[:64]:
        return "torch-legacy"
    for magic, kind in _PREFIXES:
        if head.startswith(magic):
            return kind
    if head[4:8] == b"TFL3":
        return "tflite"
    header = int.from_bytes(head[:8], "little")
    if 2 <= header <= len(content) - 8 and head[8:9] == b"{":
        return "safetensors"
    if head[257:262] == b"ustar" or _is_old_tar(content):
        return _sniff_tar(content)
    if len(head) >= 2 and head[0] == 0x80 and 2 <= head[1] <= 5:
        return "pickle"
    if len(head) > 4 and head[:2] == b"\0\0" and head[2] in _IDX_TYPES and 1 <= head[3] <= 4:
        return "idx"
    if _OLD_PICKLE.match(head) and content[-16:].rstrip().endswith(b"."):
        return "pickle"
    return _sniff_loose(head)


def _sniff_loose(head: bytes) -> str:
    # Protocol buffers have no magic; these are the first field tags that the two writers emit.
    if head[:3] == b"\x08\x01\x12":
        return "tensorflow"
    if len(head) > 2 and head[0] == 0x08 and head[1] <= 0x20 and head[2] in _ONNX_TAGS:
        return "onnx"
    stripped = head.lstrip().lower()
    if stripped.startswith((b"<!doctype html", b"<html")):
        return "html"
    return "text" if _TEXT.fullmatch(head) else "unknown"


def _sniff_zip(content: bytes) -> str:
    unread = "torch-zip" if b"data.pkl" in content[:4096] else "zip"
    if content.count(b"PK\x01\x02") > MAX_MEMBERS:
        return unread
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
    except Exception:
        # A hostile directory raises anything from BadZipFile to UnicodeDecodeError.
        return unread
    inner = {name.partition("/")[2].casefold() for name in names}
    plain = {name.casefold() for name in names}
    if any(name.startswith("mar-inf/") for name in plain) or ".data/extern_modules" in inner:
        return "torch-package"
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        return "torchscript"
    if "archive_format" in inner | plain or "serialized_exported_program.json" in plain:
        return "torch-export"
    if "data.pkl" in inner:
        return "torch-zip"
    if {"config.json", "model.weights.h5"} <= plain:
        return "keras"
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    return "zip"


def _is_old_tar(content: bytes) -> bool:
    # The tar format without "ustar": the header's own checksum is all there is to go by.
    header = content[:512]
    if len(header) < 512 or not header[0]:
        return False
    try:
        stated = int(header[148:156].strip(b" \0") or b"x", 8)
    except ValueError:
        return False
    return stated == sum(header[:148]) + sum(header[156:]) + 8 * 32


def _sniff_tar(content: bytes) -> str:
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            first = [member.name for _, member in zip(range(8), archive)]
    except Exception:
        return "tar"
    return "torch-tar" if {"storages", "tensors", "pickle"} <= set(first) else "tar"
