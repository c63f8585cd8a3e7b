"""The choice of a trigger search, which is also the choice of whose results are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QComboBox, QWidget

from inspector.case import Case
from inspector.errors import InspectorError
from inspector.gui.background import Question
from inspector.gui.plain import plain
from inspector.gui.plugins_dialog import ask_engine
from inspector.gui.trigger_results import triggers_of

METHODS = (
    ("Neural Cleanse", "neural-cleanse", "the smallest patch"),
    ("Screen: noise", "universal-perturbation", "cheap: one faint noise per class, catches blends"),
    ("Screen: margin", "maximum-margin", "cheap: how sure the model can be made; no picture"),
    ("Pixel inversion", "pixel", "the fewest pixels made brighter or darker"),
    ("Blended picture", "blended", "the faintest picture over everything"),
    (
        "Feature space",
        "feature-space",
        "the least change, different for every picture: warps and dynamic triggers",
    ),
)
"""Title, name and one line of each bundled search. Those of plugins are listed once they found
something, or when they are asked for."""

_ASK = ""
"""Name of the row that asks for plugins."""

_LOOK = 100
"""Milliseconds between two looks whether the engine has answered."""

DEFAULT = METHODS[0][1]


class MethodBox(QComboBox):
    """Lists the searches by title.

    Parameters
    ----------
    ask : callable
        Returns every search, with those of plugins; runs in a thread: an engine takes seconds.
    """

    def __init__(
        self,
        parent: QWidget | None = None,
        ask: Callable[[], list[dict[str, Any]]] = lambda: ask_engine("methods"),
    ) -> None:
        super().__init__(parent)
        self._ask, self._chosen = ask, 0
        self._question: Question[list[dict[str, Any]]] | None = None
        self._timer = QTimer(self, interval=_LOOK)
        self._timer.timeout.connect(self._look)
        for title, name, what in METHODS:
            self.addItem(title, name)
            self.setItemData(self.count() - 1, what, Qt.ItemDataRole.ToolTipRole)
        self.addItem("Plugins …", _ASK)
        self.setItemData(
            self.count() - 1,
            "Ask an engine which searches plugins add",
            Qt.ItemDataRole.ToolTipRole,
        )
        self.setToolTip("How triggers are searched; what it found before is shown")
        self.currentIndexChanged.connect(self._on_index)
        self.activated.connect(self._on_activated)

    @property
    def name(self) -> str:
        """Name of the chosen search."""
        return str(self.currentData())

    def choose(self, name: str) -> None:
        """Choose a search by its name; the first one when there is none of that name."""
        self.setCurrentIndex(max(0, self.findData(name)))

    def _on_index(self, index: int) -> None:
        if index >= 0 and self.itemData(index) != _ASK:
            self._chosen = index

    def _on_activated(self, index: int) -> None:
        if self.itemData(index) != _ASK:
            return
        # What was chosen stays so; the row is a question, not a search.
        self.setCurrentIndex(self._chosen)
        if not self._timer.isActive():
            self.setItemText(index, "Asking for plugins …")
            self._question = Question(self._ask, "methods")
            self._timer.start()

    def _look(self) -> None:
        answer = self._question.answer if self._question is not None else None
        if answer is None:
            return
        self._timer.stop()
        at = self.findData(_ASK)
        if isinstance(answer, InspectorError):
            self.setItemText(at, "Plugins …")
            self.setItemData(at, plain(answer.what, 200), Qt.ItemDataRole.ToolTipRole)
            return
        added = [row for row in answer if row.get("origin") != "bundled"]
        for row in added:
            self._add(row)
        self.setItemText(self.findData(_ASK), f"Plugins … ({len(added)} found)")

    def _add(self, row: Mapping[str, Any]) -> None:
        """List one search of a plugin; a broken one cannot be chosen, and says why."""
        name, info = str(row.get("id")), row.get("info")
        usable = row.get("status") == "ready" and isinstance(info, Mapping)
        data = name if usable else f"broken:{name}"
        at = self.findData(data)
        if at < 0:
            at = self.findData(_ASK)
            self.insertItem(at, plain(name, 40), data)
        title = info.get("title") if isinstance(info, Mapping) else None
        self.setItemText(at, plain(title or name, 40) if usable else f"{plain(name, 40)} (broken)")
        told = info.get("summary") if isinstance(info, Mapping) else row.get("cause")
        self.setItemData(at, plain(told or "", 300), Qt.ItemDataRole.ToolTipRole)
        model = self.model()
        if not usable and isinstance(model, QStandardItemModel):
            model.item(at).setEnabled(False)

    def offer(self, case: Case) -> None:
        """List what plugins found, too."""
        for row in case.triggers():
            if self.findData(row["method"]) < 0:
                self.insertItem(self.findData(_ASK), plain(row["method"], 40), row["method"])

    def choose_best(self, case: Case) -> None:
        """Choose the search that found the most telling trigger of a case."""
        self.offer(case)
        found = triggers_of(case)
        if found:
            self.choose(max(found, key=lambda one: (one.significant, one.mask is not None)).method)
