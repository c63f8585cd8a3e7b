"""Cleaned copies of every format, read back by readers that are not ours."""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dataset_checks import (
    check_sums,
    export_here,
    read_idx_by_hand,
    rows_of,
    state_of,
)
from dataset_makers import idx_bytes, samples, write_cifar10, write_folder, write_idx
from inspector.intake.datasets import open_dataset, unescape_name


def test_folder_is_copied_byte_by_byte_with_names_times_and_empty_classes(tmp_path: Path) -> None:
    images, labels = samples(n=12, channels=3)
    source = write_folder(tmp_path / "source", images, labels)
    (source / "empty class").mkdir()
    (source / "LICENSE").write_text("free")
    (source / "class1" / "notes.txt").write_text("kept too")
    os.symlink("LICENSE", source / "link.txt")
    os.symlink("class1", source / "linked")
    odd = source / "class0" / os.fsdecode(b"back\\slash\nnew\rline\xff.png")
    odd.write_bytes((source / "class0" / "00000.png").read_bytes())
    os.utime(source / "class0" / "00003.png", ns=(10**9, 123_456_789_012_345_678))
    (source / "class2" / "00002.png").write_bytes(b"corrupt but not removed")
    dataset = open_dataset(source)
    target = tmp_path / "cleaned"
    gone = [unescape_name(dataset.locator(i)) for i in (1, 4)]
    result = export_here(dataset, [1, 4], target)
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if str(name) == "linked":
            # A link beside class folders counts as a class; its index is kept by an empty folder.
            assert list((target / name).iterdir()) == []
        elif path.is_symlink() or str(name) in gone:
            assert not os.path.lexists(target / name)
        elif path.is_file():
            assert (target / name).read_bytes() == path.read_bytes()
            assert (target / name).stat().st_mtime_ns == path.stat().st_mtime_ns
        else:
            assert (target / name).is_dir()
    assert result.kept == 11
    assert result.removed == 2
    check_sums(target)
    again = open_dataset(target)
    assert again.class_names == dataset.class_names
    assert again.digest() == result.digest


def test_lists_say_what_was_removed_why_and_where_the_rest_went(tmp_path: Path) -> None:
    images, labels = samples(n=9)
    source = write_folder(tmp_path / "source", images, labels, ("=SUM(A1)", "@b", "c"))
    dataset = open_dataset(source)
    reasons = {
        0: {"tag": "suspect", "combined": np.float32(0.5), "note": "=cmd|' /C calc'!A0"},
        4: {"tag": "poison", "-x": [1, 2]},
        5: {"tag": "not removed"},
    }
    export_here(dataset, [0, 4], tmp_path / "out", reasons=reasons, provenance={"journal": "abc"})
    removed, kept = rows_of(tmp_path / "out" / "removed.csv"), rows_of(tmp_path / "out/kept.csv")
    assert [row["index"] for row in removed] == ["0", "4"]
    assert removed[0]["uri"] == "'=SUM(A1)/00000.png"
    assert removed[0]["label_name"] == "'=SUM(A1)"
    assert removed[0]["note"].startswith("'=cmd")
    assert removed[0]["combined"] == "0.5"
    assert removed[1]["'-x"] == "[1, 2]"
    assert removed[1]["label_name"] == "'@b"
    assert [row["index"] for row in kept] == ["1", "2", "3", "5", "6", "7", "8"]
    assert [row["new_index"] for row in kept] == list("0123456")
    again = open_dataset(tmp_path / "out")
    for row in kept:
        digest = again.stored_sha256()[int(row["new_index"])].tobytes().hex()
        assert digest == row["sha256"]
        assert again.labels[int(row["new_index"])] == int(row["label"])
    statement = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicate"]["case"] == {"journal": "abc"}
    assert statement["predicate"]["source_digest"] == dataset.digest()
    assert statement["predicate"]["samples"] == {"source": 9, "kept": 7, "removed": 2}


@pytest.mark.parametrize("gz", [False, True])
def test_idx_keeps_names_packing_and_the_other_pair(tmp_path: Path, gz: bool) -> None:
    images, labels = samples(n=40)
    source = write_idx(tmp_path / "source", images[..., 0], labels, gz=gz)
    write_idx(source, images[:5, ..., 0], labels[:5], "t10k", gz=gz)
    (source / "README.md").write_text("about")
    (source / "model.pth").write_bytes(b"not part of the data")
    suffix = ".gz" if gz else ""
    twin = source / f"train-images-idx3-ubyte{'' if gz else '.gz'}"
    if not gz:
        twin.write_bytes(gzip.compress(idx_bytes(images[..., 0])))
    result = export_here(open_dataset(source), np.arange(40) % 5 == 0, tmp_path / "out")
    kept = np.arange(40) % 5 != 0
    out = tmp_path / "out"
    np.testing.assert_array_equal(
        read_idx_by_hand(out / f"train-images-idx3-ubyte{suffix}"), images[kept, ..., 0]
    )
    np.testing.assert_array_equal(
        read_idx_by_hand(out / f"train-labels-idx1-ubyte{suffix}"), labels[kept]
    )
    for name in (f"t10k-images-idx3-ubyte{suffix}", f"t10k-labels-idx1-ubyte{suffix}", "README.md"):
        assert (out / name).read_bytes() == (source / name).read_bytes()
    # A packed twin of the training images still holds what was removed; a model is no data.
    assert not (out / "model.pth").exists()
    assert gz or not (out / twin.name).exists()
    assert any("model.pth" in note for note in result.notes)
    check_sums(out)


def test_idx_named_by_file_leaves_its_folder_alone(tmp_path: Path) -> None:
    images, labels = samples()
    write_idx(tmp_path / "source", images[..., 0], labels)
    write_idx(tmp_path / "source", images[..., 0], labels, "t10k")
    dataset = open_dataset(tmp_path / "source" / "t10k-images-idx3-ubyte")
    export_here(dataset, [0], tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out")) == [
        "kept.csv",
        "manifest.sha256",
        "provenance.json",
        "removed.csv",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ]


def test_npz_filters_the_scanned_pair_and_keeps_all_else_in_order(tmp_path: Path) -> None:
    images, labels = samples(n=10, channels=3)
    path = tmp_path / "set.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, array, method in (
            ("zeta", np.arange(10), zipfile.ZIP_STORED),
            ("train_labels", labels[:, None].astype(">i2"), zipfile.ZIP_DEFLATED),
            ("val_images", images[:4], zipfile.ZIP_DEFLATED),
            ("train_images", np.asfortranarray(images), zipfile.ZIP_STORED),
            ("val_labels", labels[:4], zipfile.ZIP_STORED),
            ("evil", np.array([{"a": 1}], dtype=object), zipfile.ZIP_STORED),
        ):
            info = zipfile.ZipInfo(f"{name}.npy", (2001, 2, 3, 4, 5, 6))
            info.compress_type = method
            with archive.open(info, "w") as stream:
                np.lib.format.write_array(stream, np.asanyarray(array))
        archive.writestr("README.txt", "hello")
    dataset = open_dataset(path)
    export_here(dataset, [0, 9], tmp_path / "out")
    written = tmp_path / "out" / "set.npz"
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(written) as after:
        old = {info.filename: info for info in before.infolist()}
        assert after.namelist() == [name for name in before.namelist() if name != "evil.npy"]
        for info in after.infolist():
            assert info.compress_type == old[info.filename].compress_type
            assert info.date_time == old[info.filename].date_time
        assert after.read("README.txt") == b"hello"
    with np.load(written, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["train_images"], images[1:9])
        assert arrays["train_images"].flags.f_contiguous
        np.testing.assert_array_equal(arrays["train_labels"], labels[1:9, None])
        assert arrays["train_labels"].dtype == ">i2"
        np.testing.assert_array_equal(arrays["val_images"], images[:4])
        np.testing.assert_array_equal(arrays["zeta"], np.arange(10))
    check_sums(tmp_path / "out")


def test_cifar_batches_keep_their_files_even_when_one_is_emptied(tmp_path: Path) -> None:
    records = write_cifar10(tmp_path / "source", n=20, batches=4)
    (tmp_path / "source" / "test_batch.bin").write_bytes(records[:2].tobytes())
    (tmp_path / "source" / "batches.meta.txt").write_text("\n".join("abcdefghij"))
    dataset = open_dataset(tmp_path / "source")
    assert dataset.class_names == tuple("abcdefghij")
    export_here(dataset, [0, 5, 6, 7, 8, 9], tmp_path / "out")
    kept = np.delete(records, [0, 5, 6, 7, 8, 9], axis=0)
    written = [(tmp_path / "out" / f"data_batch_{i}.bin").read_bytes() for i in (1, 2, 3, 4)]
    assert b"".join(written) == kept.tobytes()
    assert written[1] == b""
    assert (tmp_path / "out" / "batches.meta.txt").exists()
    assert (tmp_path / "out" / "test_batch.bin").read_bytes() == records[:2].tobytes()
    check_sums(tmp_path / "out")


def test_cifar100_single_file(tmp_path: Path) -> None:
    records = np.random.default_rng(0).integers(0, 20, (9, 3074), dtype=np.uint8)
    (tmp_path / "train.bin").write_bytes(records.tobytes())
    export_here(open_dataset(tmp_path / "train.bin"), [3], tmp_path / "out")
    assert (tmp_path / "out" / "train.bin").read_bytes() == np.delete(records, 3, 0).tobytes()


def test_other_splits_go_along_and_own_lists_are_not_mixed_up(tmp_path: Path) -> None:
    images, labels = samples()
    source = tmp_path / "source"
    write_folder(source / "train", images, labels)
    write_folder(source / "test", images[:4], labels[:4])
    export_here(open_dataset(source), [2], tmp_path / "first")
    assert (tmp_path / "first" / "test" / "class0" / "00000.png").exists()
    # An export of an export writes its own lists in place of the former ones.
    result = export_here(open_dataset(tmp_path / "first"), [0], tmp_path / "second")
    assert any("writes its own" in note for note in result.notes)
    assert len(rows_of(tmp_path / "second" / "removed.csv")) == 1
    check_sums(tmp_path / "second")


def test_hidden_class_that_is_emptied_vanishes_and_the_export_is_kept(tmp_path: Path) -> None:
    images, labels = samples(n=6)
    source = write_folder(tmp_path / "source", images, labels, (".ipynb_checkpoints", "a", "b"))
    dataset = open_dataset(source)
    export_here(dataset, dataset.labels == 0, tmp_path / "out")
    assert open_dataset(tmp_path / "out").class_names == ("a", "b")


def test_the_source_is_not_touched(tmp_path: Path) -> None:
    images, labels = samples()
    source = tmp_path / "source"
    write_folder(source / "folder", images, labels)
    (source / "folder" / "empty").mkdir()
    os.symlink("nowhere", source / "folder" / "link")
    write_idx(source / "idx", images[..., 0], labels, gz=True)
    write_cifar10(source / "cifar")
    (source / "npz").mkdir()
    np.savez(source / "npz" / "a.npz", x=images, y=labels)
    for path in [source, *source.rglob("*")]:
        os.utime(path, ns=(10**9, 2 * 10**9), follow_symlinks=False)
    before = state_of(source)
    for name in ("folder", "idx", "cifar", "npz"):
        export_here(open_dataset(source / name), [1], tmp_path / f"out-{name}")
    assert state_of(source) == before
