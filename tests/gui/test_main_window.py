"""The window: keys, menus, palette, layouts, start page; nothing heavy before it is shown."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from placed_case import place
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QAction, QDropEvent
from PySide6.QtWidgets import QLabel, QMessageBox, QPushButton
from pytestqt.qtbot import QtBot

from inspector import places
from inspector.gui import layouts
from inspector.gui.keys import COMMANDS, MENUS
from inspector.gui.main_window import NO_SAMPLE, MainWindow
from inspector.gui.opening import Opening
from inspector.gui.palette import Palette, rate
from inspector.gui.recent import recent_cases, remember_case

KEYS = Qt.KeyboardModifier


@pytest.fixture
def poison(tmp_path: Path) -> NDArray[np.bool_]:
    return place(tmp_path / "placed.case")


@pytest.fixture
def bare(qtbot: QtBot) -> Iterator[MainWindow]:
    shown = MainWindow()
    qtbot.addWidget(shown)
    shown.resize(1366, 768)
    shown.show()
    qtbot.waitExposed(shown)
    yield shown
    shown.close()


@pytest.fixture
def window(qtbot: QtBot, bare: MainWindow, tmp_path: Path, poison: NDArray[np.bool_]) -> MainWindow:
    assert bare.opening.open(tmp_path / "placed.case")
    bare.activateWindow()
    qtbot.wait(20)
    return bare


def tagged(window: MainWindow, name: str) -> list[int]:
    assert window.workspace.case is not None
    return np.flatnonzero(window.workspace.case.tags.mask(name)).tolist()


def test_digits_tag_undo_and_redo_by_key(qtbot: QtBot, window: MainWindow) -> None:
    window.workspace.select([3, 4])
    qtbot.keyClick(window, Qt.Key.Key_1)
    assert tagged(window, "poison") == [3, 4]
    qtbot.keyClick(window, Qt.Key.Key_4)
    assert tagged(window, "clean") == [3, 4]
    qtbot.keyClick(window, Qt.Key.Key_Z, KEYS.ControlModifier)
    assert tagged(window, "clean") == []
    qtbot.keyClick(window, Qt.Key.Key_Z, KEYS.ControlModifier | KEYS.ShiftModifier)
    assert tagged(window, "clean") == [3, 4]
    qtbot.keyClick(window, Qt.Key.Key_0)
    assert tagged(window, "poison") == tagged(window, "clean") == []


def test_keys_walk_the_ranking_and_tag_on_the_way(qtbot: QtBot, window: MainWindow) -> None:
    space = window.workspace
    order = space.ranked()
    qtbot.keyClick(window, Qt.Key.Key_J)
    assert space.current == order[0]
    qtbot.keyClick(window, Qt.Key.Key_J)
    qtbot.keyClick(window, Qt.Key.Key_J)
    qtbot.keyClick(window, Qt.Key.Key_K)
    assert space.current == order[1]
    qtbot.keyClick(window, Qt.Key.Key_2, KEYS.ShiftModifier)
    assert tagged(window, "suspect") == [order[1]]
    assert space.current == order[2]


def test_escape_clears_the_selection_then_the_filter(qtbot: QtBot, window: MainWindow) -> None:
    space = window.workspace
    space.set_filter("index < 50")
    qtbot.keyClick(window, Qt.Key.Key_A, KEYS.ControlModifier)
    assert space.selection.count == 50
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert space.selection.count == 0
    assert space.visible is not None
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert space.visible is None


def test_digits_typed_into_the_filter_tag_nothing(qtbot: QtBot, window: MainWindow) -> None:
    window.workspace.select([3])
    qtbot.keyClick(window, Qt.Key.Key_F, KEYS.ControlModifier)
    assert window.filter_bar.box.hasFocus()
    qtbot.keyClicks(window.filter_bar.box, "index < 12")
    assert window.filter_bar.box.text() == "index < 12"
    assert tagged(window, "poison") == []


def test_keys_choose_the_tool_and_the_panel(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.keyClick(window, Qt.Key.Key_B)
    assert window.panels["map"].canvas._tool == "box"
    qtbot.keyClick(window, Qt.Key.Key_V)
    assert window.panels["map"].canvas._tool == "pan"
    window.focus_panel("trigger")
    assert window.panels["trigger"].isVisible()
    qtbot.keyClick(window, Qt.Key.Key_2, KEYS.ControlModifier)
    assert window.panels["gallery"].view.hasFocus()


def test_the_window_fits_a_small_screen(window: MainWindow) -> None:
    least = window.minimumSizeHint()
    assert least.width() <= 1280
    assert least.height() <= 720


def test_arrangements_never_widen_the_window(qtbot: QtBot, window: MainWindow) -> None:
    for name, plan in layouts.ARRANGEMENTS.items():
        window.arrange(name)
        qtbot.wait(20)
        assert window.width() == 1366
        assert window.height() == 768
        for part in plan.hidden:
            assert not window.panels[part].isVisible()
        assert window.panels[plan.raised].isVisible()


def test_closing_a_case_before_the_window_does_not_lose_the_panels(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    window.docks["log"].hide()
    window.workspace.close_case()
    assert not any(dock.isVisible() for dock in window.docks.values())
    assert window.opening.open(tmp_path / "placed.case")
    assert window.docks["case"].isVisible()
    assert not window.docks["log"].isVisibleTo(window)  # The analyst's own choice stays.
    window.workspace.close_case()
    window.close()
    again = MainWindow()
    qtbot.addWidget(again)
    again.show()
    qtbot.waitExposed(again)
    assert again.opening.open(tmp_path / "placed.case")
    qtbot.waitUntil(again.docks["case"].isVisible)
    assert again.docks["sample"].isVisible()
    assert not again.docks["log"].isVisibleTo(again)
    again.close()


def test_layout_is_kept_between_sessions_and_can_be_reset(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    window.arrange("review")
    qtbot.wait(20)
    window.docks["log"].raise_()
    window.close()
    again = MainWindow()
    qtbot.addWidget(again)
    again.show()
    qtbot.waitExposed(again)
    again.opening.open(tmp_path / "placed.case")
    qtbot.waitUntil(lambda: again.panels["history"].isVisibleTo(again), timeout=60_000)
    assert not again.panels["map"].isVisible()
    again.commands.by_id["reset-layout"].trigger()
    qtbot.wait(20)
    assert again.panels["map"].isVisible()
    assert again.panels["ranking"].isVisible()
    again.close()


def test_focus_mode_hides_the_docks_and_brings_them_back(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.keyClick(window, Qt.Key.Key_F11)
    assert not any(dock.isVisible() for dock in window.docks.values())
    assert window.panels["map"].isVisible()
    qtbot.keyClick(window, Qt.Key.Key_F11)
    assert window.docks["case"].isVisible()


def test_every_command_has_a_handler_and_no_key_twice(window: MainWindow) -> None:
    handlers = window.handlers()
    assert set(handlers) == {command.id for command in COMMANDS}
    assert {command.menu for command in COMMANDS} <= {*MENUS, ""}
    keys = [key.toString() for action in window.commands.all() for key in action.shortcuts()]
    assert len(keys) == len(set(keys))


def test_what_cannot_be_done_is_greyed_out_with_its_reason(
    bare: MainWindow, tmp_path: Path, poison: NDArray[np.bool_]
) -> None:
    export = bare.commands.by_id["export"]
    assert not export.isEnabled()
    assert "analyse" in export.toolTip()
    bare.opening.open(tmp_path / "placed.case")
    assert export.isEnabled()
    assert not bare.commands.by_id["cancel"].isEnabled()


def test_the_analysts_own_keys_replace_ours(qtbot: QtBot) -> None:
    file = places.user_state() / "keys.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"find-similar": ["Ctrl+D"], "fit": 7}))
    window = MainWindow()
    qtbot.addWidget(window)
    assert window.commands.by_id["find-similar"].shortcut().toString() == "Ctrl+D"
    assert window.commands.by_id["fit"].shortcut().toString() == "F"


def test_palette_finds_a_command_by_a_few_letters_and_runs_it(
    qtbot: QtBot, window: MainWindow
) -> None:
    qtbot.keyClick(window, Qt.Key.Key_P, KEYS.ControlModifier | KEYS.ShiftModifier)
    palette = window._palette
    assert palette is not None
    palette.search("invsel")
    palette.search("inv")
    assert palette.titles()[0] == "Invert"
    qtbot.keyClick(palette._box, Qt.Key.Key_Return)
    assert window.workspace.selection.count == window.workspace.n
    assert not palette.isVisible()


def test_palette_without_a_word_goes_by_the_menus_and_never_quits(
    qtbot: QtBot, window: MainWindow
) -> None:
    qtbot.keyClick(window, Qt.Key.Key_P, KEYS.ControlModifier | KEYS.ShiftModifier)
    palette = window._palette
    assert palette is not None
    titles = palette.titles()
    assert titles[0] == "Open model and dataset…"
    assert titles.index("Open case…") < titles.index("Quit") < titles.index("Keys")


def test_palette_leads_to_every_panel_by_its_name(qtbot: QtBot, window: MainWindow) -> None:
    for name, dock in window.docks.items():
        qtbot.keyClick(window, Qt.Key.Key_P, KEYS.ControlModifier | KEYS.ShiftModifier)
        palette = window._palette
        assert palette is not None
        palette.search(f"go to {dock.windowTitle().lower()}")
        assert palette.titles()[0] == f"Go to {dock.windowTitle()}"
        qtbot.keyClick(palette._box, Qt.Key.Key_Return)
        assert window.panels[name].isVisible()
        assert not window.panels[name].visibleRegion().isEmpty()


def test_palette_says_when_nothing_answers(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.keyClick(window, Qt.Key.Key_P, KEYS.ControlModifier | KEYS.ShiftModifier)
    palette = window._palette
    assert palette is not None
    palette.search("qqq")
    assert palette.titles() == ["No command has these letters in this order."]
    qtbot.keyClick(palette._box, Qt.Key.Key_Return)
    assert palette.isVisible()
    palette.hide()


def test_palette_prefers_starts_of_words() -> None:
    titles = ["Show the whole map", "Export cleaned dataset…", "Next class"]
    best = max(titles, key=lambda title: rate("ecd", title) or -1.0)
    assert best == "Export cleaned dataset…"
    assert rate("xyz", "Next class") is None


def test_palette_does_not_run_what_is_greyed_out(qtbot: QtBot, bare: MainWindow) -> None:
    ran: list[int] = []
    action = QAction("Off", bare)
    action.triggered.connect(lambda: ran.append(1))
    action.setEnabled(False)
    palette = Palette(bare)
    palette.open_with([action])
    qtbot.keyClick(palette._box, Qt.Key.Key_Return)
    assert ran == []
    palette.hide()


def test_a_case_with_a_hostile_name_is_shown_as_plain_text(
    qtbot: QtBot, bare: MainWindow, tmp_path: Path
) -> None:
    place(tmp_path / "<img src=x>\u202ecase")
    assert bare.opening.open(tmp_path / "<img src=x>\u202ecase")
    assert "⟨U+202E⟩" in bare.windowTitle()
    for label in bare.findChildren(QLabel):
        if "img src" in label.text() or "frog" in label.text():
            assert label.textFormat() == Qt.TextFormat.PlainText
            assert "\u202e" not in label.text()


def test_errors_stay_in_sight_and_hints_do_not_push_them_away(
    qtbot: QtBot, window: MainWindow
) -> None:
    window.workspace.message.emit("error", "The disk is full. <b>x</b>")
    window.workspace.message.emit("info", "Select samples first.")
    assert window.messages.isVisible()
    assert "disk is full" in window.messages.text
    assert window.messages._text.textFormat() == Qt.TextFormat.PlainText


def test_arrows_and_enter_act_in_the_panel_that_a_key_went_to(
    qtbot: QtBot, window: MainWindow
) -> None:
    qtbot.keyClick(window, Qt.Key.Key_J)
    qtbot.keyClick(window, Qt.Key.Key_3, KEYS.ControlModifier)
    ranking = window.focusWidget()
    assert ranking is window.panels["ranking"].table
    for _ in range(2):
        qtbot.keyClick(ranking, Qt.Key.Key_Down)
    assert window.workspace.current == window.workspace.ranked()[2]
    qtbot.keyClick(window, Qt.Key.Key_5, KEYS.ControlModifier)
    tree = window.panels["case"].tree
    assert window.focusWidget() is tree
    for _ in range(200):
        if tree.currentItem().parent() is window.panels["case"].groups["Classes"]:
            break
        qtbot.keyClick(tree, Qt.Key.Key_Down)
    qtbot.keyClick(tree, Qt.Key.Key_Return)
    labels = window.workspace.table.columns["label"]
    assert window.workspace.selection.count == (labels == 0).sum()


def test_no_key_is_dead_without_a_sample(qtbot: QtBot, window: MainWindow) -> None:
    window.workspace.set_current(-1)
    for key in "SMCTH ":
        window.messages.hide()
        qtbot.keyClick(window, key)
        assert window.messages.text == NO_SAMPLE, key
        assert window.messages.isVisible(), key


def test_an_error_does_not_outlive_the_attempt_that_it_is_about(
    qtbot: QtBot, window: MainWindow
) -> None:
    window.workspace.message.emit("error", "The data has a class 42, the network knows 10.")
    assert window.workspace.start_verify()
    assert not window.messages.isVisible()
    qtbot.waitUntil(window.messages.isVisible, timeout=10_000)
    assert window.messages.kind != "error"


def test_status_line_counts_and_says_what_was_saved(window: MainWindow) -> None:
    line = window.statusBar()
    window.workspace.select([1, 2, 3])
    window.workspace.tag_selection("poison")
    facts = line.facts()  # type: ignore[attr-defined]
    assert "1,000 samples · 3 selected · 3 tagged" in facts
    assert "undo: tag poison" in facts
    assert "saved " in facts


def test_status_line_says_what_the_engine_is_confined_by(window: MainWindow) -> None:
    case = window.workspace.case
    assert case is not None
    case.set("sandbox", ["rlimits", "netns", "process", "landlock 7", "seccomp"])
    window.workspace.case_changed.emit(case)
    shown = window.statusBar()._device  # type: ignore[attr-defined]
    assert shown.text().endswith("sandboxed")
    case.set("sandbox", ["rlimits", "seccomp"])
    window.workspace.case_changed.emit(case)
    assert "sandbox without landlock, netns, process" in shown.text()
    assert "landlock: not offered here" in shown.toolTip()


def test_status_line_follows_a_job(window: MainWindow) -> None:
    line = window.statusBar()
    event = {"event": "progress", "stage": "Signals", "done": 300, "total": 1000}
    window.workspace.job_event.emit({**event, "seconds_left": 42.0})
    assert line.bar.value() == 300  # type: ignore[attr-defined]
    assert line._stage.text() == "Signals · 42 s left"  # type: ignore[attr-defined]
    window.workspace.job_event.emit({"event": "done", "job": "scan"})
    assert not line.bar.isVisible()  # type: ignore[attr-defined]


def test_status_line_does_not_move_while_a_question_waits(window: MainWindow) -> None:
    line = window.statusBar()
    told = {"event": "progress", "stage": "Shadow networks: reading", "done": 9, "total": 9}
    window.workspace.job_event.emit(told)
    assert line.bar.maximum() == 0  # type: ignore[attr-defined]
    window.workspace.job_event.emit({"event": "budget", "job": "trigger", "budget": {}})
    assert line.bar.maximum() == 1  # type: ignore[attr-defined]
    assert line._stage.text() == "waits for your answer"  # type: ignore[attr-defined]


def test_start_page_lists_recent_cases_and_opens_them(
    qtbot: QtBot, tmp_path: Path, poison: NDArray[np.bool_]
) -> None:
    remember_case(tmp_path / "gone.case")
    remember_case(tmp_path / "placed.case")
    assert recent_cases() == [tmp_path / "placed.case"]
    window = MainWindow()
    qtbot.addWidget(window)
    window.show()
    buttons = window.start_page.findChildren(QPushButton)
    button = next(one for one in buttons if one.text().startswith("placed.case"))
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert window.workspace.n == 1000
    window.close()


def test_a_dropped_case_is_opened_and_other_things_are_asked_about(
    bare: MainWindow, tmp_path: Path, poison: NDArray[np.bool_], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Path | None, Path | None]] = []
    monkeypatch.setattr(
        Opening, "ask_evidence", lambda self, model=None, data=None: asked.append((model, data))
    )
    drop(bare, tmp_path / "model.safetensors", tmp_path / "images")
    assert asked == [(tmp_path / "model.safetensors", tmp_path / "images")]
    drop(bare, tmp_path / "placed.case")
    assert bare.workspace.n == 1000


def drop(window: MainWindow, *paths: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    event = QDropEvent(
        QPointF(50, 50),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        KEYS.NoModifier,
    )
    # Sent as an event, Qt wants a drag to have entered before; offscreen there is none.
    window.start_page.dropEvent(event)


def test_closing_while_a_job_runs_asks_first(
    bare: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(bare.workspace), "running", property(lambda self: "scan"))
    no, yes = QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes
    monkeypatch.setattr(QMessageBox, "question", lambda *a: no)
    assert not bare.close()
    monkeypatch.setattr(QMessageBox, "question", lambda *a: yes)
    assert bare.close()


def test_panels_are_built_one_per_turn_and_a_case_may_arrive_in_between(
    bare: MainWindow, tmp_path: Path, poison: NDArray[np.bool_]
) -> None:
    bare.prebuild_panels()
    assert len(bare.panels) == 1
    assert bare.opening.open(tmp_path / "placed.case")
    assert set(bare.docks) <= set(bare.panels)
    assert len(bare.panels) == 11
    assert bare.panels["map"].isVisible()


def test_the_window_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from PySide6.QtWidgets import QApplication\n"
        "app = QApplication([])\n"
        "from inspector.gui import app as started\n"
        "from inspector.gui.main_window import MainWindow\n"
        "window = MainWindow(); window.show(); app.processEvents()\n"
        "early = {'pyqtgraph', 'PIL'} & set(sys.modules)\n"
        "window.build_panels(); app.processEvents()\n"
        "late = {'torch', 'torchvision', 'umap', 'sklearn', 'scipy', 'numba'} & set(sys.modules)\n"
        "print(sorted(early), sorted(late))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout.strip() == "[] []"


def test_a_shutdown_ends_the_window_while_a_job_runs(tmp_path: Path) -> None:
    """Closing by hand asks then; a shutdown has nobody to ask."""
    code = (
        "from inspector.gui import app, main_window, workspace\n"
        "workspace.Workspace.running = property(lambda self: 'scan')\n"
        "class Told(main_window.MainWindow):\n"
        "    def showEvent(self, event):\n"
        "        super().showEvent(event); print('shown', flush=True)\n"
        "app.MainWindow = Told\n"
        "raise SystemExit(app.start(None))\n"
    )
    window = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert window.stdout is not None
        assert window.stdout.readline() == "shown\n"
        window.terminate()
        assert window.wait(120) == 0
    finally:
        window.kill()


def test_a_search_can_be_ended_by_command(window: MainWindow) -> None:
    command = window.commands.by_id["finish"]
    assert not command.isEnabled()
    run = SearchThatCanEnd()
    window.workspace.investigation = run  # type: ignore[assignment]
    window.workspace.job_event.emit({"event": "log", "text": "begun"})
    assert command.isEnabled()
    command.trigger()
    assert run.finished == 1
    assert "kept" in window.panels["jobs"].state.text()
    run.close()  # or closing the window would ask


class SearchThatCanEnd:
    """Stands in for an investigation with a running search."""

    def __init__(self) -> None:
        self.running: str | None = "trigger"
        self.ends_early, self.finished = True, 0

    def finish(self) -> bool:
        self.finished += 1
        return True

    def close(self) -> None:
        self.running = None


def test_the_keyboard_is_on_the_map_so_that_the_first_digit_tags(
    qtbot: QtBot, window: MainWindow
) -> None:
    assert window.focusWidget() is window.panels["map"].canvas
    window.workspace.select([5])
    qtbot.keyClick(window.focusWidget(), Qt.Key.Key_1)
    assert tagged(window, "poison") == [5]
    assert window.filter_bar.box.text() == ""


def test_escape_and_return_in_a_line_of_text_give_the_keyboard_back(
    qtbot: QtBot, window: MainWindow
) -> None:
    canvas, space, box = window.panels["map"].canvas, window.workspace, window.filter_bar.box
    space.select([5])
    window.filter_bar.focus()
    qtbot.keyClicks(box, "xyz")
    qtbot.keyClick(box, Qt.Key.Key_Escape)
    assert box.text() == ""
    assert window.focusWidget() is canvas
    assert space.selection.count == 1
    window.filter_bar.focus()
    box.setText("index < 10")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert space.filter_text == "index < 10"
    assert window.focusWidget() is canvas
    window.filter_bar.focus()
    box.setText("indx < 10")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert window.focusWidget() is box
    note = window.panels["sample"].note
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    space.select([5], "new", "map", 5)
    qtbot.keyClick(canvas, Qt.Key.Key_M)
    qtbot.waitUntil(lambda: window.focusWidget() is note)
    qtbot.keyClick(note, Qt.Key.Key_Escape)
    assert window.focusWidget() is canvas
    assert space.selection.count == 1


def test_the_bar_of_a_job_does_not_speak_for_another(window: MainWindow) -> None:
    line = window.statusBar()
    progress = {"event": "progress", "stage": "Export: verify", "done": 8, "total": 9}
    window.workspace.job_event.emit(progress)
    assert (line.bar.value(), line.bar.maximum()) == (8, 9)
    window.workspace.job_event.emit(progress | {"done": 9})
    assert line.bar.maximum() == 0  # busy
    window.workspace.job_event.emit({"event": "done", "job": "export"})
    assert "verify" not in line._stage.text()


def test_escape_closes_the_enlarged_sample_and_keeps_the_selection(
    qtbot: QtBot, window: MainWindow
) -> None:
    canvas = window.panels["map"].canvas
    window.workspace.select([5], "new", "map", 5)
    qtbot.keyClick(canvas, Qt.Key.Key_Space)
    look = window._quick_look
    assert look is not None
    assert look.isVisible()
    qtbot.keyClick(look, Qt.Key.Key_Escape)
    assert not look.isVisible()
    assert window.workspace.selection.count == 1
    assert window.focusWidget() is canvas


def test_undo_and_redo_are_offered_only_when_there_is_something(window: MainWindow) -> None:
    undo, redo = window.commands.by_id["undo"], window.commands.by_id["redo"]
    assert not undo.isEnabled()
    assert undo.toolTip() == "There is nothing to undo."
    window.workspace.select([5])
    window.workspace.tag_selection("poison")
    assert undo.isEnabled()
    assert not redo.isEnabled()
    undo.trigger()
    assert redo.isEnabled()
    assert not undo.isEnabled()
