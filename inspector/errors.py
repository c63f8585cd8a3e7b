"""Everything Inspector refuses, said in one line: what happened, why, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class InspectorError(Exception):
    """A failure that a person can act on.

    Parameters
    ----------
    what : str
        What happened, as a sentence that names the file or the value.
    why : str, optional
        The cause.
    fix : str, optional
        What the person can do about it.

    Attributes
    ----------
    exit_code : int
        What the command line ends with; 1 is kept for findings (``--fail-on``).
    """

    exit_code = 2

    def __init__(self, what: str, why: str = "", fix: str = "") -> None:
        self.what, self.why, self.fix = what, why, fix
        super().__init__(" ".join(part for part in (what, why, fix) if part))

    def as_message(self) -> dict[str, Any]:
        """Return the parts under stable names, for the engine's protocol."""
        return {"kind": type(self).__name__, "what": self.what, "why": self.why, "fix": self.fix}


class BadInput(InspectorError):
    """Evidence or an argument that cannot be used."""


class RefusedFile(BadInput):
    """A file of the evidence that was looked into and is not used.

    Attributes
    ----------
    seen : dict
        What was seen of it, for the case to keep: plain values.
    """

    def __init__(
        self, what: str, why: str = "", fix: str = "", seen: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(what, why, fix)
        self.seen = dict(seen or {})

    def as_message(self) -> dict[str, Any]:
        """Return the parts, and what was seen."""
        return {**super().as_message(), "seen": self.seen}


class CaseError(InspectorError):
    """A case folder that cannot be opened, read or written."""


class Cancelled(InspectorError):
    """The analyst stopped a job; what was finished is kept."""

    exit_code = 130

    def __init__(self, what: str = "Cancelled.", why: str = "", fix: str = "") -> None:
        super().__init__(what, why, fix)


class EngineStopped(InspectorError):
    """The engine process ended by itself: crashed, was killed, or ran into a limit."""

    exit_code = 3


def from_message(message: Mapping[str, Any]) -> InspectorError:
    """Rebuild an error that crossed the engine's border; an unknown kind becomes the root class."""
    what, why, fix = (str(message.get(part, "")) for part in ("what", "why", "fix"))
    if message.get("kind") == RefusedFile.__name__:
        seen = message.get("seen")
        return RefusedFile(what, why, fix, seen if isinstance(seen, Mapping) else None)
    kinds = {
        kind.__name__: kind
        for kind in (InspectorError, BadInput, CaseError, Cancelled, EngineStopped)
    }
    kind = kinds.get(str(message.get("kind")), InspectorError)
    return kind(what, why, fix)


def unforeseen(error: Exception) -> InspectorError:
    """Put an exception that nobody foresaw into words."""
    return InspectorError(
        f"Inspector itself has a fault: {type(error).__name__}: {str(error)[:200]}.",
        "What was finished before is kept.",
        "Try again; if it comes back, report it with what the log says.",
    )
