"""The window: it places panels, menus and bars. What they do, they do themselves."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QByteArray, QSize, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QShowEvent
from PySide6.QtWidgets import (
    QApplication,
    QDockWidget,
    QMainWindow,
    QSplitter,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from inspector.gui import layouts, looks, theme
from inspector.gui.closing import may_lose_unsaved, may_stop
from inspector.gui.commands import Commands
from inspector.gui.dialogs import Dialogs
from inspector.gui.end_typing import end_typing, is_typing
from inspector.gui.filter_bar import FilterBar
from inspector.gui.message_bar import MessageBar
from inspector.gui.notices import Notices
from inspector.gui.opening import Opening
from inspector.gui.plain import plain
from inspector.gui.report_action import ReportAction
from inspector.gui.start_page import StartPage
from inspector.gui.status_line import StatusLine
from inspector.gui.tool_bar import ToolBar
from inspector.gui.workspace import Workspace

if TYPE_CHECKING:
    from inspector.gui.palette import Palette
    from inspector.gui.quick_look import QuickLook

CENTRE: tuple[tuple[str, str, str, str], ...] = (
    ("map", "", "map_panel", "MapPanel"),
    ("gallery", "", "gallery", "GalleryPanel"),
)
"""Like `DOCKS`, for the middle of the window: no title."""

DOCKS: tuple[tuple[str, str, str, str], ...] = (
    ("case", "Case", "case_panel", "CasePanel"),
    ("sample", "Sample", "sample_panel", "SamplePanel"),
    ("ranking", "Ranking", "ranking_panel", "RankingPanel"),
    ("trigger", "Trigger lab", "trigger_panel", "TriggerPanel"),
    ("classes", "Classes", "classes_panel", "ClassesPanel"),
    ("audit", "Audit", "audit_panel", "AuditPanel"),
    ("jobs", "Jobs", "jobs_panel", "JobsPanel"),
    ("log", "Log", "log_panel", "LogPanel"),
    ("history", "History", "history_panel", "HistoryPanel"),
)
"""Key, title, module and class of every dock; imported when the panels are first needed."""


KEYBOARD = {
    "map": "canvas",
    "gallery": "view",
    "ranking": "table",
    "sample": "facts",
    "case": "tree",
    "trigger": "classes",
    "classes": "table",
    "audit": "classes",
    "jobs": "state",
    "log": "text",
    "history": "table",
}
"""What in a panel takes the keyboard when a key goes there: arrows and Enter act at once."""
NO_SAMPLE = "No sample is chosen: click a picture or a point on the map, or press J."


class MainWindow(QMainWindow):
    """Start page first; panels are built once the window is on screen."""

    def __init__(self, workspace: Workspace | None = None) -> None:
        super().__init__()
        self.workspace = workspace or Workspace(self)
        self.setWindowTitle("Inspector")
        self.setWindowIcon(theme.window_icon())
        self.setAcceptDrops(True)
        self.docks: dict[str, QDockWidget] = {}
        self.panels: dict[str, Any] = {}
        self.middle: QSplitter | None = None
        self._before_focus: QByteArray | None = None
        self._arranged = self._put_away = False
        self._palette: Palette | None = None
        self._quick_look: QuickLook | None = None
        self.opening = Opening(self.workspace, self)
        self.reports = ReportAction(self.workspace, self)
        self.dialogs = Dialogs(self.workspace, self)
        self.start_page = StartPage(self)
        self.messages = MessageBar(self)
        self.pages = QStackedWidget(self)
        self.pages.addWidget(self.start_page)
        centre = QWidget(self)
        column = QVBoxLayout(centre)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.notices = Notices(self.workspace, self)
        column.addWidget(self.notices)
        column.addWidget(self.messages)
        column.addWidget(self.pages, 1)
        self.setCentralWidget(centre)
        self.commands = Commands(self, self, self.workspace, self.menuBar())
        self.filter_bar = FilterBar(self.workspace, self)
        self._tools = ToolBar(self.commands, self.filter_bar, self._open_palette, self)
        self.addToolBar(self._tools)
        self.setStatusBar(StatusLine(self.workspace, self))
        areas, corners = Qt.DockWidgetArea, Qt.Corner
        self.setCorner(corners.BottomLeftCorner, areas.LeftDockWidgetArea)
        self.setCorner(corners.BottomRightCorner, areas.RightDockWidgetArea)
        self.setTabPosition(areas.AllDockWidgetAreas, QTabWidget.TabPosition.South)
        self.workspace.message.connect(self.messages.say)
        self.workspace.job_event.connect(self._on_job)
        self.workspace.case_changed.connect(self.messages.forget_error)
        self.workspace.command_requested.connect(self._run)
        self.workspace.detector_requested.connect(self.dialogs.detectors)
        self.workspace.case_changed.connect(self._on_case)
        self.workspace.job_event.connect(self.opening.on_event)
        self.opening.progressed.connect(self.start_page.show_progress)
        self.start_page.asked.connect(self._run)
        self.start_page.case_chosen.connect(self.opening.open)
        self.start_page.dropped.connect(self.opening.take)
        if not layouts.restore_geometry(self):
            self.resize(self._first_size())

    # ---- placing --------------------------------------------------------------------------------

    def _first_size(self) -> QSize:
        # The frame that the desktop puts around the window is not known yet; 40 pixels hold it.
        screen = QApplication.primaryScreen().availableSize() - QSize(4, 40)
        return QSize(1600, 1000).boundedTo(screen)

    def build_panels(self) -> None:
        """Make map, gallery and docks, as far as they are not there."""
        while self._build_next():
            pass

    def prebuild_panels(self) -> None:
        """Make the panels one by one between events, so that the window answers meanwhile."""
        if self._build_next():
            QTimer.singleShot(0, self, self.prebuild_panels)

    def _build_next(self) -> bool:
        """Make one panel; False when all are there."""
        if self.middle is None:
            self.middle = QSplitter(Qt.Orientation.Vertical, self)
            self.middle.setChildrenCollapsible(False)
            self.pages.addWidget(self.middle)
            self.commands.menus["View"].addSeparator()
        for key, title, module, name in (*CENTRE, *DOCKS):
            if key in self.panels:
                continue
            panel = getattr(importlib.import_module(f"inspector.gui.{module}"), name)
            if not title:
                self.panels[key] = panel(self.workspace, self.middle)
                self.middle.addWidget(self.panels[key])
                return True
            dock = QDockWidget(title, self)
            dock.setObjectName(key)
            dock.hide()
            self.panels[key] = panel(self.workspace, dock)
            dock.setWidget(self.panels[key])
            self.docks[key] = dock
            self.commands.menus["View"].addAction(dock.toggleViewAction())
            return True
        return False

    def _on_case(self, case: object) -> None:
        if case is None:
            self._keep_layout()
            for dock in self.docks.values():
                dock.hide()
            self.start_page.refresh()
            self.pages.setCurrentWidget(self.start_page)
            self.setWindowTitle("Inspector")
            return
        self.build_panels()
        assert self.middle is not None
        self.pages.setCurrentWidget(self.middle)
        self.setWindowTitle(f"{plain(self.workspace.case_name)} — Inspector")
        self._place_panels()

    def _place_panels(self) -> None:
        """Arrange the panels once they and the window are there: Qt ignores sizes before that."""
        whole = len(self.docks) == len(DOCKS)  # a window may be shown while they are being made
        if self._arranged or self.middle is None or not whole or not self.isVisible():
            if self._arranged and self.middle is not None and self._put_away:
                layouts.restore_docks(self, self.middle)
                self._put_away = False
            end_typing(self)
            return
        self._arranged = True
        self.arrange("triage")
        if layouts.has_docks():
            layouts.restore_docks(self, self.middle)
        end_typing(self)

    def arrange(self, name: str) -> None:
        """Put the panels into one of the named arrangements."""
        if self.middle is None:
            return
        self._before_focus = None
        layouts.arrange(self, self.docks, self.middle, name)
        # A dock that was just added has its size only after the layout ran once.
        QTimer.singleShot(0, self, lambda: self._settle(name))

    def _settle(self, name: str) -> None:
        if self.middle is not None:
            layouts.set_sizes(self, self.docks, self.middle, name)

    # ---- acting: what menus, keys and palette call ----------------------------------------------

    def handlers(self) -> dict[str, Callable[[], object]]:
        """Return what each command of `keys.COMMANDS` does."""
        space, opening = self.workspace, self.opening
        return {
            "new-case": opening.ask_evidence,
            "open-case": opening.ask_case,
            "demo": opening.demo,
            "analyse": opening.analyse,
            "export": self.dialogs.export,
            "report": self.reports.ask,
            "verify": space.start_verify,
            "limits": self.dialogs.limits,
            "close-case": space.close_case,
            "quit": self.close,
            "undo": space.undo,
            "redo": space.redo,
            "filter": lambda: self.filter_bar.focus(),
            "palette": self._open_palette,
            "select-all": self._select_all,
            "invert": space.invert_selection,
            "escape": self._escape,
            "lasso": lambda: self.panels["map"].use_tool("lasso"),
            "box": lambda: self.panels["map"].use_tool("box"),
            "pan": lambda: self.panels["map"].use_tool("pan"),
            "next": lambda: space.move(1),
            "previous": lambda: space.move(-1),
            "next-class": lambda: self.panels["gallery"].step_class(1),
            "previous-class": lambda: self.panels["gallery"].step_class(-1),
            "find-similar": lambda: self._of_sample(space.similar_requested.emit),
            "clear-tags": space.clear_tags,
            "note": lambda: self._of_sample(space.note_requested.emit),
            "propose": space.propose_selection,
            "tag-kinds": self.dialogs.tag_kinds,
            "detectors": self.dialogs.detectors,
            "audit": lambda: self.arrange("audit"),
            "search-triggers": lambda: self.focus_panel("trigger"),
            "shadows": self.dialogs.shadows,
            "check-cleaning": self.dialogs.cleaning,
            "trace": self.dialogs.trace,
            "drill": self.dialogs.drill,
            "compute-map": space.start_map,
            "finish": space.finish_job,
            "cancel": space.cancel_job,
            "fit": lambda: self.panels["map"].fit(),
            "fit-all": lambda: self.panels["map"].fit_all(),
            "enlarge": lambda: self._of_sample(self._enlarge),
            "pin": lambda: self._of_sample(space.pin_requested.emit),
            "trigger-overlay": lambda: self._of_sample(space.trigger_requested.emit),
            "saliency": lambda: self._of_sample(space.saliency_requested.emit),
            "focus-mode": self._toggle_focus_mode,
            "look": lambda: looks.switch(space.message.emit),
            "workspace-triage": lambda: self.arrange("triage"),
            "workspace-trigger": lambda: self.arrange("trigger"),
            "workspace-review": lambda: self.arrange("review"),
            "reset-layout": lambda: self.arrange("triage"),
            "plugins": self.dialogs.plugins,
            "help": lambda: self.dialogs.help(""),
            "keys": lambda: self.dialogs.help("Keys"),
            "about": self.dialogs.about,
        }

    def _on_job(self, event: dict[str, Any]) -> None:
        if event.get("event") == "started":
            self.messages.forget_error()

    def focus_panel(self, name: str) -> None:
        """Bring a panel to the front and give it the keyboard."""
        if name in self.docks:
            self.docks[name].show()
            self.docks[name].raise_()
        elif name in self.panels:
            self.panels[name].show()
        if name in self.panels:
            target = getattr(self.panels[name], KEYBOARD[name])
            target.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def tag_and_advance(self, name: str) -> None:
        """Tag and go on, in the gallery's order when it has the keyboard."""
        gallery = self.panels.get("gallery")
        among = gallery.rows if gallery is not None and gallery.view.hasFocus() else None
        self.workspace.tag_and_advance(name, among)

    def _run(self, command: str) -> None:
        self.commands.by_id[command].trigger()

    def _select_all(self) -> None:
        gallery = self.panels["gallery"]
        if gallery.view.hasFocus():
            self.workspace.select(gallery.rows, "new", "gallery")
        else:
            self.workspace.select_all()

    def _escape(self) -> None:
        if is_typing(self):
            end_typing(self)
        elif self.workspace.selection.count:
            self.workspace.clear_selection()
        elif self.workspace.filter_text:
            self.workspace.set_filter("")

    def _of_sample(self, act: Callable[[int], object]) -> None:
        """Do something with the current sample, or say that there is none: no key is dead."""
        if self.workspace.current >= 0:
            act(self.workspace.current)
        else:
            self.workspace.message.emit("info", NO_SAMPLE)

    def _enlarge(self, _: int) -> None:
        from inspector.gui.quick_look import QuickLook

        if self._quick_look is None:
            self._quick_look = QuickLook(self.workspace, self)
        self._quick_look.toggle()

    def _toggle_focus_mode(self) -> None:
        if self._before_focus is not None:
            self.restoreState(self._before_focus)
            self._before_focus = None
            return
        self._before_focus = self.saveState()
        for part in (*self.docks.values(), self._tools):
            part.hide()

    def _open_palette(self) -> None:
        from inspector.gui.palette import Palette

        if self._palette is None:
            self._palette = Palette(self)
        self._palette.open_with(self.commands.all())

    # ---- the window's own events ----------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        QTimer.singleShot(0, self, self._place_panels)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.opening.take(paths)

    def closeEvent(self, event: QCloseEvent) -> None:
        if not (may_stop(self, self.workspace) and may_lose_unsaved(self, self.workspace)):
            event.ignore()
            return
        self.end()
        event.accept()

    def end(self) -> None:
        """Remember the layout and let the case go, without asking."""
        self._keep_layout()
        self._arranged = False
        self.workspace.close_case()

    def _keep_layout(self) -> None:
        """Remember where the panels stand; on the start page they do not: there they are away."""
        if self._before_focus is not None:
            self._toggle_focus_mode()
        arranged = self._arranged and not self._put_away
        layouts.save(self, self.middle if arranged else None)
        self._put_away |= arranged
