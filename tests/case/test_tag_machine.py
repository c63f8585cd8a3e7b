"""Any order of tagging, undo, redo, failures and reopening, against a plain model."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from case_makers import describe
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from inspector.case import Case
from inspector.errors import CaseError

N = 12
NAMES = ("poison", "suspect", "mislabelled", "clean")
ROWS = st.lists(st.integers(0, N - 1), max_size=6)
Model = dict[tuple[int, str], int]


class TaggingMachine(RuleBasedStateMachine):
    """``model`` maps (row, tag) to the number of the act that put it there."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.case = Case.create(self.folder / "machine.case")
        describe(self.case, N)
        self.model: Model = {}
        self.past: list[Model] = []
        self.future: list[Model] = []

    def teardown(self) -> None:
        assert self.case.verify() == []
        self.case.close()
        shutil.rmtree(self.folder)

    def _became(self, new: Model, entry: object) -> None:
        assert (entry is None) == (new == self.model)
        if new != self.model:
            self.past.append(self.model)
            self.future.clear()
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
            self.model = self.past.pop()

    @rule()
    def redo(self) -> None:
        entry = self.case.tags.redo()
        assert (entry is None) == (not self.future)
        if self.future:
            self.past.append(self.model)
            self.model = self.future.pop()

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
