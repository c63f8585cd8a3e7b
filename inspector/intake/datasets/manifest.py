"""A folder of images with a manifest: a table that names each image and its label.

The shape is that of Hugging Face's ``imagefolder`` metadata (``metadata.csv``, ``.jsonl``,
``.parquet`` with ``file_name``); other names and ``path`` or ``image`` in place of ``file_name``
are read too. A path must lead to a regular file below the folder of the manifest: no address, no
absolute path, no ``..``, no link. One that does not is a sample that cannot be read.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.errors import BadInput
from inspector.intake.datasets import manifest_parquet, manifest_table
from inspector.intake.datasets.array_dataset import read_hashed
from inspector.intake.datasets.dataset import UnreadableSample
from inspector.intake.datasets.encoded_images import EncodedImages
from inspector.intake.datasets.evidence_file import opened, read_file, reason_of, sha256_of
from inspector.intake.datasets.label_values import labels_of
from inspector.intake.datasets.manifest_table import ManifestTable
from inspector.intake.datasets.names import count_of, escape_name, listing, shown
from inspector.intake.datasets.splits import choose_split, split_in, split_note
from inspector.intake.datasets.tree import Tree, walk
from inspector.intake.limits import limit

_CHECK_EVERY = 64
_LONGEST_PATH = 4096
_MOST_CANDIDATES = 64
_OURS = frozenset(("kept.csv", "removed.csv"))


class ManifestFolder(EncodedImages):
    """Images that a table names. Build it with `read_manifest`.

    Attributes
    ----------
    paths : tuple of str
        Path of each sample below the root; empty where it leads out of it.
    problems : dict of int to str
        Why a row's path is not followed.
    rows : ndarray, shape (n,), intp
        The record of the manifest that each sample is; those of other splits are not in it.
    table : ManifestTable
        The manifest; no records for Parquet.
    other_files, folders, skipped : tuple of str
        As in `ImageFolder`; files of other splits are among the other files.
    """

    format = "manifest"

    def __init__(
        self,
        root: Path,
        entry: str,
        table: ManifestTable,
        rows: NDArray[np.intp],
        labels: NDArray[np.int32],
        class_names: Sequence[str],
        notes: Sequence[str],
        tree: Tree,
        sha256: bytes,
    ) -> None:
        super().__init__(root, class_names, labels, notes)
        self.entry = entry
        self.table = table
        self.rows = rows
        self.problems: dict[int, str] = {}
        paths = []
        above = entry.rpartition("/")[0]
        for place, row in enumerate(rows):
            path, problem = path_below(table.images[row], above)
            paths.append(path)
            if problem:
                self.problems[place] = problem
        self.paths = tuple(paths)
        samples = set(paths)
        self.other_files = tuple(
            path for path in tree.files if path not in samples and path != entry
        )
        self.folders = tuple(tree.folders)
        self.skipped = tuple(tree.links + tree.specials)
        self._manifest_sha256 = sha256
        self._present = samples & set(tree.files)
        self._given = Counter(str(table.images[row]) for row in rows)

    def locator(self, i: int) -> str:
        """Return the path as the manifest gives it; with ``#row`` where it gives it twice."""
        given = str(self.table.images[self.rows[i]])
        name = escape_name(given[:_LONGEST_PATH])
        return name if self._given[given] == 1 else f"{name}#{i}"

    def stored_bytes(self, i: int) -> bytes:
        """Return the encoded file; at most the limit image-bytes."""
        if i in self.problems:
            raise UnreadableSample(self.problems[i])
        try:
            return read_file(self.root, self.paths[i], limit("image-bytes"))
        except OSError as error:
            raise UnreadableSample(reason_of(error)) from None
        except ValueError:
            raise UnreadableSample("its path is no path") from None

    def source_files(self) -> list[Path]:
        """Return the manifest and the image files that are there."""
        return [self.root / self.entry, *(self.root / path for path in sorted(self._present))]

    def file_sha256(self, control: Control | None = None) -> dict[str, bytes]:
        """Return the SHA-256 of the manifest and of each image file that it names."""
        hashes = {
            path: row.tobytes()
            for path, row in zip(self.paths, self.stored_sha256(control))
            if path
        }
        return {**hashes, self.entry: self._manifest_sha256}

    def _hash_samples(self, control: Control) -> NDArray[np.uint8]:
        hashes = np.zeros((len(self), 32), np.uint8)
        done: dict[str, NDArray[np.uint8]] = {}
        for row, path in enumerate(self.paths):
            if row % _CHECK_EVERY == 0:
                control.check()
                control.progress("hash", row, len(self), "hashing images")
            if not path:
                continue
            if path not in done:
                try:
                    done[path] = np.frombuffer(sha256_of(self.root, path), np.uint8)
                except (OSError, ValueError):
                    continue
            hashes[row] = done[path]
        control.progress("hash", len(self), len(self), "hashing images")
        return hashes


def find_manifests(root: Path, names: Sequence[str]) -> list[str]:
    """Return the manifests of a folder, told by their content.

    Parameters
    ----------
    root : Path
        The folder.
    names : sequence of str
        Files in it, and below its split folders, by path.
    """
    found = []
    for name in [name for name in names if name not in _OURS][:_MOST_CANDIDATES]:
        try:
            with opened(root, name) as descriptor:
                head = os.read(descriptor, manifest_table.HEAD)
        except OSError:
            continue
        if manifest_table.manifest_kind(head) or manifest_parquet.is_manifest(root, name, head):
            found.append(name)
    return found


def is_manifest_file(path: Path) -> bool:
    """Tell whether a file is a manifest, by its content."""
    return bool(find_manifests(path.parent, [path.name]))


def read_manifest(root: Path, entry: str, wanted: str | None = None) -> ManifestFolder:
    """Read a manifest and list the folder that it is about; no image is opened.

    Parameters
    ----------
    root : Path
        The folder.
    entry : str
        Path of the manifest below it.
    wanted : str, optional
        The split to scan; the training split without it.

    Raises
    ------
    BadInput
        The manifest is damaged, no label fits, or there is no such split.
    """
    where = shown(root / entry)
    data, sha256 = read_hashed(root / entry, limit("manifest-bytes"))
    if data[:4] == b"PAR1":
        table = manifest_parquet.parse(data, where)
    else:
        table = manifest_table.parse_manifest(data, where)
    rows = np.arange(len(table.images))
    split, notes = "", []
    if table.splits:
        split = choose_split(table.splits, wanted, where)
        rows = np.flatnonzero(np.array(table.splits, object) == split)
        notes = split_note(split, table.splits)
    elif wanted is not None:
        choose_split([split_in(entry)] if split_in(entry) else [], wanted, where)
    chosen = [table.labels[row] for row in rows]
    labels, names, label_notes = labels_of(chosen, f"{where}: {escape_name(table.columns[1])}")
    tree = walk(root)
    dataset = ManifestFolder(
        root, entry, table, rows, labels, names, notes + label_notes, tree, sha256
    )
    dataset.split, dataset.splits = split, tuple(sorted(set(table.splits)))
    dataset.notes += _notes(dataset, tree)
    return dataset


def choose_manifest(root: Path, found: list[str], wanted: str | None) -> tuple[str, list[str]]:
    """Return which of several manifests to read, and what to say about the others.

    ``train.csv`` beside ``test.csv`` are splits, and ``metadata.*`` is the one that Hugging Face
    would read; otherwise the analyst has to say.
    """
    named = {name: split_in(name) for name in found}
    if all(named.values()) and len(set(named.values())) == len(found):
        split = choose_split(named.values(), wanted, shown(root))
        chosen = next(name for name in found if named[name] == split)
        return chosen, split_note(split, named.values())
    usual = [name for name in found if name.rsplit("/", 1)[-1].startswith("metadata.")]
    if len(found) == 1 or len(usual) == 1:
        chosen = found[0] if len(found) == 1 else usual[0]
        rest = [name for name in found if name != chosen]
        return chosen, [f"{escape_name(chosen)} is read; {listing(rest)} not."] if rest else []
    raise BadInput(
        f"{shown(root)} holds several manifests: {listing(found, 6)}.",
        "Only one set is scanned at a time.",
        "Give the manifest itself.",
    )


def path_below(given: Any, above: str) -> tuple[str, str]:
    """Return a path below the root, and why it is not followed (one of the two is empty).

    Parameters
    ----------
    given : object
        What the manifest says.
    above : str
        Folder of the manifest below the root, or empty.
    """
    if not isinstance(given, str) or not given.strip():
        return "", "the manifest names no file"
    if "://" in given or given.lower().startswith(("data:", "file:", "\\\\")):
        return "", "an address and no path; nothing is fetched"
    parts = [part for part in given.split("/") if part != "."]
    if given.startswith("/") or given[1:3] in (":\\", ":/") or ".." in parts:
        return "", "its path leads out of the folder of the manifest"
    if "\0" in given or len(given) > _LONGEST_PATH or "" in parts:
        return "", "its path is no path"
    return "/".join([above, *parts] if above else parts), ""


def _notes(dataset: ManifestFolder, tree: Tree) -> list[str]:
    notes = [f"Labels come from {escape_name(dataset.entry)}."]
    if dataset.problems:
        first = min(dataset.problems)
        notes.append(
            f"{count_of(len(dataset.problems), 'path')} not followed: row {first} "
            f"({dataset.locator(first)[:80]}): {dataset.problems[first]}."
        )
    files = set(tree.files)
    missing = [path for path in dataset.paths if path and path not in files]
    if missing:
        notes.append(f"{count_of(len(missing), 'named file')} not there: {listing(missing)}.")
    twice = len(dataset.paths) - len(set(dataset.paths)) - max(0, len(dataset.problems) - 1)
    if twice > 0:
        notes.append(f"{count_of(twice, 'row')} name a file that an earlier row names too.")
    if tree.links:
        notes.append(
            f"{count_of(len(tree.links), 'symbolic link')} not followed: {listing(tree.links)}."
        )
    return notes
