"""Arrays and tables built against their readers: IDX, NPZ, CIFAR, Parquet, Arrow, tar, manifests."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hostile_images import good
from hostile_pickles import Reduced, call, text, touch
from hostile_recipes import hostile

from dataset_makers import idx_bytes, samples, write_cifar10, write_idx

GROUPS = ("arrays", "cifar", "manifests", "tables", "shards")

IMAGES, LABELS = samples()
Make = Callable[[Path, Path], None]


def folder(group: str, name: str, tries: str, make: Make, outcome: str = "refused", says: str = "", runs: str = "") -> None:  # fmt: skip
    @hostile(group, name, tries, outcome, says, runs)
    def write(place: Path, marker: Path) -> Path:
        root = place / "data"
        root.mkdir()
        make(root, marker)
        return root


# ---- IDX -----------------------------------------------------------------------------------------


def idx(name: str, tries: str, content: bytes, *, packed: bool = False) -> None:
    def make(root: Path, marker: Path) -> None:
        write_idx(root, IMAGES[..., 0], LABELS)
        (root / "train-images-idx3-ubyte").unlink()
        file = root / f"train-images-idx3-ubyte{'.gz' if packed else ''}"
        file.write_bytes(content)

    folder("arrays", name, tries, make)


HUGE = struct.pack(">BBBBIII", 0, 0, 8, 3, 2**32 - 1, 2**31, 2**31) + bytes(99)
idx("idx-huge", "2^94 bytes declared", HUGE)
idx("idx-huge-gz", "2^94 bytes declared, compressed", gzip.compress(HUGE), packed=True)
idx("idx-bomb-gz", "200 MB behind a small array", gzip.compress(idx_bytes(IMAGES[..., 0]) + bytes(200_000_000), 1), packed=True)  # fmt: skip
idx("idx-dimensions", "255 dimensions", b"\0\0\x08\xff" + struct.pack(">255I", *[1] * 255) + b"x")
idx("idx-cut", "ends within its header", b"\0\0\x08\x03\0\0")
idx("idx-overflow", "a product that overflows 64 bits", struct.pack(">BBBBIII", 0, 0, 8, 3, 2**31, 2**31, 4))  # fmt: skip


# ---- NPZ -----------------------------------------------------------------------------------------


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), allow_pickle=True)
    return file.getvalue()


def declared(shape: str, descr: str = "|u1", size: int = 64) -> bytes:
    said = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode() + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(said)) + said + bytes(size)


def npz(name: str, tries: str, members: Any, kind: int = zipfile.ZIP_STORED, runs: str = "", outcome: str = "refused") -> None:  # fmt: skip
    @hostile("arrays", name, tries, outcome, "", runs)
    def write(place: Path, marker: Path) -> Path:
        path = place / "data.npz"
        rows = members(marker) if callable(members) else members
        with warnings.catch_warnings(), zipfile.ZipFile(path, "w", kind) as archive:
            warnings.simplefilter("ignore")
            for member, content in rows:
                archive.writestr(member, content)
        return path


X, Y = npy(IMAGES), npy(LABELS)
TRAP = lambda marker: npy(np.array([Reduced(os.system, f"touch {marker}")] * 12, dtype=object))  # noqa: E731
npz("npz-objects", "pickled objects as labels", lambda m: [("x.npy", X), ("y.npy", TRAP(m))], runs="npz")  # fmt: skip
npz("npz-raw-pickle", "a pickle in place of an array", lambda m: [("x.npy", X), ("y.npy", pickle.dumps(Reduced(os.system, f"touch {m}")))])  # fmt: skip
npz("npz-bomb", "1 GiB in 1 MB", [("x.npy", declared("(1073741824,)", size=0) + bytes(1 << 28)), ("y.npy", Y)], zipfile.ZIP_DEFLATED)  # fmt: skip
npz("npz-huge-shape", "a shape of 10^18", [("x.npy", declared("(10**6, 10**12)")), ("y.npy", Y)])
npz("npz-wide-shape", "4 TB declared, 64 bytes there", [("x.npy", declared("(1048576, 2048, 2048)")), ("y.npy", Y)])  # fmt: skip
npz("npz-negative-shape", "a negative shape", [("x.npy", declared("(-12, 6, 6)")), ("y.npy", Y)])
npz("npz-code-in-header", "an expression in the header", [("x.npy", declared("__import__('os').system('true')")), ("y.npy", Y)])  # fmt: skip
npz("npz-deep-header", "a header nested 5,000 deep", [("x.npy", declared("(" * 4500)), ("y.npy", Y)])  # fmt: skip
npz("npz-duplicate", "two members with one name", [("x.npy", X), ("y.npy", Y), ("y.npy", Y[::-1])])
npz("npz-structured", "records in place of numbers", [("x.npy", npy(np.zeros(12, [("a", "u1")]))), ("y.npy", Y)])  # fmt: skip
npz("npz-text-labels", "a label of rich text and bidi", [("x.npy", X), ("y.npy", npy(np.array(["<img src=file:///etc/passwd>", "\u202egpj", "a\nb"] * 4)))], outcome="reads")  # fmt: skip
npz("npz-parent-member", "a member named ../../x.npy", [("../../x.npy", X), ("y.npy", Y)], outcome="refused")  # fmt: skip
npz("npz-float-nan", "NaN and infinity as pixels", [("x.npy", npy(np.full((12, 6, 6), np.nan))), ("y.npy", Y)], outcome="refused")  # fmt: skip
npz("npz-label-huge", "labels of 2^60", [("x.npy", X), ("y.npy", npy(np.full(12, 1 << 60)))])


# ---- CIFAR ---------------------------------------------------------------------------------------


def cifar(name: str, tries: str, pickled: Callable[[Path], bytes], runs: str = "pickle") -> None:
    def make(root: Path, marker: Path) -> None:
        (root / "data_batch_1").write_bytes(pickled(marker))

    folder("cifar", name, tries, make, runs=runs)


def batch(value: bytes) -> bytes:
    return b"\x80\x02}(" + text("labels") + b"](K\x01e" + text("data") + value + b"u."


cifar("cifar-os-system", "os.system as the data", lambda m: batch(call("posix", "system", touch(m))))  # fmt: skip
cifar("cifar-global-alone", "a name that is never called", lambda m: batch(b"cposix\nsystem\n"), "")
cifar("cifar-objects", "an array of objects", lambda m: pickle.dumps({"labels": [1], "data": np.array([Reduced(os.system, f"touch {m}")], dtype=object)}, 2))  # fmt: skip
cifar("cifar-memo-bomb", "a memo entry at 2^31", lambda m: b"\x80\x02}r\xff\xff\xff\x7f.", "")
cifar("cifar-huge-bytes", "2^60 bytes declared", lambda m: batch(b"\x8e" + struct.pack("<Q", 1 << 60)), "")  # fmt: skip
cifar("cifar-laughs", "2^60 leaves by sharing", lambda m: b"\x80\x02)q\x00" + b"".join(b"0h%ch%c\x86q%c" % (k, k, k + 1) for k in range(60)) + b".", "")  # fmt: skip
cifar("cifar-deep", "lists nested 300,000 deep", lambda m: b"\x80\x02" + b"(" * 300_000 + b"l" * 300_000 + b".", "")  # fmt: skip
cifar("cifar-huge-shape", "an array of shape 2^40", lambda m: pickle.dumps({"labels": [1], "data": np.zeros((1, 3072), np.uint8)}, 2).replace(b"M\x00\x0c\x86", b"\x8a\x06\0\0\0\0\0\x01\x86"), "")  # fmt: skip
folder("cifar", "cifar-binary-short", "a record cut in two", lambda root, m: (root / "data_batch_1.bin").write_bytes(bytes(3073 + 9)) and None)  # fmt: skip
folder("cifar", "cifar-binary-labels", "labels beyond the classes", lambda root, m: (root / "data_batch_1.bin").write_bytes((b"\xff" + bytes(3072)) * 3) and None)  # fmt: skip


def meta_trap(root: Path, marker: Path) -> None:
    write_cifar10(root)
    (root / "batches.meta").write_bytes(pickle.dumps(Reduced(os.system, f"touch {marker}"), 2))
    (root / "batches.meta.txt").write_bytes(b"<b>plane\n\xff\xfe\n" * 5)


folder("cifar", "cifar-meta", "a trap in the file with the class names", meta_trap, "reads")


# ---- manifests -----------------------------------------------------------------------------------


def manifest(name: str, tries: str, body: bytes | str, file: str = "metadata.csv", outcome: str = "refused", says: str = "") -> None:  # fmt: skip
    def make(root: Path, marker: Path) -> None:
        (root / "a.png").write_bytes(good())
        (root / "b.png").write_bytes(good())
        (root.parent / "outside.png").write_bytes(good())
        (root / "link.png").symlink_to(root.parent / "outside.png")
        (root / file).write_bytes(body.encode() if isinstance(body, str) else body)

    folder("manifests", name, tries, make, outcome, says)


HEAD = "file_name,label\na.png,cat\nb.png,dog\n"
LINES = '{"file_name": "a.png", "label": "cat"}\n{"file_name": "b.png", "label": "dog"}\n'
manifest("manifest-parent", "a path with ..", HEAD + "../outside.png,cat\n", outcome="row")
manifest("manifest-absolute", "the path /etc/passwd", HEAD + "/etc/passwd,cat\n", outcome="row")
manifest("manifest-url", "a URL", HEAD + "https://example.org/x.png,cat\n", outcome="row")
manifest(
    "manifest-file-url", "file:///etc/passwd", HEAD + "file:///etc/passwd,cat\n", outcome="row"
)
manifest("manifest-link", "a path that is a link out", HEAD + "link.png,cat\n", outcome="row")
manifest("manifest-null", "a NUL byte in a path", HEAD + "a\0b.png,cat\n", outcome="refused")
manifest("manifest-long-path", "a path of 10,000 characters", HEAD + "x" * 10_000 + ".png,cat\n", outcome="row")  # fmt: skip
manifest("manifest-huge-field", "a field of 3 MB", HEAD + "a.png," + "x" * 3_000_000 + "\n")
manifest("manifest-columns", "100,000 columns", "file_name,label" + ",x" * 100_000 + "\na.png,cat\n", outcome="refused")  # fmt: skip
manifest("manifest-formula", "a label that is a formula", HEAD + "a.png,\"=HYPERLINK(\"\"http://x\"\")\"\n", outcome="reads")  # fmt: skip
manifest("manifest-rich-text", "a label of rich text", HEAD + "a.png,<img src=file:///etc/passwd>\n", outcome="reads")  # fmt: skip
manifest("manifest-bidi", "a label that reads backwards", HEAD + "a.png,\u202egpj.exe\n", outcome="reads")  # fmt: skip
manifest("manifest-newline", "a label of two lines", HEAD + 'a.png,"two\nlines"\n', outcome="reads")
manifest("manifest-bytes", "no UTF-8", b"file_name,label\na.png,\xff\xfe\n")
manifest("manifest-quote", "a quote that never ends", HEAD + '"a.png,cat\n' * 3, outcome="refused")
manifest(
    "manifest-deep", "JSON nested 100,000 deep", LINES + "[" * 100_000 + "\n", "metadata.jsonl"
)
manifest("manifest-twins", "a key twice: readers disagree", LINES + '{"file_name": "a.png", "label": "cat", "label": "dog"}\n', "metadata.jsonl")  # fmt: skip
manifest("manifest-digits", "a label of 10,000 digits", LINES + '{"file_name": "a.png", "label": ' + "9" * 10_000 + "}\n", "metadata.jsonl")  # fmt: skip
manifest("manifest-nan", "a label that is NaN", LINES + '{"file_name": "a.png", "label": NaN}\n', "metadata.jsonl", "refused")  # fmt: skip
manifest("manifest-table-path", "a table in place of a path", LINES + '{"file_name": {"a": 1}, "label": 1}\n', "metadata.jsonl", "row")  # fmt: skip


# ---- Parquet and Arrow ---------------------------------------------------------------------------


def parquet(name: str, tries: str, make: Callable[[Path, Any, Any], None], outcome: str = "refused", says: str = "") -> None:  # fmt: skip
    @hostile("tables", name, tries, outcome, says)
    def write(place: Path, marker: Path) -> Path:
        import pyarrow as pa
        import pyarrow.parquet as pq

        root = place / "data"
        root.mkdir()
        make(root / "train-00000-of-00001.parquet", pa, pq)
        return root


def table(arrow: Any, images: list[Any], labels: list[Any]) -> Any:
    kind = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    return arrow.table({"image": arrow.array(images, kind), "label": labels})


def path_only(path: Path, arrow: Any, parquet: Any) -> None:
    rows = [{"bytes": good(), "path": "a.png"}, {"bytes": None, "path": "../../../../etc/passwd"}]
    parquet.write_table(table(arrow, rows, [0, 1]), path)


def url_only(path: Path, arrow: Any, parquet: Any) -> None:
    rows = [{"bytes": good(), "path": "a"}, {"bytes": None, "path": "https://example.org/x.png"}]
    parquet.write_table(table(arrow, rows, [0, 1]), path)


def cell_bomb(path: Path, arrow: Any, parquet: Any) -> None:
    rows = [{"bytes": bytes(128 << 20), "path": "a"}, {"bytes": good(), "path": "b"}]
    parquet.write_table(table(arrow, rows, [0, 1]), path, compression="zstd")


def dictionary_bomb(path: Path, arrow: Any, parquet: Any) -> None:
    big = [{"bytes": b"x" * 100_000, "path": "a"}] * 1500
    parquet.write_table(table(arrow, big, [0] * 1500), path, compression="zstd")


def damaged(path: Path, arrow: Any, parquet: Any) -> None:
    path_only(path, arrow, parquet)
    content = bytearray(path.read_bytes())
    content[-200:-12] = bytes(188)
    path.write_bytes(bytes(content))


def footer(path: Path, arrow: Any, parquet: Any) -> None:
    path.write_bytes(b"PAR1" + bytes(40) + struct.pack("<I", 0xFFFFFFF0) + b"PAR1")


def extension(path: Path, arrow: Any, parquet: Any) -> None:
    field = arrow.field("image", arrow.binary(), metadata={b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": b"cposix\nsystem\n(S'true'\ntR."})  # fmt: skip
    schema = arrow.schema([field, arrow.field("label", arrow.int64())])
    parquet.write_table(arrow.table({"image": [good(), good()], "label": [0, 1]}, schema), path)


def rich_labels(path: Path, arrow: Any, parquet: Any) -> None:
    rows = [{"bytes": good(), "path": "<b>\u202e\n"}] * 2
    parquet.write_table(table(arrow, rows, ["<img src=file:///etc/passwd>", "a\nb"]), path)


for name, tries, make, outcome, says in (
    ("parquet-path", "a path to /etc/passwd in place of bytes", path_only, "row", ""),
    ("parquet-url", "a URL in place of bytes", url_only, "row", ""),
    ("parquet-cell-bomb", "a cell of 128 MiB in 5 KB", cell_bomb, "row", ""),
    (
        "parquet-dictionary-bomb",
        "150 MB of rows out of one dictionary entry",
        dictionary_bomb,
        "row",
        "",
    ),
    ("parquet-damaged", "a footer of zeros", damaged, "refused", ""),
    ("parquet-footer", "a footer of 4 GB", footer, "refused", ""),
    (
        "parquet-extension",
        "an extension type with a pickle (CVE-2023-47248)",
        extension,
        "reads",
        "",
    ),
    ("parquet-names", "rich text and bidi as labels and paths", rich_labels, "reads", ""),
):
    parquet(name, tries, make, outcome, says)


def saved_dataset(name: str, tries: str, make: Callable[[Path, Path], None]) -> None:
    def write(root: Path, marker: Path) -> None:
        (root / "dataset_info.json").write_text("{}")
        make(root, marker)

    folder("tables", name, tries, write)


def state(root: Path, *files: str, body: str = "") -> None:
    known = {"_data_files": [{"filename": file} for file in files], "_split": "train"}
    (root / "state.json").write_text(body or json.dumps(known))


def stream_noise(root: Path, marker: Path) -> None:
    state(root, "data-00000-of-00001.arrow")
    (root / "data-00000-of-00001.arrow").write_bytes(
        b"\xff\xff\xff\xff\xf0\xff\xff\x7f" + bytes(99)
    )


saved_dataset("arrow-parent", "a data file at ../../etc/passwd", lambda r, m: state(r, "../../../etc/passwd"))  # fmt: skip
saved_dataset("arrow-absolute", "a data file at /etc/passwd", lambda r, m: state(r, "/etc/passwd"))
saved_dataset("arrow-noise", "a message of 2 GiB in 100 bytes", stream_noise)
saved_dataset("arrow-deep-state", "a state nested 100,000 deep", lambda r, m: state(r, body="[" * 100_000))  # fmt: skip


# ---- tar -----------------------------------------------------------------------------------------


def shard(name: str, tries: str, fill: Callable[[tarfile.TarFile, Path], None], outcome: str = "reads", says: str = "", more: bytes = b"") -> None:  # fmt: skip
    def make(root: Path, marker: Path) -> None:
        path = root / "train-000000.tar"
        with tarfile.open(path, "w") as archive:
            for key, label in (("0001", b"0"), ("0002", b"1")):
                put(archive, f"{key}.png", good())
                put(archive, f"{key}.cls", label)
            fill(archive, marker)
        if more:
            path.write_bytes(path.read_bytes().rstrip(b"\0") + bytes(512) + more)

    folder("shards", name, tries, make, outcome, says)


def both(*done: None) -> None:
    """Two members in one expression."""


def put(archive: tarfile.TarFile, name: str, content: bytes = b"", **fields: Any) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in fields.items():
        setattr(member, key, value)
    archive.addfile(member, io.BytesIO(content))


def huge_member() -> bytes:
    member = tarfile.TarInfo("0003.png")
    member.size = 1 << 40
    return member.tobuf(tarfile.GNU_FORMAT)


shard("tar-symlink", "a link to /etc/passwd", lambda a, m: put(a, "0003.png", type=tarfile.SYMTYPE, linkname="/etc/passwd"))  # fmt: skip
shard("tar-hard-link", "a hard link to /etc/passwd", lambda a, m: put(a, "0003.png", type=tarfile.LNKTYPE, linkname="/etc/passwd"))  # fmt: skip
shard("tar-device", "a device", lambda a, m: put(a, "0003.png", type=tarfile.CHRTYPE))
shard("tar-fifo", "a FIFO", lambda a, m: put(a, "0003.png", type=tarfile.FIFOTYPE))
shard("tar-parent", "a member named ../../x.png", lambda a, m: put(a, "../../../x.png", good()))
shard("tar-absolute", "a member named /tmp/x.png", lambda a, m: put(a, "/tmp/x.png", good()))
shard("tar-pickle-label", "a label that is a pickle", lambda a, m: both(put(a, "0003.png", good()), put(a, "0003.pkl", pickle.dumps(Reduced(os.system, f"touch {m}")))))  # fmt: skip
shard("tar-duplicate", "a member twice", lambda a, m: put(a, "0001.png", good()))
shard("tar-long-name", "a name of 10,000 characters", lambda a, m: put(a, "x" * 10_000 + ".png", good()))  # fmt: skip
shard("tar-rich-name", "rich text, bidi and newlines as names", lambda a, m: both(put(a, "<b>\u202e\n.png", good()), put(a, "<b>\u202e\n.cls", b"1")))  # fmt: skip
shard("tar-deep-json", "a label of JSON nested 100,000 deep", lambda a, m: both(put(a, "0003.png", good()), put(a, "0003.json", b"[" * 100_000)))  # fmt: skip
shard("tar-digits", "a label of 10,000 digits", lambda a, m: both(put(a, "0003.png", good()), put(a, "0003.cls", b"9" * 10_000)), "refused")  # fmt: skip
shard("tar-eps", "PostScript named .jpg", lambda a, m: both(put(a, "0003.jpg", b"%!PS\n"), put(a, "0003.cls", b"1")), "row", "PostScript")  # fmt: skip
shard("tar-huge-member", "a member of 1 TiB in 512 bytes", lambda a, m: None, "refused", "", huge_member())  # fmt: skip
shard("tar-noise", "a header of noise", lambda a, m: None, "refused", "", bytes(range(1, 255)) * 3)


def bomb_shard(root: Path, marker: Path) -> None:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        put(archive, "0001.png", bytes(100 << 20))
        put(archive, "0001.cls", b"1")
    packed = zlib.compressobj(1, wbits=31)
    (root / "train-000000.tar.gz").write_bytes(packed.compress(plain.getvalue()) + packed.flush())


folder("shards", "tar-bomb-gz", "a picture of 100 MiB in 450 KB", bomb_shard, "refused")
