"""The choice of a trigger search, which is also the choice of whose results are shown."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QWidget

from inspector.case import Case
from inspector.gui.plain import plain
from inspector.gui.trigger_results import triggers_of

METHODS = (
    ("Neural Cleanse", "neural-cleanse", "the smallest patch"),
    ("Screen: noise", "universal-perturbation", "cheap: one faint noise per class, catches blends"),
    ("Screen: margin", "maximum-margin", "cheap: how sure the model can be made; no picture"),
    ("Pixel inversion", "pixel", "the fewest pixels made brighter or darker"),
    ("Blended picture", "blended", "the faintest picture over everything"),
)
"""Title, name and one line of each bundled search. Those of plugins are listed once they found
something."""

DEFAULT = METHODS[0][1]


class MethodBox(QComboBox):
    """Lists the searches by title."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        for title, name, what in METHODS:
            self.addItem(title, name)
            self.setItemData(self.count() - 1, what, Qt.ItemDataRole.ToolTipRole)
        self.setToolTip("How triggers are searched; what it found before is shown")

    @property
    def name(self) -> str:
        """Name of the chosen search."""
        return str(self.currentData())

    def choose(self, name: str) -> None:
        """Choose a search by its name; the first one when there is none of that name."""
        self.setCurrentIndex(max(0, self.findData(name)))

    def offer(self, case: Case) -> None:
        """List what plugins found, too."""
        for row in case.triggers():
            if self.findData(row["method"]) < 0:
                self.addItem(plain(row["method"], 40), row["method"])

    def choose_best(self, case: Case) -> None:
        """Choose the search that found the most telling trigger of a case."""
        self.offer(case)
        found = triggers_of(case)
        if found:
            self.choose(max(found, key=lambda one: (one.significant, one.mask is not None)).method)
