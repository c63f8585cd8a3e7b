"""What the machine proposes to tag. It counts for nothing until an analyst accepts it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inspector.case.journal import Entry, Journal
from inspector.case.records import Records
from inspector.case.samples import Samples
from inspector.case.tag_kinds import find_kind
from inspector.case.tags import Tags
from inspector.errors import BadInput, CaseError

ACT = "proposal"
_FEW = 20


@dataclass(frozen=True)
class Proposal:
    """Samples that a detector, a rule or a trigger search would tag.

    Attributes
    ----------
    number : int
        Number of the journal entry that made it.
    tag : str
    source : str
        What proposes: "detector spectral", "trigger search", "threshold rule combined > 0.9" …
    note : str
    count : int
        How many samples.
    time : str
        UTC, ISO 8601.
    state : str
        "open", "accepted" or "rejected". One whose acceptance was undone is open again.
    decided_by, decided_at, why : str
        Who decided, when and why; empty while nobody has.
    """

    number: int
    tag: str
    source: str
    note: str
    count: int
    time: str
    state: str = "open"
    decided_by: str = ""
    decided_at: str = ""
    why: str = ""


class Proposals:
    """The proposals of one case."""

    def __init__(self, journal: Journal, records: Records, samples: Samples, tags: Tags) -> None:
        self._journal, self._records = journal, records
        self._samples, self._tags = samples, tags

    def add(self, rows: ArrayLike, tag: str, *, source: str, note: str = "") -> Proposal | None:
        """Propose a tag for samples.

        Parameters
        ----------
        rows : array_like
            Row numbers, or a mask of shape (n,).
        tag : str
            Name of a kind.
        source : str
            What proposes.
        note : str
            Why.

        Returns
        -------
        Proposal or None
            None for no rows. The present one if the same is proposed and open already.

        Raises
        ------
        BadInput
            No such tag, or rows that are none.
        """
        kind = find_kind(self._tags.kinds, tag)
        chosen = self._tags.rows(rows)
        if not len(chosen):
            return None
        content = zlib.compress(chosen.astype("<i4").tobytes(), 1)
        for known in self.all("open"):
            if (known.tag, known.source) == (kind.name, source) and np.array_equal(
                self.rows(known.number), chosen
            ):
                return known
        few = {"rows": chosen} if len(chosen) <= _FEW else {}
        entry = self._journal.append_with(
            content, ACT, tag=kind.name, source=source, note=note, count=len(chosen), **few
        )
        return self._proposal(entry)

    def all(self, state: str | None = None) -> list[Proposal]:
        """Return the proposals, oldest first; of one state only when it is given."""
        found = [self._proposal(entry) for entry in self._journal.of_act(ACT)]
        return [one for one in found if state in (None, one.state)]

    def get(self, number: int) -> Proposal:
        """Return one proposal.

        Raises
        ------
        BadInput
            There is none with this number.
        """
        every = self.all()
        for proposal in every:
            if proposal.number == number:
                return proposal
        known = ", ".join(str(one.number) for one in every) or "none"
        raise BadInput(f"There is no proposal {number}.", f"The case has: {known}.")

    def rows(self, number: int) -> NDArray[np.intp]:
        """Return the rows of a proposal, ascending.

        Raises
        ------
        BadInput
            There is none with this number.
        CaseError
            What was recorded is damaged.
        """
        self.get(number)
        most = 4 * max(1, self._samples.n)
        try:
            unzip = zlib.decompressobj()
            raw = unzip.decompress(self._journal.attachment(number), most + 1)
        except zlib.error as error:
            raise _damaged(number) from error
        if len(raw) > most or len(raw) % 4:
            raise _damaged(number)
        rows = np.frombuffer(raw, "<i4").astype(np.intp)
        if len(rows) and not 0 <= rows.min() <= rows.max() < self._samples.n:
            raise _damaged(number)
        return rows

    def mask(self) -> NDArray[np.bool_]:
        """Return a mask of shape (n,): who is named by an open proposal."""
        named = np.zeros(self._samples.n, bool)
        for proposal in self.all("open"):
            named[self.rows(proposal.number)] = True
        return named

    def accept(self, number: int, why: str = "") -> Entry | None:
        """Turn a proposal into tags; return the act, which `Tags.undo` takes back.

        None if its samples all carry the tag already.

        Raises
        ------
        BadInput
            No such proposal, or it was decided already.
        """
        with self._journal.transaction():
            proposal = self._open(number)
            entry = self._tags.apply(
                self.rows(number),
                proposal.tag,
                source=f"proposal {number}: {proposal.source}",
                note=why or proposal.note,
            )
            self._decide(proposal, "accepted", why, 0 if entry is None else entry.seq)
        return entry

    def reject(self, number: int, why: str = "") -> None:
        """Set a proposal aside; it stays in the journal.

        Raises
        ------
        BadInput
            No such proposal, or it was decided already.
        """
        with self._journal.transaction():
            self._decide(self._open(number), "rejected", why, 0)

    def _open(self, number: int) -> Proposal:
        proposal = self.get(number)
        if proposal.state != "open":
            raise BadInput(
                f"Proposal {number} was {proposal.state} already.",
                f"By {proposal.decided_by} at {proposal.decided_at}.",
                "Undo takes an acceptance back." if proposal.state == "accepted" else "",
            )
        return proposal

    def _decide(self, proposal: Proposal, state: str, why: str, act: int) -> None:
        said = {"proposal": proposal.number, "tag": proposal.tag, "count": proposal.count}
        self._records.put(
            ACT,
            str(proposal.number),
            # The number of decisions so far makes each a value of its own: undone, then taken again.
            {"state": state, "act": act, "why": why, "after": self._journal.next_seq},
            {**said, "why": why},
            act=f"proposal {state}",
        )

    def _proposal(self, entry: Entry) -> Proposal:
        details: dict[str, Any] = entry.details
        made = (
            entry.seq,
            str(details.get("tag", "")),
            str(details.get("source", "")),
            str(details.get("note", "")),
            int(details.get("count", 0)),
            entry.time,
        )
        decided = self._records.get(ACT, str(entry.seq))
        if decided is None or (decided["act"] and not self._tags.stands(decided["act"])):
            return Proposal(*made)
        decision = self._journal.entry(self._records.seq(ACT, str(entry.seq)))
        return Proposal(
            *made, decided["state"], decision.user, decision.time, str(decided.get("why", ""))
        )


def _damaged(number: int) -> CaseError:
    return CaseError(
        f"Proposal {number} cannot be read.",
        "It names samples that the case does not have.",
        "Keep the folder as it is, and go on with a backup copy.",
    )
