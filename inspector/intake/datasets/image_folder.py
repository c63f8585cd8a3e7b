"""Image folders: a folder per class, perhaps below a folder per split.

Classes and their order are those of torchvision's ``ImageFolder`` (sorted folder names), and so
are the file names that count as images, so that label indices mean what they meant in training.
Links are never followed, not even to ask whether they lead to a folder (that would change their
access time): beside class folders, a link without a suffix counts as a class that is empty here, so
that the classes after it keep their index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.errors import BadInput
from inspector.intake.datasets.cifar_binary import is_cifar_name
from inspector.intake.datasets.dataset import UnreadableSample
from inspector.intake.datasets.encoded_images import EncodedImages
from inspector.intake.datasets.evidence_file import read_file, reason_of, sha256_of
from inspector.intake.datasets.idx import is_idx_name
from inspector.intake.datasets.names import count_of, escape_name, listing, shown
from inspector.intake.datasets.splits import SPLITS, choose_split, is_split_name
from inspector.intake.datasets.tree import Tree, components, walk
from inspector.intake.limits import limit

IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
)
"""File names that count as images: those of torchvision's ``ImageFolder``."""

_CHECK_EVERY = 64
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".7z", ".rar")


class ImageFolder(EncodedImages):
    """A folder tree of encoded images. Build it with `read_image_folder`.

    Attributes
    ----------
    paths : tuple of str
        Path of each sample below the root, with ``/`` (undecodable bytes as lone surrogates).
    other_files : tuple of str
        Regular files that are no samples: licences, lists, other splits.
    folders : tuple of str
        All folders below the root, also empty ones, and the links that count as classes.
    skipped : tuple of str
        Links, pipes, sockets and devices.
    """

    format = "image-folder"

    def __init__(
        self,
        root: Path,
        paths: Sequence[str],
        labels: NDArray[np.int32],
        class_names: Sequence[str],
        notes: Sequence[str],
        tree: Tree,
        split: str,
    ) -> None:
        super().__init__(root, class_names, labels, notes)
        self.paths = tuple(paths)
        self.split = split
        samples = frozenset(paths)
        self.other_files = tuple(path for path in tree.files if path not in samples)
        linked = [path for path in _linked_folders(tree) if path.count("/") == bool(split)]
        self.folders = tuple(sorted(tree.folders + linked, key=components))
        self.skipped = tuple(tree.links + tree.specials)

    def locator(self, i: int) -> str:
        """Return the path below the root, escaped (see `names.unescape_name`)."""
        return escape_name(self.paths[i])

    def stored_bytes(self, i: int) -> bytes:
        """Return the encoded file; at most the limit image-bytes."""
        try:
            return read_file(self.root, self.paths[i], limit("image-bytes"))
        except OSError as error:
            raise UnreadableSample(reason_of(error)) from None

    def source_files(self) -> list[Path]:
        """Return the image files."""
        return [self.root / path for path in self.paths]

    def file_sha256(self, control: Control | None = None) -> dict[str, bytes]:
        """Return the SHA-256 of each image file."""
        hashes = self.stored_sha256(control)
        return {path: row.tobytes() for path, row in zip(self.paths, hashes)}

    def _hash_samples(self, control: Control) -> NDArray[np.uint8]:
        hashes = np.zeros((len(self), 32), np.uint8)
        for row, path in enumerate(self.paths):
            if row % _CHECK_EVERY == 0:
                control.check()
                control.progress("hash", row, len(self), "hashing images")
            try:
                hashes[row] = np.frombuffer(sha256_of(self.root, path), np.uint8)
            except OSError:
                continue
        control.progress("hash", len(self), len(self), "hashing images")
        return hashes


def is_image_name(path: str) -> bool:
    """Tell whether torchvision's ``ImageFolder`` would take the file for an image."""
    return "." in path and "." + path.rsplit(".", 1)[1].lower() in IMAGE_SUFFIXES


def read_image_folder(root: Path, wanted: str | None = None) -> ImageFolder:
    """Read the structure of an image folder; no image is opened.

    Parameters
    ----------
    root : Path
        The folder.
    wanted : str, optional
        The split to scan; the training split without it.

    Raises
    ------
    BadInput
        No class folder with images is there, or a folder cannot be listed.
    """
    tree = walk(root)
    images = [path for path in tree.files if is_image_name(path)]
    splits = _splits(images)
    split = choose_split(splits, wanted, shown(root)) if splits or (images and wanted) else ""
    level = 1 if split else 0
    inside = split + "/" if split else ""
    samples = [path for path in images if path.startswith(inside) and path.count("/") >= level + 1]
    if not samples:
        raise _nothing_found(root, tree, images)
    names = _class_folders(tree, samples, inside, level)
    index = {name: number for number, name in enumerate(names)}
    labels = np.fromiter(
        (index[path.split("/", level + 1)[level]] for path in samples), np.int32, len(samples)
    )
    notes = _notes(tree, images, samples, names, labels, split)
    printable = [escape_name(name) for name in names]
    dataset = ImageFolder(root, samples, labels, printable, notes, tree, split)
    dataset.splits = tuple(splits)
    return dataset


def _splits(images: list[str]) -> list[str]:
    """Return the split folders: every image lies in ``split/class/…`` or there are none."""
    tops: dict[str, bool] = {}
    for path in images:
        if "/" in path:
            top = path[: path.index("/")]
            tops[top] = tops.get(top, True) and path.count("/") >= 2
    if any(not is_split_name(top) or not deep for top, deep in tops.items()):
        return []
    return sorted(tops)


def _class_folders(tree: Tree, samples: list[str], inside: str, level: int) -> list[str]:
    with_images = {path.split("/", level + 1)[level] for path in samples}
    # A class that is empty or a link keeps its place, else all later indices would shift.
    candidates = {
        path[len(inside) :]
        for path in tree.folders + _linked_folders(tree)
        if path.startswith(inside) and path.count("/") == level
    }
    # Hidden folders without images (.git) and __MACOSX cannot have been classes in training.
    kept = {name for name in candidates if not name.startswith(".") and name != "__MACOSX"}
    return sorted(kept | with_images)


def _linked_folders(tree: Tree) -> list[str]:
    return [path for path in tree.links if "." not in path.rsplit("/", 1)[-1]]


def _notes(
    tree: Tree,
    images: list[str],
    samples: list[str],
    names: list[str],
    labels: NDArray[np.int32],
    split: str,
) -> list[str]:
    notes = []
    if split:
        others = sorted({path.split("/", 1)[0] for path in images} - {split})
        notes.append(
            f"The split '{escape_name(split)}' is scanned"
            + (f"; {listing(others)} hold other splits and are not." if others else ".")
        )
    counts = np.bincount(labels, minlength=len(names))
    empty = [names[i] for i in np.flatnonzero(counts == 0)]
    if empty:
        notes.append(
            f"{count_of(len(empty), 'class folder')} without images "
            f"({listing(empty)}) keep their class index."
        )
    level = 1 if split else 0
    if len(names) - len(empty) == 1:
        notes.append("Only one class has images: detectors have no other class to compare with.")
        if all(path.count("/") >= level + 2 for path in samples):
            notes.append("Its images lie in sub-folders; open it if those are the classes.")
    doubtful = [name for name in names if not split and name.lower() in SPLITS]
    if doubtful:
        notes.append(f"{listing(doubtful)} taken as a class; open it if it is a split.")
    inside = [path for path in images if not split or path.startswith(split + "/")]
    stray = len(inside) - len(samples)
    if stray:
        notes.append(f"{count_of(stray, 'image')} outside of any class folder left out.")
    others_by_suffix = Counter(
        PurePosixPath(path).suffix.lower() or "no suffix"
        for path in tree.files
        if not is_image_name(path)
    )
    if others_by_suffix:
        kinds = ", ".join(
            f"{escape_name(suffix)} {number:,}"
            for suffix, number in others_by_suffix.most_common(5)
        )
        total = sum(others_by_suffix.values())
        notes.append(f"{count_of(total, 'file')} without an image suffix not read: {kinds}.")
    if tree.links:
        notes.append(
            f"{count_of(len(tree.links), 'symbolic link')} not followed: {listing(tree.links)}."
        )
    if tree.specials:
        notes.append(
            f"{count_of(len(tree.specials), 'pipe, socket or device', 'pipes, sockets or devices')}"
            f" not opened: {listing(tree.specials)}."
        )
    return notes


def _nothing_found(root: Path, tree: Tree, images: list[str]) -> BadInput:
    where = shown(root)
    if not (tree.files or tree.folders or tree.links or tree.specials):
        return BadInput(f"The folder {where} is empty.", "", "Open the folder of the data.")
    if images:
        return BadInput(
            f"The {count_of(len(images), 'image')} in {where} have no labels.",
            "An image folder has one folder for each class, with the images of the class in it.",
            "Move the images into class folders, or open the folder above.",
        )
    if tree.links:
        return BadInput(
            f"No images were found in {where}.",
            f"It holds {count_of(len(tree.links), 'symbolic link')}, which are not followed.",
            "Copy the files in place of the links (cp -rL), then open the copy.",
        )
    suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
    return BadInput(
        f"No training data was found in {where}.",
        f"It holds {count_of(len(tree.files), 'file')}, none with an image suffix ({suffixes}), "
        "and no IDX, NPZ or CIFAR binary set.",
        _where_data_may_be(root, tree),
    )


def _where_data_may_be(root: Path, tree: Tree) -> str:
    for path in tree.files:
        name = path.rsplit("/", 1)[-1]
        if is_idx_name(name) or is_cifar_name(name) or name.lower().endswith(".npz"):
            return f"Open {shown((root / path).parent)}: {shown(name)} lies there."
    for path in tree.files:
        if path.lower().endswith(_ARCHIVES):
            return f"Unpack {shown(path)} and open the folder that comes out."
    return "Open the folder with one sub-folder for each class, or the data file itself."
