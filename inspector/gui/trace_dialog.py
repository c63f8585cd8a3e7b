"""*Detectors ▸ Trace this sample…*: the samples that taught an answer, and what unlearning said."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QIcon, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from inspector.case import Case
from inspector.case.tracing import TRACE, trace_document, trace_sentences
from inspector.errors import InspectorError
from inspector.gui import theme
from inspector.gui.number_box import count_box
from inspector.gui.pixel_view import PixelView
from inspector.gui.plain import plain
from inspector.gui.workspace import Workspace

JOB = "trace"
ORIGIN = "trace"
_STEPS = 1000
_SIDE = 56
_ROW = Qt.ItemDataRole.UserRole
INTRO = (
    "A trace ranks the training samples of one answer by how much the last layer treats them like "
    "the picture, lets a copy of the model unlearn the first of them, and other copies as many "
    "others. Only if the answer hangs on the first and not on the others did they make it."
)


class TraceDialog(QDialog):
    """Stays open beside the window; shows the last trace of the case."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Trace an answer to its samples")
        self._workspace = workspace
        self._document: dict[str, Any] = {}
        self._running = self._fresh = False
        self.incident = PixelView("", self, side=96)
        self.words = QLabel(self)
        self.plot = BeliefPlot(self)
        self.strip = QListWidget(self)
        self.top = count_box()
        self.go = QPushButton(self)
        self.file = QPushButton("Trace a picture…", self)
        self.cancel = QPushButton("Cancel", self)
        self.bar = QProgressBar(self)
        self.state = QLabel(self)
        self.rank = QPushButton("Rank by the trace", self)
        self.filter = QPushButton("Show only these", self)
        self.select = QPushButton("Select these", self)
        self.close_ = QPushButton("Close", self)
        self._build()
        self.go.clicked.connect(self.trace_current)
        self.file.clicked.connect(self._ask_file)
        self.cancel.clicked.connect(workspace.cancel_job)
        self.rank.clicked.connect(lambda _=False: workspace.set_order(TRACE))
        self.filter.clicked.connect(self._on_filter)
        self.select.clicked.connect(self._on_select)
        self.close_.clicked.connect(self.close)
        self.strip.itemClicked.connect(self._on_picked)
        workspace.case_changed.connect(self._on_case)
        workspace.current_changed.connect(self._offer)
        workspace.table_changed.connect(self._on_table)
        workspace.job_event.connect(self._on_event)
        self._on_case()

    def _build(self) -> None:
        for label in (self.words, self.state):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.words.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.top.setRange(1, 10_000)
        self.top.setValue(50)
        self.top.setToolTip("How many samples are named and unlearned")
        self.bar.setRange(0, _STEPS)
        self.bar.setFixedHeight(14)
        self.bar.setTextVisible(False)
        self.go.setProperty("primary", True)
        self.filter.setToolTip("As a filter, so that it can be combined or taken away")
        self.strip.setViewMode(QListWidget.ViewMode.IconMode)
        self.strip.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.strip.setMovement(QListWidget.Movement.Static)
        self.strip.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.strip.setIconSize(QSize(_SIDE, _SIDE))
        self.strip.setUniformItemSizes(True)
        self.strip.setMinimumHeight(_SIDE + 34)
        self.strip.setAccessibleName("Samples that the answer is traced to, most alike first")
        for button in (self.go, self.file, self.cancel, self.rank, self.filter, self.select):
            button.setAutoDefault(False)
        self.close_.setAutoDefault(False)
        ask = QHBoxLayout()
        ask.addWidget(self.go)
        ask.addWidget(self.file)
        ask.addWidget(QLabel("samples to unlearn", self))
        ask.addWidget(self.top)
        ask.addWidget(self.bar, 1)
        ask.addWidget(self.cancel)
        ask.addStretch(0)
        told = QHBoxLayout()
        told.setSpacing(12)
        told.addWidget(self.incident)
        told.addWidget(self.words, 3)
        told.addWidget(self.plot, 2)
        acts = QHBoxLayout()
        acts.addWidget(self.rank)
        acts.addWidget(self.filter)
        acts.addWidget(self.select)
        acts.addStretch(1)
        acts.addWidget(self.close_)
        column = QVBoxLayout(self)
        column.setSpacing(10)
        column.addLayout(ask)
        column.addWidget(self.state)
        column.addLayout(told)
        column.addWidget(self.strip, 1)
        column.addLayout(acts)

    def sizeHint(self) -> QSize:
        return QSize(820, 580) if self._document else QSize(680, 190)

    # ---- what is shown --------------------------------------------------------------------------

    def _on_case(self, _: object = None) -> None:
        self._running = self._fresh = False
        self.state.clear()
        self._show()

    def _on_table(self, names: object) -> None:
        if isinstance(names, set) and f"finding:{TRACE}" in names:
            self._show()
        table = self._workspace.table
        if self._fresh and table is not None and TRACE in table.columns:
            self._fresh = False
            self._workspace.set_order(TRACE)
        self._offer()

    def _show(self) -> None:
        """Show the last trace of the case, or what a trace is."""
        case = self._workspace.case
        document = self._document = {} if case is None else trace_of(case)
        shown = bool(document)
        for widget in (self.incident, self.plot, self.strip, self.rank, self.filter, self.select):
            widget.setVisible(shown)
        self.strip.clear()
        if not shown:
            self.words.setText(INTRO)
        else:
            said = [*trace_sentences(document), *document["caveats"]]
            self.words.setText("\n".join(plain(line, 500) for line in said))
            self.plot.show_beliefs(document)
            self._show_incident(document)
            for row in document["samples"]:
                self.strip.addItem(self._item(int(row["index"]), float(row["score"])))
        self.resize(self.size().expandedTo(self.sizeHint()))
        self._offer()

    def _show_incident(self, document: Mapping[str, Any]) -> None:
        index = document["index"]
        image = self._workspace.thumbnail(index) if isinstance(index, int) else None
        self.incident.show_image(image, "a picture from a file" if index is None else "no picture")
        self.incident.set_caption(plain(document["incident"], 60))

    def _item(self, row: int, score: float) -> QListWidgetItem:
        item = QListWidgetItem(f"{row:,}")
        image = self._workspace.thumbnail(row)
        if image is not None:
            sharp = image.scaled(
                QSize(_SIDE, _SIDE),
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.FastTransformation,
            )
            item.setIcon(QIcon(QPixmap.fromImage(sharp)))
        item.setToolTip(f"sample {row:,}, likeness {score:.3f}")
        item.setData(_ROW, row)
        return item

    def _offer(self, _: object = None) -> None:
        space = self._workspace
        chosen = space.current >= 0
        self.go.setText(f"Trace sample {space.current:,}" if chosen else "Choose a sample")
        free = space.case is not None and space.running in (None, "map") and not self._running
        self.go.setEnabled(free and chosen)
        self.file.setEnabled(free)
        self.top.setEnabled(free)
        self.bar.setVisible(self._running)
        self.cancel.setVisible(self._running)
        self.state.setVisible(bool(self.state.text()))

    # ---- acts -----------------------------------------------------------------------------------

    def trace_current(self) -> None:
        """Trace the answer to the current sample, unless something runs."""
        row = self._workspace.current
        if row >= 0 and self.go.isEnabled():
            self._begin(f"sample {row:,}", index=row)

    def trace_file(self, path: Path) -> None:
        """Trace the answer to a picture that is not in the data."""
        self._begin(plain(path.name, 80), image=path)

    def _begin(self, name: str, **incident: Any) -> None:
        if self._workspace.start_trace(top=self.top.value(), **incident):
            self._running = True
            self.state.setText(f"Tracing the answer to {name} …")
            self.bar.setRange(0, 0)
            self._offer()

    def _ask_file(self) -> None:
        kinds = "Pictures (*.png *.jpg *.jpeg *.bmp *.gif *.webp *.tif *.tiff *.ppm)"
        name, _ = QFileDialog.getOpenFileName(self, "Trace a picture", "", kinds)
        if name:
            self.trace_file(Path(name))

    def _rows(self) -> list[int]:
        return [int(row["index"]) for row in self._document.get("samples", ())]

    def _on_filter(self) -> None:
        self._workspace.set_order(TRACE)
        self._workspace.set_filter(f"rank({TRACE}) <= {len(self._rows())}")

    def _on_select(self) -> None:
        rows = self._rows()
        self._workspace.select(rows, "new", ORIGIN, rows[0])

    def _on_picked(self, item: QListWidgetItem) -> None:
        row = int(item.data(_ROW))
        self._workspace.select([row], "new", ORIGIN, row)

    def _on_event(self, event: dict[str, Any]) -> None:
        kind = event.get("event")
        if kind == "progress" and self._running:
            done, total = event.get("done"), event.get("total")
            if isinstance(done, int) and isinstance(total, int) and total > 0:
                self.bar.setRange(0, _STEPS)
                self.bar.setValue(min(_STEPS, _STEPS * done // total))
        elif kind == "started":
            self._offer()
        elif kind in ("done", "failed", "cancelled"):
            if event.get("job") == JOB:
                self._running = False
                words = (plain(event.get(part) or "", 300) for part in ("what", "why", "fix"))
                ended = {"done": "", "cancelled": "Cancelled."}
                self.state.setText(ended.get(str(kind), " ".join(filter(None, words))))
                if kind == "done":
                    self._fresh = True  # Its scores become a column with the next table.
                    self._show()
            self._offer()


class BeliefPlot(pg.PlotWidget):
    """How sure the model is of the traced answer: as it is, without the samples, without others."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, background=None)
        self.setMinimumSize(170, 110)
        self.setMouseEnabled(x=False, y=False)
        self.setMenuEnabled(False)
        self.hideButtons()
        for side in ("left", "bottom"):
            axis = self.plotItem.getAxis(side)
            axis.setPen(pg.mkPen(theme.LINE))
            axis.setTextPen(pg.mkPen(theme.MUTED))
        self.plotItem.getAxis("left").setTicks([[(0, "0 %"), (0.5, "50 %"), (1, "100 %")]])
        self.setYRange(0, 1, padding=0.05)
        self.setToolTip("Probability of the traced answer")
        self.setAccessibleName("Probability of the traced answer before and after unlearning")
        self.bars = pg.BarGraphItem(x=[], height=[], width=0.7)
        self.addItem(self.bars)

    def show_beliefs(self, document: Mapping[str, Any]) -> None:
        """Draw one trace of `trace_document`."""
        after, controls = document["after"], document["controls"]
        heights = [float(document["probability"])]
        names, colours = ["now"], [theme.ACCENT]
        if after is not None:
            heights.append(float(after["probability"]))
            names.append("without")
            colours.append(theme.VERDICT_COLOURS["medium"])
        for at, row in enumerate(controls):
            heights.append(float(row["probability"]))
            names.append("controls" if at == len(controls) // 2 else "")
            colours.append(theme.VERDICT_COLOURS["none"])
        self.bars.setOpts(
            x=np.arange(len(heights)), height=heights, width=0.7, brushes=colours, pen=None
        )
        self.plotItem.getAxis("bottom").setTicks([list(enumerate(names))])
        self.setXRange(-0.6, len(heights) - 0.4, padding=0)


def trace_of(case: Case) -> dict[str, Any]:
    """Return the last trace of a case; nothing when there is none or it has another shape."""
    try:
        document = trace_document(case)
        rows = [(int(row["index"]), float(row["score"])) for row in document["samples"]]
        trace_sentences(document)
    except (InspectorError, LookupError, TypeError, ValueError, AttributeError):
        return {}
    return document if all(0 <= row < case.n for row, _ in rows) else {}
