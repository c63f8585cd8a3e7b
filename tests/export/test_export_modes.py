"""Quarantine, lists alone, the statement of provenance, leftovers."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import numpy as np
import pytest

from dataset_checks import check_sums, export_here, rows_of, state_of
from dataset_makers import samples, write_cifar10, write_folder, write_idx
from inspector.case import renaming
from inspector.errors import BadInput, CaseError
from inspector.export import leftovers, remove_leftovers
from inspector.export.dataset import filling
from inspector.intake.datasets import open_dataset


def make(root: Path, kind: str) -> Path:
    images, labels = samples(n=24)
    if kind == "folder":
        return write_folder(root / "folder", images, labels)
    if kind == "cifar":
        write_cifar10(root / "cifar")
        names = "".join(f"name{at}\n" for at in range(10))
        (root / "cifar" / "batches.meta.txt").write_text(names)
        return root / "cifar"
    if kind == "npz":
        root.mkdir(parents=True)
        np.savez(root / "a.npz", x=images, y=labels)
        return root / "a.npz"
    return write_idx(root / kind, images[..., 0], labels, gz=kind == "idx-gz")


def opened_again(source: Path, target: Path):
    return open_dataset(target if source.is_dir() else target / source.name)


@pytest.mark.parametrize("kind", ["folder", "idx", "idx-gz", "cifar", "npz"])
def test_quarantine_and_cleaned_set_are_the_source_cut_in_two(tmp_path: Path, kind: str) -> None:
    source = make(tmp_path / "evidence", kind)
    before = state_of(tmp_path / "evidence")
    dataset = open_dataset(source)
    drop = np.arange(len(dataset)) % 3 == 1
    result = export_here(
        dataset,
        drop,
        tmp_path / "out",
        quarantine=tmp_path / "bad",
        reasons={int(row): {"tags": "poison"} for row in np.flatnonzero(drop)},
    )
    assert result.quarantine is not None
    kept, bad = (opened_again(source, tmp_path / name) for name in ("out", "bad"))
    hashes = dataset.stored_sha256()
    assert np.array_equal(kept.stored_sha256(), hashes[~drop])
    assert np.array_equal(bad.stored_sha256(), hashes[drop])
    assert [bad.class_names[label] for label in bad.labels] == [
        dataset.class_names[label] for label in dataset.labels[drop]
    ]
    for folder in ("out", "bad"):
        check_sums(tmp_path / folder)
    rows = rows_of(tmp_path / "bad" / "removed.csv")
    assert [int(row["index"]) for row in rows] == np.flatnonzero(drop).tolist()
    assert [int(row["new_index"]) for row in rows] == list(range(int(drop.sum())))
    assert {row["tags"] for row in rows} == {"poison"}
    assert not (tmp_path / "bad" / "kept.csv").exists()
    statement = json.loads((tmp_path / "bad" / "provenance.json").read_text())
    assert statement["predicate"]["role"] == "quarantine"
    assert state_of(tmp_path / "evidence") == before


def test_other_files_stay_with_the_cleaned_set(tmp_path: Path) -> None:
    source = make(tmp_path / "evidence", "folder")
    (source / "README.txt").write_text("about")
    dataset = open_dataset(source)
    export_here(dataset, np.arange(24) < 4, tmp_path / "out", quarantine=tmp_path / "bad")
    assert (tmp_path / "out" / "README.txt").exists()
    assert not (tmp_path / "bad" / "README.txt").exists()


@pytest.mark.parametrize("place", ["out", "out/bad", "evidence/folder/bad", "evidence"])
def test_quarantine_in_the_wrong_place_is_refused(tmp_path: Path, place: str) -> None:
    dataset = open_dataset(make(tmp_path / "evidence", "folder"))
    with pytest.raises(BadInput):
        export_here(dataset, np.arange(24) < 4, tmp_path / "out", quarantine=tmp_path / place)
    assert [path.name for path in tmp_path.iterdir()] == ["evidence"]


def test_neither_folder_appears_when_the_second_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(make(tmp_path / "evidence", "folder"))
    target, aside = tmp_path / "out", tmp_path / "bad"
    real, calls = renaming.rename_without_replacing, []

    def failing(source: Path, target: Path) -> None:
        calls.append(target.name)
        if len(calls) == number:
            raise OSError(28, os.strerror(28))
        real(source, target)

    monkeypatch.setattr(renaming, "rename_without_replacing", failing)
    for number in (1, 2):
        calls.clear()
        with pytest.raises(CaseError, match="disk is full"):
            export_here(dataset, np.arange(24) < 4, target, quarantine=aside)
        # A quarantine that had its name gives it back.
        assert calls == ["bad", "out", "content"][: 2 * number - 1]
        assert [path.name for path in tmp_path.iterdir()] == ["evidence"]
    calls.clear()
    number = 3
    export_here(dataset, np.arange(24) < 4, target, quarantine=aside)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "evidence", "out"]


def test_lists_alone_name_every_sample_and_hold_no_data(tmp_path: Path) -> None:
    source = make(tmp_path / "evidence", "folder")
    dataset = open_dataset(source)
    drop = np.arange(24) % 5 == 0
    result = export_here(dataset, drop, tmp_path / "lists", lists_only=True)
    folder = tmp_path / "lists"
    assert sorted(path.name for path in folder.iterdir()) == [
        "kept.csv",
        "kept_files.txt",
        "kept_indices.txt",
        "manifest.sha256",
        "provenance.json",
        "removed.csv",
        "removed_files.txt",
        "removed_indices.txt",
    ]
    check_sums(folder)
    kept = [int(line) for line in (folder / "kept_indices.txt").read_text().split()]
    removed = [int(line) for line in (folder / "removed_indices.txt").read_text().split()]
    assert removed == np.flatnonzero(drop).tolist()
    assert sorted(kept + removed) == list(range(24))
    files = (folder / "kept_files.txt").read_text().splitlines()
    assert len(files) == result.kept == 19
    assert all((source / name).is_file() for name in files)


def test_lists_of_an_array_have_indices_only(tmp_path: Path) -> None:
    dataset = open_dataset(make(tmp_path / "evidence", "idx"))
    export_here(dataset, np.arange(24) < 2, tmp_path / "lists", lists_only=True)
    assert not (tmp_path / "lists" / "kept_files.txt").exists()
    assert (tmp_path / "lists" / "removed_indices.txt").read_text() == "0\n1\n"


def test_the_statement_names_every_file_with_its_digest(tmp_path: Path) -> None:
    dataset = open_dataset(make(tmp_path / "evidence", "folder"))
    result = export_here(dataset, [0, 5], tmp_path / "out", provenance={"journal_head": "ab" * 32})
    statement = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"].startswith("urn:inspector-forensics:")
    names = [subject["name"] for subject in statement["subject"]]
    assert len(set(names)) == len(names)
    lines = (tmp_path / "out" / "manifest.sha256").read_text().splitlines()
    listed = dict(line.split("  ", 1)[::-1] for line in lines)
    listed.pop("provenance.json")
    digests = {s["name"]: s["digest"]["sha256"] for s in statement["subject"]}
    assert digests.pop("dataset") == result.digest
    assert digests == listed
    assert statement["predicate"]["case"]["journal_head"] == "ab" * 32
    assert statement["predicate"]["role"] == "cleaned"


def test_leftovers_are_found_by_name_and_deleted_on_request(tmp_path: Path) -> None:
    names = [".out.partial-0123abcd", ".out.partial-xyz", ".other.partial-0123abcd"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").write_bytes(b"x")
    assert leftovers(tmp_path / "out") == [tmp_path / names[0]]
    assert remove_leftovers(tmp_path / "out") == [tmp_path / names[0]]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


def test_an_export_that_still_runs_is_no_leftover(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(make(tmp_path / "evidence", "folder"))
    real = filling.write_kept
    seen: list[list[Path]] = []

    def looking(plan, folder: Path) -> None:
        seen.append(leftovers(tmp_path / "out"))
        real(plan, folder)

    monkeypatch.setattr(filling, "write_kept", looking)
    export_here(dataset, [0], tmp_path / "out")
    assert seen == [[]]
    stale = tmp_path / ".out.partial-0123abcd"
    stale.mkdir()
    descriptor = os.open(stale, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert leftovers(tmp_path / "out") == []
    os.close(descriptor)
    assert leftovers(tmp_path / "out") == [stale]


def test_a_leftover_that_is_a_link_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / ".out.partial-0123abcd").symlink_to(tmp_path / "precious")
    assert leftovers(tmp_path / "out") == []
    assert remove_leftovers(tmp_path / "out") == []
    assert (tmp_path / "precious").is_dir()
