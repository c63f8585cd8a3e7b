"""What is asked before the window closes: stop what runs, give up what could not be saved."""

from __future__ import annotations

from PySide6.QtWidgets import QMessageBox, QWidget

from inspector.gui.workspace import Workspace


def may_stop(window: QWidget, workspace: Workspace) -> bool:
    """Ask whether what is running may be stopped; True when nothing is."""
    if not workspace.running:
        return True
    return _agreed(
        window,
        f"The {workspace.running} is still running. Stop it and close?\n"
        "What it finished is kept; Analyse goes on from there.",
    )


def may_lose_unsaved(window: QWidget, workspace: Workspace) -> bool:
    """Try once more to save what the disk refused; ask before it is given up."""
    if not workspace.unsaved or workspace.save_unsaved():
        return True
    return _agreed(
        window,
        f"{workspace.unsaved} of your acts could not be saved: the disk is full or "
        "refuses. Close and give them up?",
    )


def _agreed(window: QWidget, question: str) -> bool:
    buttons = QMessageBox.StandardButton
    both = buttons.Yes | buttons.No
    return QMessageBox.question(window, "Inspector", question, both, buttons.No) == buttons.Yes
