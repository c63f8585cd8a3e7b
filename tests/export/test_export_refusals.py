"""Exports that must not happen are refused with one line before anything is written."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest

from dataset_checks import as_nobody, export_here
from dataset_makers import samples, write_folder, write_idx
from inspector.errors import BadInput
from inspector.export.dataset.plan import plan_export
from inspector.intake.datasets import Dataset, open_dataset


@pytest.fixture
def source(tmp_path: Path) -> Path:
    images, labels = samples(n=12)
    return write_folder(tmp_path / "source", images, labels)


def drop_first(dataset: Dataset) -> np.ndarray:
    return np.arange(len(dataset)) == 0


def refusal(dataset: Dataset, target: Path, **more: str) -> str:
    with pytest.raises(BadInput) as caught:
        export_here(dataset, drop_first(dataset), target, **more)
    assert str(caught.value).isprintable()
    assert caught.value.fix
    return str(caught.value)


def test_existing_targets_are_never_written_to(source: Path, tmp_path: Path) -> None:
    dataset = open_dataset(source)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    os.symlink("nowhere", tmp_path / "dangling")
    for name in ("empty", "file", "dangling"):
        assert "already exists" in refusal(dataset, tmp_path / name)
    assert "does not exist" in refusal(dataset, tmp_path / "a" / "b")
    assert "no name for a new folder" in refusal(dataset, Path("/"))
    assert "no name for a new folder" in refusal(dataset, tmp_path / "x" / "..")


def test_never_into_or_around_the_source(source: Path, tmp_path: Path) -> None:
    dataset = open_dataset(source)
    os.symlink(source / "class1", tmp_path / "detour")
    os.symlink(source, tmp_path / "other name")
    for target in (
        source / "out",
        source / "class1" / "out",
        tmp_path / "detour" / "out",
        tmp_path / "other name" / "out",
        tmp_path / "source" / "class1" / ".." / "out",
    ):
        assert "in or around the source" in refusal(dataset, target)
    # The same source opened through the link.
    assert "in or around" in refusal(open_dataset(tmp_path / "other name"), source / "out")
    images, labels = samples()
    write_idx(tmp_path / "idx", images[..., 0], labels)
    (tmp_path / "npz").mkdir()
    np.savez(tmp_path / "npz" / "a.npz", x=images, y=labels)
    for name in ("idx", "npz"):
        assert "in or around" in refusal(open_dataset(tmp_path / name), tmp_path / name / "out")


def test_the_source_is_known_by_inode_under_another_path(source: Path, tmp_path: Path) -> None:
    other = tmp_path / "mounted"
    other.mkdir()
    done = subprocess.run(["mount", "--bind", source / "class1", other], capture_output=True)
    if done.returncode != 0:
        pytest.skip("bind mounts are not allowed here")
    try:
        assert "in or around" in refusal(open_dataset(source), other / "out")
    finally:
        subprocess.run(["umount", other], check=True)


def test_selections_that_make_no_sense(source: Path, tmp_path: Path) -> None:
    dataset = open_dataset(source)
    with pytest.raises(BadInput, match="All 12 samples would be left out"):
        plan_export(dataset, np.ones(12, bool))
    with pytest.raises(BadInput, match="made on other data"):
        plan_export(dataset, np.zeros(11, bool))
    plan = plan_export(dataset, np.zeros(12, bool))
    assert any("the export is a copy" in note for note in plan.notes)


def test_plan_counts_classes_and_bytes(source: Path, tmp_path: Path) -> None:
    dataset = open_dataset(source)
    plan = plan_export(dataset, dataset.labels == 1)
    assert [(c.name, c.before, c.after) for c in plan.classes] == [
        ("class0", 4, 4),
        ("class1", 4, 0),
        ("class2", 4, 4),
    ]
    assert any("No sample would be left of class1" in note for note in plan.notes)
    result = export_here(dataset, dataset.labels == 1, tmp_path / "out")
    assert result.bytes <= plan.bytes * 3
    assert open_dataset(tmp_path / "out").class_names == dataset.class_names


def test_changed_data_is_refused(source: Path, tmp_path: Path) -> None:
    digest = open_dataset(source).digest()
    dataset = open_dataset(source)
    changed = source / dataset.locator(3)
    content = changed.read_bytes()
    changed.write_bytes(b"other")
    assert "not what was scanned" in refusal(dataset, tmp_path / "out", digest=digest)
    changed.write_bytes(content)
    # Changed between the hash and the copy.
    dataset = open_dataset(source)
    dataset.digest()
    changed.write_bytes(b"other")
    with pytest.raises(BadInput, match="changed while it was exported"):
        export_here(dataset, drop_first(dataset), tmp_path / "out", digest=digest)
    assert sorted(os.listdir(tmp_path)) == ["source"]
    path = tmp_path / "a.npz"
    np.savez(path, x=samples()[0], y=samples()[1])
    dataset = open_dataset(path)
    np.savez(path, x=samples()[0], y=samples()[1] * 0)
    with pytest.raises(BadInput, match="changed since it was opened"):
        export_here(dataset, drop_first(dataset), tmp_path / "out")


def test_no_permission_to_write() -> None:
    images, labels = samples()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        write_folder(root / "data", images, labels)
        (root / "locked").mkdir(mode=0o555)
        with as_nobody():
            dataset = open_dataset(root / "data")
            assert "no permission to write" in refusal(dataset, root / "locked" / "out")
        assert not os.listdir(root / "locked")


def test_unreadable_sample_is_named_unless_it_is_left_out() -> None:
    images, labels = samples()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o777)
        write_folder(root / "data", images, labels)
        (root / "data" / "class0" / "00000.png").chmod(0)
        with as_nobody():
            dataset = open_dataset(root / "data")
            with pytest.raises(BadInput, match="cannot be read, the first is class0/00000"):
                export_here(dataset, [1], root / "out")
            assert sorted(os.listdir(root)) == ["data"]
            export_here(dataset, drop_first(dataset), root / "out")
        assert sorted(os.listdir(root)) == ["data", "out"]


def test_long_target_names_work(source: Path, tmp_path: Path) -> None:
    dataset = open_dataset(source)
    target = tmp_path / ("n" * 255)
    export_here(dataset, drop_first(dataset), target)
    assert (target / "kept.csv").exists()
