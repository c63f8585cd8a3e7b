"""Small datasets of every format, written without the code under test."""

from __future__ import annotations

import csv
import gzip
import io
import json
import pickle
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def samples(
    n: int = 12, classes: int = 3, side: int = 6, channels: int = 1, seed: int = 0
) -> Arrays:
    """Random images (n, side, side, channels) and labels that name every class."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, side, side, channels), dtype=np.uint8)
    return images, (np.arange(n) % classes).astype(np.uint8)


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(
    folder: Path, images: NDArray, labels: NDArray, split: str = "train", gz: bool = False
):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in (("images-idx3", images), ("labels-idx1", labels)):
        content = idx_bytes(array)
        path = folder / f"{split}-{name}-ubyte{'.gz' if gz else ''}"
        path.write_bytes(gzip.compress(content) if gz else content)
    return folder


def write_folder(root: Path, images: NDArray, labels: NDArray, names: tuple[str, ...] = ()) -> Path:
    for row, (image, label) in enumerate(zip(images, labels)):
        folder = root / (names[label] if names else f"class{label}")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.squeeze()).save(folder / f"{row:05d}.png")
    return root


def write_cifar10(folder: Path, n: int = 20, batches: int = 2, seed: int = 0) -> NDArray[np.uint8]:
    """Write batches of CIFAR-10 records; return them as (n, 3073)."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    records = rng.integers(0, 256, (n, 3073), dtype=np.uint8)
    records[:, 0] = np.arange(n) % 10
    for number, part in enumerate(np.array_split(records, batches), 1):
        (folder / f"data_batch_{number}.bin").write_bytes(part.tobytes())
    return records


def png(image: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image.squeeze()).save(stream, "PNG")
    return stream.getvalue()


def write_manifest(root: Path, rows: list[dict[str, object]], name: str = "metadata.csv") -> Path:
    """Write a manifest as ``csv``, ``tsv``, ``jsonl`` or ``parquet``, told by the name."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = name.rsplit(".", 1)[1]
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if kind == "tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return path


def write_pictures(root: Path, images: NDArray[np.uint8], folder: str = "img") -> list[str]:
    """Write images as PNG files and return their paths below the root."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    paths = [f"{folder}/{row:05d}.png" for row in range(len(images))]
    for path, image in zip(paths, images):
        (root / path).write_bytes(png(image))
    return paths


def image_table(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], names: tuple[str, ...] = ()
) -> Any:
    """Return an Arrow table as Hugging Face makes it, with an odd path beside each image."""
    import pyarrow as pa

    count = int(labels.max()) + 1
    features = {
        "image": {"_type": "Image"},
        "label": {"names": list(names) or [f"c{i}" for i in range(count)], "_type": "ClassLabel"},
        "id": {"dtype": "string", "_type": "Value"},
    }
    table = pa.table(
        {
            "image": [{"bytes": png(image), "path": "../../../etc/passwd"} for image in images],
            "label": pa.array(labels.astype("i8")),
            "id": [f"id{row}" for row in range(len(labels))],
        }
    )
    metadata = {"huggingface": json.dumps({"info": {"features": features}}), "mine": "kept"}
    return table.replace_schema_metadata(metadata)


def write_tar(path: Path, members: list[tuple[str, bytes]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def write_shards(root: Path, images: NDArray, labels: NDArray, shards: int = 2) -> list[Path]:
    """Write WebDataset shards ``train-0000.tar`` … with ``.png`` and ``.cls`` members."""
    found = []
    for number, rows in enumerate(np.array_split(np.arange(len(images)), shards)):
        members = []
        for row in rows:
            members += [
                (f"{row:06d}.png", png(images[row])),
                (f"{row:06d}.cls", str(labels[row]).encode()),
            ]
        found.append(write_tar(root / f"train-{number:04d}.tar", members))
    return found


def python2_pickle(batch: dict[str, Any]) -> bytes:
    """Pickle a CIFAR batch as Python 2 did in 2009: strings and bytes are one, protocol 2."""

    def text(value: bytes) -> bytes:
        if len(value) < 256:
            return b"U" + bytes([len(value)]) + value
        return b"T" + struct.pack("<i", len(value)) + value

    def one(value: Any) -> bytes:
        if isinstance(value, (str, bytes)):
            return text(value.encode() if isinstance(value, str) else value)
        if isinstance(value, (int, np.integer)):
            return b"J" + struct.pack("<i", int(value))
        if isinstance(value, list):
            return b"](" + b"".join(one(part) for part in value) + b"e"
        assert isinstance(value, np.ndarray)
        make = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85" + text(b"b")
        dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\0K\1\x87R(K\3" + text(b"|")
        dtype += b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
        shape = one(int(value.shape[0])) + one(int(value.shape[1])) + b"\x86"
        return make + b"\x87R(K\1" + shape + dtype + b"\x89" + text(value.tobytes()) + b"tb"

    body = b"".join(one(key) + one(value) for key, value in batch.items())
    return b"\x80\x02}(" + body + b"u."


def write_cifar_python(folder: Path, n: int = 20, batches: int = 2, python: int = 2) -> Arrays:
    """Write python batches of CIFAR-10; return the rows (n, 3072) and the labels."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 256, (n, 3072), dtype=np.uint8)
    labels = (np.arange(n) % 10).astype(np.uint8)
    for number, part in enumerate(np.array_split(np.arange(n), batches), 1):
        batch = {
            "batch_label": f"training batch {number}",
            "labels": labels[part].tolist(),
            "data": rows[part],
            "filenames": [f"picture_{row}.png" for row in part],
        }
        content = python2_pickle(batch) if python == 2 else pickle.dumps(batch, python)
        (folder / f"data_batch_{number}").write_bytes(content)
    names = {"label_names": [f"name{i}" for i in range(10)], "num_cases_per_batch": n}
    content = python2_pickle(names) if python == 2 else pickle.dumps(names, python)
    (folder / "batches.meta").write_bytes(content)
    return rows, labels
