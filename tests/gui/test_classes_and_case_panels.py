"""Classes and the case tree: a click acts, no verdict promises innocence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from planted_case import NAMES, TARGET, copy_planted
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QTreeWidgetItem
from pytestqt.qtbot import QtBot

from inspector.engine.client.refused import keep_refused
from inspector.errors import RefusedFile
from inspector.gui.array_table import ArrayTable, tooltip
from inspector.gui.case_evidence import recognised
from inspector.gui.case_panel import CasePanel
from inspector.gui.classes_panel import NOT_ASSESSED, VERDICT_TIPS, ClassesPanel
from inspector.gui.workspace import Workspace
from inspector.intake.models import read_weights


@pytest.fixture
def planted(qtbot: QtBot, tmp_path: Path) -> Iterator[tuple[Workspace, np.ndarray]]:
    poison = copy_planted(tmp_path / "planted.case", triggers=True)
    evidence = tmp_path / "model.safetensors"
    evidence.write_bytes(b"12345678")
    space = Workspace()
    assert space.open_case(tmp_path / "planted.case")
    space.case.add_evidence("model", evidence, "ab" * 32, 8)
    yield space, poison
    space.close_case()


@pytest.fixture
def classes(qtbot: QtBot, planted: tuple[Workspace, np.ndarray]) -> ClassesPanel:
    shown = ClassesPanel(planted[0])
    qtbot.addWidget(shown)
    shown.resize(900, 300)
    shown.show()
    return shown


@pytest.fixture
def tree(qtbot: QtBot, planted: tuple[Workspace, np.ndarray]) -> CasePanel:
    shown = CasePanel(planted[0])
    qtbot.addWidget(shown)
    shown.resize(260, 700)
    shown.show()
    return shown


def column(table: ArrayTable, title: str) -> list[str]:
    model = table.model_
    at = [c.title for c in model.columns].index(title)
    return [str(model.index(row, at).data()) for row in range(model.rowCount())]


def click_class(
    qtbot: QtBot,
    panel: ClassesPanel,
    index: int,
    held: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> None:
    row = column(panel.table, "class").index(NAMES[index])
    spot = panel.table.visualRect(panel.table.model_.index(row, 0)).center()
    qtbot.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, held, spot)


def line(panel: CasePanel, group: str, start: str) -> QTreeWidgetItem:
    above = panel.groups[group]
    lines = [above.child(at) for at in range(above.childCount())]
    return next(item for item in lines if item.text(0).startswith(start))


def click_line(qtbot: QtBot, panel: CasePanel, item: QTreeWidgetItem) -> None:
    panel.tree.scrollToItem(item)
    spot = panel.tree.visualItemRect(item).center()
    qtbot.mouseClick(panel.tree.viewport(), Qt.MouseButton.LeftButton, pos=spot)


def test_click_selects_the_class_and_starts_at_its_most_suspicious(
    qtbot: QtBot, classes: ClassesPanel, planted: tuple[Workspace, np.ndarray]
) -> None:
    space, poison = planted
    click_class(qtbot, classes, TARGET)
    labels = space.table.columns["label"]
    assert (space.selection.mask == (labels == TARGET)).all()
    assert poison[space.current]
    assert column(classes.table, "selected")[0] == f"{int((labels == TARGET).sum()):,}"


def test_the_first_row_is_the_class_to_look_at_first(classes: ClassesPanel) -> None:
    assert column(classes.table, "class")[0] == NAMES[TARGET]
    statistics = [float(text) for text in column(classes.table, "statistic")]
    assert statistics == sorted(statistics, reverse=True)
    header = classes.table.horizontalHeader()
    assert header.isSortIndicatorShown()
    assert classes.table.model_.columns[header.sortIndicatorSection()].title == "statistic"


def test_click_stays_within_the_filter(
    qtbot: QtBot, classes: ClassesPanel, planted: tuple[Workspace, np.ndarray]
) -> None:
    space, _ = planted
    space.set_filter("spectral > 3")
    click_class(qtbot, classes, TARGET)
    assert 0 < space.selection.count < 100
    assert (space.table.columns["spectral"][space.selection.rows] > 3).all()
    assert "visible" in [c.title for c in classes.table.model_.columns]


def test_shift_adds_a_class(
    qtbot: QtBot, classes: ClassesPanel, planted: tuple[Workspace, np.ndarray]
) -> None:
    space, _ = planted
    click_class(qtbot, classes, 0)
    click_class(qtbot, classes, 1, Qt.KeyboardModifier.ShiftModifier)
    assert set(np.unique(space.table.columns["label"][space.selection.rows])) == {0, 1}


def test_showing_the_panel_selects_nothing(
    qtbot: QtBot, classes: ClassesPanel, planted: tuple[Workspace, np.ndarray]
) -> None:
    classes.table.setFocus()
    qtbot.wait(20)
    assert planted[0].selection.count == 0


def test_order_survives_new_values(
    qtbot: QtBot, classes: ClassesPanel, planted: tuple[Workspace, np.ndarray]
) -> None:
    space, poison = planted
    classes.table.sort_by("class", False)
    order = column(classes.table, "class")
    at = order.index(NAMES[TARGET])
    assert order == sorted(order)
    space.select(np.flatnonzero(poison))
    space.tag_selection("poison")
    assert column(classes.table, "class") == order
    assert column(classes.table, "tagged")[at] == str(int(poison.sum()))


def test_no_verdict_calls_a_class_clean(
    classes: ClassesPanel, planted: tuple[Workspace, np.ndarray]
) -> None:
    verdicts = column(classes.table, "verdict")
    assert verdicts[0] == "medium"
    assert set(verdicts) <= {"none", "low", "medium", "high", NOT_ASSESSED}
    assert not any("clean" in text for text in (*verdicts, *VERDICT_TIPS.values()))
    assert classes.said.toPlainText().startswith("Verdict medium")
    assert "calibrated" in classes.said.toPlainText()


def test_unassessed_classes_say_so(
    qtbot: QtBot, classes: ClassesPanel, planted: tuple[Workspace, np.ndarray]
) -> None:
    planted[0].case.set("outcome", None)
    planted[0].table_changed.emit({"findings"})
    qtbot.waitUntil(lambda: set(column(classes.table, "verdict")) == {NOT_ASSESSED})


# ---- the tree -----------------------------------------------------------------------------------


def test_tree_shows_evidence_findings_tags_and_classes(tree: CasePanel) -> None:
    assert line(tree, "Evidence", "model.safetensors").text(1) == "abababab"
    assert line(tree, "Findings", "Spectral").text(1) == "medium"
    assert line(tree, "Findings", "Frequency").text(1) == "failed"
    assert line(tree, "Findings", "Trigger → ship").text(1) == "100%"
    assert line(tree, "Tags", "1 poison").text(1) == "0"
    assert line(tree, "Classes", "<b>frog</b>⟨U+202E⟩").text(1) != ""


def test_a_signature_beside_the_model_is_shown(
    tree: CasePanel, planted: tuple[Workspace, np.ndarray]
) -> None:
    said = "Signature present (<i>m.sig); digests differ for 1 of 1 files; signer not checked."
    planted[0].case.set("signature", {"file": "<i>m.sig", "comparison": "differ", "sentence": said})
    tree.refresh()
    shown = line(tree, "Evidence", "<i>m.sig")
    assert shown.text(1) == "digests differ!"
    assert "signer not checked" in shown.toolTip(0)
    assert "<i>" not in shown.toolTip(0)


def test_changed_evidence_is_named(
    qtbot: QtBot, tree: CasePanel, planted: tuple[Workspace, np.ndarray], tmp_path: Path
) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"other bytes")
    qtbot.waitUntil(lambda: not planted[0].evidence.running, timeout=60_000)
    planted[0].evidence.look()
    evidence = ("Evidence", "model.safetensors")
    qtbot.waitUntil(lambda: line(tree, *evidence).text(1) == "changed!", timeout=60_000)


def test_clicks_select_and_order(
    qtbot: QtBot, tree: CasePanel, planted: tuple[Workspace, np.ndarray]
) -> None:
    space, poison = planted
    click_line(qtbot, tree, line(tree, "Classes", "ship"))
    assert (space.table.columns["label"][space.selection.rows] == TARGET).all()
    space.select(np.flatnonzero(poison))
    space.tag_selection("suspect")
    space.clear_selection()
    assert line(tree, "Tags", "2 suspect").text(1) == str(int(poison.sum()))
    click_line(qtbot, tree, line(tree, "Tags", "2 suspect"))
    assert (space.selection.mask == poison).all()
    click_line(qtbot, tree, line(tree, "Findings", "Spectral"))
    assert space.order_column == "spectral"


def test_saved_view_brings_back_filter_order_and_colour(
    qtbot: QtBot, tree: CasePanel, planted: tuple[Workspace, np.ndarray], tmp_path: Path
) -> None:
    space, _ = planted
    space.set_filter("spectral > 3")
    space.set_order("spectral")
    space.set_colour("combined")
    tree.save_view("tail")
    space.close_case()
    assert space.open_case(tmp_path / "planted.case")
    assert space.filter_text == ""
    click_line(qtbot, tree, line(tree, "Saved views", "tail"))
    assert space.filter_text == "spectral > 3"
    assert space.order_column == "spectral"
    assert space.colour == "combined"
    tree.remove_view("tail")
    assert tree.groups["Saved views"].childCount() == 1


def test_what_the_model_file_contains_is_listed_below_it(
    planted: tuple[Workspace, np.ndarray], tree: CasePanel
) -> None:
    space, _ = planted
    record = dict(space.case.get("model") or {})
    contents = {
        "verdict": "commands",
        "summary": "Names functions that run commands: posix.system (offset 0x1f3).",
        "remarkable": True,
        "complete": True,
        "tensors": 122,
        "names": [
            {"name": "posix.<b>system", "offset": 499, "count": 1, "verdict": "commands"},
            *(
                {"name": f"net.C{k}", "offset": k, "count": 1, "verdict": "classes"}
                for k in range(40)
            ),
            {"name": "torch.FloatStorage", "offset": 9, "count": 3, "verdict": "weights"},
        ],
        "anomalies": ["The archive has a comment of 5 bytes."],
        "checksum_errors": ["archive/data/3"],
        "not_finite": [{"name": "fc.weight", "nan": 2, "infinite": 0}],
    }
    space.case.set("model", {**record, "contents": contents})
    tree.refresh()
    model = tree.groups["Evidence"].child(0)
    lines = [(model.child(k).text(0), model.child(k).text(1)) for k in range(model.childCount())]
    assert model.isExpanded()
    assert lines[0] == ("Names functions that run commands", "122 tensors")
    assert lines[1][0] == "The archive has a comment of 5 bytes."
    assert lines[2][0] == "Checksum does not match: archive/data/3"
    assert lines[3][0].startswith("fc.weight: 2 NaN")
    assert lines[4] == ("posix.<b>system", "0x1f3")
    assert lines[-1][0] == "… and 32 more names"
    assert not any("FloatStorage" in text for text, _ in lines)
    assert "<b>" not in model.child(4).toolTip(0)
    assert "system<br>Named 1 times" in model.child(4).toolTip(0).replace("&lt;b&gt;", "")
    assert "⟨0A⟩" not in model.toolTip(0)


def test_a_refused_model_file_is_listed_with_its_reason(
    qtbot: QtBot, planted: tuple[Workspace, np.ndarray], tree: CasePanel, tmp_path: Path
) -> None:
    space, _ = planted
    path = tmp_path / "evil.pkl"
    path.write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    with pytest.raises(RefusedFile) as caught:
        read_weights(path)
    keep_refused(space.case, path, caught.value)
    space.job_event.emit({"event": "failed", "job": "scan", "what": "No."})
    qtbot.waitUntil(lambda: tree.groups["Evidence"].childCount() == 2)
    said = line(tree, "Evidence", "evil.pkl")
    assert said.text(1) == "refused"
    assert "posix.system" in said.toolTip(0)
    below = [said.child(at).text(0) for at in range(said.childCount())]
    assert below[0].startswith("Names functions that run commands")
    assert said.isExpanded()


def test_the_model_says_what_it_was_taken_for_as_plain_text() -> None:
    rows = [
        {"name": "resnet20", "score": 1.0, "chosen": True},
        {"name": "<b>x</b>", "score": 0.62, "chosen": False},
    ]
    model = {
        "architecture": "resnet20",
        "candidates": rows,
        "tried": [{}] * 12,
        "accuracy": 0.801,
    }
    said = recognised(model)
    assert "Taken for resnet20" in said
    assert "resnet20 100%, <b>x</b> 62%" in said
    assert "80.1% of the labels, best of 12 settings" in said
    assert recognised({}) == ""
    assert "<b>" not in tooltip(said)
