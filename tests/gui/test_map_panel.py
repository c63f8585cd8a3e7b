"""The map: gestures, linked selection, projections, legend, hover, evidence text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from placed_case import ISLAND, place
from planted_case import put_array
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from inspector.gui import theme
from inspector.gui.hover_card import describe
from inspector.gui.map_panel import CAVEAT, MapPanel
from inspector.gui.selection import Selection
from inspector.gui.workspace import Workspace

KEYS = Qt.KeyboardModifier


@pytest.fixture
def poison(tmp_path: Path) -> NDArray[np.bool_]:
    return place(tmp_path / "placed.case")


@pytest.fixture
def workspace(qtbot: QtBot, tmp_path: Path, poison: NDArray[np.bool_]) -> Iterator[Workspace]:
    space = Workspace()
    assert space.open_case(tmp_path / "placed.case")
    yield space
    space.close_case()


@pytest.fixture
def panel(qtbot: QtBot, workspace: Workspace) -> MapPanel:
    shown = MapPanel(workspace)
    qtbot.addWidget(shown)
    shown.resize(900, 600)
    shown.show()
    qtbot.waitExposed(shown)
    shown.canvas.grab()
    return shown


def mouse(
    panel: MapPanel, kind: QEvent.Type, spot: QPointF, held: Qt.KeyboardModifier = KEYS.NoModifier
) -> None:
    moves = kind == QEvent.Type.MouseMove
    button = Qt.MouseButton.NoButton if moves else Qt.MouseButton.LeftButton
    down = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseButtonRelease else button
    event = QMouseEvent(kind, spot, panel.canvas.mapToGlobal(spot), button, down, held)
    QApplication.sendEvent(panel.canvas, event)


def on_canvas(panel: MapPanel, x: float, y: float) -> QPointF:
    canvas = panel.canvas
    right, down = canvas.view.to_pixels(
        np.array([x], np.float32), np.array([y], np.float32), canvas.width(), canvas.height()
    )
    return QPointF(float(right[0]), float(down[0]))


def drag(panel: MapPanel, path: list[QPointF], held: Qt.KeyboardModifier = KEYS.NoModifier) -> None:
    mouse(panel, QEvent.Type.MouseButtonPress, path[0], held)
    for spot in path[1:]:
        mouse(panel, QEvent.Type.MouseMove, spot, held)
    mouse(panel, QEvent.Type.MouseButtonRelease, path[-1], held)


def around(panel: MapPanel, x: float, y: float, radius: float = 5.0) -> list[QPointF]:
    angles = np.linspace(0, 2 * np.pi, 40)
    return [on_canvas(panel, x + radius * np.cos(a), y + radius * np.sin(a)) for a in angles]


def test_a_lasso_around_the_island_selects_the_poison_and_nothing_else(
    panel: MapPanel, workspace: Workspace, poison: NDArray[np.bool_]
) -> None:
    commits: list[Selection] = []
    workspace.selection_changed.connect(commits.append)
    drag(panel, around(panel, *ISLAND))
    assert np.array_equal(workspace.selection.mask, poison)
    assert len(commits) == 1  # One gesture, one change, however long the stroke.
    assert poison[workspace.current]


def test_a_box_selects_too_and_modifiers_combine(
    panel: MapPanel, workspace: Workspace, poison: NDArray[np.bool_]
) -> None:
    panel.use_tool("box")
    corners = [on_canvas(panel, ISLAND[0] - 5, ISLAND[1] - 5), on_canvas(panel, 44, 44)]
    others = [on_canvas(panel, -14, -14), on_canvas(panel, 14, 14)]
    drag(panel, corners)
    assert np.array_equal(workspace.selection.mask, poison)
    drag(panel, others, KEYS.ShiftModifier)
    assert workspace.selection.count == workspace.n - 1  # All but the unreadable one.
    drag(panel, corners, KEYS.AltModifier)
    assert not (workspace.selection.mask & poison).any()
    drag(panel, others, KEYS.ControlModifier)
    assert workspace.selection.count == workspace.n - 1 - poison.sum()


def test_filtered_samples_cannot_be_selected_on_the_map(
    panel: MapPanel, workspace: Workspace, poison: NDArray[np.bool_]
) -> None:
    assert workspace.set_filter("spectral < 3")
    assert workspace.visible is not None
    panel.canvas.grab()
    drag(panel, around(panel, *ISLAND))
    assert workspace.selection.count == (poison & workspace.visible).sum()


def test_a_click_takes_one_point_and_escape_gives_up_a_stroke(
    qtbot: QtBot, panel: MapPanel, workspace: Workspace
) -> None:
    assert workspace.case is not None
    x, y = workspace.case.array("map:pca")[7]
    spot = on_canvas(panel, float(x), float(y))
    drag(panel, [spot, spot])
    assert workspace.selection.count == 1
    path = around(panel, *ISLAND)
    mouse(panel, QEvent.Type.MouseButtonPress, path[0])
    mouse(panel, QEvent.Type.MouseMove, path[10])
    assert panel.canvas.drawing
    qtbot.keyClick(panel.canvas, Qt.Key.Key_Escape)
    mouse(panel, QEvent.Type.MouseButtonRelease, path[20])
    assert workspace.selection.count == 1


def test_a_wheel_zooms_about_the_mouse_and_fit_brings_everything_back(
    panel: MapPanel, workspace: Workspace, poison: NDArray[np.bool_]
) -> None:
    canvas = panel.canvas
    spot = on_canvas(panel, *ISLAND)
    wheel = QWheelEvent(
        spot,
        canvas.mapToGlobal(spot),
        QPoint(),
        QPoint(0, 480),
        Qt.MouseButton.NoButton,
        KEYS.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    before = canvas.view.scale
    QApplication.sendEvent(canvas, wheel)
    assert canvas.view.scale > 1.5 * before
    after = on_canvas(panel, *ISLAND)
    assert (after.x(), after.y()) == pytest.approx((spot.x(), spot.y()), abs=0.5)
    workspace.select(poison)
    panel.fit()
    assert canvas.view.to_data(
        canvas.width() / 2, canvas.height() / 2, canvas.width(), canvas.height()
    ) == pytest.approx(ISLAND, abs=2)
    panel.fit_all()
    canvas.grab()
    assert canvas.view.scale == pytest.approx(before)


def test_the_map_follows_another_size_until_the_analyst_moves_it(panel: MapPanel) -> None:
    wide = panel.canvas.view.scale
    panel.resize(450, 300)
    panel.canvas.grab()
    assert panel.canvas.view.scale < wide
    moved = panel.canvas.view.panned(30, 0)
    panel.canvas.set_view(moved)
    panel.resize(900, 600)
    panel.canvas.grab()
    assert panel.canvas.view == moved


def test_umap_is_shown_when_it_arrives_but_not_under_a_selection(
    panel: MapPanel, workspace: Workspace
) -> None:
    assert workspace.case is not None
    combo = panel.findChildren(type(panel._projections))[1]
    assert combo.currentText() == "PCA"
    workspace.select([1, 2, 3])
    put_array(workspace.case, "map:umap", np.zeros((workspace.n, 2), np.float32))
    workspace._reload({"map:umap"})
    assert combo.currentText() == "PCA"
    assert "UMAP is ready" in panel.canvas.note
    combo.setCurrentIndex(1)
    combo.activated.emit(1)
    assert combo.currentText() == "UMAP"
    assert combo.toolTip() == CAVEAT
    assert panel.canvas.note == ""


def test_while_umap_is_computed_the_map_says_so(panel: MapPanel, workspace: Workspace) -> None:
    workspace.job_event.emit(
        {"event": "progress", "stage": "UMAP", "done": 1, "total": 3, "text": "Placing samples"}
    )
    assert "Placing samples" in panel.canvas.note
    workspace.job_event.emit({"event": "failed", "job": "map", "what": "no"})
    assert panel.canvas.note == ""


def test_the_legend_counts_the_selection_and_selects_a_class(
    panel: MapPanel, workspace: Workspace
) -> None:
    workspace.select(np.arange(200))
    assert workspace.table is not None
    labels = workspace.table.columns["label"]
    lines = {entry.code: text for entry, text in panel.legend._lines}
    for code, text in lines.items():
        assert text == f"{(labels[:200] == code).sum()} / {(labels == code).sum()}"
    panel.legend.chosen.emit(2, "new")
    assert np.array_equal(workspace.selection.mask, labels == 2)


@pytest.mark.parametrize("name", ["label", "predicted", "agreement", "tag", "spectral", "p_value"])
def test_every_colouring_can_be_drawn(panel: MapPanel, workspace: Workspace, name: str) -> None:
    workspace.set_colour(name)
    panel.grab()
    assert panel._colouring is not None
    assert panel._colouring.colours.shape == (workspace.n,)


def test_suspicious_scores_are_brighter(
    panel: MapPanel, workspace: Workspace, poison: NDArray[np.bool_]
) -> None:
    workspace.set_colour("spectral")
    assert panel._colouring is not None
    green = panel._colouring.colours >> 8 & 0xFF
    assert np.nanmedian(green[poison]) > 2 * np.nanmedian(green[~poison])


def test_tags_show_in_their_colour(panel: MapPanel, workspace: Workspace) -> None:
    workspace.set_colour("tag")
    workspace.select([11])
    assert workspace.tag_selection("poison")
    assert workspace.case is not None
    assert panel._colouring is not None
    kind = workspace.case.tags.kinds[0]
    assert panel._colouring.colours[11] == theme.packed(kind.colour)


def test_hovering_shows_a_card_with_plain_text(panel: MapPanel, workspace: Workspace) -> None:
    assert workspace.table is not None
    hostile = int(np.flatnonzero(workspace.table.columns["label"] == 4)[0])
    panel.canvas.hovered.emit(hostile)
    assert panel._card.isVisible()
    words = "\n".join(describe(workspace, hostile))
    assert "<b>frog</b>⟨U+202E⟩" in words
    assert "\u202e" not in words
    panel.canvas.hovered.emit(-1)
    assert not panel._card.isVisible()


def test_without_a_map_the_panel_says_why(qtbot: QtBot) -> None:
    space = Workspace()
    panel = MapPanel(space)
    qtbot.addWidget(panel)
    panel.show()
    assert not panel.canvas.isVisible()
    assert "Analyse" in panel._empty.text.text()


@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.0])
def test_the_picture_has_the_pixels_of_the_screen(
    panel: MapPanel, monkeypatch: pytest.MonkeyPatch, ratio: float
) -> None:
    monkeypatch.setattr(panel.canvas, "devicePixelRatioF", lambda: ratio)
    panel.canvas.fit_all()
    panel.canvas._draw()
    assert panel.canvas.picture is not None
    height, width = panel.canvas.picture.pixels.shape
    assert (width, height) == (
        round(panel.canvas.width() * ratio),
        round(panel.canvas.height() * ratio),
    )
    row = panel.canvas.row_under(on_canvas(panel, *ISLAND))
    assert row >= 0


def test_a_slow_frame_is_replaced_by_a_draft_until_the_movement_ends(
    qtbot: QtBot, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inspector.gui import map_canvas

    monkeypatch.setattr(map_canvas, "SLOW_FRAME", 0.0)
    monkeypatch.setattr(map_canvas, "DRAFT", 100)
    canvas = map_canvas.MapCanvas()
    qtbot.addWidget(canvas)
    assert workspace.case is not None
    canvas.set_points(np.asarray(workspace.case.array("map:pca")))
    canvas.show()
    canvas.grab()
    canvas.set_view(canvas.view.panned(5, 5))
    canvas.grab()
    assert canvas.picture is not None
    assert canvas.picture.drawn < canvas.picture.total

    def full() -> bool:
        canvas.grab()
        return canvas.picture is not None and canvas.picture.drawn == canvas.picture.total

    qtbot.waitUntil(full, timeout=60_000)
