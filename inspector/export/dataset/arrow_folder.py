"""Writer for saved Hugging Face datasets: each Arrow stream with rows taken out, batch by batch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.errors import CaseError
from inspector.export.new_file import new_file, write_chunks
from inspector.intake.datasets.arrow_columns import arrow
from inspector.intake.datasets.arrow_folder import SPLITS, STATE, ArrowFolder
from inspector.intake.datasets.evidence_file import read_file
from inspector.intake.datasets.names import shown

INFO = "dataset_info.json"
_LARGEST = 32 << 20


def write_arrow_folder(
    dataset: ArrowFolder, kept: NDArray[np.intp], folder: Path, control: Control
) -> None:
    """Write the streams, ``state.json`` and what else describes the split.

    The fingerprint in ``state.json`` becomes another one: it names the content, and Hugging Face
    keeps results of computations under it.

    Raises
    ------
    CaseError
        What was written differs from the source in some column.
    OSError
        They cannot be written.
    """
    stays = np.zeros(len(dataset), np.bool_)
    stays[kept] = True
    start = 0
    (folder / dataset.state_file).parent.mkdir(parents=True, exist_ok=True)
    for number, (name, table) in enumerate(zip(dataset.files, dataset.tables)):
        control.check()
        control.progress("export", number, len(dataset.files), "writing tables")
        _write(table, stays[start : start + table.num_rows], folder / name, control)
        start += table.num_rows
    _describe(dataset, kept, folder)
    control.progress("export", len(dataset.files), len(dataset.files), "writing tables")


def described_files(dataset: ArrowFolder) -> list[str]:
    """Return the files beside the streams that the writer makes itself."""
    inside = dataset.state_file.removesuffix(STATE)
    return [dataset.state_file, inside + INFO, *([SPLITS] if inside else [])]


def _write(table: Any, stays: NDArray[np.bool_], target: Path, control: Control) -> None:
    pa = arrow()
    with (
        new_file(target) as file,
        pa.ipc.new_stream(pa.PythonFile(file, mode="w"), table.schema) as writer,
    ):
        start = 0
        for batch in table.to_batches():
            control.check()
            part = batch.filter(pa.array(stays[start : start + batch.num_rows]))
            start += batch.num_rows
            if part.num_rows:
                writer.write_batch(part)
    with pa.OSFile(str(target)) as file, pa.ipc.open_stream(file) as reader:
        written = reader.read_all()
    wanted = table.filter(pa.array(stays))
    if not (written.equals(wanted) and written.schema.equals(table.schema, check_metadata=True)):
        raise CaseError(
            f"The export was not kept: {shown(target.name)} differs from the source.",
            "Something went wrong while writing or reading back.",
            "Try again, on another disk if it happens twice.",
        )


def _describe(dataset: ArrowFolder, kept: NDArray[np.intp], folder: Path) -> None:
    state = json.loads(read_file(dataset.root, dataset.state_file, _LARGEST))
    if "_fingerprint" in state:
        text = f"{state['_fingerprint']} {kept.tolist()}"
        state["_fingerprint"] = hashlib.sha256(text.encode()).hexdigest()[:16]
    write_chunks(folder / dataset.state_file, [json.dumps(state, indent=2).encode()])
    inside = dataset.state_file.removesuffix(STATE)
    for name in described_files(dataset)[1:]:
        try:
            content = read_file(dataset.root, name, _LARGEST)
        except OSError:
            continue
        if name == inside + INFO:
            content = _counted(content, len(kept), dataset.split)
        write_chunks(folder / name, [content])


def _counted(content: bytes, count: int, split: str) -> bytes:
    """Return ``dataset_info.json`` with the new number of rows, where it has one."""
    try:
        info = json.loads(content)
        splits = info["splits"]
        entry = splits[split] if split in splits else next(iter(splits.values()))
    except (ValueError, KeyError, TypeError, StopIteration, AttributeError, RecursionError):
        return content
    known = isinstance(entry, dict) and "num_examples" in entry
    if not known or (split not in splits and len(splits) > 1):
        return content
    entry["num_examples"] = count
    return json.dumps(info, indent=2).encode()
