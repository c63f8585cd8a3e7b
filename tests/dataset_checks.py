"""What tests of datasets and exports look at, without the code under test where possible."""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inspector.api import Control
from inspector.errors import BadInput
from inspector.export import ExportResult, ExportTask, Filled, write_set
from inspector.export.dataset.filling import fill
from inspector.export.dataset.lists import fill_lists
from inspector.export.dataset.plan import plan_export, plan_quarantine
from inspector.intake.datasets import Dataset, open_dataset


def refusal(path: object) -> str:
    """Open, expect a refusal, and check its form: one printable line that ends a sentence."""
    with pytest.raises(BadInput) as caught:
        open_dataset(path)  # type: ignore[arg-type]
    message = str(caught.value)
    assert message.isprintable()
    assert caught.value.what.endswith(".")
    assert caught.value.fix
    assert "Traceback" not in message
    return message


_FIELDS = ("mode", "ino", "dev", "nlink", "uid", "gid", "size", "atime_ns", "mtime_ns", "ctime_ns")


def state_of(root: Path) -> dict[str, tuple]:
    """Every stat field that reading must not change, atime included, and the content's hash."""
    state = {}
    paths = [root, *sorted(root.rglob("*"))] if root.is_dir() else [root]
    for path in paths:
        status = path.lstat()
        # Looked at before the content is read here, and read without leaving a trace.
        fields = tuple(
            getattr(status, f"st_{name}")
            for name in [
                "mode",
                "ino",
                "dev",
                "nlink",
                "uid",
                "gid",
                "size",
                "atime_ns",
                "mtime_ns",
                "ctime_ns",
            ]
        )
        content = b""
        if not path.is_symlink() and path.is_file():
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOATIME", 0))
            with open(descriptor, "rb") as file:
                content = hashlib.sha256(file.read()).digest()
        state[os.fsdecode(os.fsencode(path))] = (*fields, content)
    return state


@contextmanager
def as_nobody() -> Iterator[None]:
    """Give up root's power to read everything, for tests about permissions."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def export_here(
    dataset: Dataset,
    drop: Any,
    target: Path,
    *,
    digest: str | None = None,
    quarantine: Path | None = None,
    lists_only: bool = False,
    reasons: Any = None,
    control: Control | None = None,
    **more: Any,
) -> ExportResult:
    """Export as for a case, but fill the folders in this process, where a test can interfere.

    ``drop`` is a mask, or the rows to leave out.
    """
    mask = np.asarray(drop)
    if mask.dtype != bool:
        mask = np.zeros(len(dataset), bool)
        mask[np.asarray(drop)] = True

    def filled(folder: Path, role: str, final: Path) -> Filled:
        plan = plan_export(dataset, mask, digest=digest)
        common: Any = {"target": final, "reasons": reasons, "control": control}
        if role == "lists":
            return fill_lists(plan, folder, **common)
        if role == "quarantine":
            return fill(plan_quarantine(plan), folder, **common)
        beside = plan_quarantine(plan).bytes if quarantine is not None else 0
        return fill(plan, folder, beside=beside, **common)

    task = ExportTask([dataset.root], mask, target, quarantine, lists_only)
    return write_set(task, filled, control=control, **more)


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def check_sums(folder: Path) -> None:
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", "manifest.sha256"], cwd=folder, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    listed = (folder / "manifest.sha256").read_bytes().count(b"\n")
    assert listed == sum(1 for path in folder.rglob("*") if path.is_file()) - 1


def read_idx_by_hand(path: Path) -> np.ndarray:
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    shape = np.frombuffer(data, ">i4", data[3], offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)
