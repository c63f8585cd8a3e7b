"""*Detectors ▸ Check the cleaning…*: nothing is trained before the budget was agreed to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from planted_case import NAMES, TARGET, put_array
from pytestqt.qtbot import QtBot

from inspector.gui.case_panel import CasePanel
from inspector.gui.cleaning_dialog import CleaningDialog
from inspector.gui.workspace import Workspace

BUDGET = {
    "start": "scratch", "why": "", "epochs": 15, "steps": 570, "seconds": 63.0, "train": 1164,
    "removed": 45, "held_out": 291,
}  # fmt: skip


def rate(hits: int) -> dict[str, Any]:
    return {"hits": hits, "trials": 100, "rate": hits / 100,
            "interval": [max(0, hits - 5) / 100, min(100, hits + 5) / 100]}  # fmt: skip


def check(success: tuple[int, int, int]) -> dict[str, Any]:
    models = {
        model: {"accuracy": rate(90), "success": rate(hits), "usual": rate(1)}
        for model, hits in zip(("before", "cleaned", "kept"), success)
    }
    settings = {"trigger": f"{TARGET}:neural-cleanse", "tags": ["suspect"]}
    return {"settings": settings, "target": TARGET, "budget": BUDGET, "removed": 45, **models}


@pytest.fixture
def ready(space: Workspace) -> Workspace:
    """A case with a trigger and tagged samples."""
    case = space.case
    assert case is not None
    for part, values in (
        ("mask", np.ones((28, 28), np.float32)),
        ("pattern", np.full((28, 28, 1), 9, np.uint8)),
    ):
        put_array(case, f"trigger:{part}", values)
    row = {"mask_array": "trigger:mask", "pattern_array": "trigger:pattern", "success_rate": 0.96}
    case.record_trigger(TARGET, "neural-cleanse", row | {"significant": True, "anomaly": 5.0})
    case.record_trigger(1, "neural-cleanse", row | {"significant": False, "anomaly": 0.1})
    space.tag_rows(np.arange(7), "suspect")
    return space


@pytest.fixture
def dialog(qtbot: QtBot, ready: Workspace) -> CleaningDialog:
    shown = CleaningDialog(ready)
    qtbot.addWidget(shown)
    shown.show()
    return shown


def test_it_says_what_is_missing(qtbot: QtBot, space: Workspace) -> None:
    dialog = CleaningDialog(space)
    qtbot.addWidget(dialog)
    dialog.show()
    assert "search one in the Trigger lab" in dialog.said.text()
    assert not dialog.measure.isEnabled()
    assert dialog.view.isHidden()


def test_the_plan_is_what_is_ticked(dialog: CleaningDialog, ready: Workspace) -> None:
    plan = dialog.plan()
    assert plan.tags == ("suspect",)
    assert plan.trigger == f"{TARGET}:neural-cleanse"
    assert (plan.start, plan.seconds, plan.images) == ("auto", None, 2000)
    assert dialog.trigger.itemText(0).startswith(f"→ {NAMES[TARGET]}")
    dialog.tags["suspect"].setChecked(False)
    assert not dialog.measure.isEnabled()
    assert "No sample carries a chosen tag" in dialog.said.text()
    ready.tag_rows(np.arange(3), "poison")
    assert dialog.tags["poison"].text() == "poison (3)"
    dialog.tags["poison"].setChecked(True)
    dialog.seconds.setValue(90)
    dialog.start_from.setCurrentIndex(2)
    assert dialog.measure.isEnabled()
    assert dialog.said.text() == ""
    plan = dialog.plan()
    assert (plan.tags, plan.seconds, plan.start) == (("poison",), 90.0, "weights")


def test_the_result_is_drawn_told_and_found_again_in_the_case(
    qtbot: QtBot, dialog: CleaningDialog, ready: Workspace
) -> None:
    case = ready.case
    assert case is not None
    case.keep("cleaning", "a" * 16, check((95, 94, 95)))
    case.keep("cleaning", "b" * 16, check((95, 2, 96)))
    ready.job_event.emit({"event": "cleaned", "key": "b" * 16})
    ready.job_event.emit({"event": "done", "job": "cleaning"})
    assert dialog.view.isVisible()
    assert dialog.kept.count() == 2
    assert dialog.view.cells["before", "success"].text() == "95.0% (90.0% to 100.0%)"
    assert dialog.view.cells["cleaned", "success"].text() == "2.0% (0.0% to 7.0%)"
    assert "takes the trigger's effect away" in dialog.view.sentence.text()
    assert "never means that the data are clean" in dialog.view.caveats.text()
    dialog.kept.setCurrentIndex(1)
    dialog.kept.activated.emit(1)
    assert "works about as well" in dialog.view.sentence.text()
    tree = CasePanel(ready)
    qtbot.addWidget(tree)
    group = tree.groups["Checks"]
    assert not group.isHidden()
    assert [group.child(at).text(1) for at in range(2)] == ["stays", "falls"]
    with qtbot.waitSignal(ready.command_requested) as asked:
        tree.tree.itemClicked.emit(group.child(1), 0)
    assert asked.args == ["check-cleaning"]


def test_a_check_of_another_shape_is_left_out(qtbot: QtBot, ready: Workspace) -> None:
    assert ready.case is not None
    ready.case.keep("cleaning", "c" * 16, {"settings": 5})
    dialog = CleaningDialog(ready)
    qtbot.addWidget(dialog)
    assert dialog.kept.count() == 0
