"""What can be asked about the sample under the mouse: the menu of gallery, ranking and sample."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QMenu, QWidget

from inspector.gui.workspace import Workspace

ABOUT = (
    ("Enlarge", "enlarge"),
    ("Find similar", "find-similar"),
    ("Trace: which samples taught this answer?", "trace"),
    ("Add a note", "note"),
)
"""Words and command of the window."""


def add_sample_commands(menu: QMenu, workspace: Workspace) -> None:
    """Add the commands that act on the current sample; greyed out without one."""
    for words, command in ABOUT:
        act = menu.addAction(words)
        act.triggered.connect(lambda _=False, name=command: workspace.command_requested.emit(name))
        act.setEnabled(workspace.current >= 0)


def pop_up_sample_menu(parent: QWidget, workspace: Workspace, at: QPoint) -> QMenu:
    """Show a menu of them at a spot of the widget, and return it."""
    menu = QMenu(parent)
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    add_sample_commands(menu, workspace)
    menu.popup(parent.mapToGlobal(at))
    return menu
