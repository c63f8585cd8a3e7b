"""The analyst's acts on the open case: tags, notes, answers to proposals, undo and redo."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from inspector.case import Case
from inspector.errors import InspectorError
from inspector.gui.unsaved_acts import UnsavedActs
from inspector.gui.view_state import ViewState

CARRIERS = "trigger-search:carriers"
"""Array of the samples that carry a trigger, bool per sample."""


class Judging(ViewState):
    """Every act is one journal entry; one that the disk refuses is kept and offered again.

    No method raises `InspectorError`: what goes wrong is said through `message`, and the method
    returns False (or None) and leaves everything as it was.

    Attributes
    ----------
    case : Case or None
    saved_at : dt.time or None
        When the journal last confirmed a write.

    Signals
    -------
    tags_changed : ndarray of int
        Rows whose tags changed; also after undo and redo.
    kinds_changed
        A kind of tag is new, or has another colour or key.
    unsaved_changed : int
        How many acts the disk has refused and the window keeps.
    message : str, str
        Kind ("info", "done", "warning", "error") and text.
    """

    tags_changed = Signal(object)
    kinds_changed = Signal()
    unsaved_changed = Signal(int)
    message = Signal(str, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.case: Case | None = None
        self.saved_at: dt.time | None = None
        self._unsaved, self._told = UnsavedActs(), 0
        self.kinds_changed.connect(self._after_tags)

    def tag_selection(self, name: str) -> bool:
        """Put a tag on the selected samples, or on the current one when nothing is selected."""
        return self.tag_rows(self.targets(), name)

    def tag_group(self, name: str) -> bool:
        """Put a tag on every visible sample that has the label of the current one."""
        if self.table is None or self.current < 0:
            return False
        labels = self.table.columns["label"]
        group = labels == labels[self.current]
        if self.visible is not None:
            group &= self.visible
        return self.tag_rows(np.flatnonzero(group), name)

    def tag_and_advance(self, name: str, among: NDArray[Any] | None = None) -> bool:
        """Tag, then go to the next sample that has no tag.

        Parameters
        ----------
        name : str
            The tag.
        among : ndarray, optional
            Rows in the order to go by; by default the ranking of the visible samples.
        """
        if not self.tag_selection(name):
            return False
        order = self.ranked(self.visible) if among is None else among
        at = np.flatnonzero(order == self.current)
        start = int(at[0]) + 1 if at.size else 0
        rest = np.concatenate([order[start:], order[:start]])
        untagged = rest[self.tag_code[rest] < 0]
        if untagged.size:
            self.select([untagged[0]], "new", "keys", int(untagged[0]))
        return True

    def tag_rows(self, rows: NDArray[Any], name: str, note: str = "") -> bool:
        """Put a tag on samples: one journal entry, one undo step."""
        source = self._means(rows)
        return self._edit(rows, lambda case: case.tags.apply(rows, name, source=source, note=note))

    def tag_carriers(self, name: str = "suspect") -> bool:
        """Put a tag on all samples that carry the trigger that the data was searched for."""
        case = self.case
        if case is None or not case.has_array(CARRIERS):
            return False
        finding = case.findings().get(CARRIERS.partition(":")[0], {})
        said = finding.get("parameters") or {}
        rows = np.flatnonzero(np.asarray(case.array(CARRIERS)))
        if not rows.size:
            self.message.emit("info", "No sample carries this trigger; there is nothing to tag.")
            return False
        source = f"trigger search {said.get('trigger', '')}"
        note = f"score > {said.get('threshold', '')}"
        return self._edit(rows, lambda case: case.tags.apply(rows, name, source=source, note=note))

    def propose_selection(self, name: str = "suspect") -> bool:
        """Record the selected samples as a proposal, to be judged later."""
        rows = self.targets()
        source = self._means(rows)
        return self._edit(rows, lambda case: case.proposals.add(rows, name, source=source))

    def _means(self, rows: NDArray[Any]) -> str:
        """Return by what means these rows were chosen, for the journal."""
        chosen = self.selection
        by_rule = chosen.origin == "histogram" and self.threshold is not None
        if by_rule and np.array_equal(rows, chosen.rows):
            return f"threshold rule {self.order_column} >= {self.threshold:.6g}"
        return "manual"

    def untag_rows(self, rows: NDArray[Any], name: str) -> bool:
        """Take one tag off samples."""
        return self._edit(rows, lambda case: case.tags.remove(rows, name))

    def clear_tags(self) -> bool:
        """Take all tags off the selected samples."""
        rows = self.targets()
        return self._edit(rows, lambda case: case.tags.clear(rows))

    def undo(self) -> bool:
        """Take back the last change of tags, also one of an earlier day."""
        if len(self._unsaved):
            self._unsaved.take_back()
            self._tell_unsaved()
            self.message.emit("info", "The act that was not saved yet is taken back.")
            return True
        return self._step_back(lambda case: case.tags.undo(), "Nothing to undo.")

    def redo(self) -> bool:
        """Make the last undone change again."""
        return self._step_back(lambda case: case.tags.redo(), "Nothing to redo.")

    def _edit(self, rows: NDArray[Any], act: Callable[[Case], object]) -> bool:
        case = self.case
        if case is None or not rows.size:
            self.message.emit("info", "Select samples first: drag around them on the map.")
            return False
        self._unsaved.keep(act)
        return self.save_unsaved()

    def write_note(self, text: str, rows: NDArray[Any]) -> bool:
        """Write a note on samples, or on the case when there are no rows."""
        if self.case is None:
            return False
        self._unsaved.keep(lambda case: case.notes.add(text, rows))
        return self.save_unsaved()

    def judge(self, number: int, accept: bool, why: str = "") -> bool:
        """Accept or reject a proposal."""
        if self.case is None:
            return False
        self._unsaved.keep(
            lambda case: (
                case.proposals.accept(number, why) if accept else case.proposals.reject(number, why)
            )
        )
        return self.save_unsaved()

    @property
    def unsaved(self) -> int:
        """How many acts the disk has refused; they are kept, in their order."""
        return len(self._unsaved)

    def save_unsaved(self) -> bool:
        """Do what waits, in order; what the disk refuses is kept and nothing after it is done."""
        case = self.case
        if case is None:
            return False
        done, problems = self._unsaved.save(case)
        for text in problems:
            self.message.emit("error", text)
        self._tell_unsaved()
        if done:
            self._after_tags()
        return not problems and not len(self._unsaved)

    def _tell_unsaved(self) -> None:
        if self._told != len(self._unsaved):
            self._told = len(self._unsaved)
            self.unsaved_changed.emit(self._told)

    def _step_back(self, act: Callable[[Case], object], nothing: str) -> bool:
        case = self.case
        if case is None:
            return False
        answer = self._attempt(lambda: (act(case),))
        if answer is None:
            return False
        if answer[0] is None:
            self.message.emit("info", nothing)
            return False
        self._after_tags()
        return True

    def _after_tags(self) -> None:
        before = self.tag_bits
        self._read_tags()
        same = len(before) == len(self.tag_bits)
        rows = np.flatnonzero(before != self.tag_bits) if same else np.arange(self.n)
        self.saved_at = dt.datetime.now().time()
        self.tags_changed.emit(rows)
        if "tag" in self.filter_text:
            self.set_filter(self.filter_text)

    def _read_tags(self) -> None:
        bits = np.zeros(self.n, np.uint32)
        code = np.full(self.n, -1, np.int8)
        if self.case is not None and self.n:
            for at, kind in reversed(list(enumerate(self.case.tags.kinds))):
                mask = self.case.tags.mask(kind.name)
                bits |= mask.astype(np.uint32) << np.uint32(at)
                code[mask] = at
        self.tag_bits, self.tag_code = bits, code
        self._read_proposed()

    def _attempt(self, act: Callable[[], Any]) -> Any:
        """Return what ``act`` returns, or None after saying why it could not be done."""
        try:
            return act()
        except InspectorError as error:
            self.message.emit("error", str(error))
            return None
