"""What can be asked about the sample under the mouse: the menu of gallery, ranking and sample."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMenu, QWidget

from inspector.errors import InspectorError
from inspector.gui.chip import chip
from inspector.gui.plain import plain
from inspector.gui.workspace import Workspace

ABOUT = (
    ("Enlarge", "enlarge"),
    ("Pin beside others", "pin"),
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


def add_tag_commands(menu: QMenu, workspace: Workspace) -> None:
    """Add a line per tag, for the selected samples or the current one; says for how many."""
    case, count = workspace.case, workspace.targets().size
    whom = f" on {count:,} samples" if count > 1 else ""
    for kind in () if case is None else case.tags.kinds:
        name = plain(kind.name, 40).replace("&", "&&")
        act = menu.addAction(chip(kind.colour), f"Tag {name}{whom}")
        act.triggered.connect(partial(_tag, workspace, kind.name))
        act.setEnabled(count > 0 and case is not None and not case.read_only)
    clear = menu.addAction(f"Clear tags{whom}")
    clear.triggered.connect(lambda: workspace.clear_tags())
    clear.setEnabled(count > 0 and case is not None and not case.read_only)


def copy_names(workspace: Workspace) -> None:
    """Put index and file of the selected samples, or of the current one, on the clipboard."""
    case = workspace.case
    if case is None:
        return
    rows = workspace.targets()
    try:
        names = case.samples.locators(rows)
    except InspectorError as error:
        workspace.message.emit("warning", str(error))
        return
    lines = [f"{row}\t{plain(name, 4000)}" for row, name in zip(rows, names)]
    QGuiApplication.clipboard().setText("\n".join(lines))
    what = "sample" if len(lines) == 1 else "samples"
    workspace.message.emit("done", f"Index and file of {len(lines):,} {what} copied.")


def point_out(workspace: Workspace, row: int, origin: str) -> None:
    """Make a sample the one that a menu is about: select it, unless it is among the selected."""
    if workspace.selection.count and not workspace.selection.mask[row]:
        workspace.select([row], "new", origin, row)
    else:
        workspace.set_current(row)


def pop_up_sample_menu(parent: QWidget, workspace: Workspace, at: QPoint) -> QMenu:
    """Show a menu of them at a spot of the widget, and return it."""
    menu = QMenu(parent)
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    add_tag_commands(menu, workspace)
    menu.addSeparator()
    add_sample_commands(menu, workspace)
    menu.addSeparator()
    copy = menu.addAction("Copy index and file")
    copy.triggered.connect(lambda: copy_names(workspace))
    copy.setEnabled(workspace.targets().size > 0)
    menu.popup(parent.mapToGlobal(at))
    return menu


def _tag(workspace: Workspace, name: str, _: bool = False) -> None:
    workspace.tag_selection(name)
