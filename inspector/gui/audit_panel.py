"""The audit of a class: random samples shown without scores, a key for each verdict, the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QListWidgetItem,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from inspector.case import Case
from inspector.case.limits_document import CANARY_WORDS, limits_document, limits_sentence
from inspector.engine.client import audit as acts
from inspector.engine.client.options import ScanOptions
from inspector.errors import InspectorError
from inspector.gui.audit_sheet import VERDICT_KEYS, ContactSheet
from inspector.gui.chip import chip
from inspector.gui.drill_page import DrillPage
from inspector.gui.empty_page import EmptyOr
from inspector.gui.limits_plot import LimitsPlot
from inspector.gui.number_box import count_box
from inspector.gui.pixel_view import PixelView
from inspector.gui.plain import plain
from inspector.gui.when_shown import WhenShown
from inspector.gui.workspace import Workspace

PAGE = 24
"""Pictures on one contact sheet."""

DRAWN = 500
_SHORT = {"mislabelled": "Wrong"}


class AuditPanel(WhenShown):
    """Draw, judge by keys, compute p-values.

    No score and no rank is shown here: whoever knows them judges by them.
    """

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._stale = True
        self._page: list[int] = []
        self._by_hand = False
        self.classes = QComboBox(self)
        self.amount = count_box()
        self.amount.setValue(DRAWN)
        self.draw_button = QPushButton("Draw", self)
        self.progress = QProgressBar(self)
        self.said = QPlainTextEdit(self)
        self.compute = QPushButton("Compute p-values", self)
        self.sheet = ContactSheet(self)
        self.plot = LimitsPlot(self)
        self.canary = QComboBox(self)
        self.measure = QPushButton("Measure limits", self)
        self.drills = DrillPage(workspace, self)
        self.pages = QTabWidget(self)
        self.picture = PixelView("", self, side=90)
        self.verdict_buttons: dict[str, QPushButton] = {}
        self.rest_clean = QPushButton("Rest clean", self)
        self._stack = EmptyOr(self, self._build())
        self.classes.currentIndexChanged.connect(self._on_class)
        self.draw_button.clicked.connect(self._draw)
        self.compute.clicked.connect(self._compute)
        self.measure.clicked.connect(self._measure)
        self.canary.currentIndexChanged.connect(self.refresh)
        self.sheet.judged.connect(self.judge)
        self.sheet.taken_back.connect(self._take_back)
        self.sheet.finished.connect(self._finish_page)
        self.sheet.currentRowChanged.connect(self._show_picture)
        self.sheet.itemDoubleClicked.connect(self._open_sample)
        workspace.case_changed.connect(self._on_case)
        workspace.table_changed.connect(self._later)
        workspace.job_event.connect(self._on_job)
        self._on_case()

    def _build(self) -> QWidget:
        self.said.setReadOnly(True)
        self.said.setMinimumWidth(150)
        self.classes.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.classes.setMinimumContentsLength(8)
        draw = QHBoxLayout()
        draw.addWidget(self.classes, 1)
        self.amount.setMaximumWidth(64)
        draw.addWidget(self.amount)
        draw.addWidget(self.draw_button)
        left = QWidget(self)
        column = QVBoxLayout(left)
        column.setContentsMargins(4, 4, 4, 4)
        column.addLayout(draw)
        column.addWidget(self.progress)
        column.addWidget(self.said, 1)
        column.addWidget(self.compute)
        middle = QWidget(self)
        column = QVBoxLayout(middle)
        column.setContentsMargins(0, 4, 0, 4)
        column.addWidget(self.sheet, 1)
        row = QHBoxLayout()
        for verdict, (_, key, colour) in VERDICT_KEYS.items():
            button = QPushButton(_SHORT.get(verdict, verdict.capitalize()), self)
            button.setIcon(chip(colour))
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            _may_shrink(button, f"{verdict.capitalize()} ({key})")
            button.clicked.connect(lambda _=False, said=verdict: self.judge(said))
            self.verdict_buttons[verdict] = button
            row.addWidget(button, 1)
        _may_shrink(self.rest_clean, "All others on this page are clean (Enter)")
        self.rest_clean.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.rest_clean.clicked.connect(self._finish_page)
        row.addWidget(self.rest_clean, 1)
        column.addLayout(row)
        split = QSplitter(Qt.Orientation.Horizontal, self)
        limits = QWidget(self)
        column = QVBoxLayout(limits)
        column.setContentsMargins(0, 4, 0, 4)
        column.addWidget(self.plot, 1)
        for name, words in CANARY_WORDS.items():
            self.canary.addItem(words[0].upper() + words[1:], name)
        self.canary.setToolTip("What stands for poison in the groups that are planted.")
        acting = QHBoxLayout()
        acting.addWidget(self.canary)
        acting.addWidget(self.measure, 1)
        column.addLayout(acting)
        self.measure.setToolTip(
            "Plant groups in the signals of this class and see which an analysis finds; minutes."
        )
        self.pages.addTab(middle, "Samples")
        self.pages.addTab(limits, "Limits")
        self.pages.addTab(self.drills, "Drills")
        self.pages.setDocumentMode(True)
        split.addWidget(left)
        split.addWidget(self.pages)
        split.addWidget(self.picture)
        split.setStretchFactor(1, 1)
        split.setSizes([250, 800, 170])  # All five buttons keep their words at 1366 pixels.
        split.setChildrenCollapsible(False)
        return split

    # ---- what is shown --------------------------------------------------------------------------

    @property
    def label(self) -> int:
        """Index of the class that is shown, -1 for none."""
        data = self.classes.currentData()
        return -1 if data is None else int(data)

    @property
    def page(self) -> list[int]:
        """Samples on the contact sheet."""
        return list(self._page)

    def refresh(self) -> None:
        """Show the audit of the chosen class, or why there is none."""
        self._stale = False
        case = self._workspace.case
        if case is None or self._workspace.table is None:
            self._stack.show_empty(
                "No samples to audit yet",
                "An audit draws random samples of a class for you to look at; p-values and the "
                "verdict “high” rest on it. Reading a dataset takes seconds.",
            )
            return
        self._stack.show_content()
        self._list_classes()
        audit = self._audit()
        if audit is None:
            return
        maps = {row["canary"]: row for row in self._power_maps(case, audit.label)}
        self.plot.show_limits(maps.get(self.canary.currentData()))
        self.drills.show_class(case, audit.label)
        judged = set(audit.verdicts)
        if not self._page or not set(self._page) <= set(audit.rows) or set(self._page) <= judged:
            self._page = [row for row in audit.rows if row not in judged][:PAGE]
            self._page = self._page or list(audit.rows[-PAGE:])
        self.progress.setRange(0, max(len(audit.rows), 1))
        self.progress.setValue(audit.reviewed)
        counted = f"{audit.reviewed:,} of {len(audit.rows):,} reviewed"
        self.progress.setFormat(counted if audit.rows else "nothing drawn yet")
        self.draw_button.setText("Draw more" if audit.rows else "Draw")
        drawn_all = bool(audit.rows) and len(audit.rows) >= audit.members
        self.draw_button.setEnabled(not drawn_all)
        self.draw_button.setToolTip("Every sample of the class is drawn." if drawn_all else "")
        self.compute.setEnabled(audit.reviewed >= acts.FEWEST)
        for button in (*self.verdict_buttons.values(), self.rest_clean):
            button.setEnabled(bool(audit.rows))
        self.said.setPlainText("\n\n".join(self._sentences(audit)))
        at = self.sheet.currentRow()
        pictures = [(row, self._workspace.thumbnail(row)) for row in self._page]
        self.sheet.fill([(row, image, audit.verdicts.get(row)) for row, image in pictures])
        self.sheet.setCurrentRow(max(0, min(at, len(self._page) - 1)))
        self._show_picture(self.sheet.currentRow())

    def _sentences(self, audit: acts.Audit) -> list[str]:
        case = self._workspace.case
        assert case is not None
        if not audit.rows:
            return [
                "Draw random samples and look at each: 500 show a planted group of about a dozen. "
                "Begin with the class that stands out most; it is listed first."
            ]
        tests = max(len(acts.audits(case)), 1)
        said = [acts.resolution(audit, tests)]
        if audit.reviewed:
            share, low, high = audit.prevalence
            counts = ", ".join(
                f"{audit.count(name):,} {name}" for name in acts.AUDIT_VERDICTS if audit.count(name)
            )
            said.append(
                f"{counts}. Poison in the class: {share:.1%} (95 %: {low:.1%} to {high:.1%})."
            )
        limits = [limits_sentence(row) for row in self._power_maps(case, audit.label)]
        return [*said, *acts.doubts(audit), *self._results(audit), *limits]

    @staticmethod
    def _power_maps(case: Case, label: int) -> list[dict[str, Any]]:
        document = limits_document(case)
        rows = [*document["classes"], *document["canaries"]]
        return [row for row in rows if row["index"] == label]

    def _results(self, audit: acts.Audit) -> list[str]:
        """Say what the last scan concluded from the audit."""
        case, table = self._workspace.case, self._workspace.table
        assert case is not None
        assert table is not None
        rows = {row.get("index"): row for row in (case.get("outcome") or {}).get("classes", [])}
        found = rows.get(audit.label, {})
        if found.get("p_value_holm") is None:
            return []
        said = [
            f"Last analysis, with {found.get('verified', 0):,} verified: p = "
            f"{found['p_value']:.2g}, corrected {found['p_value_holm']:.2g}; verdict "
            f"{found.get('verdict', 'none')}."
        ]
        if found.get("selected") is not None:
            said.append(f"{found['selected']:,} samples selected with 10 % false ones expected.")
        bounds, combined = table.columns.get("false_bound"), table.columns.get("combined")
        if bounds is not None and combined is not None:
            mine = np.flatnonzero((table.columns["label"] == audit.label) & ~np.isnan(bounds))
            order = mine[np.argsort(-combined[mine], kind="stable")]
            cuts = [top for top in (10, 30, 100, 300) if top <= len(order)]
            if cuts:
                parts = [
                    f"of the first {top:,} at most {bounds[order[top - 1]]:.0f}" for top in cuts
                ]
                said.append(f"False ones, with 90 % for all cuts at once: {', '.join(parts)}.")
        return said

    def _list_classes(self) -> None:
        """List the classes, the one that stands out most first."""
        case = self._workspace.case
        assert case is not None
        rows = {row.get("index"): row for row in (case.get("outcome") or {}).get("classes", [])}

        def height(index: int) -> float:
            value = rows.get(index, {}).get("statistic")
            return -value if isinstance(value, (int, float)) else 0.0

        order = sorted(range(len(case.class_names)), key=lambda index: (height(index), index))
        shown = [self.classes.itemData(at) for at in range(self.classes.count())]
        if shown == order:
            return
        # What was first before the scan knew anything is nobody's choice.
        chosen = self.label if self._by_hand else -1
        self.classes.blockSignals(True)
        self.classes.clear()
        for index in order:
            self.classes.addItem(plain(case.class_names[index], 60), index)
        self.classes.setCurrentIndex(order.index(chosen) if chosen in order else 0)
        self.classes.blockSignals(False)

    def _audit(self) -> acts.Audit | None:
        case, label = self._workspace.case, self.label
        if case is None or label < 0:
            return None
        found: acts.Audit | None = self._attempt(lambda: acts.audit_of(case, label))
        return found

    def _show_picture(self, at: int) -> None:
        if not 0 <= at < len(self._page):
            self.picture.show_image(None, "Draw samples to begin")
            self.picture.set_caption("")
            return
        row = self._page[at]
        self.picture.show_image(self._workspace.thumbnail(row), "no picture")
        self.picture.set_caption(f"labelled {self._workspace.class_name(self.label)}")

    # ---- acts -----------------------------------------------------------------------------------

    def judge(self, verdict: str) -> None:
        """Give a verdict on the chosen samples of the page and go on to the next."""
        rows = self.sheet.chosen()
        given = dict.fromkeys(rows, verdict)
        if rows and self._write(lambda case: acts.judge(case, self.label, given)):
            at = max(self._page.index(row) for row in rows) if set(rows) <= set(self._page) else -1
            self.sheet.setCurrentRow(min(at + 1, len(self._page) - 1))

    def _finish_page(self) -> None:
        audit = self._audit()
        if audit is None:
            return
        rest = [row for row in self._page if row not in audit.verdicts]
        if rest:
            self._write(lambda case: acts.judge(case, self.label, dict.fromkeys(rest, "clean")))
        self.sheet.setCurrentRow(0)

    def _take_back(self) -> None:
        rows = self.sheet.chosen()
        if rows:
            self._write(lambda case: acts.withdraw(case, self.label, rows[-1]))

    def _draw(self) -> None:
        self._page = []
        self._write(lambda case: acts.draw(case, self.label, self.amount.value()))
        self.sheet.setFocus()

    def _compute(self) -> None:
        case = self._workspace.case
        recorded = None if case is None else case.get("scan")
        if not recorded:
            self._workspace.message.emit("warning", "Analyse first: there are no scores yet.")
            return
        self._workspace.start_scan(ScanOptions.from_record(recorded))

    def _measure(self) -> None:
        audit = self._audit()
        if audit is not None:
            known = len(audit.rows) or DRAWN
            chosen = self.canary.currentData()
            self._workspace.start_limits(audit.label, max(known, acts.FEWEST), chosen)

    def _open_sample(self, item: QListWidgetItem) -> None:
        row = int(item.data(Qt.ItemDataRole.UserRole))
        self._workspace.select([row], "new", "audit", row)

    def _write(self, act: Callable[[Any], object]) -> bool:
        case = self._workspace.case
        if case is None or self.label < 0:
            return False
        done = self._attempt(lambda: (act(case),))
        self.refresh()
        return done is not None

    def _attempt(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except InspectorError as error:
            self._workspace.message.emit("error", str(error))
            return None

    # ---- signals --------------------------------------------------------------------------------

    def _on_case(self, _: object = None) -> None:
        self._page, self._by_hand = [], False
        self.classes.blockSignals(True)
        self.classes.clear()
        self.classes.blockSignals(False)
        self._later()

    def _on_job(self, event: dict[str, Any]) -> None:
        if event.get("event") == "done" and event.get("job") in ("limits", "drill"):
            self.refresh()

    def _on_class(self, _: int) -> None:
        self._page, self._by_hand = [], True
        self.refresh()


def _may_shrink(button: QPushButton, tip: str) -> None:
    """Let a button get narrower than its words, so that the window fits a small screen."""
    button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    button.setMinimumWidth(56)
    button.setIconSize(QSize(10, 10))
    button.setStyleSheet("QPushButton { padding: 4px 2px; }")
    button.setToolTip(tip)
