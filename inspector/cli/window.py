"""Start the window, or say in one line why there can be none."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from inspector.errors import BadInput


def has_screen() -> bool:
    """Tell whether a window can be shown: Qt aborts the whole process when it cannot."""
    if os.environ.get("QT_QPA_PLATFORM"):
        return True
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def start_window(case: Path | None) -> int:
    """Open the window and return its exit code when it closes.

    Raises
    ------
    BadInput
        No screen, or system libraries that Qt needs are missing.
    """
    if not has_screen():
        raise BadInput(
            "There is no screen to open a window on.",
            "Neither DISPLAY nor WAYLAND_DISPLAY is set.",
            "Use the commands (`inspector --help`), or run under a screen.",
        )
    from inspector.cli.doctor import missing_libraries

    if os.environ.get("QT_QPA_PLATFORM", "") in ("", "xcb") and (missing := missing_libraries()):
        raise BadInput(
            f"Qt cannot start: {', '.join(missing)} not found.",
            "System libraries are missing.",
            "`inspector doctor` prints the line that installs them.",
        )
    from inspector.gui.app import start

    return start(case)


@click.command("open")
@click.argument("case", type=click.Path(path_type=Path))
def open_command(case: Path) -> None:
    """Open the window on a case."""
    if not case.is_dir():
        raise BadInput(f"There is no case at {case}.", "It is not a folder.", "Check the path.")
    raise SystemExit(start_window(case))


@contextmanager
def printing_window() -> Iterator[None]:
    """Have Qt ready to lay out pages, without a screen and without a window.

    Raises
    ------
    BadInput
        System libraries that Qt needs are missing.
    """
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    try:
        from PySide6.QtGui import QGuiApplication
    except ImportError as error:
        raise BadInput(
            "Qt cannot start, and PDF is laid out by it.",
            f"{error}.",
            "`inspector doctor` prints the line that installs what is missing; HTML needs no Qt.",
        ) from None
    app = QGuiApplication.instance() or QGuiApplication(["inspector"])
    yield
    del app
