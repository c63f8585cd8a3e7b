"""Where the evidence lies and what it was when it was first read; the evidence stays outside."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inspector.case.canonical import canonical
from inspector.case.records import Records

KIND = "evidence"


@dataclass(frozen=True)
class Evidence:
    """One piece of evidence.

    Attributes
    ----------
    role : str
        "model", "data", "reference" or "verified".
    path : str
        Absolute.
    sha256 : str
        Of the file; of a dataset of many files, its digest over all of them.
    size : int
        Bytes.
    mtime_ns : int
        Modification time when it was added, nanoseconds; 0 when it was not at hand.
    details : dict
    """

    role: str
    path: str
    sha256: str
    size: int
    mtime_ns: int = 0
    details: dict[str, Any] = field(default_factory=dict)


class EvidenceList:
    """The evidence of one case."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def add(
        self,
        role: str,
        path: Path | str,
        sha256: str,
        size: int,
        details: Mapping[str, Any] | None = None,
    ) -> Evidence:
        """Record evidence. Recorded before with another digest, the journal keeps both."""
        place = os.path.abspath(path)
        item = Evidence(role, place, str(sha256), int(size), _modified(place), dict(details or {}))
        key = canonical([role, place])
        seen = self._records.get(KIND, key)
        value = {"sha256": item.sha256, "size": item.size, "details": item.details}
        if seen is not None and {name: seen.get(name) for name in value} == value:
            # The same bytes again, copied or touched: no act.
            return _evidence(role, place, seen)
        former = {} if seen is None else {"former_sha256": seen.get("sha256")}
        self._records.put(
            KIND,
            key,
            {"role": role, "path": place, "mtime_ns": item.mtime_ns, **value},
            {"role": role, "path": place, "sha256": item.sha256, "size": item.size, **former},
        )
        return item

    def all(self) -> list[Evidence]:
        """Return everything, in the order in which it was added."""
        return [
            _evidence(str(value["role"]), str(value["path"]), value)
            for value in self._records.all(KIND).values()
        ]

    def changed(self) -> list[tuple[Evidence, str]]:
        """Return evidence that is missing or was touched since, each with the reason.

        A look at the file system only: an equal digest after reading again settles the doubt.
        """
        found = []
        for item in self.all():
            try:
                state = os.stat(item.path)
            except OSError as error:
                found.append((item, f"it cannot be reached: {error.strerror or error}"))
                continue
            if stat.S_ISREG(state.st_mode) and state.st_size != item.size:
                found.append((item, f"it had {item.size} bytes and now has {state.st_size}"))
            elif item.mtime_ns and state.st_mtime_ns != item.mtime_ns:
                found.append((item, "it was written to since"))
        return found


def _evidence(role: str, path: str, value: Mapping[str, Any]) -> Evidence:
    return Evidence(
        role,
        path,
        str(value["sha256"]),
        int(value["size"]),
        int(value.get("mtime_ns", 0)),
        dict(value.get("details", {})),
    )


def _modified(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
