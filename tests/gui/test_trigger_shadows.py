"""The trigger lab beside shadow networks: a column of dots per class, and what it means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from planted_case import NAMES, TARGET, plant_trigger
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from inspector.case.shadow_document import ENOUGH, NETWORKS
from inspector.gui.shadows_dialog import ShadowsDialog
from inspector.gui.trigger_panel import TriggerPanel
from inspector.gui.trigger_plots import FLAGGED
from inspector.gui.trigger_views import BESIDE
from inspector.gui.workspace import Workspace
from inspector.triggers.calibrating import FEWEST_SHADOWS


@pytest.fixture
def panel(qtbot: QtBot, space: Workspace) -> TriggerPanel:
    plant_trigger(space.case)
    shown = TriggerPanel(space)
    qtbot.addWidget(shown)
    shown.resize(1000, 260)
    shown.show()
    return shown


def compare(space: Workspace, count: int, **told: Any) -> None:
    """Record what so many shadow networks say of each class."""
    case = space.case
    assert case is not None
    for row in case.triggers():
        at = row["index"]
        beside = {
            "deviation": 1.5 if at == TARGET else -0.1 * at,
            "threshold": 0.75 if count >= ENOUGH else None,
            "p_value": 0.01,
            "family_p_value": 1 / (1 + count) if at == TARGET else 1.0,
            "others": [0.3 - 0.02 * k for k in range(count)],
        }
        case.record_trigger(at, row["method"], {**row, "shadows": beside})
    networks = {
        "count": count, "accuracy": [0.97, 0.99], "train": 1352, "left_out": 148, "role": "data",
        "architecture": "plain_cnn", "why": "", **told,
    }  # fmt: skip
    case.set(NETWORKS, networks)
    space.table_changed.emit({"triggers"})


def test_every_class_is_a_column_of_dots_a_marker_and_a_line(
    panel: TriggerPanel, space: Workspace
) -> None:
    assert panel.views.columns.currentWidget() is panel.views.bars
    compare(space, 19)
    dots = panel.views.dots
    assert panel.views.columns.currentWidget() is dots
    x, y = dots._dots.getData()
    assert len(x) == 19 * len(NAMES)
    first = np.abs(x) < 0.5
    np.testing.assert_allclose(np.sort(y[first])[::-1], [0.3 - 0.02 * k for k in range(19)])
    own = dots._own.getData()[1]
    assert own[TARGET] == 1.5
    brushes = [spot.brush().color().name() for spot in dots._own.points()]
    assert [at for at, colour in enumerate(brushes) if colour == FLAGGED] == [TARGET]
    assert dots._line.isVisible()
    assert dots._line.value() == 0.75
    (low, high) = dots.plotItem.vb.viewRange()[1]
    assert low < -0.4
    assert high > 1.5
    dots.clicked.emit(TARGET)
    assert "beside 19 shadows +1.50 (threshold 0.75, p 0.05, all together)" in panel.detail.text()


def test_it_says_what_it_means_and_what_the_networks_are(
    panel: TriggerPanel, space: Workspace
) -> None:
    compare(space, 19)
    for said in (panel.controls.state.text(), panel.views.dots.toolTip()):
        assert "ship stands out beside 19 shadow networks: deviation 1.50 of 0.75" in said
        assert "p-value 0.05 for all classes and methods together" in said
        assert "accuracy 97% to 99%" in said
        assert "holds if the network was trained as they were" in said
        assert "Whole network" not in said
    compare(space, 19, p_value=0.031)
    assert panel.controls.state.text().startswith("Whole network: p-value 0.031.")
    compare(space, 19, p_value=0.05, verdict="medium", asked=19)
    said = panel.controls.state.text()
    assert said.startswith("Whole network: verdict medium, p-value 0.05 (of clean networks")
    compare(space, 19, p_value=0.3, verdict="none", asked=40)
    said = panel.controls.state.text()
    assert "That does not show that it is clean." in said
    assert "19 of 40 shadow networks" in said


def test_what_was_cut_short_is_not_told_as_compared(
    qtbot: QtBot, panel: TriggerPanel, space: Workspace
) -> None:
    dialog = ShadowsDialog(space)
    qtbot.addWidget(dialog)
    dialog.to("running", "")
    said = "The search was stopped early. Of 19 shadow networks 7 were trained and searched."
    assert space.case is not None
    space.case.set("trigger_summary", {"said": said})
    space.job_event.emit({"event": "done", "job": "trigger"})
    assert dialog.said.text() == said


def test_too_few_networks_have_no_line(panel: TriggerPanel, space: Workspace) -> None:
    compare(space, 4)
    assert not panel.views.dots._line.isVisible()
    brushes = {spot.brush().color().name() for spot in panel.views.dots._own.points()}
    assert FLAGGED not in brushes
    assert "So few of them decide nothing" in panel.controls.state.text()


def test_another_measure_can_be_chosen_and_a_search_without_shadows_takes_this_one_away(
    panel: TriggerPanel, space: Workspace
) -> None:
    compare(space, 19)
    measure = panel.views.measure
    measure.setCurrentIndex(measure.findData("success"))
    measure.activated.emit(measure.currentIndex())
    assert panel.views.columns.currentWidget() is panel.views.bars
    assert "stands out beside" not in panel.controls.state.text()
    measure.setCurrentIndex(measure.findData(BESIDE))
    measure.activated.emit(measure.currentIndex())
    assert panel.views.columns.currentWidget() is panel.views.dots
    plant_trigger(space.case)
    space.table_changed.emit({"triggers"})
    assert measure.findData(BESIDE) < 0
    assert panel.views.columns.currentWidget() is panel.views.bars


@pytest.mark.parametrize(
    "said",
    ["x", [], {"deviation": "1"}, {"deviation": 1e300}, {"deviation": None, "others": "many"}],
)
def test_what_is_no_comparison_is_not_drawn(
    panel: TriggerPanel, space: Workspace, said: Any
) -> None:
    assert space.case is not None
    for row in space.case.triggers():
        space.case.record_trigger(row["index"], row["method"], {**row, "shadows": said})
    space.case.set(NETWORKS, [said])
    space.table_changed.emit({"triggers"})
    assert panel.views.columns.currentWidget() is panel.views.bars
    assert panel.views.measure.findData(BESIDE) < 0


def test_hostile_deviations_among_good_ones_are_left_out(
    panel: TriggerPanel, space: Workspace
) -> None:
    assert space.case is not None
    row = space.case.triggers()[0]
    odd = {
        "deviation": 1,
        "threshold": "x",
        "others": [0.5, "y", None, [1], 1e300, -0.5, 10**400] * 900,
    }
    space.case.record_trigger(0, row["method"], {**row, "shadows": odd})
    space.table_changed.emit({"triggers"})
    y = panel.views.dots._dots.getData()[1]
    assert 0 < len(y) <= 200
    assert set(y) == {0.5, -0.5}


def test_the_panel_leads_to_the_question(
    qtbot: QtBot, panel: TriggerPanel, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with qtbot.waitSignal(space.command_requested) as asked:
        qtbot.mouseClick(panel._shadows, Qt.MouseButton.LeftButton)
    assert asked.args == ["shadows"]
    started: list[Any] = []
    monkeypatch.setattr(space, "start_trigger", lambda *a, **more: started.append((a, more)))
    dialog = ShadowsDialog(space)
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.count.value() == ENOUGH == FEWEST_SHADOWS
    assert not dialog.few.isVisible()
    dialog.count.setValue(4)
    assert dialog.few.isVisible()
    dialog.method.setCurrentIndex(dialog.method.findData("pixel"))
    assert "screens" in dialog.method.itemText(0)
    dialog.each.setChecked(True)
    assert "screens" not in dialog.method.itemText(0)
    qtbot.mouseClick(dialog.measure, Qt.MouseButton.LeftButton)
    assert started == [
        (
            (list(range(len(NAMES))),),
            {"shadows": 4, "shadow_images": 4000, "methods": ["pixel"], "source": "each"},
        )
    ]


def test_the_question_tells_what_the_case_knows(qtbot: QtBot, space: Workspace) -> None:
    plant_trigger(space.case)
    dialog = ShadowsDialog(space)
    qtbot.addWidget(dialog)
    dialog.show()
    assert not dialog.found.isVisible()
    compare(space, 19)
    assert "neural-cleanse: ship stands out beside 19" in dialog.found.text()


def test_while_shadows_are_trained_the_panel_says_so(panel: TriggerPanel, space: Workspace) -> None:
    panel.course.begin(range(len(NAMES)))
    told = {"event": "progress", "done": 30, "total": 120, "seconds_left": 95.0}
    rows = [{"class_index": at, "word": "found", "running": True} for at in range(len(NAMES))]
    space.job_event.emit({"event": "preview", "name": "trigger-classes", "classes": rows})
    assert "more work so far" in panel.controls.state.text()
    text = "network 3 of 19: epoch 2 of 15"
    space.job_event.emit({**told, "stage": "Shadow networks", "text": text})
    assert panel.course.share == 0.25
    said = panel.controls.state.text()
    assert said.endswith("Shadow networks: network 3 of 19: epoch 2 of 15")
    assert "work so far" not in said
    # The classes are through: nothing of them shrinks any more.
    assert not any(one.running for one in panel.course.standings.values())
    assert not panel._shadows.isVisible()
