"""The case tree's lines for proposals and notes: a click selects, the menu judges."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QInputDialog, QMenu, QTreeWidgetItem

from inspector.case import Case
from inspector.errors import InspectorError
from inspector.gui.array_table import tooltip
from inspector.gui.chip import chip
from inspector.gui.plain import plain
from inspector.gui.workspace import Workspace

ACT = Qt.ItemDataRole.UserRole
JUDGED = Qt.ItemDataRole.UserRole + 2
"""Role of the number of the open proposal that a line shows."""
_SHOWN = 50
Select = Callable[[Any, Qt.KeyboardModifier], None]


def fill_proposals(
    group: QTreeWidgetItem, workspace: Workspace, case: Case, select: Select
) -> None:
    """List the open proposals; without any the group is out of the way."""
    waiting = case.proposals.all("open")
    group.setHidden(not waiting)
    group.setText(1, f"{len(waiting):,}" if waiting else "")
    colours = {kind.name: kind.colour for kind in case.tags.kinds}
    for proposal in waiting[-_SHOWN:]:
        text = f"{plain(proposal.tag, 30)}? {plain(proposal.source, 60)}"
        line = QTreeWidgetItem(group, [text, f"{proposal.count:,}"])
        line.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        line.setIcon(0, chip(colours.get(proposal.tag, "#888888")))
        note = plain(proposal.note, 300)
        line.setToolTip(0, tooltip(text, note, "Right-click to accept or reject."))
        line.setData(0, JUDGED, proposal.number)
        line.setData(0, ACT, partial(_select_proposal, workspace, proposal.number, select))


def fill_notes(group: QTreeWidgetItem, workspace: Workspace, case: Case, select: Select) -> None:
    """List the notes on the case, and how many samples have one."""
    noted = case.notes.on_samples()
    group.setText(1, "")
    if noted:
        line = QTreeWidgetItem(group, ["samples with a note", f"{len(noted):,}"])
        line.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        rows = np.array(list(noted), np.intp)
        line.setData(0, ACT, lambda held: select(_mask(workspace, rows), held))
    for note in case.notes.on_case()[-_SHOWN:]:
        line = QTreeWidgetItem(group, [plain(note.text, 120), note.time[:10]])
        said = f"{plain(note.user, 40)}, {note.time}"
        line.setToolTip(0, tooltip(said, plain(note.text, 1000)))
    line = QTreeWidgetItem(group, ["Write a note …", ""])
    line.setForeground(0, group.treeWidget().palette().placeholderText())
    line.setData(0, ACT, lambda _held: _ask_note(group, workspace))


def offer_judgement(menu: QMenu, workspace: Workspace, number: int) -> None:
    """Offer to accept or reject a proposal."""
    menu.addAction("Accept: tag these samples", lambda: workspace.judge(number, True))
    menu.addAction("Reject", lambda: workspace.judge(number, False))


def _select_proposal(
    workspace: Workspace, number: int, select: Select, held: Qt.KeyboardModifier
) -> None:
    case = workspace.case
    if case is None:
        return
    try:
        rows = case.proposals.rows(number)
    except InspectorError as error:
        workspace.message.emit("error", str(error))
        return
    select(_mask(workspace, rows), held)


def _mask(workspace: Workspace, rows: Any) -> Any:
    mask = np.zeros(workspace.n, bool)
    mask[rows] = True
    return mask


def _ask_note(group: QTreeWidgetItem, workspace: Workspace) -> None:
    text, agreed = QInputDialog.getMultiLineText(
        group.treeWidget(), "Note on the case", "Kept in the journal with your name and the time:"
    )
    if agreed and text.strip():
        workspace.write_note(text, np.empty(0, np.intp))
