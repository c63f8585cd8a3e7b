"""*Detectors ▸ Trace this sample…*: what is asked, and how what unlearning said is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from placed_case import place
from planted_case import TARGET, put_array
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QMenu
from pytestqt.qtbot import QtBot

from inspector.gui.gallery import GalleryPanel
from inspector.gui.main_window import MainWindow
from inspector.gui.sample_menu import ABOUT, add_sample_commands
from inspector.gui.trace_dialog import TraceDialog
from inspector.gui.workspace import Workspace

TEACHERS = [11, 4, 29]


@pytest.fixture
def dialog(qtbot: QtBot, space: Workspace) -> TraceDialog:
    shown = TraceDialog(space)
    qtbot.addWidget(shown)
    shown.show()
    return shown


def traced(space: Workspace, **changes: Any) -> None:
    """Record a trace as the engine's client does, and say so."""
    case = space.case
    assert case is not None
    scores = np.zeros(case.n, np.float32)
    scores[TEACHERS] = [0.9, 0.8, 0.7]
    put_array(case, "score:trace", scores)
    belief = {"answer": 1, "name": "car", "probability": 0.05}
    control = {"answer": TARGET, "name": "ship", "probability": 0.97}
    trace = {
        "incident": "Sample 7",
        "index": 7,
        "answer": TARGET,
        "answer_name": "ship",
        "label": TARGET,
        "probability": 0.99,
        "samples": [{"index": row, "score": float(scores[row])} for row in TEACHERS],
        "after": belief,
        "controls": [control, control, control],
        "outcome": "confirmed",
        **changes,
    }
    case.record_finding("trace", {"verdict": "medium", "caveats": ["A caveat."], "trace": trace})
    space.job_event.emit({"event": "done", "job": "trace"})
    space._reload({"score:trace", "finding:trace"})


def test_the_current_sample_is_traced_and_progress_shown(
    qtbot: QtBot, dialog: TraceDialog, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(space, "start_trace", lambda **more: asked.append(more) or True)
    assert not dialog.go.isEnabled()
    space.select([7], "new", "test", 7)
    assert dialog.go.text() == "Trace sample 7"
    dialog.top.setValue(20)
    qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    assert asked == [{"top": 20, "index": 7}]
    assert not dialog.go.isEnabled()
    assert dialog.cancel.isVisible()
    space.job_event.emit({"event": "progress", "stage": "Unlearning", "done": 1, "total": 4})
    assert dialog.bar.value() == 250
    space.job_event.emit({"event": "cancelled", "job": "trace"})
    assert dialog.state.text() == "Cancelled."
    assert dialog.go.isEnabled()
    dialog.trace_file(Path("odd.png"))
    assert asked[1:] == [{"top": 20, "image": Path("odd.png")}]


def test_a_refusal_is_told_in_place(dialog: TraceDialog, space: Workspace) -> None:
    told = {"what": "The case holds no activations.", "why": "", "fix": "Scan first."}
    space.job_event.emit({"event": "failed", "job": "trace", **told})
    assert dialog.state.text() == "The case holds no activations. Scan first."


def test_what_unlearning_said_is_shown_and_ranked_by(dialog: TraceDialog, space: Workspace) -> None:
    assert "unlearn" in dialog.words.text()
    assert not dialog.strip.isVisible()
    traced(space)
    said = dialog.words.text()
    assert "Sample 7 is answered ship with probability 0.99." in said
    assert "The answer hangs on these samples." in said
    assert "A caveat." in said
    assert dialog.incident.image is not None
    assert dialog.plot.bars.opts["height"] == pytest.approx([0.99, 0.05, 0.97, 0.97, 0.97])
    assert [dialog.strip.item(at).text() for at in range(3)] == ["11", "4", "29"]
    assert space.order_column == "trace"
    assert space.ranked()[:3].tolist() == TEACHERS


def test_its_samples_are_filtered_selected_and_looked_at(
    qtbot: QtBot, dialog: TraceDialog, space: Workspace
) -> None:
    traced(space)
    qtbot.mouseClick(dialog.filter, Qt.MouseButton.LeftButton)
    assert space.visible is not None
    assert np.flatnonzero(space.visible).tolist() == sorted(TEACHERS)
    space.set_filter("")
    qtbot.mouseClick(dialog.select, Qt.MouseButton.LeftButton)
    assert space.selection.rows.tolist() == sorted(TEACHERS)
    dialog.strip.itemClicked.emit(dialog.strip.item(2))
    assert space.current == 29
    space.set_order("spectral")
    qtbot.mouseClick(dialog.rank, Qt.MouseButton.LeftButton)
    assert space.order_column == "trace"


@pytest.mark.parametrize("changes", [{"samples": [{"index": 9999, "score": 1.0}]},
                                     {"samples": 5}, {"after": "x"}])  # fmt: skip
def test_a_trace_of_another_shape_is_not_shown(
    dialog: TraceDialog, space: Workspace, changes: dict[str, Any]
) -> None:
    traced(space, **changes)
    assert "A trace ranks" in dialog.words.text()
    assert not dialog.strip.isVisible()


def test_the_sample_menu_asks_the_window(qtbot: QtBot, space: Workspace) -> None:
    gallery = GalleryPanel(space)
    qtbot.addWidget(gallery)
    gallery.resize(400, 200)
    gallery.show()
    gallery.show_source("ranking")
    gallery.view.customContextMenuRequested.emit(QPoint(20, 20))
    assert space.current == gallery.rows[0]
    menu = gallery.view.findChild(QMenu)
    assert menu is not None
    with qtbot.waitSignal(space.command_requested) as asked:
        next(act for act in menu.actions() if act.text().startswith("Trace")).trigger()
    assert asked.args == ["trace"]
    menu.close()


def test_every_entry_is_a_command_of_the_window(qtbot: QtBot, tmp_path: Path) -> None:
    place(tmp_path / "placed.case")
    window = MainWindow()
    qtbot.addWidget(window)
    assert {command for _, command in ABOUT} <= set(window.commands.by_id)
    menu = QMenu()
    add_sample_commands(menu, window.workspace)
    assert not any(act.isEnabled() for act in menu.actions())
