"""*Case ▸ Write a report…*: ask for a file, write it in the background, say where it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QWidget

from inspector.gui.plain import plain
from inspector.gui.workspace import Workspace

KINDS = {
    "Web page, one file (*.html)": ".html",
    "PDF (*.pdf)": ".pdf",
    "JSON for programs (*.json)": ".json",
}


class ReportAction(QObject):
    """Asks where to, and follows the job to its end."""

    def __init__(self, workspace: Workspace, window: QWidget) -> None:
        super().__init__(window)
        self._workspace, self._window = workspace, window
        workspace.job_event.connect(self._on_event)

    def ask(self) -> bool:
        """Ask for a file and start; whether it was started."""
        case = self._workspace.case
        if case is None:
            return False
        number, place = 1, case.exports / "report.html"
        while os.path.lexists(place):
            number += 1
            place = case.exports / f"report-{number}.html"
        # The dialog itself asks before a file that is there is replaced.
        name, kind = QFileDialog.getSaveFileName(
            self._window, "Write a report", str(place), ";;".join(KINDS)
        )
        if not name:
            return False
        return self._workspace.start_report(with_ending(Path(name), kind))

    def _on_event(self, event: dict[str, Any]) -> None:
        if event.get("event") == "done" and event.get("job") == "report":
            result = event.get("result")
            result = result if isinstance(result, dict) else {}
            target, digest = plain(result.get("target", ""), 300), plain(result.get("sha256", ""))
            self._workspace.message.emit("done", f"Report written: {target}, SHA-256 {digest}")


def with_ending(path: Path, kind: str) -> Path:
    """Return a path that says what it is: what was typed counts more than the chosen kind."""
    if path.suffix.lower() in KINDS.values():
        return path
    return path.with_name(path.name + KINDS.get(kind, ".html"))
