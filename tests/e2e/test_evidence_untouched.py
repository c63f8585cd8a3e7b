"""A whole investigation leaves no trace on the evidence, not even the time of a look at it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

Command = Callable[..., Any]

FIELDS = ("mode", "ino", "dev", "nlink", "uid", "gid", "size", "atime_ns", "mtime_ns", "ctime_ns")
LONG_AGO = 1_500_000_000_000_000_000


def everything(root: Path) -> dict[str, tuple[Any, ...]]:
    """Stat fields, extended attributes and content of all there is; itself leaves no trace."""
    found: dict[str, tuple[Any, ...]] = {}
    places = [root, *sorted(root.rglob("*"))]
    for path in places:
        status = path.lstat()
        facts: list[Any] = [getattr(status, f"st_{field}") for field in FIELDS]
        with contextlib.suppress(OSError):
            facts.append(sorted(os.listxattr(path, follow_symlinks=False)))
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY | os.O_NOATIME)
            with os.fdopen(descriptor, "rb") as file:
                facts.append(hashlib.file_digest(file, "sha256").hexdigest())
        found[path.relative_to(root).as_posix()] = tuple(facts)
    return found


def aged(root: Path) -> None:
    """Set times far back: a kernel notes a reading only where it is news."""
    for path in [*root.rglob("*"), root]:
        os.utime(path, ns=(LONG_AGO, LONG_AGO + 1))


def looks_leave_traces(root: Path) -> bool:
    """Whether this file system notes readings at all."""
    probe = root / "probe"
    probe.write_bytes(b"x")
    os.utime(probe, ns=(LONG_AGO, LONG_AGO + 1))
    probe.read_bytes()
    noted = probe.stat().st_atime_ns != LONG_AGO
    probe.unlink()
    return noted


def test_no_field_of_the_evidence_changes(demo: Path, command: Command, tmp_path: Path) -> None:
    noted = looks_leave_traces(tmp_path)
    evidence = Path(shutil.copytree(demo / "evidence", tmp_path / "evidence"))
    aged(evidence)
    before = everything(evidence)
    assert everything(evidence) == before, "the test itself leaves traces"
    case = tmp_path / "a.case"
    model, data = evidence / "model.safetensors", evidence / "data"
    for arguments in (
        ("scan", "--model", model, "--data", data, "--case", case, "--reference", data),
        ("tag", case, "--from-ranking", "combined", "--top", 20, "--tag", "poison"),
        ("trigger", case, "--classes", "0", "--steps", 5, "--data-limit", 20),
        ("verify", case),
        ("report", case, "--to", tmp_path / "report.html"),
        ("export", case, "--to", tmp_path / "cleaned"),
    ):
        done = command(*arguments)
        assert done.returncode == 0, (arguments[0], done.stdout, done.stderr)
    assert sum(1 for _ in (tmp_path / "cleaned").rglob("*.png")) > 1000
    after = everything(evidence)
    assert after.keys() == before.keys()
    changed = {path: (before[path], after[path]) for path in before if before[path] != after[path]}
    assert not changed, (FIELDS, noted, dict(list(changed.items())[:3]))
