"""Ways into a case: a folder, a model with its data, the demo, something dropped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from inspector import places
from inspector.gui.job_feed import Event
from inspector.gui.recent import recent_cases, remember_case
from inspector.gui.workspace import Workspace

MODEL_SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin")


class Opening(QObject):
    """Brings cases into the workspace.

    Signals
    -------
    progressed : dict
        Events of the demo while its evidence is made.
    """

    progressed = Signal(object)

    def __init__(self, workspace: Workspace, window: QWidget) -> None:
        super().__init__(window)
        self._workspace, self._window = workspace, window
        self._making_demo = False

    def open(self, path: Path) -> bool:
        """Open a case folder and remember it."""
        if not self._workspace.open_case(path):
            return False
        remember_case(path)
        return True

    def ask_case(self) -> None:
        """Let the analyst choose a case folder."""
        known = recent_cases()
        start = str(known[0].parent) if known else str(Path.home())
        chosen = QFileDialog.getExistingDirectory(self._window, "Open case", start)
        if chosen:
            self.open(Path(chosen))

    def ask_evidence(self, model: Path | None = None, data: Path | None = None) -> None:
        """Let the analyst choose a model and its data; the dialog makes the case and scans."""
        from inspector.gui.open_dialog import OpenDialog

        dialog = OpenDialog(self._workspace, self._window, model=model, data=data)
        if dialog.exec() and self._workspace.case is not None:
            remember_case(self._workspace.case.path)

    def analyse(self) -> None:
        """Ask how to scan the open case again; what is finished already is not computed twice."""
        case = self._workspace.case
        recorded = None if case is None else case.get("scan", None)
        if not recorded:
            self.ask_evidence()
            return
        from inspector.gui.open_dialog import AnalyseDialog

        AnalyseDialog(self._workspace, self._window).exec()

    def take(self, paths: Sequence[Path]) -> None:
        """Open what was dropped: a case folder, or a model, or data."""
        if len(paths) == 1 and is_case(paths[0]):
            self.open(paths[0])
            return
        models = [path for path in paths if path.suffix.lower() in MODEL_SUFFIXES]
        data = [path for path in paths if path not in models]
        self.ask_evidence(next(iter(models), None), next(iter(data), None))

    def demo(self) -> None:
        """Open the demo case, after making it when it is not there."""
        folder = places.user_state() / "demo"
        if is_case(folder / "demo.case"):
            self.open(folder / "demo.case")
            return
        number = 1
        while folder.exists():  # What an interrupted attempt left is never written over.
            number += 1
            folder = places.user_state() / f"demo-{number}"
        self._making_demo = self._workspace.start_demo(folder)
        if self._making_demo:
            # The engine needs seconds to start, in which it reports nothing.
            text = "Starting the engine"
            self.progressed.emit({"event": "progress", "done": 0, "total": 0, "text": text})

    def on_event(self, event: Event) -> None:
        """Follow the demo; scan it when its evidence is there."""
        if not self._making_demo:
            return
        kind = event.get("event")
        if kind in ("done", "failed", "cancelled"):
            self._making_demo = False
        self.progressed.emit(event)
        if kind == "done" and event.get("job") == "demo":
            self._scan_demo(Path(str(event["result"]["folder"])))

    def _scan_demo(self, folder: Path) -> None:
        from inspector.engine.client import ScanOptions

        if not self._workspace.create_case(folder / "demo.case"):
            return
        remember_case(folder / "demo.case")
        evidence = folder / "evidence"
        self._workspace.start_scan(
            ScanOptions(model=evidence / "model.safetensors", data=evidence / "data")
        )


def is_case(path: Path) -> bool:
    """Tell whether a folder holds a case."""
    return (path / "case.db").is_file()
