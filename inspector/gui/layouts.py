"""Where panels stand: three arrangements by name, and the last one kept between sessions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from PySide6.QtCore import QByteArray, QSettings, Qt
from PySide6.QtWidgets import QDockWidget, QMainWindow, QSplitter, QWidget

from inspector import places

_VERSION = 2
"""Raise when docks are added or renamed: a state of another version is ignored."""
_BOTTOM = ("ranking", "trigger", "classes", "audit", "jobs", "log", "history")


@dataclass(frozen=True)
class Arrangement:
    """One named layout.

    Attributes
    ----------
    hidden : tuple of str
        Docks that it leaves out, and "map" or "gallery" in the middle.
    raised : str
        The tab on top at the bottom.
    bottom : float
        Height of the bottom, as a share of the window.
    map_share : float
        Height of the map, as a share of the middle.
    """

    hidden: tuple[str, ...]
    raised: str
    bottom: float
    map_share: float


ARRANGEMENTS: dict[str, Arrangement] = {
    "triage": Arrangement((), "ranking", 0.24, 0.58),
    "trigger": Arrangement(("case", "gallery"), "trigger", 0.58, 1.0),
    "audit": Arrangement(("map", "sample"), "audit", 0.62, 0.0),
    "review": Arrangement(("map",), "history", 0.3, 0.0),
}


def arrange(
    window: QMainWindow, docks: dict[str, QDockWidget], middle: QSplitter, name: str
) -> None:
    """Put every dock back into its place and show what the arrangement shows.

    Parameters
    ----------
    window : QMainWindow
        Must be visible: Qt ignores sizes of docks before that.
    docks : dict of str to QDockWidget
    middle : QSplitter
        Map above gallery.
    name : str
        Key of `ARRANGEMENTS`.
    """
    plan = ARRANGEMENTS[name]
    areas, size = Qt.DockWidgetArea, window.size()
    for dock in docks.values():
        dock.setFloating(False)
        # A tab that is added again where it is leaves its group and stands beside it.
        window.removeDockWidget(dock)
    window.addDockWidget(areas.LeftDockWidgetArea, docks["case"])
    window.addDockWidget(areas.RightDockWidgetArea, docks["sample"])
    window.addDockWidget(areas.BottomDockWidgetArea, docks[_BOTTOM[0]])
    # Straight into the tabs: side by side, even for a moment, they would widen the window.
    for before, key in pairwise(_BOTTOM):
        window.tabifyDockWidget(docks[before], docks[key])
    for key, dock in docks.items():
        dock.setVisible(key not in plan.hidden)
    for part, key in zip(_parts(middle), ("map", "gallery")):
        part.setVisible(key not in plan.hidden)
    docks[plan.raised].raise_()
    window.resize(size)
    set_sizes(window, docks, middle, name)


def set_sizes(
    window: QMainWindow, docks: dict[str, QDockWidget], middle: QSplitter, name: str
) -> None:
    """Give docks and middle the sizes of an arrangement, as shares of the window."""
    plan = ARRANGEMENTS[name]
    width, height = window.width(), window.height()
    window.resizeDocks(
        [docks["case"], docks["sample"]],
        [max(190, round(width * 0.15)), max(250, round(width * 0.2))],
        Qt.Orientation.Horizontal,
    )
    window.resizeDocks([docks[plan.raised]], [round(height * plan.bottom)], Qt.Orientation.Vertical)
    share = max(1, round(1000 * plan.map_share))
    middle.setSizes([share, max(1, 1000 - share)])


def save(window: QMainWindow, middle: QSplitter | None) -> None:
    """Remember place and size of the window, and of its panels when there are any."""
    settings = _settings()
    settings.setValue("geometry", window.saveGeometry())
    if middle is not None:  # Otherwise what a former session left stays.
        settings.setValue("docks", window.saveState(_VERSION))
        settings.setValue("middle", middle.saveState())
        shown = ["01"[part.isVisibleTo(middle)] for part in _parts(middle)]
        settings.setValue("shown", "".join(shown))
    settings.sync()


def restore_geometry(window: QMainWindow) -> bool:
    """Put the window where it was; False when that is not known."""
    known = _settings().value("geometry")
    return isinstance(known, QByteArray) and window.restoreGeometry(known)


def has_docks() -> bool:
    """Tell whether a former session left its arrangement."""
    return isinstance(_settings().value("docks"), QByteArray)


def restore_docks(window: QMainWindow, middle: QSplitter) -> bool:
    """Put the panels where they were; False when that is not known or of another version."""
    settings = _settings()
    docks, sizes = settings.value("docks"), settings.value("middle")
    if not isinstance(docks, QByteArray) or not window.restoreState(docks, _VERSION):
        return False
    for part, flag in zip(_parts(middle), str(settings.value("shown", "11"))):
        part.setVisible(flag == "1")
    return isinstance(sizes, QByteArray) and middle.restoreState(sizes)


def _parts(middle: QSplitter) -> list[QWidget]:
    parts = (middle.widget(k) for k in range(middle.count()))
    return [part for part in parts if part is not None]


def _settings() -> QSettings:
    return QSettings(str(places.user_state() / "window.ini"), QSettings.Format.IniFormat)
