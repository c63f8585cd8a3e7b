"""Any order of acts, failures and reopening, against a plain model.

Tags, undo, redo, notes, proposals, filters and exports.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from case_makers import describe, store
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from inspector.case import Case, Entry, SampleTable, parse_filter
from inspector.engine.client.exporting import export_case
from inspector.errors import BadInput, CaseError
from inspector.intake.datasets import open_dataset

N = 12
NAMES = ("poison", "suspect", "mislabelled", "clean")
ROWS = st.lists(st.integers(0, N - 1), max_size=6)
Model = dict[tuple[int, str], int]
LABELS = np.arange(N) % 3
CLASSES = ("cat", "ship", "truck")


class TaggingMachine(RuleBasedStateMachine):
    """``model`` maps (row, tag) to the number of the act that put it there.

    ``done`` and ``undone`` are the numbers of the acts that led to ``past`` and ``future``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.case = Case.create(self.folder / "machine.case")
        describe(self.case, N)
        store(self.case, "labels", LABELS.astype(np.int32))
        data = self.folder / "data.npz"
        images = np.arange(N * 16, dtype=np.uint8).reshape(N, 4, 4)
        np.savez(data, x=images, y=LABELS)
        size = data.stat().st_size
        self.case.add_evidence("data", data, open_dataset(data).digest(), size)
        self.model: Model = {}
        self.past: list[Model] = []
        self.future: list[Model] = []
        self.done: list[int] = []
        self.undone: list[int] = []
        self.notes: dict[int, str] = {}
        # By number: rows, tag, and None, "rejected" or the act that accepted it (0 for none).
        self.proposals: dict[int, tuple[list[int], str, object]] = {}
        self.exports = 0

    def teardown(self) -> None:
        assert self.case.verify() == []
        self.case.close()
        shutil.rmtree(self.folder)

    def _became(self, new: Model, entry: Entry | None) -> None:
        assert (entry is None) == (new == self.model)
        if new != self.model:
            assert entry is not None
            self.past.append(self.model)
            self.done.append(entry.seq)
            self.future.clear()
            self.undone.clear()
            self.model = new

    @rule(rows=ROWS, tag=st.sampled_from(NAMES))
    def apply(self, rows: list[int], tag: str) -> None:
        seq = self.case.journal.next_seq
        entry = self.case.tags.apply(rows, tag)
        self._became({(row, tag): seq for row in rows} | self.model, entry)

    @rule(rows=ROWS, tag=st.sampled_from(NAMES))
    def remove(self, rows: list[int], tag: str) -> None:
        entry = self.case.tags.remove(rows, tag)
        kept = {
            cell: seq for cell, seq in self.model.items() if cell[1] != tag or cell[0] not in rows
        }
        self._became(kept, entry)

    @rule(rows=ROWS)
    def clear(self, rows: list[int]) -> None:
        entry = self.case.tags.clear(rows)
        self._became({c: seq for c, seq in self.model.items() if c[0] not in rows}, entry)

    @rule()
    def undo(self) -> None:
        entry = self.case.tags.undo()
        assert (entry is None) == (not self.past)
        if self.past:
            self.future.append(self.model)
            self.undone.append(self.done.pop())
            self.model = self.past.pop()

    @rule()
    def redo(self) -> None:
        entry = self.case.tags.redo()
        assert (entry is None) == (not self.future)
        if self.future:
            self.past.append(self.model)
            self.done.append(self.undone.pop())
            self.model = self.future.pop()

    @rule(rows=ROWS, text=st.sampled_from(["a sticker", "look again", ""]))
    def note(self, rows: list[int], text: str) -> None:
        self.case.notes.add(text, rows)
        self.notes |= dict.fromkeys(rows, text)

    @rule(rows=ROWS, tag=st.sampled_from(NAMES))
    def propose(self, rows: list[int], tag: str) -> None:
        proposal = self.case.proposals.add(rows, tag, source="search")
        wanted = sorted(set(rows))
        assert (proposal is None) == (not wanted)
        if proposal is not None and proposal.number not in self.proposals:
            self.proposals[proposal.number] = (wanted, tag, None)

    def _open(self, number: int) -> bool:
        decided = self.proposals[number][2]
        return decided is None or (decided not in ("rejected", 0) and decided not in self.done)

    @precondition(lambda self: self.proposals)
    @rule(which=st.integers(0, 5), accepts=st.booleans())
    def judge(self, which: int, accepts: bool) -> None:
        number = sorted(self.proposals)[which % len(self.proposals)]
        rows, tag, _ = self.proposals[number]
        judge = self.case.proposals.accept if accepts else self.case.proposals.reject
        if not self._open(number):
            with pytest.raises(BadInput, match="already"):
                judge(number)
            return
        seq = self.case.journal.next_seq
        entry = judge(number)
        if not accepts:
            self.proposals[number] = (rows, tag, "rejected")
            return
        self.proposals[number] = (rows, tag, 0 if entry is None else entry.seq)
        self._became({(row, tag): seq for row in rows} | self.model, entry)

    @rule(tag=st.sampled_from(NAMES), name=st.sampled_from(CLASSES))
    def filter(self, tag: str, name: str) -> None:
        table = SampleTable(self.case)
        there = parse_filter(f"tag == '{tag}' and label == '{name}'")(table)
        wanted = [(row, tag) in self.model and CLASSES[LABELS[row]] == name for row in range(N)]
        assert there.tolist() == wanted
        untagged = parse_filter("not tagged")(table)
        assert untagged.tolist() == [all(cell[0] != row for cell in self.model) for row in range(N)]

    @precondition(lambda self: self.exports < 3)
    @rule(tag=st.sampled_from(NAMES))
    def export(self, tag: str) -> None:
        wanted = sorted(row for row, carried in self.model if carried == tag)
        if not 0 < len(wanted) < N:
            return
        target = self.folder / f"cleaned {self.exports}"
        self.exports += 1
        export_case(self.case, self.case.tags.mask(tag), target, tags=[tag])
        for name, rows in (("removed", wanted), ("kept", sorted({*range(N)} - {*wanted}))):
            with (target / f"{name}.csv").open(newline="") as file:
                assert [int(row["index"]) for row in csv.DictReader(file)] == rows
        assert len(open_dataset(target / "data.npz")) == N - len(wanted)

    @precondition(lambda self: self.case.journal.next_seq < 60)
    @rule(rows=ROWS, tag=st.sampled_from(NAMES), then_undo=st.booleans())
    def fail(self, rows: list[int], tag: str, then_undo: bool) -> None:
        def act() -> None:
            with self.case.transaction():
                self.case.tags.apply(rows, tag)
                if then_undo:
                    self.case.tags.undo()
                raise CaseError("a full disk")

        with pytest.raises(CaseError):
            act()

    @rule()
    def reopen(self) -> None:
        self.case.close()
        self.case = Case.open(self.case.path)

    @invariant()
    def agrees(self) -> None:
        tags = self.case.tags
        carried = {
            (row, reason.tag): reason.seq
            for row, reasons in tags.reasons(range(N)).items()
            for reason in reasons
        }
        assert carried == self.model
        noted = {row: note.text for row, note in self.case.notes.on_samples().items()}
        assert noted == {row: text for row, text in self.notes.items() if text}
        waiting = {one.number for one in self.case.proposals.all("open")}
        assert waiting == {number for number in self.proposals if self._open(number)}
        assert (tags.can_undo, tags.can_redo) == (bool(self.past), bool(self.future))
        assert tags.counts() == {name: sum(c[1] == name for c in self.model) for name in NAMES}
        tagged = np.isin(np.arange(N), [row for row, _ in self.model])
        assert (tags.tagged() == tagged).all()
        assert tags.names(range(N)) == [
            [name for name in NAMES if (row, name) in self.model] for row in range(N)
        ]


TestTagging = TaggingMachine.TestCase
TestTagging.settings = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
