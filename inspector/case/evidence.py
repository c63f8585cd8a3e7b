"""Where the evidence lies, what it was when it was first read, and whether it still is that.

The evidence stays outside of the case. Looking at it costs a ``stat`` of each file; only where that
differs is it hashed again, by the engine (`inspector.engine.client.evidence`), which tells the
outcome here. What was read before is never read again silently.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inspector.case.canonical import canonical
from inspector.case.fingerprint import fingerprint
from inspector.case.records import Records
from inspector.errors import BadInput, CaseError

KIND = "evidence"
STATE = "evidence state"
PLACE = "evidence place"


@dataclass(frozen=True)
class Evidence:
    """One piece of evidence.

    Attributes
    ----------
    role : str
        "model", "data", "reference", "verified" or "checkpoint".
    path : str
        Absolute; where it lies now, if it was relocated.
    sha256 : str
        Of the file; of a dataset of many files, its digest over all of them.
    size : int
        Bytes.
    mtime_ns : int
        Modification time when it was added, nanoseconds; 0 when it was not at hand.
    details : dict
        ``files`` lists further files that belong to it, ``split`` names the split of a dataset.
    recorded_path : str
        Where it lay when it was added; its name in the case.
    relative : str
        The same, seen from the case's folder: both may have moved together.
    """

    role: str
    path: str
    sha256: str
    size: int
    mtime_ns: int = 0
    details: dict[str, Any] = field(default_factory=dict)
    recorded_path: str = ""
    relative: str = ""

    @property
    def key(self) -> str:
        """Its name among the records of the case."""
        return canonical([self.role, self.recorded_path or self.path])

    @property
    def files(self) -> list[str]:
        """Further files that belong to it, beside ``path``."""
        listed = self.details.get("files") or []
        moved = os.path.dirname(self.path)
        return [
            os.path.join(moved, os.path.basename(str(name)))
            for name in listed
            if os.path.basename(str(name)) != os.path.basename(self.path)
        ]

    def fingerprint(self) -> str:
        """Return what the file system says about it now; see `fingerprint`.

        Raises
        ------
        OSError
            It cannot be reached.
        """
        return fingerprint(self.path, self.files)


@dataclass(frozen=True)
class Look:
    """How evidence was found.

    Attributes
    ----------
    item : Evidence
    state : str
        "unchanged"; "touched": the file system tells of a change and a digest has to settle it;
        "changed": its bytes are others than those that were recorded; "missing".
    why : str
        The reason, in words; empty when unchanged.
    """

    item: Evidence
    state: str
    why: str = ""


class EvidenceList:
    """The evidence of one case."""

    def __init__(self, records: Records, folder: Path) -> None:
        self._records, self._folder = records, folder

    def add(
        self,
        role: str,
        path: Path | str,
        sha256: str,
        size: int,
        details: Mapping[str, Any] | None = None,
        seen: str | None = None,
    ) -> Evidence:
        """Record evidence. Recorded before with another digest, the journal keeps both.

        Parameters
        ----------
        role, path, sha256, size, details
            See `Evidence`.
        seen : str, optional
            `fingerprint` from before it was hashed; taken now when None.
        """
        place = os.path.abspath(path)
        item = Evidence(
            role,
            place,
            str(sha256),
            int(size),
            _modified(place),
            dict(details or {}),
            place,
            os.path.relpath(place, self._folder),
        )
        known = self._records.get(KIND, item.key)
        value = {"sha256": item.sha256, "size": item.size, "details": item.details}
        if known is not None and {name: known.get(name) for name in value} == value:
            # The same bytes again, copied or touched: no act.
            return self._evidence(known)
        for moved in self.all() if known is None else ():
            if (moved.role, moved.path, moved.sha256) == (role, place, item.sha256):
                return moved
        former = {} if known is None else {"former_sha256": known.get("sha256")}
        self._records.put(
            KIND,
            item.key,
            {
                "role": role,
                "path": place,
                "mtime_ns": item.mtime_ns,
                "seen": seen or _seen(item),
                "relative": item.relative,
                **value,
            },
            {"role": role, "path": place, "sha256": item.sha256, "size": item.size, **former},
        )
        return item

    def all(self) -> list[Evidence]:
        """Return everything, in the order in which it was added."""
        return [self._evidence(value) for value in self._records.all(KIND).values()]

    def named(self, name: str) -> Evidence:
        """Return evidence by its role, its path or the name of its file.

        Raises
        ------
        BadInput
            There is none, or more than one.
        """
        every = self.all()
        found = [
            item
            for item in every
            if name in (item.role, item.path, item.recorded_path, os.path.basename(item.path))
        ]
        if len(found) == 1:
            return found[0]
        known = ", ".join(f"{item.role} ({item.path})" for item in every) or "none"
        raise BadInput(
            f"{'Several pieces' if found else 'No piece'} of evidence here "
            f"{'are' if found else 'is'} called {name[:80]!r}.",
            f"The case has: {known}.",
            "Name it by its role or by its path.",
        )

    def look(self) -> list[Look]:
        """Look at all evidence on the file system, without reading it."""
        return [self._look(item) for item in self.all()]

    def changed(self) -> list[tuple[Evidence, str]]:
        """Return evidence that is missing or was touched since, each with the reason.

        A look at the file system only: an equal digest after reading again settles the doubt.
        """
        return [(look.item, look.why) for look in self.look() if look.state != "unchanged"]

    def settle(self, item: Evidence, sha256: str, seen: str, stale: Sequence[str]) -> bool:
        """Record what a digest says about evidence; return whether it is what was recorded.

        Parameters
        ----------
        item : Evidence
        sha256 : str
            Its digest now.
        seen : str
            `Evidence.fingerprint` from before it was hashed.
        stale : sequence of str
            Results that belong to the former bytes, named when they differ.
        """
        same = sha256 == item.sha256
        value = {"sha256": sha256, "seen": seen, "stale": [] if same else list(stale)}
        said: dict[str, Any] = {"role": item.role, "path": item.path, "sha256": sha256}
        if not same:
            said |= {"recorded_sha256": item.sha256, "stale": list(stale)}
        act = "evidence verified" if same else "evidence changed"
        self._records.put(STATE, item.key, value, said, act=act)
        return same

    def relocate(self, item: Evidence, path: Path | str, sha256: str, seen: str) -> Evidence:
        """Record that evidence lies elsewhere now.

        Raises
        ------
        CaseError
            What lies there has another digest; nothing was changed.
        """
        place = os.path.abspath(path)
        if sha256 != item.sha256:
            raise CaseError(
                f"{place} is not the {item.role} of this case.",
                f"Its SHA-256 is {sha256[:16]}…, recorded is {item.sha256[:16]}….",
                "Choose the same bytes under another path, or make a new case for other evidence.",
            )
        self._records.put(
            PLACE,
            item.key,
            {"path": place},
            {"role": item.role, "path": place, "former_path": item.path, "sha256": sha256},
            act="evidence relocated",
        )
        self._records.put(
            STATE,
            item.key,
            {"sha256": sha256, "seen": seen, "stale": []},
            {"role": item.role, "path": place, "sha256": sha256},
            act="evidence verified",
        )
        return self.named(place)

    def stale(self, item: Evidence) -> list[str]:
        """Return the results that belong to the former bytes of changed evidence."""
        settled = self._records.get(STATE, item.key) or {}
        return [str(name) for name in settled.get("stale") or ()]

    def _look(self, item: Evidence) -> Look:
        settled = self._records.get(STATE, item.key) or {}
        if self._records.seq(STATE, item.key) < self._records.seq(KIND, item.key):
            settled = {}
        try:
            now = item.fingerprint()
        except OSError as error:
            return Look(item, "missing", f"it cannot be reached: {error.strerror or error}")
        recorded = self._records.get(KIND, item.key) or {}
        seen = settled.get("seen") or recorded.get("seen")
        if seen == now:
            if settled.get("sha256", item.sha256) != item.sha256:
                return Look(
                    item,
                    "changed",
                    f"its SHA-256 was {item.sha256[:16]}… and is {settled['sha256'][:16]}… now",
                )
            return Look(item, "unchanged")
        return _touched(item, bool(seen))

    def _evidence(self, value: Mapping[str, Any]) -> Evidence:
        try:
            role, recorded = str(value["role"]), str(value["path"])
            moved = self._records.get(PLACE, canonical([role, recorded])) or {}
            return Evidence(
                role,
                str(moved.get("path", recorded)),
                str(value["sha256"]),
                int(value["size"]),
                int(value.get("mtime_ns", 0)),
                dict(value.get("details", {})),
                recorded,
                str(value.get("relative", "")),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CaseError("The evidence of this case is damaged.", f"{error!r}.") from error


def _touched(item: Evidence, seen: bool) -> Look:
    """Say how evidence differs; cases of format 1 know size and time of the file alone."""
    state = os.stat(item.path if os.path.lexists(item.path) or not item.files else item.files[0])
    if stat.S_ISREG(state.st_mode) and not item.files and state.st_size != item.size:
        return Look(item, "touched", f"it had {item.size} bytes and now has {state.st_size}")
    if seen:
        return Look(item, "touched", "it was written to since, or moved or copied")
    if item.mtime_ns and state.st_mtime_ns != item.mtime_ns:
        return Look(item, "touched", "it was written to since")
    return Look(item, "unchanged")


def _seen(item: Evidence) -> str | None:
    try:
        return item.fingerprint()
    except OSError:
        return None


def _modified(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
