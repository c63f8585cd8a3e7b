"""*Detectors ▸ Plan a drill…*: the plan, its budget, and the picture of what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from planted_case import NAMES, TARGET
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from inspector.case import Case
from inspector.engine.client.drill import DrillPlan, measure
from inspector.engine.client.options import ScanOptions
from inspector.errors import BadInput, Cancelled
from inspector.gui.audit_panel import AuditPanel
from inspector.gui.case_panel import CasePanel
from inspector.gui.classes_panel import ClassesPanel
from inspector.gui.drill_dialog import DrillDialog
from inspector.gui.drill_form import MOST, numbers
from inspector.gui.drill_grid import FOUND, IDLE, MISSED, outcome_of
from inspector.gui.workspace import Workspace

QUIET = 0
"""The class that stands out least in the planted case."""

BUDGET = {"drills": 3, "kept": 1, "images": 480, "epochs": 4, "seconds": 150.0}


def drilled(
    rate: float, found: bool, success: float | None, size: int = 3, **changes: Any
) -> dict[str, Any]:
    settings = {
        "target": QUIET, "attack": "patch", "size": size, "opacity": None, "place": "upper-left",
        "rate": rate, "architecture": "own", "epochs": 4, "learning_rate": 3e-3, "images": 480,
        "seed": 0,
    }  # fmt: skip
    return {
        "attack": "patch", "clean_label": False, "parameters": {}, "settings": settings,
        "left_out": [], "budget": {"images": 480, "epochs": 4, "seconds": 3.0},
        "success": success, "accuracy": 0.97, "accuracy_before": 0.98, "auroc": 0.9,
        "tpr_at_1": 0.5, "target_rank": 1, "verdict": "medium" if found else "none",
        "found": found, "planted": 9, "covers": 0, "trials": 80, "held_out": 90, "seconds": 4.0,
        **changes,
    }  # fmt: skip


@pytest.fixture
def ready(space: Workspace) -> Workspace:
    case = space.case
    assert case is not None
    case.set("model", {"architecture": "plain_cnn", "num_classes": len(NAMES)})
    return space


@pytest.fixture
def dialog(qtbot: QtBot, ready: Workspace) -> DrillDialog:
    shown = DrillDialog(ready)
    qtbot.addWidget(shown)
    shown.show()
    return shown


def keep_some(case: Case) -> None:
    case.keep("drill", "a" * 16, drilled(0.005, False, 0.9))
    case.keep("drill", "b" * 16, drilled(0.02, True, 0.98))
    case.keep("drill", "c" * 16, drilled(0.005, False, 0.1, size=5))


def test_without_a_scan_there_is_nothing_to_test(qtbot: QtBot, space: Workspace) -> None:
    dialog = DrillDialog(space)
    qtbot.addWidget(dialog)
    dialog.show()
    assert "analyse the case first" in dialog.said.text()
    assert not dialog.measure.isEnabled()


def test_every_combination_is_a_drill(dialog: DrillDialog) -> None:
    form = dialog.form
    assert form.target.currentIndex() == QUIET
    assert dialog.count.text() == "2 drills"
    form.sizes.setText("2, 4")
    form.opacities.setText("0.3; 1")
    form.attacks["blended"].setChecked(True)
    plans = form.plans()
    assert dialog.count.text() == "12 drills"
    patched = {(p.size, p.opacity, p.rate) for p in plans if p.attack == "patch"}
    assert patched == {(s, o, r) for s in (2, 4) for o in (0.3, 1.0) for r in (0.005, 0.02)}
    assert {p.size for p in plans if p.attack == "blended"} == {None}
    form.attacks["patch"].setChecked(False)
    assert not form.sizes.isEnabled()
    assert len(form.plans()) == 4


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("rates", "much", "no list of numbers"),
        ("rates", "", "No poison rate"),
        ("rates", "90", "A rate of 0.9 is not possible"),
        ("sizes", "2.5", "no list of numbers"),
        ("opacities", "7", "opacity of 7"),
        ("opacities", ",".join(f"0.{k:03d}" for k in range(MOST)), "A plan may have"),
    ],
)
def test_what_cannot_be_drilled_is_said_at_once(
    dialog: DrillDialog, field: str, text: str, words: str
) -> None:
    getattr(dialog.form, field).setText(text)
    assert words in dialog.said.text()
    assert not dialog.measure.isEnabled()


def test_lists_are_read_as_people_write_them() -> None:
    assert numbers("Sizes", " 2, 4,4 ;8,", int) == [2, 4, 8]
    assert numbers("Sizes", "", int) == []
    with pytest.raises(BadInput):
        numbers("Sizes", "2 4", int)


def test_the_budget_comes_first_then_the_progress(
    qtbot: QtBot, dialog: DrillDialog, ready: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    answers: list[bool] = []
    monkeypatch.setattr(ready, "start_drill", lambda plans: asked.append(plans) or True)
    monkeypatch.setattr(ready, "answer_budget", answers.append)
    qtbot.mouseClick(dialog.measure, Qt.MouseButton.LeftButton)
    assert len(asked[0]) == 2
    ready.job_event.emit({"event": "budget", "job": "drill", "budget": BUDGET})
    assert "3 attacks are planted in copies of 480 pictures" in dialog.said.text()
    assert "about 2 min of training in all" in dialog.said.text()
    assert "1 more are in the case already" in dialog.said.text()
    assert answers == []
    qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    assert answers == [True]
    told = {"event": "progress", "stage": "Drills", "done": 0, "total": 3, "text": "patch"}
    ready.job_event.emit(told)
    assert dialog.count.text() == "0 of 3"
    ready.job_event.emit({**told, "stage": "Training", "done": 5, "total": 10, "seconds_left": 4.0})
    assert dialog.bar.value() == 500
    assert dialog.said.text() == "Training: patch … 4 s left for this step"
    ready.job_event.emit({**told, "done": 1})
    assert dialog.count.text().startswith("1 of 3, about ")
    ready.job_event.emit({"event": "cancelled", "job": "drill"})
    assert "Finished drills are kept" in dialog.said.text()
    assert dialog.form.isEnabled()


def test_the_picture_tells_found_missed_and_not_working(
    qtbot: QtBot, dialog: DrillDialog, ready: Workspace
) -> None:
    case = ready.case
    assert case is not None
    keep_some(case)
    ready.job_event.emit({"event": "drilled", "key": "b" * 16})
    grid = dialog.grid
    assert grid.rows == ["patch, 3 px", "patch, 5 px"]
    outcomes = [outcome_of(drill) for drill in (grid.drill_at(0, 0), grid.drill_at(0, 1)) if drill]
    assert outcomes == [MISSED, FOUND]
    assert outcome_of(grid.drill_at(1, 0) or {}) == IDLE
    assert grid.drill_at(1, 1) is None
    assert dialog.tally.text() == (
        "In this case: 1 of 2 attacks that work were found; 1 more did not work."
    )
    assert "This scan would have found it." in dialog.words.text()
    qtbot.mouseClick(grid, Qt.MouseButton.LeftButton, pos=grid.box(0, 0).center())
    assert "This scan would not have pointed at it." in dialog.words.text()
    green = grid.grab().toImage().pixelColor(grid.box(0, 1).topLeft() + QPoint(1, 20))
    assert green.green() > max(green.red(), green.blue())


def test_drills_are_shown_with_the_limits_the_classes_and_the_case(
    qtbot: QtBot, ready: Workspace
) -> None:
    case = ready.case
    assert case is not None
    keep_some(case)
    audit, classes, tree = AuditPanel(ready), ClassesPanel(ready), CasePanel(ready)
    for panel in (audit, classes, tree):
        qtbot.addWidget(panel)
    audit.classes.setCurrentIndex(audit.classes.findData(QUIET))
    assert audit.drills.grid.rows == ["patch, 3 px", "patch, 5 px"]
    audit.classes.setCurrentIndex(audit.classes.findData(TARGET))
    assert audit.drills.grid.rows == []
    assert "No drill has planted anything in this class" in audit.drills.said.text()
    with qtbot.waitSignal(ready.command_requested) as asked:
        audit.drills.plan.click()
    assert asked.args == ["drill"]
    classes.refresh()
    (column,) = [one for one in classes.table.model_.columns if one.title == "drills"]
    assert column.values[QUIET] == "1 of 2"
    assert column.values[TARGET] == ""
    group = tree.groups["Checks"]
    assert group.child(0).text(1) == "1 of 2 found"


def test_drills_of_another_shape_are_left_out(dialog: DrillDialog, ready: Workspace) -> None:
    assert ready.case is not None
    ready.case.keep("drill", "d" * 16, {"settings": {"target": "x"}})
    dialog._fill()
    assert not dialog.tally.isVisible()


class Engine:
    """Answers the job "drill" and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def __call__(self, job: str, **arguments: Any) -> dict[str, Any]:
        self.asked.append(arguments)
        if arguments.get("only_budget"):
            return {"images": 480, "epochs": 4, "seconds": 10.0}
        return {"success": 0.9, "auroc": 0.8, "found": True}


def test_nothing_is_planted_before_the_budget_was_agreed_to(tmp_path: Path) -> None:
    plans = [DrillPlan(0, rate=rate) for rate in (0.01, 0.02, 0.05)]
    with Case.create(tmp_path / "c.case") as case:
        case.set("dataset", {"n": 1, "class_names": ["a"], "digest": "a" * 64, "notes": []})
        case.set("model", {"spec": {"sha256": "b" * 64}})
        options = ScanOptions(model=tmp_path / "m.pt", data=tmp_path)
        engine, told, events = Engine(), [], []

        def agree(budget: dict[str, Any]) -> bool:
            told.append(budget)
            return len(told) > 1

        with pytest.raises(Cancelled):
            measure(case, engine, options, plans, events.append, agree)
        assert told == [{"drills": 3, "kept": 0, "images": 480, "epochs": 4, "seconds": 30.0}]
        assert [one["only_budget"] for one in engine.asked] == [True]
        measure(case, engine, options, plans[:2], events.append)
        measure(case, engine, options, plans, events.append, agree)
        assert told[1] == {**told[0], "drills": 1, "kept": 2, "seconds": 10.0}
        assert len(case.kept("drill")) == 3
        stages = [e["done"] for e in events if e.get("stage") == "Drills"]
        assert stages[-1] == 3
        measure(case, engine, options, plans, events.append, agree)
        assert len(told) == 2  # Nothing is left to be asked about.
