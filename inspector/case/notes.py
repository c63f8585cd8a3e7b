"""What the analyst wrote about samples and about the case; the journal itself keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from inspector.case.journal import Entry, Journal
from inspector.case.samples import Samples
from inspector.errors import BadInput

ACT = "note"
_LONGEST = 20_000
_MOST_ROWS = 10_000


@dataclass(frozen=True)
class Note:
    """Somebody's words.

    Attributes
    ----------
    text : str
    rows : tuple of int
        The samples that it is about; none for a note on the case.
    user, time : str
        Account name; UTC, ISO 8601.
    seq : int
        Number of the journal entry.
    """

    text: str
    rows: tuple[int, ...]
    user: str
    time: str
    seq: int


class Notes:
    """The notes of one case. A later note on a sample stands in place of an earlier one.

    The earlier one stays in the journal, and an empty note takes the last one back.
    """

    def __init__(self, journal: Journal, samples: Samples) -> None:
        self._journal, self._samples = journal, samples
        self._known: tuple[str, list[Note]] = ("", [])

    def add(self, text: str, rows: Iterable[int] = ()) -> Entry:
        """Write a note on samples, or on the case when there are no rows.

        Raises
        ------
        BadInput
            Too long, or about samples that are none.
        CaseError
            Read-only, or the disk is full; nothing was written.
        """
        text, chosen = text.strip(), sorted({int(row) for row in rows})
        if len(text) > _LONGEST:
            raise BadInput(
                f"The note has {len(text):,} characters.", f"At most {_LONGEST:,} are kept."
            )
        n = self._samples.n
        if chosen and not 0 <= chosen[0] <= chosen[-1] < n:
            odd = chosen[0] if chosen[0] < 0 else chosen[-1]
            raise BadInput(
                f"There is no sample {odd}.", f"The case has {n} samples, counted from 0."
            )
        if len(chosen) > _MOST_ROWS:
            raise BadInput(
                f"A note on {len(chosen):,} samples was refused.",
                f"At most {_MOST_ROWS:,} share one.",
                "Tag them instead, with the note as the reason.",
            )
        return self._journal.append(ACT, rows=chosen, note=text)

    def every(self) -> list[Note]:
        """Return all notes that were ever written, oldest first."""
        head = self._journal.head
        if self._known[0] != head:
            self._known = (head, [_note(entry) for entry in self._journal.of_act(ACT)])
        return list(self._known[1])

    def on_case(self) -> list[Note]:
        """Return the notes on the case as a whole, oldest first."""
        return [note for note in self.every() if not note.rows and note.text]

    def on_samples(self) -> dict[int, Note]:
        """Return the note that stands for each sample that has one, by row."""
        standing = {row: note for note in self.every() for row in note.rows}
        return {row: note for row, note in sorted(standing.items()) if note.text}


def _note(entry: Entry) -> Note:
    rows = entry.details.get("rows")
    listed = rows if isinstance(rows, list) else []
    return Note(
        str(entry.details.get("note", "")),
        tuple(row for row in listed if isinstance(row, int)),
        entry.user,
        entry.time,
        entry.seq,
    )
