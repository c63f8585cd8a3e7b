"""What detectors concluded and which triggers were reconstructed, as they were recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inspector.case.records import Records
from inspector.errors import CaseError

_JOURNALLED = (
    "version",
    "origin",
    "plugin_sha256",
    "parameters",
    "in_place_of",
    "seed",
    "device",
    "environment",
    "result",
    "verdict",
    "status",
)
"""What the journal says of a finding; ``result`` is the SHA-256 of its scores."""
VERDICTS = ("none", "low", "medium", "high")


class Findings:
    """Findings by detector, and triggers by class and method."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def record(self, detector: str, finding: Mapping[str, Any]) -> None:
        """Keep what a detector concluded, in place of what it concluded before.

        Raises
        ------
        CaseError
            The verdict is not one.
        """
        verdict = finding.get("verdict", "none")
        if verdict not in VERDICTS:
            raise CaseError(
                f"The finding of {detector!r} was refused.",
                f"Its verdict is {str(verdict)[:40]!r}; there are {', '.join(VERDICTS)}.",
            )
        said = {name: finding[name] for name in _JOURNALLED if name in finding}
        self._records.put("finding", detector, {**finding, "id": detector}, said)

    def all(self) -> dict[str, dict[str, Any]]:
        """Return the findings by detector id, in the order in which they were recorded."""
        return self._records.all("finding")

    def record_trigger(self, class_index: int, method: str, trigger: Mapping[str, Any]) -> None:
        """Keep a reconstructed trigger, in place of the former one of this class and method."""
        key = f"{int(class_index)}:{method}"
        value = {**trigger, "index": int(class_index), "method": method}
        said = {
            name: trigger[name]
            for name in ("anomaly", "p_value", "success_rate")
            if name in trigger
        }
        self._records.put(
            "trigger", key, value, {"class": int(class_index), "method": method, **said}
        )

    def triggers(self) -> list[dict[str, Any]]:
        """Return the triggers by class, then method; each has ``index`` and ``method``."""
        found = self._records.all("trigger").values()
        return sorted(found, key=lambda trigger: (trigger["index"], trigger["method"]))
