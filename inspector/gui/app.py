"""Start the window. Nothing heavy is imported before it is on screen."""

from __future__ import annotations

import datetime as dt
import signal
import sys
import traceback
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from inspector import places
from inspector.gui import theme
from inspector.gui.garbage import GarbageCollection
from inspector.gui.main_window import MainWindow


def start(case: Path | None) -> int:
    """Show the window, on a case when given, and return its exit code when it closes.

    Parameters
    ----------
    case : Path or None
        Folder of a case; the start page when None. A case that cannot be opened is said in the
        window, which stays.
    """
    # Threads hand over after 1 ms instead of 5: while one computes, the window stays smooth.
    sys.setswitchinterval(0.001)
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    app.setApplicationName("Inspector")
    app.setDesktopFileName("inspector")
    theme.apply(app)
    GarbageCollection(app)
    window = MainWindow()
    app.setWindowIcon(theme.window_icon())
    former = sys.excepthook
    sys.excepthook = lambda kind, error, trace: _on_exception(window, kind, error, trace)
    # The timer of the job feed lets Python see signals. Ctrl-C may ask, a shutdown must not: so not
    # by `quit`, which closes windows first and gives up when one of them asks.
    signal.signal(signal.SIGINT, lambda number, frame: window.close())
    signal.signal(signal.SIGTERM, lambda number, frame: QTimer.singleShot(0, app, app.exit))
    app.aboutToQuit.connect(window.end)
    window.show()
    # The panels import pyqtgraph: after the first picture, not before.
    if case is None:
        QTimer.singleShot(50, window, window.prebuild_panels)
    else:
        QTimer.singleShot(0, window, lambda: window.opening.open(case))
    try:
        return app.exec()
    finally:
        sys.excepthook = former


def _on_exception(
    window: MainWindow,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
) -> None:
    """Say that a defect was met and where its details lie; the case is saved at every step."""
    details = "".join(traceback.format_exception(kind, error, trace))
    file = places.user_state() / "errors.log"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8", errors="backslashreplace") as out:
            out.write(f"{dt.datetime.now().astimezone().isoformat()}\n{details}\n")
        where = f"Details are in {file}."
    except OSError:
        sys.stderr.write(details)
        where = "Details are on standard error."
    window.messages.say(
        "error",
        f"Inspector met a defect of its own: {kind.__name__}. The case is saved. {where}",
    )
