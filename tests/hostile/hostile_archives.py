"""Model files whose container is the weapon, and containers that carry code by design."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from hostile_pickles import Reduced, model, plain_state, saved
from hostile_recipes import hostile

GROUP = "model archives"
SAVED = saved(plain_state())

Change = Callable[[str, bytes, zipfile.ZipFile], None]


def rebuilt(change: Change) -> bytes:
    file = io.BytesIO()
    with (
        warnings.catch_warnings(),
        zipfile.ZipFile(io.BytesIO(SAVED)) as old,
        zipfile.ZipFile(file, "w") as new,
    ):
        warnings.simplefilter("ignore")
        for name in old.namelist():
            change(name, old.read(name), new)
    return file.getvalue()


def adding(name: str, content: bytes = b"x") -> bytes:
    def change(known: str, data: bytes, new: zipfile.ZipFile) -> None:
        new.writestr(known, data)
        if known.endswith("data.pkl"):
            new.writestr(name.replace("*", known.partition("/")[0]), content)

    return rebuilt(change)


def deflating(size: int) -> bytes:
    def change(name: str, data: bytes, new: zipfile.ZipFile) -> None:
        large = b"\0" * size if name.endswith("/data/0") else data
        new.writestr(name, large, zipfile.ZIP_DEFLATED)

    return rebuilt(change)


def patched(before: bytes, after: bytes, count: int = -1) -> bytes:
    assert before in SAVED
    return SAVED.replace(before, after, count)


def bit_flipped() -> bytes:
    place = SAVED.index(struct.pack("<f", 1.0) * 12)
    return SAVED[:place] + b"\x01" + SAVED[place + 1 :]


def encrypted() -> bytes:
    content = bytearray(SAVED)
    place = content.index(b"PK\x01\x02")
    content[place + 8] |= 1
    return bytes(content)


def lying_directory() -> bytes:
    content = bytearray(SAVED)
    place = content.rindex(b"PK\x01\x02")
    content[place + 20 : place + 28] = struct.pack("<II", 0xFFFFFF00, 0xFFFFFF00)
    return bytes(content)


for name, tries, content, outcome, says in (
    ("duplicate-pickle", "data.pkl twice: scanner and loader disagree", adding("*/data.pkl"), "refused", "name"),
    ("case-variant-pickle", "DATA.PKL beside data.pkl", adding("*/DATA.PKL"), "refused", "name"),
    ("parent-member", "a member named ../../x", adding("*/../../x"), "refused", "outside"),
    ("absolute-member", "a member named /etc/x", adding("/etc/x"), "refused", "outside"),
    ("backslash-member", "a member named ..\\x", adding("*\\..\\x"), "refused", ""),
    ("two-roots", "a second archive folder", adding("other/data.pkl"), "refused", ""),
    ("deflated-members", "compressed members", deflating(48), "refused", "compress"),
    ("zip-bomb", "256 MiB from 256 KiB", deflating(1 << 28), "refused", "compress"),
    ("bytes-before", "a script before the archive", b"#!/bin/sh\n" + SAVED, "refused", ""),
    ("bytes-behind", "bytes behind the archive", SAVED + b"x", "refused", ""),
    ("cut-off", "the last 30 bytes are missing", SAVED[:-30], "refused", ""),
    ("encrypted", "a member marked as encrypted", encrypted(), "refused", ""),
    ("lying-directory", "a member of 4 GiB in 1 KiB", lying_directory(), "refused", ""),
    ("bit-flip", "a bit of a weight changed after saving", bit_flipped(), "reads", "checksum"),
    ("nested-archive", "a checkpoint within a zip", adding("*/inner.pt", SAVED), "reads", ""),
    ("wrong-byteorder", "a byte order that does not exist", patched(b"little", b"middle"), "refused", ""),
    ("empty", "no bytes at all", b"", "refused", "no bytes|empty"),
    ("web-page", "a login page in place of the file", b"<!doctype html><script>x</script>", "refused", "web page"),
    ("git-lfs", "a pointer in place of the file", b"version https://git-lfs.github.com/spec/v1\n", "refused", "LFS"),
    ("program", "an executable named .pt", b"\x7fELF" + bytes(200), "refused", "program"),
    ("gzip", "a compressed file named .pt", b"\x1f\x8b\x08" + bytes(40), "refused", "compressed"),
    ("hdf5", "HDF5: external links read any file", b"\x89HDF\r\n\x1a\n" + bytes(200), "refused", "HDF5"),
    ("onnx", "external data at ../../etc/passwd", b"\x08\x07\x12\x04evil:\x20" + b"../../../../etc/passwd", "refused", "ONNX"),
    ("noise", "random bytes", bytes(range(7, 256)) * 20, "refused", ""),
):  # fmt: skip
    hostile(GROUP, name, tries, outcome, says)(model(content))


@hostile(GROUP, "torch-tar", "the tar format of PyTorch 0.1, with os.system", runs="")
def _(folder: Path, marker: Path) -> Path:
    trap = pickle.dumps(Reduced(os.system, f"touch {marker}"), protocol=2)
    with tarfile.open(folder / "victim.pt", "w", format=tarfile.USTAR_FORMAT) as archive:
        for name in ("storages", "tensors", "pickle"):
            member = tarfile.TarInfo(name)
            member.size = len(trap)
            archive.addfile(member, io.BytesIO(trap))
    return folder / "victim.pt"


class Program(torch.nn.Module):
    """Writes a file as soon as it is loaded."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path: str = path
        self.weight = torch.ones(3, 4)

    @torch.jit.export
    def __getstate__(self):  # type: ignore[no-untyped-def]
        return (self.path, self.weight, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[str, torch.Tensor, bool]) -> None:
        self.path = state[0]
        self.weight = state[1]
        self.training = state[2]
        torch.save(state[1], state[0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight


@hostile(
    GROUP, "torchscript", "a program that writes while it is loaded", "refused", runs="torchscript"
)
def _(folder: Path, marker: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.jit.script(Program(str(marker)))
        torch.jit.save(program, folder / "victim.pt")
    return folder / "victim.pt"


@hostile(GROUP, "torch-export", "a .pt2 with a pickle in its sample inputs", says="pt2|CVE")
def _(folder: Path, marker: Path) -> Path:
    trap = saved(Reduced(os.system, f"touch {marker}"))
    with zipfile.ZipFile(folder / "victim.pt2", "w") as archive:
        archive.writestr("model/archive_format", "pt2")
        archive.writestr("model/models/model.json", "{}")
        archive.writestr("model/data/sample_inputs/model.pt", trap)
    return folder / "victim.pt2"


@hostile(GROUP, "torch-package", "a package that carries its own code", says="code")
def _(folder: Path, marker: Path) -> Path:
    with zipfile.ZipFile(folder / "victim.pt", "w") as archive:
        archive.writestr("model/.data/extern_modules", "os\n")
        archive.writestr("model/model.py", f"open({str(marker)!r}, 'w')")
        archive.writestr("model/model/model.pkl", b"\x80\x02cmodel\nx\n.")
    return folder / "victim.pt"


@hostile(GROUP, "keras", "a Keras archive with a lambda in its config", says="Keras")
def _(folder: Path, marker: Path) -> Path:
    with zipfile.ZipFile(folder / "victim.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"module": "os", "class_name": "system"}))
        archive.writestr("model.weights.h5", b"\x89HDF\r\n\x1a\n")
    return folder / "victim.keras"


@hostile(GROUP, "pipe", "a FIFO that would hang whoever opens it", says="regular")
def _(folder: Path, marker: Path) -> Path:
    os.mkfifo(folder / "victim.pt")
    return folder / "victim.pt"


@hostile(GROUP, "linked-model", "a link to /etc/passwd", says="link")
def _(folder: Path, marker: Path) -> Path:
    (folder / "victim.pt").symlink_to("/etc/passwd")
    return folder / "victim.pt"


@hostile(GROUP, "folder-links-out", "a model folder whose weights are a link to /etc/passwd")
def _(folder: Path, marker: Path) -> Path:
    (folder / "config.json").write_text('{"architectures": ["ResNet"]}')
    (folder / "model.safetensors").symlink_to("/etc/passwd")
    return folder


@hostile(GROUP, "folder-remote-code", "a model folder that names code to be run", "reads")
def _(folder: Path, marker: Path) -> Path:
    import safetensors.torch

    safetensors.torch.save_file(plain_state(), folder / "model.safetensors")
    evil = {"auto_map": {"AutoModel": "evil.Model"}, "architectures": ["../../evil"]}
    (folder / "config.json").write_text(json.dumps(evil))
    (folder / "evil.py").write_text(f"open({str(marker)!r}, 'w')")
    return folder


@hostile(GROUP, "folder-deep-config", "a config nested 100,000 deep", "reads")
def _(folder: Path, marker: Path) -> Path:
    import safetensors.torch

    safetensors.torch.save_file(plain_state(), folder / "model.safetensors")
    (folder / "config.json").write_text("[" * 100_000)
    return folder


def header(entries: Any, data: bytes = b"", *, raw: bytes | None = None, length: int = -1) -> bytes:
    said = json.dumps(entries).encode() if raw is None else raw
    return struct.pack("<Q", len(said) if length < 0 else length) + said + data


def entry(shape: Any, start: Any, end: Any, dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


ONE = b'"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}'
GOOD = {"w": entry([2, 2], 0, 16)}
for name, tries, content, outcome in (
    ("header-2-40", "a header of 2^40 bytes", header({}, length=1 << 40, raw=b"{" * 99), "refused"),
    ("header-too-long", "a header longer than the file", header(GOOD, length=4000), "refused"),
    ("header-no-json", "a header that is no JSON", header({}, raw=b"{'w': 1}" * 4), "refused"),
    ("header-deep", "a header nested 100,000 deep", header({}, raw=b'{"a":' + b"[" * 100_000), "refused"),
    ("header-list", "a list in place of the table", header({}, raw=b"{" + b"[]" * 9), "refused"),
    ("twice-named", "a tensor named twice: readers disagree", header({}, bytes(16), raw=b"{" + ONE + b"," + ONE + b"}"), "refused"),
    ("no-data", "a shape without data", header(GOOD), "refused"),
    ("overlap", "two tensors over the same bytes", header({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, bytes(16)), "refused"),
    ("hole", "bytes that belong to no tensor", header(GOOD, bytes(64)), "refused"),
    ("overflow", "a shape whose product overflows", header({"w": entry([2**40, 2**40], 0, 16)}, bytes(16)), "refused"),
    ("negative", "a negative shape", header({"w": entry([-2, -2], 0, 16)}, bytes(16)), "refused"),
    ("float-shape", "a shape of 2.5", header({"w": entry([2.5, 2], 0, 16)}, bytes(16)), "refused"),
    ("bool-shape", "a shape of true", header({"w": entry([True, 4], 0, 16)}, bytes(16)), "refused"),
    ("digits", "a shape of 5,000 digits", header({}, bytes(16), raw=b'{"w":{"dtype":"F32","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,16]}}'), "refused"),
    ("empty-wide", "an empty tensor of 2^40 columns", header({"w": entry([0, 2**40], 0, 0)}), "reads"),
    ("unknown-type", "a type that does not exist", header({"w": entry([4], 0, 16, "F128")}, bytes(16)), "refused"),
    ("many-empty", "100,001 empty tensors", header({f"t{k}": entry([0], 0, 0) for k in range(100_001)}), "refused"),
    ("metadata-40-mb", "40 MB of metadata", header({"__metadata__": {"a": "x" * 40_000_000}, **GOOD}, bytes(16)), "refused"),
    ("metadata-rich-text", "rich text and bidi in the metadata", header({"__metadata__": {"<b>": "\u202e<img src=file:///etc/passwd>"}, **GOOD}, bytes(16)), "reads"),
    ("metadata-number", "metadata that is no table", header({"__metadata__": 7, **GOOD}, bytes(16)), "reads"),
    ("long-name", "a name of 100,000 characters", header({"w" * 100_000: GOOD["w"]}, bytes(16)), "refused"),
    ("newline-name", "a newline in a name", header({"a\nb": GOOD["w"]}, bytes(16)), "refused"),
    ("surrogate-name", "half of a surrogate pair in a name", header({}, bytes(16), raw=b'{"\\ud800":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}'), "refused"),
):  # fmt: skip
    hostile("model safetensors", f"safetensors-{name}", tries, outcome)(model(content))
