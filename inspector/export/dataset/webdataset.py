"""Writer for WebDataset shards: the bytes of the source, without the spans of what goes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.errors import BadInput
from inspector.export.new_file import write_chunks
from inspector.intake.datasets.evidence_file import CHUNK, opened, reason_of
from inspector.intake.datasets.names import shown
from inspector.intake.datasets.webdataset import PICKLES, TarSample, WebDataset


def write_webdataset(
    dataset: WebDataset, kept: NDArray[np.intp], folder: Path, control: Control
) -> None:
    """Write each shard without the members of samples that are not kept; one may become empty.

    Headers, padding and members that belong to no sample are copied byte for byte. Members that
    the usual loader would unpickle are left out: nothing that can run goes into a cleaned set.

    Raises
    ------
    BadInput
        A shard cannot be read.
    OSError
        They cannot be written.
    """
    stays = np.zeros(len(dataset), np.bool_)
    stays[kept] = True
    _refuse_names_that_lead_out(dataset, kept)
    for number, shard in enumerate(dataset.shards):
        control.check()
        control.progress("export", number, len(dataset.shards), "writing shards")
        rows = np.flatnonzero(dataset.shard_of == number)
        cut = [span for row in rows for span in _spans(dataset.samples[row], bool(stays[row]))]
        target = folder / (shard or dataset.root.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        source = dataset.root / shard if shard else dataset.root
        try:
            with opened(dataset.root, shard) as descriptor:
                size = os.fstat(descriptor).st_size
                write_chunks(target, _without(descriptor, size, sorted(cut), source, control))
        except _ReadFailed as failure:
            raise BadInput(
                f"{shown(source)} cannot be read: {reason_of(failure.cause)}.",
                "The export would lack it, so nothing was written.",
                "Restore the data, or scan it again.",
            ) from None
    control.progress("export", len(dataset.shards), len(dataset.shards), "writing shards")


def _refuse_names_that_lead_out(dataset: WebDataset, kept: NDArray[np.intp]) -> None:
    """Put nothing into a cleaned set that unpacks outside of the folder it is unpacked in."""
    odd = [
        row
        for row in kept.tolist()
        if any(_leads_out(member.name) for _, member in dataset.samples[row].members)
    ]
    if odd:
        raise BadInput(
            f"{len(odd):,} of the samples to write are named outside of their archive, the first "
            f"is {dataset.locator(odd[0])}.",
            "Careless programs unpack such names over other files.",
            "Leave them out: tag them.",
        )


def _leads_out(name: str) -> bool:
    return name.startswith("/") or ".." in name.split("/")


def _spans(sample: TarSample, stays: bool) -> Iterator[tuple[int, int]]:
    for extension, member in sample.members:
        if not stays or extension.rpartition(".")[2] in PICKLES:
            yield member.start, member.end


class _ReadFailed(Exception):
    def __init__(self, cause: OSError) -> None:
        super().__init__()
        self.cause = cause


def _without(
    descriptor: int, size: int, cut: list[tuple[int, int]], source: Path, control: Control
) -> Iterator[bytes]:
    """Yield the bytes of a file without some spans, sorted and apart."""
    at = 0
    for start, end in [*cut, (size, size)]:
        while at < start:
            control.check()
            try:
                part = os.pread(descriptor, min(CHUNK, start - at), at)
            except OSError as error:
                raise _ReadFailed(error) from None
            if not part:
                raise BadInput(
                    f"{shown(source)} became shorter while it was exported.",
                    "",
                    "Restore the data, or scan it again.",
                )
            at += len(part)
            yield part
        at = max(at, end)
