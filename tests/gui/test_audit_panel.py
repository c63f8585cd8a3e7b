"""The audit page: pictures without scores, a key per verdict, and the result in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from planted_case import TARGET, copy_planted, put_array
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from inspector.engine.client.audit import audit_of
from inspector.gui.audit_panel import PAGE, AuditPanel
from inspector.gui.workspace import Workspace


@pytest.fixture
def space(qtbot: QtBot, tmp_path: Path) -> Iterator[Workspace]:
    copy_planted(tmp_path / "planted.case")
    made = Workspace()
    assert made.open_case(tmp_path / "planted.case")
    yield made
    made.close_case()


@pytest.fixture
def panel(qtbot: QtBot, space: Workspace) -> AuditPanel:
    shown = AuditPanel(space)
    qtbot.addWidget(shown)
    shown.resize(1100, 320)
    shown.show()
    return shown


def _press(qtbot: QtBot, panel: AuditPanel, key: Qt.Key) -> None:
    qtbot.keyClick(panel.sheet, key)


def test_the_class_that_stands_out_is_offered_first(panel: AuditPanel) -> None:
    assert panel.label == TARGET
    assert "500 show a planted group" in panel.said.toPlainText()
    assert not panel.compute.isEnabled()


def test_a_scan_that_ends_puts_its_class_first_unless_one_was_chosen(
    panel: AuditPanel, space: Workspace
) -> None:
    assert space.case is not None
    outcome = space.case.get("outcome")
    space.case.set("outcome", None)  # As while the scan still runs.
    space.case_changed.emit(space.case)
    assert panel.label == 0
    space.case.set("outcome", outcome)
    panel.refresh()
    assert panel.label == TARGET
    panel.classes.setCurrentIndex(2)
    chosen = panel.label
    space.case.set("outcome", None)
    panel.refresh()
    assert panel.label == chosen


def test_keys_give_verdicts_and_go_on(qtbot: QtBot, panel: AuditPanel, space: Workspace) -> None:
    panel.amount.setValue(60)
    qtbot.mouseClick(panel.draw_button, Qt.MouseButton.LeftButton)
    page = panel.page
    assert len(page) == PAGE
    assert {int(space.table.columns["label"][row]) for row in page} == {TARGET}
    _press(qtbot, panel, Qt.Key.Key_C)
    _press(qtbot, panel, Qt.Key.Key_X)
    _press(qtbot, panel, Qt.Key.Key_W)
    _press(qtbot, panel, Qt.Key.Key_U)
    verdicts = audit_of(space.case, TARGET).verdicts
    assert verdicts == dict(zip(page, ("clean", "poison", "mislabelled", "unsure")))
    assert panel.sheet.currentRow() == 4
    assert "1 poison" in panel.said.toPlainText()
    panel.sheet.setCurrentRow(0)
    _press(qtbot, panel, Qt.Key.Key_Backspace)
    assert page[0] not in audit_of(space.case, TARGET).verdicts


def test_enter_takes_the_rest_of_the_page_as_clean_and_turns_it(
    qtbot: QtBot, panel: AuditPanel, space: Workspace
) -> None:
    panel.amount.setValue(60)
    qtbot.mouseClick(panel.draw_button, Qt.MouseButton.LeftButton)
    first = panel.page
    _press(qtbot, panel, Qt.Key.Key_X)
    _press(qtbot, panel, Qt.Key.Key_Return)
    audit = audit_of(space.case, TARGET)
    assert (audit.count("poison"), audit.count("clean")) == (1, PAGE - 1)
    assert not set(panel.page) & set(first)
    assert panel.compute.isEnabled()
    _press(qtbot, panel, Qt.Key.Key_Return)
    _press(qtbot, panel, Qt.Key.Key_Return)
    assert audit_of(space.case, TARGET).next_row is None
    assert panel.progress.value() == 60


def test_several_pictures_take_one_verdict(qtbot: QtBot, panel: AuditPanel, space: Workspace):
    panel.amount.setValue(30)
    qtbot.mouseClick(panel.draw_button, Qt.MouseButton.LeftButton)
    rows = panel.page[3:6]
    for at in range(3, 6):
        panel.sheet.item(at).setSelected(True)
    panel.sheet.item(0).setSelected(False)
    panel.verdict_buttons["mislabelled"].click()
    assert audit_of(space.case, TARGET).verdicts == dict.fromkeys(rows, "mislabelled")


def test_no_score_is_shown_before_the_verdict(panel: AuditPanel, qtbot: QtBot) -> None:
    qtbot.mouseClick(panel.draw_button, Qt.MouseButton.LeftButton)
    shown = [panel.sheet.item(at).text() for at in range(panel.sheet.count())]
    assert set(shown) == {""}


def test_another_class_has_its_own_audit(qtbot: QtBot, panel: AuditPanel, space: Workspace) -> None:
    qtbot.mouseClick(panel.draw_button, Qt.MouseButton.LeftButton)
    panel.classes.setCurrentIndex(panel.classes.findData(4))
    assert panel.sheet.count() == 0
    assert "\u202e" not in panel.classes.currentText()
    panel.classes.setCurrentIndex(panel.classes.findData(TARGET))
    assert panel.sheet.count() == PAGE


def test_what_the_analysis_concluded_is_told(panel: AuditPanel, space: Workspace, qtbot: QtBot):
    panel.amount.setValue(100)
    qtbot.mouseClick(panel.draw_button, Qt.MouseButton.LeftButton)
    case = space.case
    outcome = case.get("outcome")
    outcome["classes"][TARGET] |= {
        "p_value": 0.0005, "p_value_holm": 0.0025, "verified": 96, "selected": 20, "verdict": "high",
    }  # fmt: skip
    case.set("outcome", outcome)
    bounds = np.where(space.table.columns["label"] == TARGET, np.float32(7), np.nan)
    put_array(case, "false_bound", bounds.astype(np.float32))
    space.table.refresh()
    panel.refresh()
    said = panel.said.toPlainText()
    assert "corrected 0.0025; verdict high" in said
    assert "20 samples selected" in said
    assert "of the first 10 at most 7" in said


def test_computing_needs_an_analysis(panel: AuditPanel, space: Workspace, qtbot: QtBot) -> None:
    heard: list[str] = []
    space.message.connect(lambda kind, text: heard.append(text))
    panel.amount.setValue(30)
    qtbot.mouseClick(panel.draw_button, Qt.MouseButton.LeftButton)
    _press(qtbot, panel, Qt.Key.Key_Return)
    panel.compute.click()
    assert "Analyse first" in heard[-1]


def test_without_a_case_it_says_what_an_audit_is(qtbot: QtBot) -> None:
    shown = AuditPanel(Workspace())
    qtbot.addWidget(shown)
    assert shown._stack.is_empty


def test_measured_limits_are_drawn_and_told(panel: AuditPanel, space: Workspace) -> None:
    assert not panel.plot.plotItem.listDataItems()
    cells = [
        {
            "share": share,
            "distance": d,
            "runs": 10,
            "hits": hits,
            "interval": [0.1, 0.9],
            "found": 0.5,
        }
        for share in (0.01, 0.1)
        for d, hits in ((2.0, 1), (6.0, 9))
    ]
    by_share = [
        {"share": 0.01, "d50": 4.0, "d80": None, "impossible": 1.4, "spectral": 2.0},
        {"share": 0.1, "d50": 3.0, "d80": 5.0, "impossible": 0.4, "spectral": 1.0},
    ]
    kept = {
        "label": TARGET, "members": 224, "verified": 100, "cells": cells, "by_share": by_share,
        "smallest_group": 6, "width": 10,
    }  # fmt: skip
    space.case.keep("limits", str(TARGET), kept)
    panel._draw()
    assert len(panel.plot.plotItem.listDataItems()) == 2
    said = panel.said.toPlainText()
    assert "4 of 5 planted groups at 10.0% of the class from a distance of 5.0" in said
    assert "groups of 1.0% pass at every distance tried" in said
