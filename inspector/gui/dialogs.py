"""The window's dialogs: made when they are asked for, the lasting ones once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar, cast

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QWidget

from inspector.gui.workspace import Workspace

Kind = TypeVar("Kind", bound=QDialog)


class Dialogs:
    """Opens dialogs over a window; each module is imported with its first use."""

    def __init__(self, workspace: Workspace, window: QWidget) -> None:
        self._workspace, self._window = workspace, window
        self._lasting: dict[str, QDialog] = {}

    def export(self) -> None:
        """Export a cleaned dataset."""
        from inspector.gui.export_dialog import ExportDialog

        ExportDialog(self._workspace, self._window).exec()

    def limits(self) -> None:
        """Raise limits on evidence."""
        from inspector.gui.limits_dialog import LimitsDialog

        LimitsDialog(self._workspace, self._window).exec()

    def tag_kinds(self) -> None:
        """Define kinds of tags."""
        from inspector.gui.tag_kinds_dialog import TagKindsDialog

        TagKindsDialog(self._workspace, self._window).exec()

    def plugins(self) -> None:
        """List detectors and plugins."""
        from inspector.gui.plugins_dialog import PluginsDialog

        PluginsDialog(self._window).exec()

    def detectors(self, chosen: str = "") -> None:
        """Run detectors on the open case with other values, the form of one of them shown first."""
        case = self._workspace.case
        recorded = None if case is None else case.get("scan")
        if case is None or case.read_only or not recorded:
            why = "Analyse first." if case and not case.read_only else "The case is not writable."
            self._workspace.message.emit("warning", f"No detector can run here. {why}")
            return
        if busy := self._workspace.busy:  # Said before anything is chosen, not after.
            self._workspace.message.emit("warning", busy)
            return
        from inspector.engine.client import ScanOptions
        from inspector.gui.detectors_dialog import DetectorsDialog
        from inspector.parameters import other_values

        count, seconds = self._workspace.pass_cost()
        asked = ScanOptions.from_record(recorded)
        if values := other_values(case.findings().get(chosen) or {}):
            asked = replace(asked, parameters={chosen: values, **asked.parameters})
        dialog = DetectorsDialog(
            asked, self._window, go="Run", count=count, seconds=seconds, chosen=chosen
        )
        if dialog.exec():
            self._workspace.start_scan(dialog.options())

    def cleaning(self) -> None:
        """Check the cleaning; stays open beside the window while it runs."""
        from inspector.gui.cleaning_dialog import CleaningDialog

        self._show("cleaning", lambda: CleaningDialog(self._workspace, self._window))

    def drill(self) -> None:
        """Plan drills; stays open beside the window while they run."""
        from inspector.gui.drill_dialog import DrillDialog

        self._show("drill", lambda: DrillDialog(self._workspace, self._window))

    def shadows(self) -> None:
        """Compare with shadow networks; stays open beside the window while they are trained."""
        from inspector.gui.shadows_dialog import ShadowsDialog

        self._show("shadows", lambda: ShadowsDialog(self._workspace, self._window))

    def trace(self) -> None:
        """Trace the answer to the current sample, when nothing else runs."""
        from inspector.gui.trace_dialog import TraceDialog

        dialog = self._show("trace", lambda: TraceDialog(self._workspace, self._window))
        dialog.trace_current()

    def help(self, page: str) -> None:
        """Show the manual, at a page when one is named."""
        from inspector.gui.help_dialog import HelpDialog

        dialog = HelpDialog(self._window, page)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.show()

    def about(self) -> None:
        """Say what this is."""
        from inspector.gui.about import show_about

        show_about(self._window)

    def _show(self, name: str, make: Callable[[], Kind]) -> Kind:
        """Show the lasting dialog of this name, made on first use."""
        if name not in self._lasting:
            self._lasting[name] = make()
        dialog = cast(Kind, self._lasting[name])
        dialog.show()
        dialog.raise_()
        dialog.activateWindow()
        return dialog
