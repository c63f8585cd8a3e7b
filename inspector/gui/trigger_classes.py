"""The classes of the trigger lab: ticked ones are searched, a square tells how far each is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from PySide6.QtCore import QPoint, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QAction, QIcon
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QPushButton,
    QWidget,
)

from inspector.gui import theme
from inspector.gui.chip import chip
from inspector.gui.plain import plain
from inspector.gui.trigger_course import Standing

_INDEX = Qt.ItemDataRole.UserRole
_NAME = _INDEX + 1

WAITING, SEARCHING, WORKS, THROUGH = (
    theme.FAINT,
    "#8a93a3",
    theme.FOCUS,
    theme.MESSAGE_COLOURS["done"],
)
"""Colours of a class in a running search, for squares and bars."""


def standing_colour(standing: Standing | None) -> str:
    """Return the colour that tells how far the search for a class is."""
    if standing is None:
        return WAITING
    if not standing.running:
        return THROUGH
    return WORKS if standing.word == "found" else SEARCHING


_TIPS = {
    WAITING: "Its turn comes later.",
    SEARCHING: "No trigger works yet.",
    WORKS: "A trigger works and may still shrink.",
    THROUGH: "Searched through.",
}


class TickedClasses(QListWidget):
    """One line per class.

    Signals
    -------
    ticked_changed
        Another set of classes is ticked.
    class_chosen : int
        The class to show, -1 for none.
    suspects_asked
        The classes that a detector points at are to be ticked.
    """

    ticked_changed = Signal()
    class_chosen = Signal(int)
    suspects_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._colours: list[str] = []
        self._whole = QAction("Search every class to the end", self)
        self._whole.setCheckable(True)
        self._whole.setToolTip(
            "Otherwise a search of all classes compares them early and goes on with those that stand "
            "out; this takes two to three times as long"
        )
        self._chips: dict[str, QIcon] = {}
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(84)
        self.setIconSize(QSize(10, 10))
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._on_menu)
        self.itemChanged.connect(self._on_changed)
        self.currentItemChanged.connect(self._on_current)

    @property
    def chosen(self) -> int:
        """The class to show, -1 for none."""
        item = self.currentItem()
        return -1 if item is None else int(item.data(_INDEX))

    @property
    def to_the_end(self) -> bool:
        """Whether a search of all classes is to search each of them to the end."""
        return self._whole.isChecked()

    def show_names(self, names: Sequence[str]) -> None:
        """List classes by name, all ticked; the same names again change nothing."""
        if [self.item(at).data(_NAME) for at in range(self.count())] == list(names):
            return
        with QSignalBlocker(self):
            self.clear()
            self._colours = []
            for at, name in enumerate(names):
                item = QListWidgetItem(plain(name, 60), self)
                item.setData(_INDEX, at)
                item.setData(_NAME, name)
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                item.setCheckState(Qt.CheckState.Checked)
            self.setCurrentRow(0 if names else -1)
        self.class_chosen.emit(self.chosen)

    def ticked(self) -> list[int]:
        """Return the ticked classes."""
        items = (self.item(at) for at in range(self.count()))
        return [item.data(_INDEX) for item in items if item.checkState() == Qt.CheckState.Checked]

    def tick(self, wanted: Iterable[int]) -> None:
        """Tick these classes and no others."""
        chosen = set(wanted)
        with QSignalBlocker(self):
            for at in range(self.count()):
                item = self.item(at)
                on = item.data(_INDEX) in chosen
                item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
        self.ticked_changed.emit()

    def show_standings(self, standings: Mapping[int, Standing], wanted: Iterable[int]) -> None:
        """Put a square before each searched class; without any there are no squares."""
        asked = set(wanted) | set(standings)
        colours = [
            standing_colour(standings.get(at)) if at in asked else "" for at in range(self.count())
        ]
        if colours == self._colours:
            return
        with QSignalBlocker(self):
            for at, colour in enumerate(colours):
                if at < len(self._colours) and self._colours[at] == colour:
                    continue
                item = self.item(at)
                item.setIcon(self._chip(colour))
                item.setToolTip(_TIPS.get(colour, ""))
        self._colours = colours
        self.viewport().update()

    def menu(self, parent: QWidget) -> QMenu:
        """Return a menu of the usual sets of classes."""
        menu = QMenu(parent)
        menu.addAction("All classes", lambda: self.tick(range(self.count())))
        menu.addAction("No class", lambda: self.tick(()))
        menu.addAction("Suspects of the detectors", self.suspects_asked.emit)
        menu.addSeparator()
        menu.addAction(self._whole)
        menu.setToolTipsVisible(True)
        return menu

    def button(self, parent: QWidget) -> QPushButton:
        """Return a button that opens `menu`."""
        button = QPushButton("Classes", parent)
        button.setToolTip("Tick all classes, none, or those that a detector calls suspicious")
        button.setMenu(self.menu(button))
        return button

    def _chip(self, colour: str) -> QIcon:
        if colour not in self._chips:
            self._chips[colour] = chip(colour) if colour else QIcon()
        return self._chips[colour]

    def _on_menu(self, spot: QPoint) -> None:
        self.menu(self).popup(self.mapToGlobal(spot))

    def _on_changed(self, _: QListWidgetItem) -> None:
        self.ticked_changed.emit()

    def _on_current(self, item: QListWidgetItem | None, _: object = None) -> None:
        self.class_chosen.emit(-1 if item is None else int(item.data(_INDEX)))
