"""Bad paths and hostile folders: one clear line, nothing followed, nothing hung."""

from __future__ import annotations

import gzip
import io
import os
import socket
import tempfile
import time
from pathlib import Path

import pytest
from PIL import Image

from dataset_checks import (
    as_nobody,
    refusal,
)
from dataset_makers import samples, write_folder, write_idx
from inspector.intake.datasets import UnreadableSample, open_dataset


def test_no_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = samples()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        write_folder(root / "data", images, labels)
        write_idx(root / "idx", images[..., 0], labels)
        (root / "idx" / "train-images-idx3-ubyte").chmod(0)
        (root / "data" / "class0" / "00000.png").chmod(0)
        with as_nobody():
            assert "permission denied" in refusal(root / "idx")
            dataset = open_dataset(root / "data")
            with pytest.raises(UnreadableSample, match="permission denied"):
                dataset.decode(0)
            assert not dataset.stored_sha256()[0].any()
            assert dataset.stored_sha256()[1].any()
        (root / "data" / "class1").chmod(0)
        with as_nobody():
            message = refusal(root / "data")
        assert "class1" in message
        assert "permission denied" in message


def test_images_without_class_folders(tmp_path: Path) -> None:
    Image.new("L", (3, 3)).save(tmp_path / "a.png")
    assert "have no labels" in refusal(tmp_path)


def test_empty_class_keeps_its_index(tmp_path: Path) -> None:
    images, labels = samples()
    write_folder(tmp_path, images, labels, ("a", "c", "d"))
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    dataset = open_dataset(tmp_path)
    assert dataset.class_names == ("a", "b", "c", "d")
    assert sorted(set(dataset.labels.tolist())) == [0, 2, 3]
    assert any("without images (b)" in note for note in dataset.notes)


def test_links_pipes_and_sockets_are_noted_and_never_touched(tmp_path: Path) -> None:
    images, labels = samples(n=2, classes=2)
    root = write_folder(tmp_path / "data", images, labels)
    os.symlink("..", root / "class0" / "loop")
    os.symlink("/etc/passwd", root / "class0" / "secret.png")
    os.symlink(root / "class1", root / "class0b")
    os.mkfifo(root / "class1" / "pipe.png")
    with socket.socket(socket.AF_UNIX) as unix:
        here = os.getcwd()
        os.chdir(root)
        try:
            unix.bind("sock.png")
        finally:
            os.chdir(here)
    started = time.monotonic()
    dataset = open_dataset(root)
    dataset.digest()
    assert time.monotonic() - started < 60
    assert [dataset.locator(i) for i in range(len(dataset))] == [
        "class0/00000.png",
        "class1/00001.png",
    ]
    # The linked class was a class in training: its index is kept.
    assert dataset.class_names == ("class0", "class0b", "class1")
    assert any("3 symbolic links not followed" in note for note in dataset.notes)
    assert any("2 pipes, sockets or devices not opened" in note for note in dataset.notes)


def test_folder_of_links_only_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    os.symlink("/nowhere.png", tmp_path / "a" / "x.png")
    assert "cp -rL" in refusal(tmp_path)


def test_folder_swapped_for_a_link_after_the_walk_leads_nowhere(tmp_path: Path) -> None:
    images, labels = samples(n=2, classes=2)
    root = write_folder(tmp_path / "data", images, labels)
    dataset = open_dataset(root)
    (root / "class0").rename(tmp_path / "moved")
    os.symlink(tmp_path / "moved", root / "class0")
    with pytest.raises(UnreadableSample):
        dataset.decode(0)


def test_deep_nesting_ends(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 40)
    deep.mkdir(parents=True)
    assert "nested more than 32" in refusal(tmp_path)


def test_names_with_newlines_bidi_and_bytes_are_safe_and_reversible(tmp_path: Path) -> None:
    folder = tmp_path / "a\u202eb\n"
    folder.mkdir()
    raw = os.fsencode(folder) + b"/\xff\x1b[31m\r.png"
    buffer = io.BytesIO()
    Image.new("L", (3, 3), 7).save(buffer, "PNG")
    with open(raw, "wb") as file:
        file.write(buffer.getvalue())
    dataset = open_dataset(tmp_path)
    assert dataset.locator(0) == "a%E2%80%AEb%0A/%FF%1B[31m%0D.png"
    assert dataset.class_names == ("a%E2%80%AEb%0A",)
    assert dataset.decode(0).max() == 7
    assert all(note.isprintable() for note in dataset.notes)
    dataset.digest()


def test_missing_path_and_odd_paths(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "nothing")
    assert "No path was given" in refusal("")
    assert "no valid path" in refusal("a\0b")
    assert "is empty" in refusal(tmp_path)
    (tmp_path / "zero.npz").write_bytes(b"")
    assert "is empty" in refusal(tmp_path / "zero.npz")
    os.mkfifo(tmp_path / "pipe")
    assert "pipe" in refusal(tmp_path / "pipe")
    os.symlink("loop", tmp_path / "loop")
    assert "cannot be opened" in refusal(tmp_path / "loop")


def test_foreign_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content, words in (
        (b"\x93NUMPY\x01\x00", "single numpy array"),
        (b"\x89PNG\r\n\x1a\n", "one image"),
        (b"PAR1....", "Parquet"),
        (b"\x80\x04\x95rest", "pickle"),
        (gzip.compress(b"hello world"), "compressed"),
        (b"plain text", "no dataset of a known format"),
    ):
        path.write_bytes(content)
        assert words in refusal(path)


def test_archive_in_the_folder_is_pointed_at(tmp_path: Path) -> None:
    (tmp_path / "images.zip").write_bytes(b"PK\x03\x04")
    assert "Unpack images.zip" in refusal(tmp_path)
    images, labels = samples()
    write_idx(tmp_path / "MNIST" / "raw", images[..., 0], labels)
    assert "MNIST/raw" in refusal(tmp_path)
