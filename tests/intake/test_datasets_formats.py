"""Good datasets of every format: what is read is what was written, in the order of the source."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dataset_checks import state_of
from dataset_makers import idx_bytes, samples, write_cifar10, write_folder, write_idx
from inspector.intake.datasets import open_dataset


@pytest.mark.parametrize("gz", [False, True])
def test_idx_pair_is_read_from_folder_and_from_either_file(tmp_path: Path, gz: bool) -> None:
    images, labels = samples(n=30)
    write_idx(tmp_path, images[..., 0], labels, gz=gz)
    suffix = ".gz" if gz else ""
    for path in (
        tmp_path,
        tmp_path / f"train-images-idx3-ubyte{suffix}",
        tmp_path / f"train-labels-idx1-ubyte{suffix}",
    ):
        dataset = open_dataset(path)
        assert dataset.format == "idx"
        assert len(dataset) == 30
        assert dataset.class_names == ("0", "1", "2")
        assert dataset.image_shape == (6, 6, 1)
        assert dataset.labels.dtype == np.int32
        np.testing.assert_array_equal(dataset.labels, labels)
        np.testing.assert_array_equal(dataset.decode_batch(np.arange(30)), images)
        np.testing.assert_array_equal(dataset.decode(7), images[7])
        assert dataset.locator(29) == f"train-images-idx3-ubyte{suffix}#29"
        assert dataset.stored_bytes(3) == images[3].tobytes()


def test_idx_with_train_and_test_pair_scans_train_and_says_so(tmp_path: Path) -> None:
    images, labels = samples(n=9)
    write_idx(tmp_path, images[..., 0], labels, "train")
    write_idx(tmp_path, images[:4, ..., 0], labels[:4], "t10k")
    dataset = open_dataset(tmp_path)
    assert len(dataset) == 9
    assert any("t10k-images-idx3-ubyte holds another set" in note for note in dataset.notes)
    assert len(open_dataset(tmp_path / "t10k-images-idx3-ubyte")) == 4


def test_idx_unpacked_file_is_preferred_over_its_compressed_twin(tmp_path: Path) -> None:
    images, labels = samples()
    write_idx(tmp_path, images[..., 0], labels)
    write_idx(tmp_path, images[..., 0], labels, gz=True)
    dataset = open_dataset(tmp_path)
    assert dataset.locator(0) == "train-images-idx3-ubyte#0"
    assert any("the same set compressed" in note for note in dataset.notes)


def test_idx_in_colour_and_in_gzip_members(tmp_path: Path) -> None:
    images, labels = samples(channels=3)
    content = idx_bytes(images)
    # A gzip file may hold several members one after the other (pigz, cat a.gz b.gz).
    (tmp_path / "train-images-idx4-ubyte.gz").write_bytes(
        gzip.compress(content[:100]) + gzip.compress(content[100:])
    )
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    dataset = open_dataset(tmp_path)
    np.testing.assert_array_equal(dataset.decode_batch([0, 5, 2]), images[[0, 5, 2]])


@pytest.mark.parametrize(
    ("images_key", "labels_key"),
    [
        ("x", "y"),
        ("images", "labels"),
        ("x_train", "y_train"),
        ("train_images", "train_labels"),
        ("X_train", "Y_train"),
        ("data", "targets"),
    ],
)
def test_npz_usual_names(tmp_path: Path, images_key: str, labels_key: str) -> None:
    images, labels = samples(channels=3)
    path = tmp_path / "set.npz"
    np.savez(path, **{labels_key: labels, "other": np.arange(3), images_key: images})
    dataset = open_dataset(path)
    assert dataset.format == "npz"
    np.testing.assert_array_equal(dataset.decode_batch(np.arange(12)), images)
    np.testing.assert_array_equal(dataset.labels, labels)
    assert dataset.locator(4) == "set.npz#4"


def test_npz_with_splits_scans_train_and_names_the_others(tmp_path: Path) -> None:
    images, labels = samples()
    np.savez_compressed(
        tmp_path / "a.npz",
        val_images=images[:3, ..., 0],
        val_labels=labels[:3],
        train_images=images[..., 0],
        train_labels=labels[:, None],
    )
    dataset = open_dataset(tmp_path / "a.npz")
    assert len(dataset) == 12
    assert any("val_images" in note and "other splits" in note for note in dataset.notes)


def test_npz_class_names_and_text_labels(tmp_path: Path) -> None:
    images, labels = samples()
    names = np.array(["boat", "cat", "dog\nline", "never used"])
    np.savez(tmp_path / "a.npz", x=images, y=labels, class_names=names)
    assert open_dataset(tmp_path / "a.npz").class_names == (
        "boat",
        "cat",
        "dog%0Aline",
        "never used",
    )
    np.savez(tmp_path / "b.npz", x=images, y=np.array(["b", "a", "c"])[labels])
    dataset = open_dataset(tmp_path / "b.npz")
    assert dataset.class_names == ("a", "b", "c")
    np.testing.assert_array_equal(dataset.labels, np.array([1, 0, 2])[labels])


def test_npz_layouts_types_and_one_hot(tmp_path: Path) -> None:
    images, labels = samples(channels=3)
    cases = {
        "channels first": (images.transpose(0, 3, 1, 2).copy(), images),
        "fortran order": (np.asfortranarray(images), images),
        "0..1 floats": ((images / np.float32(255)).astype(np.float32), images),
        "int64": (images.astype(np.int64), images),
        "16 bit": (images.astype(np.uint16) * 257, images),
        "big endian": (images.astype(">i4"), images),
        "flat squares": (images[..., :1].reshape(12, 36), images[..., :1]),
        "booleans": (images > 127, np.where(images > 127, 255, 0)),
    }
    for name, (stored, wanted) in cases.items():
        np.savez(tmp_path / "a.npz", x=stored, y=np.eye(3, dtype=int)[labels])
        dataset = open_dataset(tmp_path / "a.npz")
        np.testing.assert_array_equal(dataset.decode_batch(np.arange(12)), wanted, err_msg=name)
        np.testing.assert_array_equal(dataset.labels, labels)
        assert dataset.stored_bytes(2) == stored[2].tobytes(), name
        digest = hashlib.sha256(stored[2].tobytes()).digest()
        assert dataset.stored_sha256()[2].tobytes() == digest, name


def test_npz_row_with_nan_is_unreadable_and_the_others_are_not(tmp_path: Path) -> None:
    images = np.full((4, 5, 5), 0.5, np.float32)
    images[2, 0, 0] = np.nan
    np.savez(tmp_path / "a.npz", x=images, y=np.arange(4))
    dataset = open_dataset(tmp_path / "a.npz")
    batch = dataset.decode_batch(np.arange(4))
    assert isinstance(batch, list)
    assert str(batch[2]) == "unreadable: a pixel is not a finite number"
    assert batch[3].shape == (5, 5, 1)


def test_cifar10_batches_and_single_file(tmp_path: Path) -> None:
    records = write_cifar10(tmp_path)
    (tmp_path / "test_batch.bin").write_bytes(records[:3].tobytes())
    dataset = open_dataset(tmp_path)
    assert dataset.format == "cifar-binary"
    assert dataset.class_names[:2] == ("airplane", "automobile")
    pixels = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(dataset.decode_batch(np.arange(20)), pixels)
    np.testing.assert_array_equal(dataset.labels, records[:, 0])
    assert dataset.locator(12) == "data_batch_2.bin#2"
    assert dataset.stored_bytes(12) == records[12, 1:].tobytes()
    assert any("test_batch.bin holds another split" in note for note in dataset.notes)
    assert len(open_dataset(tmp_path / "test_batch.bin")) == 3


def test_cifar100_uses_fine_labels_and_the_names_file(tmp_path: Path) -> None:
    records = np.random.default_rng(0).integers(0, 20, (40, 3074), dtype=np.uint8)
    records[:, 1] = np.arange(40)
    (tmp_path / "train.bin").write_bytes(records.tobytes())
    (tmp_path / "fine_label_names.txt").write_text("\n".join(f"fine{i}" for i in range(100)))
    dataset = open_dataset(tmp_path)
    np.testing.assert_array_equal(dataset.labels, np.arange(40))
    assert dataset.class_names[39] == "fine39"


def test_image_folder_order_is_that_of_torchvision(tmp_path: Path) -> None:
    folder_module = pytest.importorskip("torchvision.datasets.folder")
    images, labels = samples(n=15, channels=3)
    write_folder(tmp_path, images, labels, ("cat", "cat-wild", "Zebra"))
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    theirs = folder_module.ImageFolder(tmp_path)
    ours = open_dataset(tmp_path)
    assert ours.format == "image-folder"
    assert list(ours.class_names) == theirs.classes
    assert [str(tmp_path / ours.locator(i)) for i in range(15)] == [p for p, _ in theirs.samples]
    assert ours.labels.tolist() == theirs.targets
    for i in range(15):
        np.testing.assert_array_equal(ours.decode(i), np.asarray(theirs[i][0]))


def test_image_folder_with_splits_scans_train(tmp_path: Path) -> None:
    images, labels = samples()
    write_folder(tmp_path / "train", images, labels)
    write_folder(tmp_path / "val", images[:3], labels[:3])
    dataset = open_dataset(tmp_path)
    assert len(dataset) == 12
    assert dataset.class_names == ("class0", "class1", "class2")
    assert dataset.locator(0) == "train/class0/00000.png"
    assert any("'train' is scanned; val" in note for note in dataset.notes)
    only = write_folder(tmp_path / "other" / "test", images, labels).parent
    assert open_dataset(only).locator(0).startswith("test/class0/")


def test_classes_named_like_splits_stay_classes(tmp_path: Path) -> None:
    images, labels = samples()
    write_folder(tmp_path, images, labels, ("bus", "train", "tram"))
    dataset = open_dataset(tmp_path)
    assert dataset.class_names == ("bus", "train", "tram")
    assert any("train taken as a class" in note for note in dataset.notes)


def test_folder_around_the_class_folders_is_pointed_out(tmp_path: Path) -> None:
    write_folder(tmp_path / "wrapper", *samples())
    dataset = open_dataset(tmp_path)
    assert dataset.class_names == ("wrapper",)
    assert any("open it if those are the classes" in note for note in dataset.notes)


def test_digest_is_the_documented_formula(tmp_path: Path) -> None:
    images, labels = samples()
    write_folder(tmp_path / "data", images, labels)
    lines = b"".join(
        os.fsencode(path.relative_to(tmp_path / "data").as_posix())
        + b"\0"
        + hashlib.sha256(path.read_bytes()).hexdigest().encode()
        + b"\n"
        for path in sorted((tmp_path / "data").rglob("*.png"))
    )
    dataset = open_dataset(tmp_path / "data")
    assert dataset.digest() == hashlib.sha256(lines).hexdigest()
    first = hashlib.sha256((tmp_path / "data" / dataset.locator(0)).read_bytes()).digest()
    assert dataset.stored_sha256()[0].tobytes() == first
    assert dataset.stored_sha256() is dataset.stored_sha256()
    (tmp_path / "data" / "class1" / "00001.png").write_bytes(b"changed")
    assert open_dataset(tmp_path / "data").digest() != dataset.digest()


def test_one_sample_opens_in_every_format(tmp_path: Path) -> None:
    images, labels = samples(n=1)
    write_idx(tmp_path / "idx", images[..., 0], labels)
    write_folder(tmp_path / "folder", images, labels)
    write_cifar10(tmp_path / "cifar", n=1, batches=1)
    np.savez(tmp_path / "one.npz", x=images, y=labels)
    for name in ("idx", "folder", "cifar", "one.npz"):
        dataset = open_dataset(tmp_path / name)
        assert len(dataset) == 1
        assert any("Only one class" in note for note in dataset.notes)
        assert dataset.decode(0).dtype == np.uint8


def test_batches_belong_to_the_caller_and_hashes_stay(tmp_path: Path) -> None:
    images, labels = samples()
    np.savez(tmp_path / "a.npz", x=images, y=labels)
    dataset = open_dataset(tmp_path / "a.npz")
    batch = dataset.decode_batch(np.arange(12))
    batch[:] = 0
    np.testing.assert_array_equal(dataset.decode(3), images[3])
    with pytest.raises(ValueError):
        dataset.labels[0] = 9


def test_sixty_thousand_rows_are_hashed_one_by_one(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (60_000, 28, 28), dtype=np.uint8)
    write_idx(tmp_path, images, (np.arange(60_000) % 10).astype(np.uint8))
    dataset = open_dataset(tmp_path)
    dataset.digest()
    hashes = dataset.stored_sha256()
    assert hashes.shape == (60_000, 32)
    for row in (0, 59_999):
        assert hashes[row].tobytes() == hashlib.sha256(images[row].tobytes()).digest()


def test_importing_readers_imports_neither_torch_nor_pillow() -> None:
    code = (
        "import sys, inspector.intake.datasets, inspector.export;"
        "print([m for m in ('torch', 'PIL', 'scipy', 'sklearn', 'PySide6') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@settings(max_examples=30, deadline=None)
@given(
    images=hnp.arrays(np.uint8, st.tuples(*[st.integers(1, 5)] * 3)),
    gz=st.booleans(),
)
def test_idx_round_trip(tmp_path_factory, images: np.ndarray, gz: bool) -> None:
    folder = tmp_path_factory.mktemp("idx")
    labels = (images[:, 0, 0] % 7).astype(np.uint8)
    write_idx(folder, images, labels, gz=gz)
    dataset = open_dataset(folder)
    np.testing.assert_array_equal(dataset.decode_batch(np.arange(len(images)))[..., 0], images)
    np.testing.assert_array_equal(dataset.labels, labels)


def test_reading_leaves_no_trace(tmp_path: Path) -> None:
    images, labels = samples()
    write_folder(tmp_path / "folder", images, labels)
    (tmp_path / "folder" / "empty").mkdir()
    write_idx(tmp_path / "idx", images[..., 0], labels, gz=True)
    # relatime would refresh an access time older than the last change: make all of them old.
    for path in sorted(tmp_path.rglob("*")):
        os.utime(path, ns=(1_000_000_000, 2_000_000_000))
    before = state_of(tmp_path)
    for name in ("folder", "idx"):
        dataset = open_dataset(tmp_path / name)
        dataset.digest()
        dataset.decode_batch(np.arange(12))
    assert state_of(tmp_path) == before


def test_real_sets_agree_with_readers_of_others(real_data: Path) -> None:
    with gzip.open(real_data / "fashion-mnist" / "train-images-idx3-ubyte.gz") as stream:
        raw = np.frombuffer(stream.read(), np.uint8, offset=16).reshape(60000, 28, 28)
    dataset = open_dataset(real_data / "fashion-mnist")
    rows = np.array([0, 59_999, 31_415])
    np.testing.assert_array_equal(dataset.decode_batch(rows)[..., 0], raw[rows])
    assert np.bincount(dataset.labels).tolist() == [6000] * 10
    path = real_data / "pneumoniamnist" / "pneumoniamnist_union.npz"
    with np.load(path, allow_pickle=False) as archive:
        dataset = open_dataset(path)
        np.testing.assert_array_equal(
            dataset.decode_batch(np.arange(4708))[..., 0], archive["train_images"]
        )
        np.testing.assert_array_equal(dataset.labels, archive["train_labels"][:, 0])
