"""Folders with a manifest: every kind of table, splits, hostile paths, damage."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from dataset_checks import refusal, state_of
from dataset_makers import samples, write_folder, write_manifest, write_pictures
from inspector.errors import BadInput
from inspector.intake.datasets import UnreadableSample, open_dataset
from inspector.intake.datasets.manifest import ManifestFolder


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("column", ["file_name", "path", "image"])
def test_every_kind_of_table(tmp_path: Path, kind: str, column: str) -> None:
    images, labels = samples()
    paths = write_pictures(tmp_path, images)
    rows = [{"note": "a,b", column: p, "label": f"k{v}"} for p, v in zip(paths, labels)]
    write_manifest(tmp_path, rows, f"metadata.{kind}")
    before = state_of(tmp_path)
    for given in (tmp_path, tmp_path / f"metadata.{kind}"):
        dataset = open_dataset(given)
        assert isinstance(dataset, ManifestFolder)
        assert dataset.class_names == ("k0", "k1", "k2")
        assert dataset.labels.tolist() == labels.tolist()
        assert [dataset.locator(row) for row in range(len(dataset))] == paths
        for row, image in enumerate(dataset.decode_batch(np.arange(12))):
            np.testing.assert_array_equal(image, images[row])
        assert dataset.digest() == open_dataset(given).digest()
    assert state_of(tmp_path) == before


def test_a_changed_label_changes_the_digest(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, samples()[0])
    rows = [{"path": path, "label": row % 2} for row, path in enumerate(paths)]
    write_manifest(tmp_path, rows)
    before = open_dataset(tmp_path).digest()
    rows[3]["label"] = 0
    write_manifest(tmp_path, rows)
    assert open_dataset(tmp_path).digest() != before


def test_split_column_and_split_files(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "one", samples()[0])
    rows = [
        {"path": path, "label": row % 3, "split": "test" if row < 4 else "train"}
        for row, path in enumerate(paths)
    ]
    write_manifest(tmp_path / "one", rows)
    dataset = open_dataset(tmp_path / "one")
    assert (dataset.split, dataset.splits) == ("train", ("test", "train"))
    assert dataset.locator(0) == paths[4]
    assert len(open_dataset(tmp_path / "one", split="test")) == 4
    for name, part in (("train.csv", paths[:8]), ("val.csv", paths[8:])):
        (tmp_path / "two").mkdir(exist_ok=True)
        os.symlink(tmp_path / "one" / "img", tmp_path / "two" / "img") if name == "val.csv" else ""
        write_manifest(tmp_path / "two", [{"path": p, "label": 0} for p in part], name)
    assert len(open_dataset(tmp_path / "two")) == 8
    assert len(open_dataset(tmp_path / "two", split="validation")) == 4
    with pytest.raises(Exception, match="has no split 'test'"):
        open_dataset(tmp_path / "two", split="test")


def test_metadata_in_split_folders(tmp_path: Path) -> None:
    for split in ("train", "test"):
        paths = write_pictures(tmp_path / split, samples(6)[0], "x")
        rows = [{"file_name": path, "label": row % 2} for row, path in enumerate(paths)]
        write_manifest(tmp_path / split, rows, "metadata.jsonl")
    dataset = open_dataset(tmp_path)
    assert dataset.locator(0) == "x/00000.png"
    assert isinstance(dataset.decode(0), np.ndarray)
    assert isinstance(dataset, ManifestFolder)
    assert dataset.entry == "train/metadata.jsonl"
    other = open_dataset(tmp_path, split="test")
    assert isinstance(other, ManifestFolder)
    assert other.entry == "test/metadata.jsonl"


def test_class_folders_with_an_unrelated_table_stay_a_folder(tmp_path: Path) -> None:
    write_folder(tmp_path, *samples())
    (tmp_path / "roi.csv").write_text("path,width\nclass0/00000.png,3\n")
    assert open_dataset(tmp_path).format == "image-folder"


HOSTILE = [
    ("../secret.png", "leads out"),
    ("img/../../secret.png", "leads out"),
    ("/etc/passwd", "leads out"),
    ("C:/secret.png", "leads out"),
    ("https://example.org/a.png", "address"),
    ("file:///etc/passwd", "address"),
    ("img/link.png", "symbolic link"),
    ("img/pipe.png", "not a regular file"),
    ("linked/a.png", "folder on its path"),
    ("img/gone.png", "gone"),
    ("", "names no file"),
    ("img//a.png", "no path"),
]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_hostile_paths_are_unreadable_rows(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "data"
    paths = write_pictures(root, samples()[0])
    (tmp_path / "secret.png").write_bytes((root / paths[0]).read_bytes())
    os.symlink(tmp_path / "secret.png", root / "img" / "link.png")
    os.symlink(tmp_path, root / "linked")
    os.mkfifo(root / "img" / "pipe.png")
    given = [path for path, _ in HOSTILE] + paths
    rows = [{"file_name": path, "label": row % 2} for row, path in enumerate(given)]
    write_manifest(root, rows, f"metadata.{kind}")
    dataset = open_dataset(root)
    for row, (_, reason) in enumerate(HOSTILE):
        with pytest.raises(UnreadableSample, match=reason):
            dataset.decode(row)
        assert not dataset.stored_sha256()[row].any()
    assert isinstance(dataset.decode(len(HOSTILE)), np.ndarray)
    assert all(path.is_relative_to(root) for path in dataset.source_files())
    assert any("not followed" in note for note in dataset.notes)


def test_a_file_named_twice_has_two_locators(tmp_path: Path) -> None:
    path = write_pictures(tmp_path, samples(2)[0])[0]
    write_manifest(tmp_path, [{"path": path, "label": label} for label in ("a", "b")])
    dataset = open_dataset(tmp_path)
    assert [dataset.locator(0), dataset.locator(1)] == [f"{path}#0", f"{path}#1"]
    assert any("an earlier row names too" in note for note in dataset.notes)


def test_rows_without_a_label_stay(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, samples(3)[0])
    rows = [{"path": path, "label": label} for path, label in zip(paths, ("", "dog", "cat"))]
    write_manifest(tmp_path, rows)
    dataset = open_dataset(tmp_path)
    assert dataset.labels.tolist() == [-1, 1, 0]
    assert any("without a label" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"path,label\na.png\n", "line 2: it has 1 fields"),
        (b'path,label\n"a.png,1\n', "line 2"),
        (b"path,label\n\xff\xfe,1\n", "no UTF-8"),
        (b"path,label\n", "names no image"),
        (b"path,label\na.png,\n", "labels none"),
        (b"path,label\n" + b"a" * (1 << 20) + b"a,1\n", "field larger"),
        (b'{"path": "a", "label": 1}\n{"path": "a"', "line 2"),
        (b'{"path": "a", "label": 1, "path": "b"}\n', "twice"),
        (b'{"path": "a", "label": 1}\n[1]\n', "no JSON object"),
        (b'{"path": "a", "label": 1}\n' + b"[" * 9999 + b"\n", "damaged at line 2"),
        (b'{"path": "a", "label": {"x": 1}}\n', "no class"),
        (b"path,label\na.png,123456\n", "out of range"),
    ],
)
def test_damaged_manifests(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "metadata.csv").write_bytes(content)
    assert said in refusal(tmp_path / "metadata.csv")


def test_two_manifests_need_a_choice(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, samples(2)[0])
    for name in ("a.csv", "b.csv"):
        write_manifest(tmp_path, [{"path": path, "label": 0} for path in paths], name)
    assert "several manifests" in refusal(tmp_path)
    assert len(open_dataset(tmp_path / "b.csv")) == 2


def test_columns_of_different_lengths_are_refused(tmp_path: Path) -> None:
    """A flipped bit in a Parquet page can make pyarrow return fewer rows of one column."""
    write_manifest(tmp_path, [{"path": "a", "label": 1}, {"path": "b", "label": 2}], "m.parquet")
    whole = (tmp_path / "m.parquet").read_bytes()
    said = set()
    for place in range(4, len(whole), 3):
        content = bytearray(whole)
        content[place] ^= 1
        (tmp_path / "m.parquet").write_bytes(content)
        try:
            dataset = open_dataset(tmp_path / "m.parquet")
            assert [dataset.locator(row) for row in range(len(dataset))]
        except BadInput as refused:
            said.add(str(refused))
    assert said
