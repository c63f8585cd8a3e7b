"""Forms made from what detectors declare, and what a scan is asked for with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QLabel, QSpinBox
from pytestqt.qtbot import QtBot

from inspector.api import DetectorInfo, Parameter
from inspector.engine.client import ScanOptions
from inspector.gui.case_panel import CasePanel
from inspector.gui.detectors_dialog import DetectorsDialog, lines_of
from inspector.gui.detectors_field import DetectorsField
from inspector.gui.dialogs import Dialogs
from inspector.gui.parameter_form import ParameterForm
from inspector.gui.workspace import Workspace

FOLDS = Parameter("folds", 5, "Parts of the <b>data</b>.", 2, 20, scales_passes=True)
INFOS = (
    DetectorInfo("usual", "Usual", "S.", "1", parameters=(Parameter("power", 2.0, "How.", 0, 5),)),
    DetectorInfo(
        "folded",
        "Folded",
        "S.",
        "1",
        passes=4.0,
        by_default=False,
        parameters=(
            FOLDS,
            Parameter("tiny", 1e-4, "Very small.", 0.0),
            Parameter("strict", False, "Whether to be."),
            Parameter("look", "all", "At what.", choices=("all", "first half")),
            Parameter("word", "a", "Anything."),
        ),
    ),
    DetectorInfo("by-option", "By option", "S.", "1", needs=("labels", "conv_gradients")),
)
ROWS = [
    *({"id": one.id, "info": asdict(one), "status": "ready", "origin": "bundled"} for one in INFOS),
    {"id": None, "info": None, "status": "broken", "origin": "user folder", "cause": "x"},
]
OPTIONS = ScanOptions(model=Path("/m.pt"), data=Path("/d"))


@pytest.fixture
def shown(qtbot: QtBot) -> Callable[..., DetectorsDialog]:
    def show(options: ScanOptions = OPTIONS, **asked: Any) -> DetectorsDialog:
        dialog = DetectorsDialog(options, ask=lambda: ROWS, **asked)
        qtbot.addWidget(dialog)
        qtbot.waitUntil(lambda: dialog.choice is not None, timeout=3000)
        return dialog

    return show


def _line(dialog: DetectorsDialog, title: str) -> Any:
    return next(line for line in lines_of(dialog.tree) if line.text(0) == title)


def _pick(dialog: DetectorsDialog, title: str) -> ParameterForm:
    dialog.tree.setCurrentItem(_line(dialog, title))
    return dialog.form


def test_each_parameter_is_a_field_with_bounds_help_and_its_default(qtbot: QtBot) -> None:
    form = ParameterForm()
    qtbot.addWidget(form)
    form.show_parameters(INFOS[1].parameters, {})
    folds = form.fields["folds"]
    assert isinstance(folds, QSpinBox)
    assert (folds.minimum(), folds.maximum(), folds.value()) == (2, 20, 5)
    assert "Parts of the &lt;b&gt;data" in folds.toolTip()
    read = [label.text() for label in form.findChildren(QLabel)]
    assert "Parts of the <b>data</b>." in read
    assert "default 5; from 2 to 20" in read
    assert isinstance(form.fields["strict"], QCheckBox)
    assert isinstance(form.fields["look"], QComboBox)
    assert form.fields["tiny"].text() == "0.0001"
    assert form.values() == {}
    assert not form.reset_button.isEnabled()


def test_values_have_the_declared_types_and_go_back_to_the_defaults(qtbot: QtBot) -> None:
    form = ParameterForm()
    qtbot.addWidget(form)
    form.show_parameters(INFOS[1].parameters, {"tiny": 0.5})
    assert form.values() == {"tiny": 0.5}
    with qtbot.waitSignal(form.changed):
        form.fields["folds"].setValue(3)
    form.fields["strict"].click()
    form.fields["look"].setCurrentIndex(1)
    form.fields["word"].setText("b")
    wanted = {"folds": 3, "tiny": 0.5, "strict": True, "look": "first half", "word": "b"}
    assert form.values() == wanted
    assert [type(value) for value in form.values().values()] == [int, float, bool, str, str]
    assert any(label.text().startswith("in place of 5") for label in form.findChildren(QLabel))
    form.fields["folds"].setValue(400)
    assert form.values()["folds"] == 20
    qtbot.mouseClick(form.reset_button, Qt.MouseButton.LeftButton)
    assert form.values() == {}


@pytest.mark.parametrize(
    ("parameter", "typed", "wanted"),
    [
        (Parameter("tiny", 1e-10, "H."), "3e-10", 3e-10),
        (Parameter("tiny", 1e-10, "H."), "0", 0.0),
        (Parameter("tiny", 1e-10, "H."), "0.0000000001", None),
        (Parameter("part", 0.05, "H."), "0.05000001", 0.05000001),
        (Parameter("large", 5, "H."), "1000000000000", 10**12),
        (Parameter("large", 5, "H."), "1.5", 15),
        (Parameter("large", 5, "H."), "-1e3", -13),
        (Parameter("part", 0.05, "H.", 0, 1), "abc", None),
        (Parameter("part", 0.05, "H.", 0, 1), "-", None),
    ],
)
def test_numbers_that_are_typed_are_taken_as_they_are(
    qtbot: QtBot, parameter: Parameter, typed: str, wanted: Any
) -> None:
    form = ParameterForm()
    qtbot.addWidget(form)
    form.show_parameters([parameter, Parameter("other", 1, "H.")], {})
    field = form.fields[parameter.name]
    field.selectAll()
    qtbot.keyClicks(field, typed)
    form.finish()
    assert form.values().get(parameter.name) == wanted
    # Another field changes nothing about it.
    form.fields["other"].setValue(2)
    form.finish()
    assert form.values().get(parameter.name) == wanted


def test_a_number_keeps_its_digits(qtbot: QtBot) -> None:
    form = ParameterForm()
    qtbot.addWidget(form)
    form.show_parameters([Parameter("part", 0.05, "H."), Parameter("many", 1, "H.")], {})
    form.show_parameters(form._parameters, {"part": 0.12345678912345, "many": 10**15})
    form.finish()
    assert form.values() == {"part": 0.12345678912345, "many": 10**15}


def test_what_is_ticked_and_set_is_what_the_scan_is_asked_for(
    shown: Callable[..., DetectorsDialog],
) -> None:
    dialog = shown(count=1000, seconds=2.0)
    assert [line.text(0) for line in lines_of(dialog.tree)] == ["Usual", "Folded", "By option"]
    assert dialog.options() == OPTIONS
    form = _pick(dialog, "Folded")
    assert "4 further passes over 1,000 samples" in dialog.price.text()
    form.fields["folds"].setValue(10)
    assert "8 further passes over 1,000 samples" in dialog.price.text()
    assert _line(dialog, "Folded").checkState(0) == Qt.CheckState.Checked
    assert "as much work as 8 further passes over the data, about 16 s" in dialog.total.text()
    assert "1 with other values than the defaults" in dialog.total.text()
    asked = dialog.options()
    assert (asked.detectors, asked.parameters) == (("+folded",), {"folded": {"folds": 10}})
    _line(dialog, "Usual").setCheckState(0, Qt.CheckState.Unchecked)
    assert dialog.options().detectors == ("folded",)
    _line(dialog, "Folded").setCheckState(0, Qt.CheckState.Unchecked)
    assert not dialog.go.isEnabled()
    dialog.defaults.click()
    assert dialog.options() == OPTIONS


def test_what_was_asked_before_is_shown_and_kept(shown: Callable[..., DetectorsDialog]) -> None:
    before = replace(
        OPTIONS,
        detectors=("+folded", "+gone"),
        parameters={"folded": {"folds": 3, "look": "nowhere"}, "gone": {"x": 1}},
    )
    dialog = shown(before)
    assert _pick(dialog, "Folded").fields["folds"].value() == 3
    asked = dialog.options()
    assert (asked.detectors, asked.parameters) == (("+folded",), {"folded": {"folds": 3}})


def test_a_detector_without_its_signal_cannot_be_ticked_and_says_why(
    shown: Callable[..., DetectorsDialog],
) -> None:
    dialog = shown()
    line = _line(dialog, "By option")
    assert not line.flags() & Qt.ItemFlag.ItemIsUserCheckable
    assert line.text(2) == "no gradients"
    _pick(dialog, "By option")
    assert "it needs gradients of convolutions, and this scan has none" in dialog.about.text()
    there = shown(replace(OPTIONS, conv_sketch=512))
    assert _line(there, "By option").checkState(0) == Qt.CheckState.Checked


def test_a_list_that_makes_no_sense_is_told(qtbot: QtBot) -> None:
    bad = [{"status": "ready", "info": {"id": "x", "parameters": [{"nam": 1}]}}]
    dialog = DetectorsDialog(OPTIONS, ask=lambda: bad)
    qtbot.addWidget(dialog)
    qtbot.waitUntil(lambda: "cannot be used" in dialog.stack.page.text.text(), timeout=3000)
    assert not dialog.go.isEnabled()


def test_the_line_of_detectors_says_what_is_set_and_takes_it_back(qtbot: QtBot) -> None:
    field = DetectorsField()
    qtbot.addWidget(field)
    field.take(replace(OPTIONS, detectors=("+folded",), parameters={"folded": {"folds": 3}}))
    assert field.ids() == ["+folded"]
    assert field.problem() == ""
    assert field.values.text() == "folded.folds=3"
    # The names may be from a case that somebody else made.
    assert field.values.textFormat() == Qt.TextFormat.PlainText
    field.defaults.click()
    assert field.parameters == {}
    assert field.ids() == ["+folded"]


def test_the_case_panel_says_with_what_a_finding_was_made_and_offers_to_run_it_again(
    qtbot: QtBot, space: Workspace
) -> None:
    recorded = dict(space.case.findings()["spectral"])
    told = {"parameters": {"folds": 3, "share": 0.1}, "in_place_of": {"folds": 5}}
    space.case.record_finding("spectral", {**recorded, **told})
    panel = CasePanel(space)
    qtbot.addWidget(panel)
    group = panel.groups["Findings"]
    lines = [group.child(at) for at in range(group.childCount())]
    line = next(one for one in lines if one.text(0) == "Spectral signatures")
    assert [line.child(at).text(0) for at in range(line.childCount())] == [
        "folds = 3 in place of 5"
    ]
    assert "with folds = 3 in place of 5" in line.toolTip(0)
    assert not any(one.childCount() for one in lines if one is not line)


def test_running_again_starts_a_scan_with_the_recorded_options_and_the_new_values(
    qtbot: QtBot, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    import inspector.gui.detectors_dialog as module

    options = replace(OPTIONS, seed=3)
    space.case.set("scan", options.as_record())
    recorded = dict(space.case.findings()["spectral"])
    told = {"parameters": {"folds": 3}, "in_place_of": {"folds": 5}}
    space.case.record_finding("folded", {**recorded, **told})
    asked: list[ScanOptions] = []
    monkeypatch.setattr(space, "start_scan", lambda wanted: asked.append(wanted) or True)

    class Agreeing(DetectorsDialog):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named, ask=lambda: ROWS)
            qtbot.addWidget(self)

        def exec(self) -> int:
            qtbot.waitUntil(lambda: self.choice is not None, timeout=3000)
            qtbot.mouseClick(self.go, Qt.MouseButton.LeftButton)
            return self.result()

    monkeypatch.setattr(module, "DetectorsDialog", Agreeing)
    Dialogs(space, None).detectors("folded")
    assert asked == [replace(options, detectors=("+folded",), parameters={"folded": {"folds": 3}})]


def test_while_a_job_runs_nothing_is_chosen_in_vain(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    space.case.set("scan", OPTIONS.as_record())
    monkeypatch.setattr(Workspace, "running", "drill")
    monkeypatch.setattr("inspector.gui.detectors_dialog.DetectorsDialog", None)  # Would fail.
    said: list[tuple[str, str]] = []
    space.message.connect(lambda kind, text: said.append((kind, text)))
    Dialogs(space, None).detectors()
    assert said == [("warning", "The drill still runs: cancel it or wait for it.")]
