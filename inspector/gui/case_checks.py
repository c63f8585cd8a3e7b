"""The case tree's lines for what was put to the test: the cleaning, and the scan by drills."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtGui import QBrush, QColor
from PySide6.QtWidgets import QTreeWidgetItem

from inspector.case import Case
from inspector.gui import theme
from inspector.gui.array_table import tooltip
from inspector.gui.cleaning_dialog import checks_of
from inspector.gui.drill_dialog import drills_of
from inspector.gui.drill_grid import FOUND, IDLE, outcome_of, tally
from inspector.gui.judgements import ACT
from inspector.gui.plain import plain
from inspector.gui.workspace import Workspace

_SHOWN = 20
_CLEANING = {
    "removed": ("falls", "low"),
    "training": ("falls anyway", "none"),
    "stays": ("stays", "medium"),
    "idle": ("not seen", "none"),
}
"""What became of the trigger, and the verdict whose colour says how much that matters."""


def fill_checks(group: QTreeWidgetItem, workspace: Workspace, case: Case) -> None:
    """List the checks of a case; without any the group is out of the way."""
    for check in checks_of(case)[-_SHOWN:]:
        word, verdict = _CLEANING[check["outcome"]]
        title = f"Cleaning, trigger {plain(check['settings']['trigger'], 40)}"
        line = _add(group, title, word, verdict, plain(check["sentence"], 1200))
        line.setData(0, ACT, partial(_ask, workspace, "check-cleaning"))
    drills = drills_of(case)
    if drills:
        words = [outcome_of(drill) for drill in drills]
        works = len(words) - words.count(IDLE)
        said = f"{words.count(FOUND)} of {works} found" if works else "none worked"
        line = _add(group, "Drills", said, "none", tally(drills))
        line.setData(0, ACT, partial(_ask, workspace, "drill"))
    group.setHidden(not group.childCount())


def _add(group: QTreeWidgetItem, text: str, value: str, verdict: str, tip: str) -> QTreeWidgetItem:
    line = QTreeWidgetItem(group, [text, value])
    line.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    line.setForeground(1, QBrush(QColor(theme.VERDICT_COLOURS[verdict])))
    for column in (0, 1):
        line.setToolTip(column, tooltip(text, tip))
    return line


def _ask(workspace: Workspace, command: str, _held: Qt.KeyboardModifier) -> None:
    workspace.command_requested.emit(command)
