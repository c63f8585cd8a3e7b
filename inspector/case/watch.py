"""Keep an eye on the evidence of an open case: unchanged, touched, changed, missing, elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.case.evidence import Evidence, EvidenceList, Look
from inspector.errors import BadInput

if TYPE_CHECKING:
    from inspector.case.folder import Case


class Watch:
    """The evidence of one case, and the results that hang on it."""

    def __init__(self, case: Case, evidence: EvidenceList) -> None:
        self._case, self._evidence = case, evidence

    def look(self) -> list[Look]:
        """Look at all evidence on the file system, without reading it."""
        return self._evidence.look()

    def named(self, name: str) -> Evidence:
        """Return evidence by role, path or file name; see `EvidenceList.named`."""
        return self._evidence.named(name)

    def settle(self, item: Evidence, sha256: str, seen: str) -> bool:
        """Record what a digest says; False if the bytes are others than those recorded.

        The results so far belong to the former bytes then: `stale` names them.
        """
        return self._evidence.settle(item, sha256, seen, self.results())

    def relocate(self, item: Evidence, path: Path | str, sha256: str, seen: str) -> Evidence:
        """Record that evidence lies elsewhere, in the options of the scan too.

        Raises
        ------
        CaseError
            Other bytes lie there; nothing was changed.
        """
        with self._case.transaction():
            moved = self._evidence.relocate(item, path, sha256, seen)
            options = self._case.get("scan")
            if isinstance(options, dict):
                self._case.set("scan", _with_place(options, item, moved.path))
        return moved

    def candidate(self, item: Evidence) -> Path | None:
        """Return where missing evidence lies if it has moved together with the case."""
        if not item.relative:
            return None
        place = Path(os.path.normpath(self._case.path / item.relative))
        return place if str(place) != item.path and place.exists() else None

    def results(self) -> list[str]:
        """Return names of everything that was concluded from the evidence."""
        case = self._case
        found = ["signals"] if case.get("signals") else []
        found += [f"finding {name}" for name in case.findings()]
        return found + [f"trigger {row['index']} {row['method']}" for row in case.triggers()]

    def stale(self) -> dict[str, list[str]]:
        """Return by role of changed evidence which results belong to its former bytes."""
        return {
            look.item.role: self._evidence.stale(look.item)
            for look in self.look()
            if look.state == "changed"
        }

    def refuse_changed(self) -> None:
        """Refuse to compute with evidence that is known to be other bytes than those recorded.

        Raises
        ------
        BadInput
            One was changed, or is missing.
        """
        for look in self.look():
            if look.state not in ("changed", "missing"):
                continue
            item = look.item
            name = f"The {item.role} {item.path}"
            if look.state == "missing":
                place = self.candidate(item) or "PATH"
                raise BadInput(
                    f"{name} is missing.",
                    f"{look.why[0].upper()}{look.why[1:]}.",
                    f"Connect its disk, or say where it lies now: inspector relocate "
                    f"{self._case.path} --evidence {item.role} --to {place}",
                )
            raise BadInput(
                f"{name} has changed since the case was made.",
                f"{look.why[0].upper()}{look.why[1:]}.",
                "Restore the evidence, or make a new case of the changed one.",
            )


def _with_place(options: dict[str, Any], item: Evidence, path: str) -> dict[str, Any]:
    """Return options of a scan in which a piece of evidence lies elsewhere."""
    if options.get(item.role) == item.path:
        return {**options, item.role: path}
    if item.role == "checkpoint":
        listed = options.get("checkpoints") or ()
        return {**options, "checkpoints": [path if one == item.path else one for one in listed]}
    return options
