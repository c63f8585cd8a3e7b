"""*Detectors ▸ Detectors and their values…*: which ones run, what each can be told, what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QPushButton,
    QScrollArea,
    QSplitter,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from inspector.engine.client import ScanOptions
from inspector.errors import BadInput
from inspector.gui.array_table import tooltip
from inspector.gui.detectors_choice import DetectorsChoice
from inspector.gui.empty_page import EmptyOr
from inspector.gui.engine_list import EngineList, Row
from inspector.gui.jobs_panel import duration
from inspector.gui.parameter_form import ParameterForm
from inspector.gui.plain import plain
from inspector.gui.plugins_dialog import ask_engine
from inspector.parameters import cost, infos_of

_ID = Qt.ItemDataRole.UserRole
OPTIONS = {
    "gradients": ("gradients", "projected gradients"),
    "conv_gradients": ("gradients", "gradients of convolutions"),
    "layers": ("layers", "earlier layers"),
    "loss_course": ("checkpoints", "earlier checkpoints"),
    "margin_course": ("checkpoints", "earlier checkpoints"),
}
"""What people call the signals that are taken by option, in a word and in full."""

INTRO = (
    "Ticked detectors run. Click one to read what it does and to give it other values than its "
    "defaults: what is known of how often it finds poison was measured with the defaults."
)


class DetectorsDialog(QDialog):
    """A list to tick, and for the chosen detector a form of its parameters.

    Parameters
    ----------
    options : ScanOptions
        What was asked for so far; `options` gives it back with what was chosen here.
    go : str
        Word on the button that agrees.
    count : int
        Samples that are assessed; 0 while unknown.
    seconds : float
        What one pass over them took; 0 while unknown.
    chosen : str
        Detector that is shown first, and ticked.
    ask : callable
        Returns the detectors as an engine lists them; runs in a thread.
    """

    def __init__(
        self,
        options: ScanOptions,
        parent: QWidget | None = None,
        *,
        go: str = "Use these",
        count: int = 0,
        seconds: float = 0.0,
        chosen: str = "",
        ask: Callable[[], list[Row]] = ask_engine,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Detectors and their values")
        self._before, self._count, self._seconds, self._first = options, count, seconds, chosen
        self.choice: DetectorsChoice | None = None
        self._shown = ""
        self.tree = QTreeWidget(self)
        self.title, self.about, self.price, self.total = (QLabel(self) for _ in range(4))
        self.form = ParameterForm(self)
        self.go = QPushButton(go, self)
        self._list = EngineList(ask, self)
        self._build()
        self._list.arrived.connect(self.show_rows)
        self._list.failed.connect(self._on_failed)
        self.stack.page.clicked.connect(self.load)
        self.tree.currentItemChanged.connect(self._on_current)
        self.tree.itemChanged.connect(self._on_ticked)
        self.form.changed.connect(self._on_value)
        self.setMinimumHeight(420)
        self.resize(self.sizeHint())
        self.load()

    def _build(self) -> None:
        intro = QLabel(INTRO, self)
        for label in (intro, self.title, self.about, self.price, self.total):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        self.price.setForegroundRole(self.price.foregroundRole().PlaceholderText)
        self.tree.setColumnCount(3)
        self.tree.setHeaderLabels(["detector", "values", "cost"])
        self.tree.setRootIsDecorated(False)
        self.tree.setUniformRowHeights(True)
        header = self.tree.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        side = QWidget(self)
        right = QVBoxLayout(side)
        right.setSpacing(8)
        for part in (self.title, self.about, self.price, self.form):
            right.addWidget(part)
        right.addStretch(1)
        area = QScrollArea(self)
        area.setWidget(side)
        area.setWidgetResizable(True)
        split = QSplitter(Qt.Orientation.Horizontal, self)
        split.addWidget(self.tree)
        split.addWidget(area)
        split.setSizes([480, 400])
        split.setChildrenCollapsible(False)
        holder = QWidget(self)
        self.stack = EmptyOr(holder, split)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel, self)
        self.go.setProperty("primary", True)
        self.go.setDefault(True)
        buttons.addButton(self.go, QDialogButtonBox.ButtonRole.AcceptRole)
        self.defaults = QPushButton("All as by default", self)
        self.defaults.setToolTip("The default set of detectors, each with its defaults")
        self.defaults.setAutoDefault(False)
        self.defaults.clicked.connect(self._all_defaults)
        buttons.addButton(self.defaults, QDialogButtonBox.ButtonRole.ResetRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        whole = QVBoxLayout(self)
        whole.setSpacing(9)
        whole.addWidget(intro)
        whole.addWidget(holder, 1)
        whole.addWidget(self.total)
        whole.addWidget(buttons)

    def sizeHint(self) -> QSize:
        return QSize(900, 620)

    # ---- the list -------------------------------------------------------------------------------

    def load(self) -> None:
        """Ask an engine for the detectors."""
        if self._list.load():
            self.go.setEnabled(False)
            self.defaults.setEnabled(False)
            self.stack.show_empty(
                "Looking for detectors …", "An engine starts and lists them: a few seconds."
            )

    def _on_failed(self, why: str) -> None:
        self.stack.show_empty("No list of detectors", plain(why, 400), "Try again")

    def show_rows(self, rows: list[Row]) -> None:
        """Show the detectors of an engine's list; broken ones are shown under *Plugins*."""
        try:
            # The engine has parsed hostile bytes: what it says is taken apart with care.
            self.choice = DetectorsChoice(infos_of(rows), self._before)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            self._on_failed(f"The engine's list cannot be used: {error}")
            return
        if self._first in self.choice.infos and not self.choice.lacking(self._first):
            self.choice.ticked.add(self._first)
        self.stack.show_content()
        self.defaults.setEnabled(True)
        self.go.setDefault(True)
        self._fill()

    def _fill(self) -> None:
        choice = self.choice
        assert choice is not None
        shown = self._shown or self._first
        self.tree.blockSignals(True)
        self.tree.clear()
        for name, info in choice.infos.items():
            line = QTreeWidgetItem(self.tree, [plain(info.title, 60), "", ""])
            line.setData(0, _ID, name)
            line.setToolTip(0, tooltip(f"{info.title} ({name})", plain(info.summary, 300)))
            lacking = choice.lacking(name)
            line.setCheckState(0, _state(name in choice.ticked and not lacking))
            if lacking:
                line.setFlags(line.flags() & ~Qt.ItemFlag.ItemIsUserCheckable)
                line.setForeground(0, self.palette().placeholderText())
                line.setText(2, f"no {OPTIONS[lacking][0]}")
                line.setToolTip(2, tooltip(_missing(lacking)))
            self._mark(line)
        self.tree.blockSignals(False)
        lines = list(lines_of(self.tree))
        if lines:
            first = next((line for line in lines if line.data(0, _ID) == shown), lines[0])
            self.tree.setCurrentItem(first)
        self._sum_up()

    def _mark(self, line: QTreeWidgetItem) -> None:
        """Say in the list how many values are others, and what the detector costs."""
        choice, name = self.choice, str(line.data(0, _ID))
        assert choice is not None
        other = len(choice.values.get(name, {}))
        line.setText(1, f"{other} changed" if other else "")
        if not choice.lacking(name):
            passes = choice.share_of_data(name, self._count)
            line.setText(2, f"{passes:.2g} {'pass' if passes == 1 else 'passes'}" if passes else "")

    def _on_current(self, line: QTreeWidgetItem | None, _: object = None) -> None:
        choice = self.choice
        if line is None or choice is None:
            return
        name = self._shown = str(line.data(0, _ID))
        info = choice.infos[name]
        self.title.setText(
            f"{plain(info.title, 80)}  ({plain(name, 64)}, {plain(info.version, 40)})"
        )
        told = [plain(info.summary, 400)]
        if info.reference:
            told.append(f"Source: {plain(info.reference, 300)}")
        if lacking := choice.lacking(name):
            told.append(_missing(lacking))
        elif not info.parameters:
            told.append("It has nothing to set.")
        self.about.setText("\n".join(told))
        self.form.show_parameters(info.parameters, choice.values.get(name, {}))
        self.form.setEnabled(not choice.lacking(name))
        self._say_price(name)

    def _say_price(self, name: str) -> None:
        choice = self.choice
        assert choice is not None
        words = cost(choice.infos[name], choice.values.get(name, {}), self._count)
        self.price.setText(f"Costs {plain(words, 300)}." if words else "Costs no extra pass.")

    # ---- acts -----------------------------------------------------------------------------------

    def _on_ticked(self, line: QTreeWidgetItem, column: int) -> None:
        choice, name = self.choice, str(line.data(0, _ID))
        if column != 0 or choice is None or choice.lacking(name):
            return
        if line.checkState(0) == Qt.CheckState.Checked:
            choice.ticked.add(name)
        else:
            choice.ticked.discard(name)
        self._sum_up()

    def _on_value(self) -> None:
        choice, line = self.choice, self.tree.currentItem()
        if choice is None or line is None:
            return
        values = self.form.values()
        choice.values[self._shown] = values
        self._mark(line)
        if values and line.checkState(0) != Qt.CheckState.Checked:
            line.setCheckState(0, Qt.CheckState.Checked)  # Values of what does not run are nothing.
        self._say_price(self._shown)
        self._sum_up()

    def _all_defaults(self) -> None:
        if self.choice is not None:
            self.choice.values = {}
            self.choice.ticked = set(self.choice.usual)
            self._fill()

    def _sum_up(self) -> None:
        choice = self.choice
        assert choice is not None
        passes = sum(choice.share_of_data(name, self._count) for name in choice.ticked)
        other = sum(bool(choice.values.get(name)) for name in choice.ticked)
        told = [f"{len(choice.ticked)} of {len(choice.infos)} detectors run"]
        if other:
            told.append(f"{other} with other values than the defaults")
        if passes:
            time = f", about {duration(passes * self._seconds)}" if self._seconds else ""
            told.append(f"as much work as {passes:.2g} further passes over the data{time}")
        self.total.setText(f"{'; '.join(told)}. What comes out the same is not run again.")
        self.go.setEnabled(bool(choice.ticked))

    def options(self) -> ScanOptions:
        """Return the options with what was chosen."""
        return self._before if self.choice is None else self.choice.options()

    def accept(self) -> None:
        """Take what was typed last, too."""
        self.form.finish()
        try:
            self.options()
        except BadInput as error:
            self.total.setText(plain(str(error), 300))
            return
        super().accept()


def lines_of(tree: QTreeWidget) -> Iterator[QTreeWidgetItem]:
    """Yield the lines of a list, from above."""
    for at in range(tree.topLevelItemCount()):
        line = tree.topLevelItem(at)
        if line is not None:
            yield line


def _missing(signal: str) -> str:
    return (
        f"It cannot run: it needs {OPTIONS[signal][1]}, and this scan has none. They are asked for "
        "under Analyse, Options."
    )


def _state(ticked: bool) -> Qt.CheckState:
    return Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked
