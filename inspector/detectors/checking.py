"""Proves the contract of the detectors in a file, for ``inspector plugin check``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from inspector.detectors.registry import Entry, discover, load_file
from inspector.errors import BadInput
from inspector.testing.contract import CheckResult, contract_results


def check_plugin(file: Path) -> list[CheckResult]:
    """Load a drop-in file and check every detector in it. This runs the file's code.

    Parameters
    ----------
    file : Path
        A Python file, or a folder with ``__init__.py``.

    Returns
    -------
    list of CheckResult
        The first says whether the file could be loaded; names carry the detector's id.

    Raises
    ------
    BadInput
        There is no such file.
    """
    file = Path(file)
    if not file.exists():
        raise BadInput(
            f"There is no file {file}.",
            "",
            "Write one with `inspector plugin new NAME`.",
        )
    results: list[CheckResult] = []
    for entry in load_file(file):
        if entry.factory is None or entry.info is None:
            results.append(CheckResult(f"{file.name} can be loaded", False, entry.cause))
            continue
        results.append(CheckResult(f"{entry.id} can be loaded", True))
        results.append(_own_id(entry))
        results += [
            replace(result, name=f"{entry.id}: {result.name}")
            for result in contract_results(entry.factory, file)
        ]
    return results


def _own_id(entry: Entry) -> CheckResult:
    name = f"{entry.id}: no bundled detector has the same id"
    taken = {other.id for other in discover(folders=[], entry_points=False)}
    cause = f"The id {entry.id!r} is taken by a bundled detector." if entry.id in taken else ""
    return CheckResult(name, not cause, cause)
