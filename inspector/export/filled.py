"""What the engine says of a folder that it has filled; the app knows the rest by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OWN_FILES = ("removed.csv", "kept.csv", "provenance.json", "manifest.sha256")
"""What an export has beside the data; the source's files of these names are not copied."""

_MOST_CLASSES = 1 << 20


@dataclass(frozen=True)
class ClassCount:
    """How many samples a class has before and after."""

    index: int
    name: str
    before: int
    after: int


@dataclass(frozen=True)
class Filled:
    """An account of what was written.

    Attributes
    ----------
    format : str
        Of the source and of the copy.
    source_digest : str
        `Dataset.digest` of the source, as it was read for this export.
    digest : str
        The same of what was written, read back; of lists without data that of the source.
    kept, removed : int
        Numbers of samples.
    classes : tuple of ClassCount
    notes : tuple of str
        What the analyst should know, one sentence each.
    """

    format: str
    source_digest: str
    digest: str
    kept: int
    removed: int
    classes: tuple[ClassCount, ...]
    notes: tuple[str, ...]

    def as_answer(self) -> dict[str, Any]:
        """Return plain values for the engine's protocol."""
        rows = [[c.index, c.name, c.before, c.after] for c in self.classes]
        return {**vars(self), "classes": rows, "notes": list(self.notes)}

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Filled:
        """Rebuild an account that crossed the engine's border.

        Raises
        ------
        LookupError, TypeError, ValueError
            It makes no sense; see `engine.client.answers.understood`.
        """
        rows = answer["classes"]
        if len(rows) > _MOST_CLASSES:
            raise ValueError(f"{len(rows):,} classes")
        return cls(
            format=str(answer["format"])[:100],
            source_digest=str(answer["source_digest"])[:64],
            digest=str(answer["digest"])[:64],
            kept=int(answer["kept"]),
            removed=int(answer["removed"]),
            classes=tuple(
                ClassCount(int(index), str(name), int(before), int(after))
                for index, name, before, after in rows
            ),
            notes=tuple(str(note)[:2000] for note in answer["notes"][:100]),
        )
