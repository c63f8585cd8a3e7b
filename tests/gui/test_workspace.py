"""What all panels share: one change per gesture, tags with undo, events from other threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from placed_case import place
from planted_case import put_array
from PySide6.QtCore import QThread
from pytestqt.qtbot import QtBot

from inspector.case import Case
from inspector.case.sealed_exports import SealedFolder, announce
from inspector.gui.job_feed import INTERVAL, JobFeed
from inspector.gui.workspace import Workspace


@pytest.fixture
def poison(tmp_path: Path) -> NDArray[np.bool_]:
    return place(tmp_path / "placed.case")


@pytest.fixture
def workspace(qtbot: QtBot, tmp_path: Path, poison: NDArray[np.bool_]) -> Iterator[Workspace]:
    space = Workspace()
    assert space.open_case(tmp_path / "placed.case")
    yield space
    space.close_case()


def tagged(space: Workspace) -> list[int]:
    return np.flatnonzero(space.tag_code >= 0).tolist()


def test_tags_go_to_the_selection_and_can_be_undone_after_reopening(
    workspace: Workspace, tmp_path: Path
) -> None:
    changed: list[Any] = []
    workspace.tags_changed.connect(changed.append)
    workspace.select([3, 4, 9])
    assert workspace.tag_selection("poison")
    assert tagged(workspace) == [3, 4, 9]
    assert len(changed) == 1
    assert workspace.saved_at is not None
    workspace.close_case()
    assert workspace.open_case(tmp_path / "placed.case")
    assert tagged(workspace) == [3, 4, 9]
    assert workspace.undo()
    assert tagged(workspace) == []
    assert changed[-1].tolist() == [3, 4, 9]
    assert workspace.redo()
    assert tagged(workspace) == [3, 4, 9]


def test_a_second_tag_is_seen_by_undo_although_the_first_one_is_shown(
    workspace: Workspace,
) -> None:
    workspace.select([7])
    workspace.tag_selection("poison")
    workspace.tag_selection("clean")
    changed: list[Any] = []
    workspace.tags_changed.connect(changed.append)
    assert workspace.undo()
    assert changed[0].tolist() == [7]
    assert workspace.tag_bits[7] == 1


def test_a_new_selection_shows_its_most_suspicious_sample(workspace: Workspace) -> None:
    order = workspace.ranked()
    workspace.select(np.sort(order[10:300]))
    assert workspace.current == order[10]
    workspace.select(order[:10], "add")
    assert workspace.current == order[10]  # It is still selected, so the eye stays on it.
    workspace.select(order[10:11], "remove")
    assert workspace.current == order[0]


def test_without_a_selection_the_current_sample_is_tagged(workspace: Workspace) -> None:
    workspace.set_current(12)
    assert workspace.tag_selection("suspect")
    assert tagged(workspace) == [12]
    assert workspace.clear_tags()
    assert tagged(workspace) == []


def test_nothing_to_tag_is_a_hint_and_no_journal_entry(workspace: Workspace) -> None:
    said: list[tuple[str, str]] = []
    workspace.message.connect(lambda kind, text: said.append((kind, text)))
    assert workspace.case is not None
    before = workspace.case.journal.head
    assert not workspace.tag_selection("poison")
    assert said[0][0] == "info"
    assert workspace.case.journal.head == before


def test_an_unknown_tag_is_said_and_nothing_is_lost(workspace: Workspace) -> None:
    said: list[str] = []
    workspace.message.connect(lambda kind, text: said.append(text))
    workspace.select([1])
    assert not workspace.tag_selection("poisson")
    assert "poison" in said[0]
    assert tagged(workspace) == []


def test_tag_and_advance_goes_to_the_next_untagged_of_the_ranking(workspace: Workspace) -> None:
    order = workspace.ranked()
    workspace.tag_rows(order[1:2], "clean")
    workspace.set_current(int(order[0]))
    assert workspace.tag_and_advance("poison")
    assert workspace.current == order[2]
    assert workspace.tag_and_advance("poison", among=order[::-1])
    assert workspace.current == order[-1]


def test_tag_group_takes_the_class_as_far_as_the_filter_shows_it(workspace: Workspace) -> None:
    assert workspace.table is not None
    labels = workspace.table.columns["label"]
    workspace.set_filter("index < 100")
    row = int(np.flatnonzero(labels == 2)[0])
    workspace.set_current(row)
    assert workspace.tag_group("suspect")
    assert tagged(workspace) == np.flatnonzero((labels == 2) & (np.arange(1000) < 100)).tolist()


def test_a_filter_on_tags_follows_them(workspace: Workspace) -> None:
    assert workspace.set_filter("not tagged")
    workspace.select([1, 2])
    workspace.tag_selection("clean")
    assert workspace.visible is not None
    assert np.flatnonzero(~workspace.visible).tolist() == [1, 2]


def test_threshold_proposes_what_nobody_has_judged(
    workspace: Workspace, poison: NDArray[np.bool_]
) -> None:
    assert workspace.table is not None
    scores = workspace.table.columns["combined"]
    workspace.set_threshold(float(scores[poison].min()))
    assert workspace.proposed[poison].all()
    first = np.flatnonzero(poison)[:1]
    workspace.tag_rows(first, "clean")
    assert not workspace.proposed[first].any()
    workspace.set_order("spectral")
    assert workspace.threshold is None
    assert not workspace.proposed.any()


def test_opening_another_case_starts_with_a_clean_view(
    workspace: Workspace, tmp_path: Path
) -> None:
    workspace.select([1, 2])
    workspace.set_filter("index < 5")
    place(tmp_path / "other.case", 300)
    assert workspace.open_case(tmp_path / "other.case")
    assert workspace.n == 300
    assert workspace.selection.count == 0
    assert workspace.visible is None
    assert workspace.current == -1
    assert Case.open(tmp_path / "placed.case").close() is None  # It was let go.


def test_a_case_that_cannot_be_opened_leaves_the_present_one(
    workspace: Workspace, tmp_path: Path
) -> None:
    said: list[tuple[str, str]] = []
    workspace.message.connect(lambda kind, text: said.append((kind, text)))
    assert not workspace.open_case(tmp_path / "nothing")
    assert said[0][0] == "error"
    assert workspace.n == 1000
    assert workspace.open_case(tmp_path / "placed.case")  # The same one is simply still open.


def test_arrays_written_by_a_job_appear(qtbot: QtBot, workspace: Workspace) -> None:
    seen: list[set[str]] = []
    workspace.table_changed.connect(seen.append)
    assert workspace.case is not None
    assert workspace.thumbnail(3) is not None

    def job() -> None:
        assert workspace.case is not None
        put_array(workspace.case, "score:new", np.arange(1000, dtype=np.float32))
        workspace._feed.put({"event": "array", "name": "score:new"})
        workspace._feed.put({"event": "done", "job": "scan"})

    thread = threading.Thread(target=job)
    thread.start()
    thread.join()
    workspace._feed.deliver()
    qtbot.waitUntil(lambda: bool(seen))
    qtbot.wait(20)
    assert len(seen) == 1  # Two events, one refresh.
    assert "score:new" in seen[0]
    assert workspace.table is not None
    assert "new" in workspace.table.columns


def test_an_export_that_was_cut_off_is_told_at_opening(
    workspace: Workspace, tmp_path: Path
) -> None:
    with Case.create(tmp_path / "cut off.case") as case:
        hidden = tmp_path / ".kept.partial-00000000" / "content"
        one = SealedFolder("exported", tmp_path / "kept", hidden, {"manifest_sha256": "0" * 64})
        announce(case.journal, case.path, [one])
    said: list[tuple[str, str]] = []
    workspace.message.connect(lambda kind, text: said.append((kind, text)))
    assert workspace.open_case(tmp_path / "cut off.case")
    assert [(kind, "was not finished" in text) for kind, text in said] == [("warning", True)]


def test_a_failure_of_a_job_is_said_with_what_to_do(workspace: Workspace) -> None:
    said: list[tuple[str, str]] = []
    workspace.message.connect(lambda kind, text: said.append((kind, text)))
    workspace._feed.put(
        {"event": "failed", "job": "scan", "what": "It broke.", "why": "No.", "fix": "Mend it."}
    )
    workspace._feed.deliver()
    assert said == [("error", "It broke. No. Mend it.")]


def test_a_hundred_thousand_reports_become_a_handful_in_the_windows_thread(qtbot: QtBot) -> None:
    feed = JobFeed()
    seen: list[dict[str, Any]] = []
    threads: set[bool] = set()

    def take(event: dict[str, Any]) -> None:
        threads.add(QThread.currentThread() is feed.thread())
        seen.append(event)

    feed.arrived.connect(take)

    def report() -> None:
        for done in range(100_000):
            feed.put({"event": "progress", "stage": "a", "done": done})
        feed.put({"event": "log", "text": "one"})
        feed.put({"event": "log", "text": "two"})
        feed.put({"event": "done"})

    thread = threading.Thread(target=report)
    started = time.monotonic()
    thread.start()
    qtbot.waitUntil(lambda: bool(seen) and seen[-1]["event"] == "done", timeout=60_000)
    thread.join()
    assert threads == {True}
    assert [event["text"] for event in seen if event["event"] == "log"] == ["one", "two"]
    done = [event["done"] for event in seen if event["event"] == "progress"]
    assert done == sorted(done)
    assert len(done) <= (time.monotonic() - started) * 1000 / INTERVAL + 2
    assert done[-1] == 99_999


def test_a_million_samples_are_selected_and_inverted_without_waiting(qtbot: QtBot) -> None:

    from inspector.gui.selection import Selection

    n = 1_000_000
    some = Selection.empty(n).combined(np.arange(n) % 3 == 0)
    some = some.combined(np.arange(0, n, 2), "add").combined(np.arange(n) < 500_000, "intersect")
    other = some.inverted()
    assert some.count + other.count == n
