"""The filter box: an expression over the columns, with completion, errors, and what is left."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QStringListModel, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QCompleter,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListView,
    QSizePolicy,
    QWidget,
)

from inspector.gui import theme
from inspector.gui.end_typing import end_typing
from inspector.gui.plain import plain
from inspector.gui.workspace import Workspace

_WORDS = ("and", "or", "not", "tagged")
_BREAKS = " ()<>=!,"
_EXAMPLE = "label == 'ship' and not tagged"
_TAIL = 0.97
"""Share of the samples that the example of a filter leaves out by score."""


class FilterBar(QWidget):
    """Return applies the text; an empty text shows everything.

    A mistake is explained below the box and leaves the former filter in force.
    """

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self.box = _ExpressionEdit(self)
        self.box.setClearButtonEnabled(True)
        # Ctrl+F goes here. Were it next after whatever closes, tag keys would be typed into it.
        self.box.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.box.setToolTip(
            "Show only samples for which this holds. Columns: scores by detector, label,\n"
            "predicted, loss, confidence, index, tags by name. Return applies; Esc gives up what\n"
            "is typed, and a second Esc the filter."
        )
        self._words = QStringListModel(self)
        self.box.complete_from(self._words)
        self.count = QLabel(self)
        self.count.setTextFormat(Qt.TextFormat.PlainText)
        self.count.setMinimumWidth(110)
        # A child of the window, not of the bar: it lies over what is below.
        self._error = QLabel(self.window())
        self._error.setTextFormat(Qt.TextFormat.PlainText)
        self._error.setWordWrap(True)
        self._error.setStyleSheet(
            theme.shade(
                "background: #3a2023; color: #ffb4b4; border-radius: 5px; padding: 5px 8px;"
            )
            + f"border: 1px solid {theme.VERDICT_COLOURS['high']};"
        )
        self._error.hide()
        title = QLabel("Filter", self)
        title.setStyleSheet(f"color: {theme.MUTED}")
        line = QHBoxLayout(self)
        line.setContentsMargins(6, 0, 6, 0)
        line.setSpacing(8)
        line.addWidget(title)
        line.addWidget(self.box, 1)
        line.addWidget(self.count)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.box.returnPressed.connect(self._apply)
        self.box.given_up.connect(self._give_up)
        self.box.textChanged.connect(self._on_text)
        workspace.visible_changed.connect(self._on_visible)
        workspace.filter_failed.connect(self._on_failed)
        workspace.case_changed.connect(self._on_case)
        workspace.table_changed.connect(self._on_table)
        self._on_case(workspace.case)

    def focus(self) -> None:
        """Put the cursor into the box."""
        self.box.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.box.selectAll()

    def _apply(self) -> None:
        if self._workspace.set_filter(self.box.text()):
            end_typing(self)

    def _give_up(self) -> None:
        self.box.setText(self._workspace.filter_text)
        end_typing(self)

    def _on_text(self, text: str) -> None:
        if not text and self._workspace.filter_text:
            self._workspace.set_filter("")
        self._error.hide()
        self.box.mark_wrong(False)

    def _on_visible(self, visible: object) -> None:
        if self.box.text().strip() != self._workspace.filter_text and not self.box.hasFocus():
            self.box.setText(self._workspace.filter_text)
        self._show_count()

    def _on_failed(self, why: str) -> None:
        self.box.mark_wrong(bool(why))
        self._error.setVisible(bool(why))
        if why:
            self._error.setParent(self.window())
            self._error.setText(plain(why))
            self._error.setFixedWidth(min(620, max(240, self.box.width())))
            self._error.adjustSize()
            spot = self.box.mapTo(self.window(), QPoint(0, self.box.height() + 4))
            self._error.move(spot)
            self._error.show()
            self._error.raise_()

    def _on_case(self, case: object) -> None:
        self.box.clear()
        self.box.setEnabled(case is not None)
        self._on_table(set())

    def _on_table(self, names: object) -> None:
        space = self._workspace
        words = list(_WORDS)
        if space.table is not None:
            words += [name.replace("-", "_") for name in space.table.columns]
            words += [f"'{plain(name, 40)}'" for name in space.class_names]
        if space.case is not None:
            words += [kind.name for kind in space.case.tags.kinds]
        self._words.setStringList(sorted(set(words), key=str.lower))
        self.box.setPlaceholderText(f"for example {self.example()}")
        self._show_count()

    def example(self) -> str:
        """Return a filter that means something for this case: its scores and one of its classes."""
        space = self._workspace
        if space.table is None:
            return _EXAMPLE
        parts = []
        order = space.ranked()
        if space.has_ranking:
            scores = np.asarray(space.table.columns[space.order_column], float)
            scores = scores[np.isfinite(scores)]
            if scores.size:
                name = space.order_column.replace("-", "_")
                parts.append(f"{name} > {np.quantile(scores, _TAIL):.3g}")
        label = int(space.table.columns["label"][order[0]]) if order.size else -1
        name = space.class_names[label] if 0 <= label < len(space.class_names) else ""
        if name and name.isprintable() and name == plain(name, 40) and not set(name) & set("'\\"):
            parts.append(f"label == '{name}'")
        return " and ".join([*parts, "not tagged"])

    def _show_count(self) -> None:
        space = self._workspace
        if space.table is None:
            self.count.setText("")
            return
        shown = space.n if space.visible is None else int(space.visible.sum())
        self.count.setText(f"{shown:,} of {space.n:,}")


class _ExpressionEdit(QLineEdit):
    """A line edit that completes the word at the cursor instead of the whole line.

    Signals
    -------
    given_up
        Escape was pressed.
    """

    given_up = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._completer = QCompleter(self)
        self._completer.setWidget(self)
        self._completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self._completer.activated.connect(self._insert)
        self._popup = QListView(self)
        self._completer.setPopup(self._popup)
        self.textEdited.connect(self._offer)

    def complete_from(self, words: QStringListModel) -> None:
        """Offer these words."""
        self._completer.setModel(words)

    def mark_wrong(self, wrong: bool) -> None:
        """Colour the border; the style sheet looks at the property."""
        if self.property("wrong") != wrong:
            self.setProperty("wrong", wrong)
            self.style().unpolish(self)
            self.style().polish(self)

    def event(self, event: QEvent) -> bool:
        # Escape is a key of the window too, which would take it first.
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Escape
        ):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        choosing = self._popup.isVisible() and self._popup.currentIndex().isValid()
        if choosing and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Tab):
            event.ignore()  # The popup takes the word.
            return
        if event.key() == Qt.Key.Key_Escape:
            self._popup.hide()
            self.given_up.emit()
            return
        super().keyPressEvent(event)

    def _offer(self) -> None:
        word = self._word()
        if len(word) < 1 or word[0].isdigit():
            self._popup.hide()
            return
        self._completer.setCompletionPrefix(word)
        if self._completer.completionCount() and self._completer.currentCompletion() != word:
            area = self.cursorRect()
            area.setWidth(260)
            self._completer.complete(area)
        else:
            self._popup.hide()

    def _word(self) -> str:
        before = self.text()[: self.cursorPosition()]
        start = max(before.rfind(mark) for mark in _BREAKS) + 1
        return before[start:]

    def _insert(self, word: str) -> None:
        end = self.cursorPosition()
        start = end - len(self._word())
        self.setText(self.text()[:start] + word + self.text()[end:])
        self.setCursorPosition(start + len(word))
