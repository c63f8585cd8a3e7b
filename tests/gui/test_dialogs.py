"""Dialogs: bad input is one line and starts nothing; good input starts what was asked."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted_case import TARGET, copy_planted, put_array
from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtWidgets import QFileDialog, QWidget
from pytestqt.qtbot import QtBot

from inspector.engine.client import ScanOptions
from inspector.errors import InspectorError
from inspector.gui.export_dialog import ExportDialog
from inspector.gui.help_dialog import KEYS, HelpDialog
from inspector.gui.open_dialog import AnalyseDialog, OpenDialog
from inspector.gui.path_checks import size_text
from inspector.gui.plugins_dialog import PluginsDialog, describe
from inspector.gui.report_action import KINDS, ReportAction
from inspector.gui.workspace import Workspace


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 2048)
    return tmp_path


@pytest.fixture
def space(qtbot: QtBot, tmp_path: Path) -> Iterator[tuple[Workspace, np.ndarray]]:
    source = tmp_path / "source"
    source.mkdir()
    poison = copy_planted(tmp_path / "planted.case")
    opened = Workspace()
    assert opened.open_case(tmp_path / "planted.case")
    opened.case.add_evidence("data", source, "cd" * 32, 100)
    opened.select(np.flatnonzero(poison))
    yield opened, poison
    opened.close_case()


# ---- open ---------------------------------------------------------------------------------------


def dialog_on(qtbot: QtBot, model: object = "", data: object = "") -> OpenDialog:
    dialog = OpenDialog(Workspace())
    qtbot.addWidget(dialog)
    dialog.model.line.setText(str(model))
    dialog.data.line.setText(str(data))
    return dialog


def filled(qtbot: QtBot, evidence: Path) -> OpenDialog:
    return dialog_on(qtbot, evidence / "model.safetensors", evidence / "data")


def test_good_evidence_may_start(qtbot: QtBot, evidence: Path) -> None:
    dialog = filled(qtbot, evidence)
    assert dialog.problem.text() == ""
    assert dialog.go.isEnabled()
    assert dialog.case.path() == evidence / "model.case"
    assert "model.safetensors (2.0 KiB); folder data" in dialog.summary.text()
    assert "Nothing in the evidence is run" in dialog.summary.text()


def test_checkpoints_keep_their_order_and_blanks_in_their_names(
    qtbot: QtBot, evidence: Path
) -> None:
    dialog = filled(qtbot, evidence)
    early, late = evidence / "epoch 1.pt", evidence / "epoch2.pt"
    for path in (early, late):
        path.write_bytes(b"x")
    dialog.checkpoints.set_paths([early, late])
    dialog.layers.setText("none")
    assert dialog.options().checkpoints == (early, late)
    assert dialog.options().layers == ()
    assert dialog.go.isEnabled()
    late.unlink()
    dialog.checkpoints.changed.emit()
    assert f"There is no checkpoint at {late}" in dialog.problem.text()


def test_case_is_never_suggested_inside_the_data(qtbot: QtBot, evidence: Path) -> None:
    inside = evidence / "data" / "model.pt"
    inside.write_bytes(b"x")
    dialog = dialog_on(qtbot, inside, evidence / "data")
    assert dialog.case.path() == evidence / "model.case"
    assert dialog.go.isEnabled()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda d, p: d.model.line.setText(""), "Choose the model file."),
        (lambda d, p: d.model.line.setText(str(p / "no.pt")), "There is no file"),
        (lambda d, p: d.model.line.setText("/dev/null"), "neither a file of weights nor"),
        (lambda d, p: d.data.line.setText(""), "Choose the data"),
        (lambda d, p: d.data.line.setText(str(p / "none")), "There is nothing at"),
        (lambda d, p: d.reference.line.setText(str(p / "none")), "There is no reference"),
        (lambda d, p: d.verified.line.setText(str(p / "none")), "There is no list"),
        (lambda d, p: d.detectors.line.setText("spectral, ../evil"), "cannot be the id"),
        (lambda d, p: d.case.line.setText(""), "Choose a folder for the case."),
        (lambda d, p: d.case.line.setText(str(p / "data" / "x.case")), "inside the dataset"),
        (lambda d, p: d.case.line.setText(str(p)), "is no case"),
        (lambda d, p: d.case.line.setText(str(p / "model.safetensors")), "is no case"),
    ],
)
def test_bad_input_is_one_line_and_cannot_start(
    qtbot: QtBot, evidence: Path, spoil: Callable[[OpenDialog, Path], None], said: str
) -> None:
    dialog = filled(qtbot, evidence)
    spoil(dialog, evidence)
    assert said in dialog.problem.text()
    assert "\n" not in dialog.problem.text()
    assert not dialog.go.isEnabled()
    dialog.accept()
    assert dialog.result() == 0
    assert not (evidence / "model.case").exists()


def test_link_into_the_data_is_seen_through(qtbot: QtBot, evidence: Path) -> None:
    (evidence / "link").symlink_to(evidence / "data")
    dialog = filled(qtbot, evidence)
    dialog.case.line.setText(str(evidence / "link" / "x.case"))
    assert "inside the dataset" in dialog.problem.text()


def test_options_are_what_was_typed(qtbot: QtBot, evidence: Path) -> None:
    dialog = filled(qtbot, evidence)
    dialog.arch.setText("resnet18")
    dialog.classes.setValue(10)
    dialog.detectors.line.setText("spectral,  activation-clustering")
    dialog.limit.setValue(500)
    dialog.device.setCurrentText("cpu")
    dialog.seed.setValue(7)
    dialog.layer.setText("fc1")
    dialog.split.setText(" test ")
    assert dialog.options() == ScanOptions(
        model=evidence / "model.safetensors",
        data=evidence / "data",
        arch="resnet18",
        classes=10,
        detectors=("spectral", "activation-clustering"),
        layer="fc1",
        split="test",
        limit=500,
        device="cpu",
        seed=7,
    )


def test_agreeing_makes_the_case_and_starts(
    qtbot: QtBot, evidence: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ScanOptions] = []
    dialog = filled(qtbot, evidence)
    space = dialog._workspace
    monkeypatch.setattr(space, "start_scan", lambda options: asked.append(options) or True)
    qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    assert dialog.result() == 1
    assert asked[0].model == evidence / "model.safetensors"
    assert space.case is not None
    assert space.case.path == evidence / "model.case"
    space.close_case()


def test_refusal_keeps_the_dialog_open_with_the_reason(
    qtbot: QtBot, evidence: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialog = filled(qtbot, evidence)
    space = dialog._workspace

    def refuse(options: ScanOptions) -> bool:
        space.message.emit("error", "The engine could not be started.")
        return False

    monkeypatch.setattr(space, "start_scan", refuse)
    qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    assert dialog.result() == 0
    assert dialog.problem.text() == "The engine could not be started."
    space.close_case()


def test_analysing_again_keeps_the_evidence(
    qtbot: QtBot, space: tuple[Workspace, np.ndarray], evidence: Path
) -> None:
    options = ScanOptions(
        model=evidence / "model.safetensors", data=evidence / "source", limit=200, seed=3
    )
    space[0].case.set("scan", options.as_record())
    dialog = AnalyseDialog(space[0])
    qtbot.addWidget(dialog)
    assert dialog.options() == options
    assert not dialog.data.isEnabled()
    assert dialog.go.isEnabled()
    assert not dialog.case.isEnabled()


def test_another_investigation_starts_empty(
    qtbot: QtBot, space: tuple[Workspace, np.ndarray]
) -> None:
    dialog = OpenDialog(space[0])
    qtbot.addWidget(dialog)
    assert dialog.model.path() is None
    assert dialog.case.path() is None
    assert dialog.case.isEnabled()


def test_sizes_are_said_like_a_person() -> None:
    assert size_text(12) == "12 bytes"
    assert size_text(1536) == "1.5 KiB"
    assert size_text(3 << 30) == "3.0 GiB"


# ---- export -------------------------------------------------------------------------------------


def export_dialog(qtbot: QtBot, space: Workspace, tag: str = "poison") -> ExportDialog:
    space.tag_selection(tag)
    dialog = ExportDialog(space)
    qtbot.addWidget(dialog)
    return dialog


def cell(dialog: ExportDialog, row: int, column: int) -> str:
    return str(dialog.preview.table.model_.index(row, column).data())


def test_export_says_what_would_go(qtbot: QtBot, space: tuple[Workspace, np.ndarray]) -> None:
    opened, poison = space
    dialog = export_dialog(qtbot, opened)
    labels = opened.table.columns["label"]
    before, gone = int((labels == TARGET).sum()), int(poison.sum())
    cells = [cell(dialog, TARGET, at) for at in (1, 2, 3)]
    assert cells == [f"{before:,}", f"{gone:,}", f"{before - gone:,}"]
    assert dialog.dropped_tags() == ["poison"]
    assert f"{gone:,} of {opened.n:,} samples are left out" in dialog.summary.text()
    assert dialog.go.isEnabled()


def test_emptied_class_is_warned_of(qtbot: QtBot, space: tuple[Workspace, np.ndarray]) -> None:
    opened, _ = space
    opened.select(np.flatnonzero(opened.table.columns["label"] == TARGET))
    dialog = export_dialog(qtbot, opened)
    assert "1 class would be empty" in dialog.summary.text()
    assert dialog.go.isEnabled()


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("", "Choose a new folder."),
        ("source", "there already"),
        ("source/cleaned", "in or around the evidence"),
        ("none/cleaned", "does not exist"),
    ],
)
def test_bad_target_is_one_line(
    qtbot: QtBot, space: tuple[Workspace, np.ndarray], tmp_path: Path, target: str, said: str
) -> None:
    dialog = export_dialog(qtbot, space[0])
    dialog.target.line.setText(str(tmp_path / target) if target else "")
    assert said in dialog.problem.text()
    assert not dialog.go.isEnabled()


def test_no_tagged_sample_no_export(qtbot: QtBot, space: tuple[Workspace, np.ndarray]) -> None:
    dialog = export_dialog(qtbot, space[0], "clean")
    assert "No sample carries a chosen tag" in dialog.problem.text()
    assert not dialog.go.isEnabled()
    dialog.tags["clean"].setChecked(True)
    assert dialog.go.isEnabled()


def test_export_follows_the_job_to_its_end(
    qtbot: QtBot, space: tuple[Workspace, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, _ = space
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        opened, "start_export", lambda to, drop, **more: asked.append((to, drop, more)) or True
    )
    dialog = export_dialog(qtbot, opened)
    target = dialog.target.path()
    qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    assert asked == [(target, ["poison"], {"quarantine": None, "lists_only": False})]
    assert dialog.stop.isVisibleTo(dialog)
    dialog.reject()
    assert "Still writing" in dialog.problem.text()
    opened.job_event.emit(
        {"event": "progress", "stage": "Export: writing", "done": 500, "total": 1000}
    )
    assert dialog.bar.value() == 500
    result = {"kept": 980, "removed": 20, "target": str(target)}
    opened.job_event.emit({"event": "done", "job": "export", "result": result})
    assert "980 samples kept, 20 left out" in dialog.problem.text()


def test_failed_export_says_why(
    qtbot: QtBot, space: tuple[Workspace, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, _ = space
    monkeypatch.setattr(opened, "start_export", lambda to, drop, **more: True)
    dialog = export_dialog(qtbot, opened)
    qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    opened.job_event.emit({"event": "failed", "job": "export", "what": "The disk is full."})
    assert dialog.problem.text() == "The disk is full."
    assert dialog.go.isEnabled()


def test_preview_by_cluster_needs_activation_clustering(
    qtbot: QtBot, space: tuple[Workspace, np.ndarray]
) -> None:
    opened, poison = space
    dialog = export_dialog(qtbot, opened)
    assert not dialog.preview.by_cluster.isEnabled()
    assert "cannot be estimated without an audit" in dialog.preview.sentence.text()
    apart = np.where(poison, 9.0, 0.0) + np.random.default_rng(0).normal(0, 1, opened.n)
    put_array(opened.case, "score:activation-clustering", apart.astype(np.float32))
    dialog.recount()
    assert dialog.preview.by_cluster.isEnabled()
    dialog.preview.by_cluster.setChecked(True)
    table = dialog.preview.table.model_
    rows = [[str(table.index(at, column).data()) for column in range(5)] for at in range(10)]
    gone = f"{int(poison.sum()):,}"
    assert ["ship", "outer", gone, gone, "0"] in rows


def test_quarantine_and_lists_are_asked_for(
    qtbot: QtBot,
    space: tuple[Workspace, np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened, _ = space
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(
        opened, "start_export", lambda to, drop, **more: asked.append(more) or False
    )
    dialog = export_dialog(qtbot, opened)
    assert not dialog.quarantine.isVisibleTo(dialog)
    dialog.mode.setCurrentIndex(1)
    assert dialog.quarantine.isVisibleTo(dialog)
    aside = dialog.quarantine.path()
    dialog.quarantine.set_path(dialog.target.path() / "inside")
    assert "must lie beside" in dialog.problem.text()
    assert not dialog.go.isEnabled()
    dialog.quarantine.set_path(aside)
    qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    dialog.mode.setCurrentIndex(2)
    qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    assert asked == [
        {"quarantine": aside, "lists_only": False},
        {"quarantine": None, "lists_only": True},
    ]


def test_a_running_export_can_be_cancelled(
    qtbot: QtBot, space: tuple[Workspace, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, _ = space
    stopped: list[bool] = []
    monkeypatch.setattr(opened, "start_export", lambda to, drop, **more: True)
    monkeypatch.setattr(opened, "cancel_job", lambda *_: stopped.append(True))
    dialog = export_dialog(qtbot, opened)
    assert not dialog.stop.isVisibleTo(dialog)
    qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    dialog.stop.click()
    assert stopped == [True]
    opened.job_event.emit({"event": "cancelled", "job": "export"})
    assert "nothing was written" in dialog.problem.text()
    assert dialog.go.isEnabled()


def test_leftovers_of_a_crash_are_offered_for_deletion(
    qtbot: QtBot, space: tuple[Workspace, np.ndarray]
) -> None:
    dialog = export_dialog(qtbot, space[0])
    assert not dialog.tidy.isVisibleTo(dialog)
    target = dialog.target.path()
    stale = target.with_name(f".{target.name}.partial-0123abcd")
    stale.mkdir(parents=True)
    dialog.target.set_path(target.with_name("other"))
    assert not dialog.tidy.isVisibleTo(dialog)
    dialog.target.set_path(target)
    assert stale.name in dialog.leftover.text()
    dialog.tidy.click()
    assert not stale.exists()
    assert not dialog.tidy.isVisibleTo(dialog)


# ---- report --------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".html", ".pdf", ".json"])
def test_a_report_is_written_from_the_window(
    qtbot: QtBot,
    space: tuple[Workspace, np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ending: str,
) -> None:
    opened, _ = space
    window = QWidget()
    qtbot.addWidget(window)
    action = ReportAction(opened, window)
    said: list[str] = []
    opened.message.connect(lambda kind, text: said.append(text))
    kind = next(name for name, end in KINDS.items() if end == ending)
    answer = (str(tmp_path / "written"), kind)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: answer)
    assert action.ask()
    qtbot.waitUntil(lambda: any("Report written" in text for text in said), timeout=60_000)
    start = {".html": b"<!DOCTYPE html>", ".pdf": b"%PDF-", ".json": b"{"}[ending]
    assert (tmp_path / f"written{ending}").read_bytes().startswith(start)
    assert opened.case.journal.entries(1)[0].act == "reported"


def test_a_report_into_the_evidence_is_refused_in_the_window(
    qtbot: QtBot,
    space: tuple[Workspace, np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened, _ = space
    window = QWidget()
    qtbot.addWidget(window)
    said: list[str] = []
    opened.message.connect(lambda kind, text: said.append(text))
    answer = (str(tmp_path / "source" / "r.html"), "")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: answer)
    assert not ReportAction(opened, window).ask()
    assert "lies in the evidence" in said[0]
    assert not list((tmp_path / "source").iterdir())


# ---- plugins and help ---------------------------------------------------------------------------

ROWS: list[dict[str, Any]] = [
    {
        "id": "spectral",
        "info": {
            "id": "spectral",
            "title": "Spectral signatures",
            "summary": "Top singular direction per class.",
            "version": "1.0",
            "needs": ["activations", "labels"],
            "passes": 0.0,
            "reference": "Tran 2018",
            "parameters": [{"name": "epsilon", "default": 0.05, "help": "expected share"}],
        },
        "origin": "bundled",
        "file": None,
        "sha256": "ab" * 32,
        "status": "ready",
    },
    {
        "id": None,
        "info": None,
        "origin": "user folder",
        "file": "/plugins/bad\u202e.py",
        "status": "broken",
        "cause": "SyntaxError: invalid syntax, line 3",
        "traceback": "Traceback\n  File bad.py",
    },
]


def test_broken_plugins_come_first_with_their_cause(qtbot: QtBot) -> None:
    dialog = PluginsDialog(ask=lambda: ROWS)
    qtbot.addWidget(dialog)
    qtbot.waitUntil(lambda: not dialog.stack.is_empty, timeout=60_000)
    model = dialog.table.model_
    assert model.index(0, 0).data() == "bad⟨U+202E⟩.py"
    assert model.index(0, 4).data() == "SyntaxError: invalid syntax, line 3"
    assert model.index(1, 5).data() == "activations, labels"
    assert "Traceback" in describe(ROWS[1])
    assert "epsilon = 0.05: expected share" in describe(ROWS[0])


def test_engine_that_does_not_answer_is_told(qtbot: QtBot) -> None:
    answers: list[Any] = [InspectorError("The engine stopped."), ROWS]

    def ask() -> list[dict[str, Any]]:
        answer = answers.pop(0)
        if isinstance(answer, InspectorError):
            raise answer
        return answer  # type: ignore[no-any-return]

    dialog = PluginsDialog(ask=ask)
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitUntil(lambda: dialog.stack.page.text.text() == "The engine stopped.", timeout=60_000)
    qtbot.mouseClick(dialog.stack.page.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not dialog.stack.is_empty, timeout=60_000)


def test_closing_the_list_before_it_is_there_leaves_the_window_alone(qtbot: QtBot) -> None:
    # Its thread used to hold the dialog, destroyed it outside the window's thread, and that ended
    # the program.
    asked, may_answer, ended_by = threading.Event(), threading.Event(), []

    def ask() -> list[dict[str, Any]]:
        asked.set()
        may_answer.wait(10.0)
        return ROWS

    window = QWidget()
    qtbot.addWidget(window)
    dialog = PluginsDialog(window, ask)
    weakref.finalize(dialog, lambda: ended_by.append(threading.current_thread()))
    QTimer.singleShot(0, dialog.reject)
    dialog.exec()
    assert asked.wait(5.0)
    del dialog
    gc.collect()
    may_answer.set()
    for thread in threading.enumerate():
        if thread.name == "catalogue":
            thread.join(5.0)
    assert ended_by == [threading.main_thread()]


def test_help_shows_every_page_and_the_keys(qtbot: QtBot) -> None:
    dialog = HelpDialog()
    qtbot.addWidget(dialog)
    titles = [dialog.pages.item(at).text() for at in range(dialog.pages.count())]
    assert titles[-1] == KEYS
    for title in titles:
        dialog.show_page(title)
        assert len(dialog.text.toPlainText()) > 20
    assert "Ctrl+Z" in dialog.text.toPlainText()


def test_help_goes_to_a_section_and_finds_words(qtbot: QtBot) -> None:
    dialog = HelpDialog()
    qtbot.addWidget(dialog)
    dialog.show()
    titles = [dialog.pages.item(at).text().strip() for at in range(dialog.pages.count())]
    dialog.pages.setCurrentRow(titles.index("Exports"))
    top = dialog.text.cursorForPosition(QPoint(20, 20)).block().text()
    assert top == "Exports"
    qtbot.keyClicks(dialog.search, "folder")
    first = dialog.text.textCursor()
    assert first.selectedText().lower() == "folder"
    qtbot.keyClick(dialog.search, Qt.Key.Key_Return)
    assert dialog.isVisible()
    assert dialog.text.textCursor().selectionStart() > first.selectionStart()
    dialog.search.setText("no such word here")
    assert dialog.found.text() == "not on this page"
