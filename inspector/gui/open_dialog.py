"""Name the evidence, say what will be read and that nothing in it is run, start the analysis."""

from __future__ import annotations

import os
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from inspector.engine.client import ScanOptions
from inspector.engine.client.options import layer_names
from inspector.errors import InspectorError
from inspector.gui import theme
from inspector.gui.detectors_field import DetectorsField
from inspector.gui.number_box import count_box
from inspector.gui.path_checks import DATABASE, described, problem_of_case
from inspector.gui.path_field import PathField
from inspector.gui.paths_field import PathsField
from inspector.gui.plain import plain
from inspector.gui.workspace import Workspace
from inspector.intake.datasets.given import is_there

DEVICES = ("auto", "cpu", "cuda")


class OpenDialog(QDialog):
    """Model, data, case folder and options of a scan.

    Parameters
    ----------
    workspace : Workspace
        Gets the case and the scan when the analyst agrees.
    model, data : Path, optional
        Evidence that is already named, by a drop for example.
    """

    def __init__(
        self,
        workspace: Workspace,
        parent: QWidget | None = None,
        model: Path | None = None,
        data: Path | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Open model and dataset")
        self._workspace = workspace
        self._case_typed = False
        self.model = PathField("either", "Model: .safetensors, .pt, .pth, .ckpt, or a folder", self)
        self.data = PathField("either", "Its training data: folder, archive, manifest", self)
        self.case = PathField("new", "Folder for everything that is found", self)
        self.arch = _line("recognised from the weights")
        self.layer = _line("input of the last linear layer")
        self.layers = _line("auto; or none, or names")
        self.directions = count_box("no gradients of convolutions; 512 takes them")
        self.detectors = DetectorsField(self)
        self.classes = count_box("read off the weights")
        self.split = _line("training split, where there are several")
        self.limit = count_box("all samples")
        self.seed = count_box()
        self.device = QComboBox(self)
        self.device.addItems(DEVICES)
        self.reference = PathField(
            "either", "A trusted dataset, for trigger search (optional)", self
        )
        self.verified = PathField("file", "Ids of samples verified one by one (optional)", self)
        self.spec = PathField("file", "What is known of the model, as TOML (optional)", self)
        self.checkpoints = PathsField(
            "Earlier checkpoints of its training, oldest first (optional)", self
        )
        self.problem = QLabel(self)
        self.summary = QLabel(self)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel, self)
        self.go = QPushButton("Analyse", self)
        self._build()
        self._prefill(model, data)
        for field in self._paths():
            field.changed.connect(self._check)
        self.case.line.textEdited.connect(self._on_case_typed)
        self.model.changed.connect(self._suggest_case)
        self.data.changed.connect(self._suggest_case)
        self.detectors.changed.connect(self._check)
        self.detectors.choosing.connect(self._choose_detectors)
        self._suggest_case()
        self._check()

    def _paths(self) -> tuple[PathField | PathsField, ...]:
        single = (self.model, self.data, self.case, self.reference, self.verified, self.spec)
        return (*single, self.checkpoints)

    def _build(self) -> None:
        for label in (self.problem, self.summary):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        self.problem.setStyleSheet(f"color: {theme.VERDICT_COLOURS['medium']};")
        self.summary.setForegroundRole(self.summary.foregroundRole().PlaceholderText)
        form = _form()
        form.addRow("Model", self.model)
        form.addRow("Dataset", self.data)
        form.addRow("Case folder", self.case)
        numbers = QWidget(self)
        row = QHBoxLayout(numbers)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.limit, 2)
        for name, widget in (("Device", self.device), ("Seed", self.seed)):
            row.addWidget(QLabel(name, self))
            row.addWidget(widget, 1)
        self._form, self._first_option = form, form.rowCount()
        for name, field in (
            ("Split", self.split),
            ("Architecture", self.arch),
            ("Classes", self.classes),
            ("Model spec", self.spec),
            ("Layer", self.layer),
            ("Layer sweep", self.layers),
            ("Gradients", self.directions),
            ("Detectors", self.detectors),
            ("Checkpoints", self.checkpoints),
            ("Reference", self.reference),
            ("Verified", self.verified),
            ("Limit", numbers),
        ):
            form.addRow(name, field)
        self._more = QPushButton("Options ▸", self)
        self._more.setAutoDefault(False)
        self._more.setCheckable(True)
        self._more.toggled.connect(self._show_options)
        self.go.setProperty("primary", True)
        self.go.setDefault(True)
        self.buttons.addButton(self.go, QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        foot = QHBoxLayout()
        foot.addWidget(self._more)
        foot.addWidget(self.buttons, 1)
        column = self._column = QVBoxLayout(self)
        column.setSpacing(10)
        column.addLayout(form)
        column.addWidget(self.summary)
        column.addStretch(1)
        column.addWidget(self.problem)
        column.addLayout(foot)
        self.setMinimumWidth(520)
        self._show_options(False)

    def _prefill(self, model: Path | None, data: Path | None) -> None:
        case = self._workspace.case
        if case is not None and not case.evidence():
            # Open and still empty: this is the one to fill.
            self.case.set_path(case.path)
            self._case_typed = True
        self.model.set_path(model)
        self.data.set_path(data)

    def _take(self, options: ScanOptions) -> None:
        self.model.set_path(options.model)
        self.data.set_path(options.data)
        self.reference.set_path(options.reference)
        self.verified.set_path(options.verified)
        self.spec.set_path(options.spec)
        self.checkpoints.set_paths(options.checkpoints)
        self.arch.setText(options.arch or "")
        self.layer.setText(options.layer or "")
        swept = ", ".join(options.layers) or "none"
        self.layers.setText("" if swept == "auto" else swept)
        self.directions.setValue(options.conv_sketch)
        self.split.setText(options.split or "")
        self.detectors.take(options)
        self.classes.setValue(options.classes or 0)
        self.limit.setValue(options.limit or 0)
        self.seed.setValue(options.seed)
        self.device.setCurrentText(options.device)

    # ---- what was asked for ---------------------------------------------------------------------

    def options(self) -> ScanOptions:
        """Return what was asked for; `problem_of` says whether it can work."""
        return ScanOptions(
            model=self.model.path() or Path(),
            data=self.data.path() or Path(),
            arch=self.arch.text().strip() or None,
            classes=self.classes.value() or None,
            reference=self.reference.path(),
            verified=self.verified.path(),
            detectors=tuple(self.detectors.ids()) or None,
            parameters=self.detectors.parameters,
            layer=self.layer.text().strip() or None,
            layers=layer_names(self.layers.text()),
            conv_sketch=self.directions.value(),
            limit=self.limit.value() or None,
            device=self.device.currentText(),
            seed=self.seed.value(),
            spec=self.spec.path(),
            split=self.split.text().strip() or None,
            checkpoints=self.checkpoints.paths(),
        )

    def problem_of(self) -> str:
        """Return why it cannot start, in one line; empty when it can."""
        model, data, case = self.model.path(), self.data.path(), self.case.path()
        if model is None:
            return "Choose the model file."
        if not model.exists():
            return f"There is no file {plain(model)}."
        if not (model.is_file() or model.is_dir()):
            return f"{plain(model)} is neither a file of weights nor a model folder."
        if not os.access(model, os.R_OK):
            return f"You may not read {plain(model)}."
        if data is None:
            return "Choose the data that the model was trained on."
        if not is_there(data):
            return f"There is nothing at {plain(data)}."
        if data.exists() and not os.access(data, os.R_OK):
            return f"You may not read {plain(data)}."
        for name, path in (
            ("reference", self.reference.path()),
            ("list", self.verified.path()),
            ("model spec", self.spec.path()),
            *(("checkpoint", path) for path in self.checkpoints.paths()),
        ):
            if path is not None and not path.exists():
                return f"There is no {name} at {plain(path)}."
        if problem := self.detectors.problem():
            return problem
        return problem_of_case(case, data)

    def _check(self, _: object = None) -> None:
        problem = self.problem_of()
        self.problem.setText(problem)
        self.go.setEnabled(not problem)
        case = self.case.path()
        going_on = case is not None and (case / DATABASE).is_file()
        self.go.setText("Go on" if going_on and self._workspace.table is None else "Analyse")
        self.summary.setText(self._said(going_on=going_on))

    def _said(self, *, going_on: bool) -> str:
        read = [
            part for part in (described(self.model.path()), described(self.data.path())) if part
        ]
        lines = [f"Will be read: {'; '.join(read)}."] if read else []
        lines.append(
            "Nothing in the evidence is run: weights are read as plain numbers and pictures are "
            "decoded in a process of its own that is locked down first. The evidence is never "
            "written to."
        )
        if going_on:
            lines.append(
                "The case folder holds a case; finished steps are kept and not done again."
            )
        return "\n".join(lines)

    def _suggest_case(self) -> None:
        model = self.model.path()
        if self._case_typed or model is None or not model.name:
            return
        folder = model.parent
        data = self.data.path()
        if data is not None and folder.is_relative_to(data):
            folder = data.parent
        if not os.access(folder, os.W_OK):
            folder = Path.home()
        self.case.set_path(folder / f"{model.stem}.case")

    def _choose_detectors(self) -> None:
        from inspector.gui.detectors_dialog import DetectorsDialog

        count, seconds = self._workspace.pass_cost()
        dialog = DetectorsDialog(self.options(), self, count=count, seconds=seconds)
        if dialog.exec():
            self.detectors.take(dialog.options())
            self._fit()

    def _on_case_typed(self, _: str) -> None:
        self._case_typed = True

    def _show_options(self, shown: bool) -> None:
        for row in range(self._first_option, self._form.rowCount()):
            self._form.setRowVisible(row, shown)
        self._more.setText("Options ▾" if shown else "Options ▸")
        self._fit()

    def _fit(self) -> None:
        """Take the height that the lines need with the sentence wrapped at this width."""
        self._column.activate()
        width = max(self.width(), 660)
        self.resize(width, max(self._column.totalHeightForWidth(width), self.sizeHint().height()))
        frame, place = self.frameGeometry(), self.screen().availableGeometry()
        if self.isVisible() and frame.bottom() > place.bottom():
            # It grew beyond a small screen; its buttons are at the bottom.
            self.move(self.x(), max(place.top(), place.bottom() - frame.height()))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._fit()  # Only now are fonts and margins of the style known.

    def accept(self) -> None:
        """Make or open the case and start; stay open with the reason when that fails."""
        problem = self.problem_of()
        if not problem:
            problem = self._begin()
        if problem:
            self.problem.setText(plain(problem, 400))
            return
        super().accept()

    def _begin(self) -> str:
        """Return why it could not begin, empty when it has."""
        workspace, place, options = self._workspace, self.case.path(), self.options()
        assert place is not None
        try:
            options.check(place)
        except InspectorError as error:
            return str(error)
        said: list[str] = []

        def note(kind: str, text: str) -> None:
            if kind in ("error", "warning"):
                said.append(text)

        workspace.message.connect(note)
        try:
            here = workspace.case
            if here is None or here.path != place:
                ready = (
                    workspace.open_case(place)
                    if (place / DATABASE).is_file()
                    else workspace.create_case(place)
                )
                if not ready:
                    return said[-1] if said else "The case could not be opened."
            if not workspace.start_scan(options):
                return said[-1] if said else "The analysis could not be started."
        finally:
            workspace.message.disconnect(note)
        return ""


class AnalyseDialog(OpenDialog):
    """The same for the open case, to analyse it again with other options.

    It starts with what was asked before. The evidence of a case stays the same: its fields are
    shown and cannot be changed.
    """

    def _prefill(self, model: Path | None, data: Path | None) -> None:
        case = self._workspace.case
        assert case is not None
        self.setWindowTitle("Analyse")
        recorded = case.get("scan", None)
        if recorded:
            self._take(ScanOptions.from_record(recorded))
            self._more.setChecked(True)
        self.case.set_path(case.path)
        self._case_typed = True
        for field in (self.case, *((self.model, self.data) if recorded else ())):
            field.setEnabled(False)


def _form() -> QFormLayout:
    form = QFormLayout()
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    form.setHorizontalSpacing(12)
    form.setVerticalSpacing(8)
    return form


def _line(hint: str) -> QLineEdit:
    line = QLineEdit()
    line.setPlaceholderText(hint)
    return line
