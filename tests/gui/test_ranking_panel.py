"""The ranking: fast sorting without a proxy, linked selection, threshold, place kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from planted_case import NAMES, TARGET, copy_planted
from PySide6.QtCore import QPoint, QSortFilterProxyModel, Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from inspector.gui.ranking_panel import RankingPanel
from inspector.gui.workspace import Workspace


@pytest.fixture
def workspace(qtbot: QtBot, tmp_path: Path) -> Iterator[Workspace]:
    copy_planted(tmp_path / "planted.case", 3000)
    space = Workspace()
    assert space.open_case(tmp_path / "planted.case")
    yield space
    space.close_case()


@pytest.fixture
def panel(qtbot: QtBot, workspace: Workspace) -> RankingPanel:
    shown = RankingPanel(workspace)
    qtbot.addWidget(shown)
    shown.resize(1000, 260)
    shown.show()
    qtbot.waitExposed(shown)
    return shown


def click_header(qtbot: QtBot, panel: RankingPanel, name: str) -> None:
    header = panel.table.horizontalHeader()
    at = header.sectionViewportPosition(panel.model.position(name)) + 8
    panel.table.horizontalScrollBar().setValue(0)
    at = header.sectionViewportPosition(panel.model.position(name)) + 8
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(at, 8))


def click_row(
    qtbot: QtBot,
    panel: RankingPanel,
    row: int,
    held: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> None:
    spot = panel.table.visualRect(panel.model.index(row, 1)).center()
    qtbot.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, held, spot)


def shown(panel: RankingPanel, row: int, name: str) -> str:
    return str(panel.model.index(row, panel.model.position(name)).data())


def test_most_suspicious_comes_first_and_unassessed_last(panel: RankingPanel) -> None:
    combined = panel._workspace.table.columns["combined"]
    values = combined[panel.model.rows]
    assert np.isnan(values[-1])
    assert not np.isnan(values[:-1]).any()
    assert (np.diff(values[:-1]) <= 0).all()
    assert shown(panel, 0, "rank") == "1"
    assert shown(panel, 0, "label") == NAMES[TARGET]
    assert shown(panel, panel.model.rowCount() - 1, "combined") == "–"


def test_sixty_thousand_rows_sort_at_once_without_a_proxy(qtbot: QtBot, tmp_path: Path) -> None:
    copy_planted(tmp_path / "large.case", 60_000)
    space = Workspace()
    assert space.open_case(tmp_path / "large.case")
    large = RankingPanel(space)
    qtbot.addWidget(large)
    large.show()
    assert not large.findChildren(QSortFilterProxyModel)
    for name in ("spectral", "label", "loss", "tags", "predicted"):
        click_header(qtbot, large, name)
        assert large.model.rowCount() == 60_000
    space.close_case()


def test_click_on_a_score_orders_the_whole_window(
    qtbot: QtBot, panel: RankingPanel, workspace: Workspace
) -> None:
    click_header(qtbot, panel, "spectral")
    assert workspace.order_column == "spectral"
    scores = workspace.table.columns["spectral"][panel.model.rows]
    assert (np.diff(scores[:-1]) <= 0).all()
    click_header(qtbot, panel, "spectral")  # Again: the least suspicious first, here alone.
    assert workspace.order_column == "spectral"
    scores = workspace.table.columns["spectral"][panel.model.rows]
    assert (np.diff(scores[:-1]) >= 0).all()
    assert np.isnan(scores[-1])


def test_labels_sort_by_name(qtbot: QtBot, panel: RankingPanel) -> None:
    click_header(qtbot, panel, "label")
    names = [shown(panel, row, "label") for row in range(0, panel.model.rowCount(), 50)]
    assert names == sorted(names)


def test_selection_is_linked_both_ways(
    qtbot: QtBot, panel: RankingPanel, workspace: Workspace
) -> None:
    click_row(qtbot, panel, 2)
    assert workspace.selection.rows.tolist() == [panel.model.rows[2]]
    assert workspace.current == panel.model.rows[2]
    click_row(qtbot, panel, 5, Qt.KeyboardModifier.ShiftModifier)
    assert set(workspace.selection.rows) == set(panel.model.rows[2:6])
    click_row(qtbot, panel, 3, Qt.KeyboardModifier.ControlModifier)
    assert panel.model.rows[3] not in workspace.selection.rows
    sample = int(panel.model.rows[2500])
    workspace.select([sample], "new", "map", sample)
    assert panel.table.is_lit(2500)
    first = panel.table.rowAt(0)
    assert first <= 2500 <= panel.table.rowAt(panel.table.viewport().height() - 1)


def test_arrow_keys_go_on_from_the_current_sample(
    qtbot: QtBot, panel: RankingPanel, workspace: Workspace
) -> None:
    workspace.select([int(panel.model.rows[7])], "new", "map", int(panel.model.rows[7]))
    panel.table.setFocus()
    qtbot.keyClick(panel.table, Qt.Key.Key_Down)
    assert workspace.current == panel.model.rows[8]
    qtbot.keyClick(panel.table, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert set(workspace.selection.rows) == set(panel.model.rows[8:10])


def test_a_drag_is_one_gesture(qtbot: QtBot, panel: RankingPanel, workspace: Workspace) -> None:
    heard: list[int] = []
    workspace.selection_changed.connect(lambda selection: heard.append(selection.count))
    port = panel.table.viewport()
    spots = [panel.table.visualRect(panel.model.index(row, 1)).center() for row in range(5)]
    qtbot.mousePress(port, Qt.MouseButton.LeftButton, pos=spots[0])
    for spot in spots[1:]:
        qtbot.mouseMove(port, spot)
    qtbot.mouseRelease(port, Qt.MouseButton.LeftButton, pos=spots[4])
    assert heard == [5]


def test_thirty_thousand_scattered_rows_select_at_once(qtbot: QtBot, tmp_path: Path) -> None:
    copy_planted(tmp_path / "large.case", 60_000)
    space = Workspace()
    assert space.open_case(tmp_path / "large.case")
    large = RankingPanel(space)
    qtbot.addWidget(large)
    large.show()
    space.select(np.arange(0, 60_000, 2), "new", "map")
    large.grab()
    space.close_case()


def test_tagging_keeps_the_place(panel: RankingPanel, workspace: Workspace) -> None:
    bar = panel.table.verticalScrollBar()
    bar.setValue(1234)
    rows = panel.model.rows.copy()
    workspace.select(rows[1240:1250], "new", "gallery")
    bar.setValue(1234)
    assert workspace.tag_selection("poison")
    assert bar.value() == 1234
    assert (panel.model.rows == rows).all()
    assert shown(panel, 1245, "tags") == "poison"


def test_tagging_under_a_filter_on_tags_keeps_the_place(
    panel: RankingPanel, workspace: Workspace
) -> None:
    assert workspace.set_filter("not tagged")
    panel.table.verticalScrollBar().setValue(700)
    rows = panel.model.rows.copy()
    workspace.select(rows[705:707], "new", "ranking")
    workspace.tag_selection("suspect")
    assert panel.model.rowCount() == rows.size - 2
    assert panel.table.verticalScrollBar().value() == 700
    assert (panel.model.rows[:705] == rows[:705]).all()


def test_filter_that_lets_nothing_through_says_so(
    qtbot: QtBot, panel: RankingPanel, workspace: Workspace
) -> None:
    workspace.set_filter("combined > 1e9")
    assert panel.stack.is_empty
    assert "filter" in panel.stack.page.title.text()
    qtbot.mouseClick(panel.stack.page.button, Qt.MouseButton.LeftButton)
    assert workspace.visible is None
    assert not panel.stack.is_empty


def test_copies_the_selected_rows(panel: RankingPanel, workspace: Workspace) -> None:
    panel.select_top(3)
    panel.table.copy()
    lines = QGuiApplication.clipboard().text().split("\n")
    assert len(lines) == 4
    assert lines[0].split("\t")[:4] == ["rank", "#", "label", "predicted"]
    assert lines[1].split("\t")[1] == str(panel.model.rows[0])


def test_evidence_text_shows_every_trick(panel: RankingPanel) -> None:
    odd = [shown(panel, row, "label") for row in range(200)]
    assert "<b>frog</b>⟨U+202E⟩" in odd
    assert not any("\u202e" in text for text in odd)


# ---- the histogram ------------------------------------------------------------------------------


def test_threshold_selects_exactly_the_rows_above(
    panel: RankingPanel, workspace: Workspace
) -> None:
    combined = workspace.table.columns["combined"]
    panel.histogram.set_threshold(3.0)
    with np.errstate(invalid="ignore"):
        assert (workspace.selection.mask == (combined >= 3.0)).all()
    assert workspace.threshold == pytest.approx(3.0)
    tie = float(combined[panel.model.rows[10]])  # A score that a sample has: it belongs to it.
    panel.histogram.set_threshold(tie)
    assert workspace.selection.count == 11
    assert (workspace.proposed == workspace.selection.mask).all()


def test_dragging_the_line_selects_while_it_moves(
    qtbot: QtBot, panel: RankingPanel, workspace: Workspace
) -> None:
    view = panel.histogram
    plot = view._plot
    heard: list[int] = []
    workspace.selection_changed.connect(lambda selection: heard.append(selection.count))

    def at(score: float) -> QPoint:
        box = plot.getViewBox()
        middle = box.viewRange()[1][1] / 2
        scene = box.mapViewToScene(view._line.pos().__class__(score, middle))
        return plot.mapFromScene(scene)

    port = plot.viewport()
    start = float(view._line.value())
    qtbot.mouseMove(port, at(start))
    qtbot.mousePress(port, Qt.MouseButton.LeftButton, pos=at(start))
    for score in np.linspace(start, 4.0, 12):
        qtbot.mouseMove(port, at(float(score)))
        qtbot.wait(20)
    assert heard, "the drag itself must already select"
    qtbot.mouseRelease(port, Qt.MouseButton.LeftButton, pos=at(4.0))
    combined = workspace.table.columns["combined"]
    with np.errstate(invalid="ignore"):
        wanted = combined >= np.float32(view.threshold)
    assert view.threshold == pytest.approx(4.0, abs=0.3)
    assert (workspace.selection.mask == wanted).all()


def test_threshold_of_one_class_leaves_the_others_alone(
    panel: RankingPanel, workspace: Workspace
) -> None:
    panel.histogram.show_class(TARGET)
    labels = workspace.table.columns["label"]
    assert (labels[panel.histogram.rows] == TARGET).all()
    panel.histogram.set_threshold(0.0)
    assert (labels[workspace.selection.rows] == TARGET).all()
    expected = (labels == TARGET) & (
        np.nan_to_num(workspace.table.columns["combined"], nan=-9) >= 0
    )
    assert workspace.selection.count == int(expected.sum())


def test_long_tail_is_drawn_on_a_logarithmic_axis(
    panel: RankingPanel, workspace: Workspace
) -> None:
    workspace.set_order("spectral-whitened")
    whitened = workspace.table.columns["spectral-whitened"]
    panel.histogram.set_threshold(15.0)
    with np.errstate(invalid="ignore"):
        assert (workspace.selection.mask == (whitened >= 15.0)).all()
    assert panel.histogram.threshold == pytest.approx(15.0, rel=1e-6)


def test_no_case_says_what_fills_the_panel(qtbot: QtBot) -> None:
    panel = RankingPanel(Workspace())
    qtbot.addWidget(panel)
    assert panel.stack.is_empty
    assert "analysis" in panel.stack.page.text.text()
