"""What stays on the window while it is so: read-only, unsaved acts, evidence that is away."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from planted_case import copy_planted
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QMenu, QMessageBox
from pytestqt.qtbot import QtBot

from inspector.case import Case
from inspector.gui.case_panel import CasePanel
from inspector.gui.evidence_watch import counted
from inspector.gui.judgements import offer_judgement
from inspector.gui.main_window import MainWindow
from inspector.gui.tag_kinds_dialog import TagKindsDialog


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "usb" / "model.pt"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def folder(tmp_path: Path, model: Path) -> Path:
    place = tmp_path / "planted.case"
    copy_planted(place)
    with Case.open(place) as case:
        case.add_evidence("model", model, hashlib.sha256(b"weights").hexdigest(), 7)
        case.set("scan", {"model": str(model), "data": "/nowhere"})
    return place


@pytest.fixture
def bare(qtbot: QtBot) -> Iterator[MainWindow]:
    shown = MainWindow()
    qtbot.addWidget(shown)
    shown.resize(1366, 768)
    shown.show()
    qtbot.waitExposed(shown)
    yield shown
    shown.workspace._unsaved = type(shown.workspace._unsaved)()
    shown.close()


@pytest.fixture
def window(qtbot: QtBot, bare: MainWindow, folder: Path) -> MainWindow:
    assert bare.opening.open(folder)
    looked(qtbot, bare)
    return bare


def looked(qtbot: QtBot, window: MainWindow) -> None:
    """Wait for a look at the evidence to end and to be told."""
    qtbot.waitUntil(lambda: not window.workspace.evidence.running, timeout=60_000)
    window.workspace.evidence._feed.deliver()


def fill_disk(case: Case, pages: int) -> None:
    """Let the database take so many pages more; None of them is a file system's matter."""
    connection = case._database._connection
    now = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {now + pages}")


def test_acts_on_a_full_disk_are_kept_said_and_done_when_there_is_space(
    qtbot: QtBot, window: MainWindow, folder: Path
) -> None:
    space, unsaved = window.workspace, window.notices.unsaved
    space.select([1, 2, 3])
    assert space.tag_selection("clean")
    assert not unsaved.isVisible()
    fill_disk(space.case, 0)
    long = "a very long reason " * 900
    assert not space.tag_rows(np.array([5]), "poison", long)
    assert not space.write_note(long, np.array([6]))
    assert space.unsaved == 2
    assert unsaved.isVisible()
    assert "last 2 acts" in unsaved.text
    assert "Free some space" in unsaved.text
    assert space.case.tags.of(5) == []
    qtbot.mouseClick(unsaved.buttons[0], Qt.MouseButton.LeftButton)
    assert space.unsaved == 2
    fill_disk(space.case, 10_000)
    qtbot.mouseClick(unsaved.buttons[0], Qt.MouseButton.LeftButton)
    assert space.unsaved == 0
    assert not unsaved.isVisible()
    assert space.case.tags.of(5) == ["poison"]
    assert space.tag_code[5] >= 0
    assert space.case.notes.on_samples()[6].text == long.strip()
    space.close_case()
    with Case.open(folder) as case:
        assert case.tags.of(5) == ["poison"]
        assert case.verify() == []


def test_undo_takes_back_what_was_not_saved_before_what_was(window: MainWindow) -> None:
    space = window.workspace
    space.tag_rows(np.array([1]), "clean")
    fill_disk(space.case, 0)
    space.tag_rows(np.array([5]), "poison", "a very long reason " * 900)
    assert space.unsaved == 1
    assert space.undo()
    assert space.unsaved == 0
    assert not window.notices.unsaved.isVisible()
    assert space.case.tags.of(1) == ["clean"]


def test_closing_with_unsaved_acts_asks_first(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = window.workspace
    fill_disk(space.case, 0)
    space.tag_rows(np.array([5]), "poison", "a very long reason " * 900)
    asked: list[str] = []

    def stay(_: object, __: str, text: str, *rest: object) -> QMessageBox.StandardButton:
        asked.append(text)
        return QMessageBox.StandardButton.No

    monkeypatch.setattr(QMessageBox, "question", stay)
    assert not window.close()
    assert "1 of your acts could not be saved" in asked[0]
    fill_disk(space.case, 10_000)
    assert window.close()
    assert len(asked) == 1


def test_an_act_that_can_never_be_done_does_not_block_the_next(window: MainWindow) -> None:
    space = window.workspace
    assert not space.write_note("x", np.array([10**6]))
    assert space.unsaved == 0
    assert space.tag_rows(np.array([5]), "poison")


def test_a_read_only_case_says_so_and_refuses_to_write(
    qtbot: QtBot, bare: MainWindow, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.case.layout.writable", lambda path: False)
    assert bare.opening.open(folder)
    assert bare.notices.read_only.isVisible()
    assert "Read only" in bare.notices.read_only.text
    tag, clear = bare.commands.by_id["propose"], bare.commands.by_id["clear-tags"]
    assert not tag.isEnabled()
    assert "reading only" in clear.toolTip()
    panel = bare.panels["sample"]
    assert not any(button.isEnabled() for button in panel.tag_buttons.values())
    before = (folder / "case.db").read_bytes()
    bare.workspace.select([1])
    assert not bare.workspace.tag_selection("poison")
    assert "open for reading only" in bare.messages.text
    assert bare.workspace.unsaved == 0
    looked(qtbot, bare)
    bare.workspace.close_case()
    assert not bare.notices.read_only.isVisible()
    assert (folder / "case.db").read_bytes() == before


def test_unplugged_evidence_leaves_everything_derived_browsable(
    qtbot: QtBot, window: MainWindow, model: Path
) -> None:
    model.parent.rename(model.parent.with_name("unplugged"))
    space = window.workspace
    space.evidence.look()
    qtbot.waitUntil(window.notices.evidence.isVisible, timeout=60_000)
    assert "Not reachable: the model" in window.notices.evidence.text
    tree = window.panels["case"]
    group = tree.groups["Evidence"]
    assert [group.child(at).text(1) for at in range(group.childCount())] == ["missing"]
    order = space.ranked()
    space.select(order[:20])
    assert space.thumbnail(int(order[0])) is not None
    assert space.set_filter("combined > 3 and label == 'ship'")
    assert space.visible.any()
    assert space.tag_selection("poison")
    assert window.panels["sample"].facts.text_of("label → predicted")


def test_evidence_is_located_by_its_hash_from_the_window(
    qtbot: QtBot, window: MainWindow, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = model.parent.with_name("elsewhere")
    model.parent.rename(moved)
    (moved / "other.pt").write_bytes(b"something else")
    evidence, notice = window.workspace.evidence, window.notices.evidence
    evidence.look()
    qtbot.waitUntil(notice.isVisible, timeout=60_000)
    looked(qtbot, window)
    for name in ("other.pt", "model.pt"):
        chosen = str(moved / name)
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, chosen=chosen: (chosen, ""))
        qtbot.mouseClick(notice.buttons[0], Qt.MouseButton.LeftButton)
        looked(qtbot, window)
        if name == "other.pt":
            assert "is not the model of this case" in window.messages.text
            assert notice.isVisible()
    assert not notice.isVisible()
    assert window.workspace.case.evidence()[0].path == str(moved / "model.pt")
    assert "recorded one" in window.messages.text


def test_evidence_that_changed_is_marked_when_the_window_gets_the_focus(
    qtbot: QtBot, window: MainWindow, model: Path
) -> None:
    before = np.array(window.workspace.table.columns["combined"])
    model.write_bytes(b"WEIGHTS")
    window.workspace.evidence._on_state(Qt.ApplicationState.ApplicationActive)
    qtbot.waitUntil(window.notices.evidence.isVisible, timeout=60_000)
    assert "was changed on disk" in window.notices.evidence.text
    assert "stale" in window.notices.evidence.text
    assert window.notices.evidence.text[0].isupper()
    (entry,) = window.workspace.case.journal.of_act("evidence changed")
    assert "finding spectral" in entry.details["stale"]
    np.testing.assert_array_equal(window.workspace.table.columns["combined"], before)


def test_proposals_are_listed_selected_accepted_and_undone(window: MainWindow) -> None:
    space = window.workspace
    tree: CasePanel = window.panels["case"]
    group = tree.groups["Proposals"]
    assert group.isHidden()
    one = space.case.proposals.add([3, 4, 9], "poison", source="trigger search", note="corner")
    tree.refresh()
    assert not group.isHidden()
    line = group.child(0)
    assert line.text(0).startswith("poison? trigger search")
    tree._on_clicked(line, 0)
    assert space.selection.rows.tolist() == [3, 4, 9]
    assert (space.tag_code < 0).all()
    menu = QMenu()
    offer_judgement(menu, space, one.number)
    menu.actions()[0].trigger()
    assert np.flatnonzero(space.tag_code >= 0).tolist() == [3, 4, 9]
    assert group.isHidden()
    assert space.undo()
    assert not group.isHidden()
    assert space.proposed[[3, 4, 9]].all()
    menu.actions()[1].trigger()
    assert group.isHidden()
    assert not space.proposed.any()


def test_notes_on_the_case_and_its_samples_are_in_the_tree(window: MainWindow) -> None:
    space = window.workspace
    space.write_note("asked the <b>lab</b>", np.empty(0, np.intp))
    space.write_note("a sticker", np.array([3, 4]))
    group = window.panels["case"].groups["Notes"]
    texts = [group.child(at).text(0) for at in range(group.childCount())]
    assert texts == ["samples with a note", "asked the <b>lab</b>", "Write a note …"]
    window.panels["case"]._on_clicked(group.child(0), 0)
    assert space.selection.rows.tolist() == [3, 4]


def test_own_kinds_of_tags_get_buttons_keys_and_colours(qtbot: QtBot, window: MainWindow) -> None:
    dialog = TagKindsDialog(window.workspace, window)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.name.setText("sticker")
    qtbot.keyClick(dialog.name, Qt.Key.Key_Return)
    assert dialog.isVisible()
    assert dialog.problem.text() == ""  # Enter adds it once, not a second one of no name.
    dialog.change("sticker", key="8", colour="#123456")
    assert dialog.problem.text() == ""
    assert dialog.keys["sticker"].currentText() == "8"
    assert not dialog.keys["poison"].isEnabled()
    button = window.panels["sample"].tag_buttons["sticker"]
    assert button.text() == "8 sticker"
    window.workspace.select([7])
    qtbot.keyClick(window, Qt.Key.Key_8)
    assert window.workspace.case.tags.of(7) == ["sticker"]
    dialog.name.setText("sticker")
    qtbot.mouseClick(dialog.add, Qt.MouseButton.LeftButton)
    assert "already" in dialog.problem.text()


def test_a_case_on_another_place_still_opens(tmp_path: Path, folder: Path) -> None:
    moved = Path(shutil.move(folder, tmp_path / "elsewhere.case"))
    with Case.open(moved) as case:
        assert case.has_array("thumbnails")
        assert case.verify() == []


def test_the_window_verifies_and_names_the_first_difference(
    qtbot: QtBot, window: MainWindow, folder: Path
) -> None:
    def verified() -> str:
        qtbot.waitUntil(lambda: window.workspace.running is None, timeout=60_000)
        told: list[str] = []
        window.workspace.message.connect(lambda _, text: told.append(text))
        window.commands.by_id["verify"].trigger()
        qtbot.waitUntil(lambda: bool(told), timeout=60_000)
        return told[0]

    said = verified()
    assert "Everything that was checked is as it was written" in said
    (entry,) = window.workspace.case.journal.of_act("verified")
    assert entry.details["whole"]
    assert entry.details["head"] in said
    path = folder / "derived" / "planted" / "p_value.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    said = verified()
    assert "1 difference, the first in the array" in said
    assert "p_value" in said


def test_tags_say_by_what_means_their_samples_were_chosen(window: MainWindow) -> None:
    space = window.workspace
    space.set_threshold(6.5)
    rows = np.flatnonzero(space.table.columns["combined"] >= 6.5)
    space.select(rows, "new", "histogram")
    assert space.propose_selection()
    (proposal,) = space.case.proposals.all()
    assert proposal.source == "threshold rule combined >= 6.5"
    assert space.tag_selection("suspect")
    row = int(space.current)
    assert space.case.tags.reasons([row])[row][0].source == "threshold rule combined >= 6.5"
    assert "threshold rule combined >= 6.5" in window.panels["sample"].facts.text_of("tags")
    space.select([int(rows[0])], "new", "gallery")
    space.tag_selection("clean")
    reasons = space.case.tags.reasons([int(rows[0])])[int(rows[0])]
    assert [reason.source for reason in reasons][-1] == "manual"


def test_evidence_that_moved_together_with_the_case_is_found_on_opening(
    qtbot: QtBot, bare: MainWindow, folder: Path, model: Path, tmp_path: Path
) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    shutil.move(folder, stick / folder.name)
    shutil.move(model.parent, stick / model.parent.name)
    assert bare.opening.open(stick / folder.name)
    looked(qtbot, bare)
    assert bare.workspace.case.evidence()[0].path == str(stick / "usb" / "model.pt")
    assert not bare.notices.evidence.isVisible()
    assert "its SHA-256 is the recorded one" in bare.messages.text


def test_other_bytes_beside_the_case_are_not_taken_for_the_evidence(
    qtbot: QtBot, bare: MainWindow, folder: Path, model: Path, tmp_path: Path
) -> None:
    stick = tmp_path / "stick"
    (stick / "usb").mkdir(parents=True)
    shutil.move(folder, stick / folder.name)
    model.unlink()
    (stick / "usb" / "model.pt").write_bytes(b"others!")
    assert bare.opening.open(stick / folder.name)
    looked(qtbot, bare)
    assert bare.notices.evidence.isVisible()
    assert bare.workspace.case.evidence()[0].path == str(model)


def test_stale_results_are_counted_not_listed() -> None:
    names = ["signals", "finding spectral", *(f"trigger {at} pixel" for at in range(30))]
    assert counted(names) == "signals, 1 finding, 30 triggers"
    assert counted([]) == "none so far"
