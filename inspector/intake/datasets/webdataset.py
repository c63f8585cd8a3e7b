"""WebDataset: tar shards in which members that share a name up to its first dot are one sample.

The image is a ``.jpg``, ``.png`` …, its label a ``.cls``, ``.json`` or ``.txt``. Nothing is ever
extracted, and pickles (``.pyd``, ``.pickle``, ``.pth`` …), which the usual loader would run, are
not read.
"""

from __future__ import annotations

import bisect
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.errors import BadInput
from inspector.intake.datasets.dataset import UnreadableSample
from inspector.intake.datasets.encoded_images import EncodedImages
from inspector.intake.datasets.evidence_file import CHUNK, opened, reason_of
from inspector.intake.datasets.label_values import labels_of
from inspector.intake.datasets.names import count_of, escape_name, listing, shown
from inspector.intake.datasets.splits import choose_split, split_in, split_note
from inspector.intake.datasets.tar_members import DamagedTar, TarMember, members
from inspector.intake.limits import limit, told

IMAGES = ("jpg", "jpeg", "png", "webp", "bmp", "ppm", "pgm", "pbm", "tif", "tiff", "gif", "img")
LABELS = ("cls", "json", "txt")
PICKLES = ("pyd", "pickle", "pkl", "pth", "pt", "npy", "npz", "ten", "tb")

_JSON_KEYS = ("label", "cls", "class", "target", "class_id", "label_idx", "class_name")
_MAX_LABEL = 1 << 20
_CHECK_EVERY = 64


@dataclass
class TarSample:
    """The members of one sample.

    Attributes
    ----------
    key : str
        Their common name, without what follows the first dot.
    image : TarMember or None
    extension : str
        Of the image.
    members : list of (str, TarMember)
        All of them by extension, the image and pickles included.
    problem : str
        Why it is ambiguous, or nothing.
    seen : set of str
        The extensions of its members.
    """

    key: str
    image: TarMember | None = None
    extension: str = ""
    members: list[tuple[str, TarMember]] = field(default_factory=list)
    problem: str = ""
    seen: set[str] = field(default_factory=set, repr=False)


class WebDataset(EncodedImages):
    """Images in tar shards. Build it with `read_webdataset`.

    Attributes
    ----------
    shards : tuple of str
        The shards of the scanned split, below the root ("" for the root itself).
    samples : tuple of TarSample
        One per row, with the shard's number in ``shard_of``.
    shard_of : ndarray, shape (n,), intp
    """

    format = "webdataset"

    def __init__(
        self,
        root: Path,
        shards: Sequence[str],
        samples: Sequence[TarSample],
        counts: Sequence[int],
        labels: NDArray[np.int32],
        class_names: Sequence[str],
        notes: Sequence[str],
    ) -> None:
        super().__init__(root, class_names, labels, notes)
        self.shards = tuple(shards)
        self.samples = tuple(samples)
        self._starts = np.cumsum([0, *counts]).tolist()
        self.shard_of = np.repeat(np.arange(len(shards)), counts)
        self._file_hashes: dict[str, bytes] = {}

    def locator(self, i: int) -> str:
        """Return ``shard!member``."""
        if not 0 <= i < len(self):
            raise IndexError(i)
        sample = self.samples[i]
        name = self.shards[bisect.bisect_right(self._starts, i) - 1] or self.root.name
        return f"{escape_name(name)}!{escape_name(f'{sample.key}.{sample.extension}')}"

    def stored_bytes(self, i: int) -> bytes:
        """Return the bytes of the image member."""
        sample = self.samples[i]
        if sample.problem or sample.image is None:
            raise UnreadableSample(sample.problem or "the sample has no image")
        if sample.image.size > limit("image-bytes"):
            raise UnreadableSample(f"larger than the limit of {told('image-bytes')}")
        try:
            with opened(self.root, self.shards[int(self.shard_of[i])]) as descriptor:
                data = os.pread(descriptor, sample.image.size, sample.image.data)
        except OSError as error:
            raise UnreadableSample(reason_of(error)) from None
        if len(data) != sample.image.size:
            raise UnreadableSample("the shard was cut off")
        return data

    def source_files(self) -> list[Path]:
        """Return the shards of the scanned split."""
        return [self.root / shard if shard else self.root for shard in self.shards]

    def file_sha256(self, control: Control | None = None) -> dict[str, bytes]:
        """Return the SHA-256 of each shard."""
        self.stored_sha256(control)
        return dict(self._file_hashes)

    def _hash_samples(self, control: Control) -> NDArray[np.uint8]:
        """Hash samples and shards in one reading of the shards."""
        hashes = np.zeros((len(self), 32), np.uint8)
        done = 0
        for number, shard in enumerate(self.shards):
            rows = range(self._starts[number], self._starts[number + 1])
            known = bytes(32)
            try:
                with opened(self.root, shard) as descriptor:
                    known = self._hash_shard(descriptor, rows, hashes, control, done)
            except OSError:
                pass  # a file that cannot be read counts as zeros
            self._file_hashes[shard or self.root.name] = known
            done += len(rows)
        control.progress("hash", len(self), len(self), "hashing images")
        return hashes

    def _hash_shard(
        self,
        descriptor: int,
        rows: range,
        hashes: NDArray[np.uint8],
        control: Control,
        done: int,
    ) -> bytes:
        total = hashlib.sha256()
        at = 0
        length = os.fstat(descriptor).st_size

        def pass_over(end: int) -> None:
            nonlocal at
            while at < end and (part := os.pread(descriptor, min(CHUNK, end - at), at)):
                total.update(part)
                at += len(part)

        for count, row in enumerate(rows):
            if count % _CHECK_EVERY == 0:
                control.check()
                control.progress("hash", done + count, len(self), "hashing images")
            sample = self.samples[row]
            image = sample.image
            if (
                image is None
                or sample.problem
                or image.size > limit("image-bytes")
                or image.data < at
            ):
                continue
            pass_over(image.data)
            data = os.pread(descriptor, image.size, image.data)
            total.update(data)
            at += len(data)
            if len(data) == image.size:
                hashes[row] = np.frombuffer(hashlib.sha256(data).digest(), np.uint8)
        pass_over(length)
        return total.digest()


def read_webdataset(root: Path, names: Sequence[str], wanted: str | None = None) -> WebDataset:
    """List tar shards and read their labels; no image is decoded.

    Parameters
    ----------
    root : Path
        One shard, or the folder of the shards.
    names : sequence of str
        The shards below the folder; ``[""]`` for a file.
    wanted : str, optional
        The split to scan, told by the shards' names; the training split without it.

    Raises
    ------
    BadInput
        A shard is damaged, or holds no labelled images.
    """
    by_split: dict[str, list[str]] = {}
    for name in sorted(names):
        by_split.setdefault(split_in(name or root.name), []).append(name)
    split = choose_split(by_split, wanted, shown(root))
    notes = split_note(split, by_split)
    samples: list[TarSample] = []
    values: list[Any] = []
    counts: list[int] = []
    odd = 0
    for name in by_split[split]:
        found, said, others = _shard(root, name)
        samples += found
        values += said
        counts.append(len(found))
        odd += others
    if not samples:
        raise BadInput(
            f"{shown(root)} holds no images in tar members.",
            f"A sample is an image (.{listing(list(IMAGES), 3)}) and a label of the same name "
            "(.cls, .json or .txt).",
            "If it is an ordinary archive, unpack it and open the folder.",
        )
    labels, class_names, label_notes = labels_of(values, shown(root))
    pickles = sum(
        extension.rpartition(".")[2] in PICKLES
        for sample in samples
        for extension, _ in sample.members
    )
    if pickles:
        notes.append(
            f"{count_of(pickles, 'member')} that the usual loader would unpickle not read; "
            "nothing was run, and an export leaves them out."
        )
    if odd:
        notes.append(
            f"{count_of(odd, 'link, folder or device', 'links, folders or devices')} "
            "in the archives skipped."
        )
    ambiguous = sum(bool(sample.problem) for sample in samples)
    if ambiguous:
        notes.append(f"{count_of(ambiguous, 'sample')} with two members of one name.")
    dataset = WebDataset(
        root, by_split[split], samples, counts, labels, class_names, notes + label_notes
    )
    dataset.split, dataset.splits = split, tuple(sorted(name for name in by_split if name))
    return dataset


def extension_of(name: str) -> tuple[str, str]:
    """Return a member's key and its extension: the name is cut at the first dot of its last part.

    Source: the naming convention of WebDataset (Aizman, Maltzahn and Breuel 2019).
    """
    folder, slash, last = name.rpartition("/")
    stem, _, extension = last.partition(".")
    return folder + slash + stem, extension.lower()


def _shard(root: Path, name: str) -> tuple[list[TarSample], list[Any], int]:
    """Return the samples of a shard that have an image, their labels, and what else is there."""
    where = shown(root / name) if name else shown(root)
    grouped: list[TarSample] = []
    others = 0
    try:
        with opened(root, name) as descriptor:
            for member in members(descriptor, os.fstat(descriptor).st_size):
                if member is None:
                    others += 1
                    continue
                key, extension = extension_of(member.name)
                if not extension:
                    continue
                if not grouped or grouped[-1].key != key:
                    grouped.append(TarSample(key))
                _add(grouped[-1], extension, member)
            samples = [sample for sample in grouped if sample.image is not None]
            return samples, [_label(descriptor, sample) for sample in samples], others
    except OSError as error:
        raise BadInput(
            f"{where} cannot be read: {reason_of(error)}.",
            "",
            "Check the path and your permission to read it.",
        ) from None
    except DamagedTar as damage:
        raise BadInput(
            f"{where} is damaged: {damage}.",
            "It was cut off, or is no tar archive.",
            "Fetch or copy it again and compare its checksum.",
        ) from None


def _add(sample: TarSample, extension: str, member: TarMember) -> None:
    if extension in sample.seen:
        sample.problem = f"two members are named .{escape_name(extension)[:20]}"
    sample.seen.add(extension)
    sample.members.append((extension, member))
    # seg.png, say, belongs to the sample and is not its image.
    if extension in IMAGES and sample.image is None:
        sample.image, sample.extension = member, extension


def _label(descriptor: int, sample: TarSample) -> Any:
    by_extension = dict(sample.members)
    for extension in LABELS:
        member = by_extension.get(extension)
        if member is None or member.size > _MAX_LABEL:
            continue
        text = os.pread(descriptor, member.size, member.data).decode("utf-8", "surrogateescape")
        value = _in_json(text) if extension == "json" else text.strip()
        if value is not None and value != "":
            return value
    return None


def _in_json(text: str) -> Any:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, dict):
        found = next((found[key] for key in _JSON_KEYS if key in found), None)
    return found if isinstance(found, (int, str, float)) else None
