"""Hash the evidence of a case again, in an engine of its own, and record what comes of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from inspector.case import Case
from inspector.case.evidence import Evidence
from inspector.case.integrity import Hashed
from inspector.engine.client.process import Engine
from inspector.engine.client.raised import raised_limits
from inspector.errors import BadInput
from inspector.intake.datasets.beside import to_be_read

_LOOK = 0.3
"""Seconds between two looks whether somebody cancelled."""


def hash_evidence(
    case: Case,
    items: Sequence[Evidence],
    on_event: Callable[[dict[str, Any]], None] = lambda event: None,
    check: Callable[[], None] = lambda: None,
) -> list[Hashed]:
    """Hash evidence where it lies now; what cannot be reached is said to be missing.

    Parameters
    ----------
    case : Case
        Open, for reading is enough.
    items : sequence of Evidence
    on_event : callable
        Takes the engine's events, from a background thread.
    check : callable
        Raises `Cancelled` to stop.
    """
    found: dict[str, Hashed] = {}
    reachable: list[tuple[Evidence, str]] = []
    for item in items:
        try:
            reachable.append((item, item.fingerprint()))
        except OSError as error:
            why = f"It cannot be reached: {error.strerror or error}."
            found[item.key] = Hashed(item, why=why, missing=True)
    if reachable:
        read = [
            part
            for item, _ in reachable
            for part in (*to_be_read(item.path), *map(Path, item.files))
        ]
        # Hashing leaves nothing behind, and a case that is only read stays as it is.
        with tempfile.TemporaryDirectory(prefix="inspector-") as scratch:
            engine = Engine(Path(scratch), on_event, read=read, limits=raised_limits(case))
            engine.start()
            try:
                asked = [
                    {"role": item.role, "path": item.path, "split": item.details.get("split")}
                    for item, _ in reachable
                ]
                number = engine.submit("digests", items=asked)
                while True:
                    check()
                    try:
                        rows = engine.wait(number, timeout=_LOOK)["items"]
                        break
                    except TimeoutError:
                        continue
            finally:
                engine.close(timeout=0.5)
        for (item, seen), row in zip(reachable, rows, strict=True):
            found[item.key] = Hashed(item, str(row["sha256"]), seen, str(row["why"]))
    return [found[item.key] for item in items]


def record(case: Case, hashed: Sequence[Hashed]) -> list[Hashed]:
    """Record digests in the journal; return those that are not what was recorded.

    Evidence that can no longer be read as what it was counts as changed, with an empty digest.
    """
    reached = [one for one in hashed if not one.missing]
    return [one for one in reached if not case.watch.settle(one.item, one.sha256, one.seen)]


def settle_doubts(
    case: Case,
    on_event: Callable[[dict[str, Any]], None] = lambda event: None,
    check: Callable[[], None] = lambda: None,
) -> list[Hashed]:
    """Hash again what the file system says was touched; return what turned out to be changed."""
    touched = [look.item for look in case.watch.look() if look.state == "touched"]
    if not touched or case.read_only:
        return []
    return record(case, hash_evidence(case, touched, on_event, check))


def relocate(
    case: Case,
    name: str,
    path: Path | str,
    on_event: Callable[[dict[str, Any]], None] = lambda event: None,
    check: Callable[[], None] = lambda: None,
) -> Evidence:
    """Tell a case where its evidence lies now, after comparing digests.

    Parameters
    ----------
    case : Case
        Open for writing.
    name : str
        Role, former path or file name of the evidence.
    path : path
        Where it lies now.

    Raises
    ------
    BadInput
        No such evidence, or nothing that can be read lies there.
    CaseError
        Other bytes lie there; nothing was changed.
    """
    item = case.watch.named(name)
    place = os.path.abspath(path)
    (one,) = hash_evidence(case, [_moved(item, place)], on_event, check)
    if one.why:
        raise BadInput(
            f"The {item.role} cannot be read at {place}.", one.why, "Check the path given."
        )
    return case.watch.relocate(item, place, one.sha256, one.seen)


def _moved(item: Evidence, place: str) -> Evidence:
    return Evidence(
        item.role, place, item.sha256, item.size, details=item.details, recorded_path=place
    )
