"""Any selection of any dataset: exported and removed are the source, disjoint, hash by hash."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dataset_checks import (
    check_sums,
    export_here,
    read_idx_by_hand,
    rows_of,
)
from dataset_makers import write_cifar10, write_idx
from inspector.intake.datasets import Dataset, open_dataset


def _check_round_trip(dataset: Dataset, drop: np.ndarray, target: Path) -> None:
    hashes = [hashlib.sha256(dataset.stored_bytes(i)).digest() for i in range(len(dataset))]
    export_here(dataset, drop, target)
    opened = target if dataset.root.is_dir() else target / dataset.root.name
    again = open_dataset(opened)
    kept = np.flatnonzero(~drop)
    assert [hashlib.sha256(again.stored_bytes(i)).digest() for i in range(len(again))] == [
        hashes[row] for row in kept
    ]
    assert again.labels.tolist() == dataset.labels[kept].tolist()
    removed = {int(row["index"]) for row in rows_of(target / "removed.csv")}
    exported = {int(row["index"]) for row in rows_of(target / "kept.csv")}
    assert removed | exported == set(range(len(dataset)))
    assert not removed & exported


_masks = st.lists(st.booleans(), min_size=1, max_size=12).filter(lambda drop: not all(drop))


@settings(max_examples=15, deadline=None)
@given(drop=_masks, gz=st.booleans(), seed=st.integers(0, 99))
def test_idx_round_trip(
    tmp_path_factory: pytest.TempPathFactory, drop: list[bool], gz: bool, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("round")
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (len(drop), *rng.integers(1, 9, 2)), dtype=np.uint8)
    labels = rng.integers(0, 256, len(drop), dtype=np.uint8)
    write_idx(folder / "source", images, labels, gz=gz)
    _check_round_trip(open_dataset(folder / "source"), np.array(drop), folder / "out")


@settings(max_examples=15, deadline=None)
@given(
    drop=_masks,
    dtype=st.sampled_from(["u1", ">u2", "i8", "f4", "f8", "?"]),
    label_type=st.sampled_from(["u1", "<i8", "f4", ">i4"]),
    fortran=st.booleans(),
    compressed=st.booleans(),
    extra=hnp.arrays(np.float32, hnp.array_shapes(max_side=3)),
)
def test_npz_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    drop: list[bool],
    dtype: str,
    label_type: str,
    fortran: bool,
    compressed: bool,
    extra: np.ndarray,
) -> None:
    folder = tmp_path_factory.mktemp("round")
    rng = np.random.default_rng(len(drop))
    images = rng.integers(0, 2, (len(drop), 3, 4)).astype(dtype)
    stored = np.asfortranarray(images) if fortran else images
    labels = rng.integers(0, 9, len(drop)).astype(label_type)
    save = np.savez_compressed if compressed else np.savez
    save(folder / "a.npz", extra=extra, x=stored, y=labels)
    _check_round_trip(open_dataset(folder / "a.npz"), np.array(drop), folder / "out")
    with np.load(folder / "out" / "a.npz", allow_pickle=False) as arrays:
        assert arrays.files == ["extra", "x", "y"]
        np.testing.assert_array_equal(arrays["extra"], extra)
        np.testing.assert_array_equal(arrays["x"], images[~np.array(drop)])
        assert arrays["x"].dtype == np.dtype(dtype)
        assert arrays["y"].dtype == np.dtype(label_type)


@settings(max_examples=10, deadline=None)
@given(drop=_masks, batches=st.integers(1, 5))
def test_cifar_round_trip(
    tmp_path_factory: pytest.TempPathFactory, drop: list[bool], batches: int
) -> None:
    folder = tmp_path_factory.mktemp("round")
    write_cifar10(folder / "source", len(drop), min(batches, len(drop)))
    _check_round_trip(open_dataset(folder / "source"), np.array(drop), folder / "out")


_names = st.binary(min_size=1, max_size=12).filter(
    lambda raw: b"/" not in raw and b"\0" not in raw and not raw.startswith(b".")
)


@settings(max_examples=15, deadline=None)
@given(
    classes=st.lists(_names, min_size=1, max_size=3, unique=True),
    files=st.lists(st.tuples(_names, st.binary(max_size=20)), min_size=1, max_size=8),
    data=st.data(),
)
def test_folder_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    classes: list[bytes],
    files: list[tuple[bytes, bytes]],
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("round")
    for name in classes:
        (folder / "source" / os.fsdecode(name)).mkdir(parents=True, exist_ok=True)
    for number, (name, content) in enumerate(files):
        chosen = os.fsdecode(classes[number % len(classes)])
        (folder / "source" / chosen / f"{os.fsdecode(name)}.png").write_bytes(content)
    dataset = open_dataset(folder / "source")
    n = len(dataset)
    drop = data.draw(
        st.lists(st.booleans(), min_size=n, max_size=n).filter(lambda drop: not all(drop))
    )
    _check_round_trip(dataset, np.array(drop), folder / "out")
    check_sums(folder / "out")


def test_real_fashion_mnist_and_pneumonia(real_data: Path, tmp_path: Path) -> None:
    fashion = open_dataset(real_data / "fashion-mnist")
    drop = np.random.default_rng(0).random(60_000) < 0.01
    result = export_here(fashion, drop, tmp_path / "fashion")
    assert result.kept + result.removed == 60_000
    before = read_idx_by_hand(real_data / "fashion-mnist" / "train-images-idx3-ubyte.gz")
    after = read_idx_by_hand(tmp_path / "fashion" / "train-images-idx3-ubyte.gz")
    np.testing.assert_array_equal(after, before[~drop])
    check_sums(tmp_path / "fashion")

    pneumonia = open_dataset(real_data / "pneumoniamnist")
    drop = np.random.default_rng(0).random(4708) < 0.1
    export_here(pneumonia, drop, tmp_path / "pneumonia")
    with (
        np.load(real_data / "pneumoniamnist/pneumoniamnist_union.npz", allow_pickle=False) as old,
        np.load(tmp_path / "pneumonia/pneumoniamnist_union.npz", allow_pickle=False) as new,
    ):
        assert new.files == old.files
        for name in old.files:
            wanted = old[name][~drop] if name.startswith("train") else old[name]
            np.testing.assert_array_equal(new[name], wanted)


def test_real_traffic_signs(real_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(real_data / "gtsrb" / "gtsrb32_train_every3rd_frame_png.zip") as archive:
        # Six classes of 43 keep the test short; the whole set takes 2 s more.
        wanted = [name for name in archive.namelist() if name.split("/")[1] < "00006"]
        archive.extractall(tmp_path / "signs", wanted)
    dataset = open_dataset(tmp_path / "signs")
    assert len(dataset) == len([name for name in wanted if name.endswith(".png")])
    drop = np.arange(len(dataset)) % 7 == 0
    export_here(dataset, drop, tmp_path / "out", digest=dataset.digest())
    # By hand what ImageFolder does: sorted class folders, sorted names in each.
    folders = sorted(path for path in (tmp_path / "out" / "train").iterdir())
    found = [
        (path, label) for label, folder in enumerate(folders) for path in sorted(folder.iterdir())
    ]
    kept = np.flatnonzero(~drop)
    names = [f"train/{path.parent.name}/{path.name}" for path, _ in found]
    assert names == [dataset.locator(row) for row in kept]
    assert [label for _, label in found] == dataset.labels[kept].tolist()
    check_sums(tmp_path / "out")
