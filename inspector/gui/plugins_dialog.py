"""Every detector, bundled or plugin, also broken ones: its needs, its cost, what ails it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices, QFontDatabase
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from inspector import places
from inspector.engine.client import Engine
from inspector.errors import InspectorError
from inspector.gui import theme
from inspector.gui.array_table import ArrayColumn, ArrayTable
from inspector.gui.empty_page import EmptyOr
from inspector.gui.engine_list import EngineList, Row
from inspector.gui.plain import plain


def ask_engine(kind: str = "detectors") -> list[Row]:
    """Return every detector, or trigger search ("methods"), that an engine finds.

    An engine of its own: plugins are code, which the window never imports, and the engine of the
    open case may be busy for minutes.

    Raises
    ------
    InspectorError
        The engine could not answer.
    """
    with tempfile.TemporaryDirectory(prefix="inspector-") as scratch:
        engine = Engine(Path(scratch))
        engine.start()
        try:
            answer = engine.wait(engine.submit("catalogue"), timeout=120)
        except TimeoutError:
            raise InspectorError(
                f"The engine did not list its {kind} within two minutes."
            ) from None
        finally:
            engine.close()
    rows = answer.get(kind)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


class PluginsDialog(QDialog):
    """A table of detectors and, for the chosen one, everything known of it.

    Parameters
    ----------
    ask : callable
        Returns the rows; runs in a thread, since an engine takes seconds to start.
    """

    def __init__(
        self, parent: QWidget | None = None, ask: Callable[[], list[Row]] = ask_engine
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Detectors and plugins")
        self._rows: list[Row] = []
        self._list = EngineList(ask, self)
        self.table = ArrayTable(self)
        self.detail = QPlainTextEdit(self)
        self.detail.setReadOnly(True)
        self.detail.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.detail.setPlaceholderText("Click a detector to read what it does.")
        split = QSplitter(Qt.Orientation.Vertical, self)
        split.addWidget(self.table)
        split.addWidget(self.detail)
        split.setSizes([260, 200])
        split.setChildrenCollapsible(False)
        holder = QWidget(self)
        self.stack = EmptyOr(holder, split)
        hint = QLabel(self)
        hint.setTextFormat(Qt.TextFormat.PlainText)
        hint.setWordWrap(True)
        hint.setForegroundRole(hint.foregroundRole().PlaceholderText)
        hint.setText(
            f"Drop detectors of your own into {places.user_plugins()}. They are code: they run in "
            "the engine, behind its sandbox, never in this window."
        )
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        self.reload = QPushButton("Reload", self)
        self.folder = QPushButton("Open folder", self)
        for button in (self.reload, self.folder):
            buttons.addButton(button, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        self.reload.clicked.connect(self.load)
        self.folder.clicked.connect(_open_folder)
        self.table.picked.connect(self._on_picked)
        self.stack.page.clicked.connect(self.load)
        column = QVBoxLayout(self)
        column.addWidget(holder, 1)
        column.addWidget(hint)
        column.addWidget(buttons)
        self._list.arrived.connect(self.show_rows)
        self._list.failed.connect(self._on_failed)
        self.resize(820, 560)
        self.load()

    def load(self) -> None:
        """Ask again, in the background."""
        if self._list.load():
            self.reload.setEnabled(False)
            self.stack.show_empty(
                "Looking for detectors …", "An engine starts and lists them: a few seconds."
            )

    def _on_failed(self, why: str) -> None:
        self.reload.setEnabled(True)
        self.stack.show_empty("No list of detectors", why, "Try again")

    def show_rows(self, rows: list[Row]) -> None:
        """Show these detectors, broken ones first: they want something done."""
        self.reload.setEnabled(True)
        self._rows = sorted(rows, key=lambda row: row.get("status") == "ready")
        infos = [_info(row) for row in self._rows]
        broken = [row.get("status") != "ready" for row in self._rows]
        red = theme.VERDICT_COLOURS["high"]
        self.table.fill(
            [
                ArrayColumn("detector", [_name(row) for row in self._rows]),
                ArrayColumn("title", [info.get("title") or "" for info in infos]),
                ArrayColumn("version", [info.get("version") or "" for info in infos]),
                ArrayColumn("from", [row.get("origin") or "" for row in self._rows]),
                ArrayColumn(
                    "state",
                    [
                        row.get("cause") or "broken" if bad else "ready"
                        for row, bad in zip(self._rows, broken)
                    ],
                    colours=[red if bad else "" for bad in broken],
                    tips=[str(row.get("cause") or "") for row in self._rows],
                ),
                ArrayColumn(
                    "needs", [", ".join(map(str, info.get("needs") or ())) for info in infos]
                ),
                ArrayColumn(
                    "passes",
                    np.array([_number(info.get("passes")) for info in infos]),
                    _cost,
                    "Extra passes over the data; 0 = the signals suffice",
                ),
                ArrayColumn(
                    "over",
                    [_over(info) for info in infos],
                    tips=["The samples that the extra passes are over"] * len(infos),
                ),
            ]
        )
        self.stack.show_content()

    def _on_picked(self, at: int, _: object) -> None:
        if 0 <= at < len(self._rows):
            self.detail.setPlainText(describe(self._rows[at]))


def describe(row: Row) -> str:
    """Return everything known of a detector, as plain lines."""
    info = _info(row)
    lines = [
        f"{_name(row)}  {plain(info.get('version') or '', 40)}",
        plain(info.get("summary") or ""),
    ]
    if info.get("reference"):
        lines.append(f"Source: {plain(info['reference'])}")
    for parameter in info.get("parameters") or ():
        if isinstance(parameter, dict):
            said = f"{parameter.get('name')} = {parameter.get('default')}: {parameter.get('help')}"
            lines.append(f"  {plain(said)}")
    for name in ("file", "sha256"):
        if row.get(name):
            lines.append(f"{name}: {plain(row[name])}")
    if row.get("status") != "ready":
        lines += ["", plain(row.get("cause") or "broken", 1000)]
        lines += [plain(line, 1000) for line in str(row.get("traceback") or "").split("\n")]
    return "\n".join(line for line in lines if line is not None)


def _info(row: Row) -> dict[str, Any]:
    info = row.get("info")
    return info if isinstance(info, dict) else {}


def _name(row: Row) -> str:
    return plain(row.get("id") or Path(str(row.get("file") or "unnamed")).name, 80)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def _cost(value: Any) -> str:
    return "–" if value != value else f"{value:g}"


def _over(info: dict[str, Any]) -> str:
    """Return which samples the passes of a detector are over; nothing where there are none."""
    most = info.get("at_most")
    if not info.get("passes"):
        return ""
    return f"{most:,} samples" if isinstance(most, int) and most > 0 else "all samples"


def _open_folder() -> None:
    folder = places.user_plugins()
    folder.mkdir(parents=True, exist_ok=True)
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
