"""What the case takes of a trigger search that was ended early, and how it is asked to end."""

from __future__ import annotations

import hashlib
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inspector.case import Case, trigger_document, trigger_sentence
from inspector.cli import asking
from inspector.cli import scan as command
from inspector.engine.client import Investigation, ScanOptions, triggers
from inspector.engine.client.engines import Engines
from inspector.engine.client.rerun import _searches
from inspector.engine.client.triggers import reconstruct
from inspector.errors import Cancelled


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    with Case.create(tmp_path / "c.case") as made:
        names = ["cat", "dog", "ship", "frog"]
        made.set("dataset", {"n": 10, "class_names": names, "digest": "a" * 64, "notes": []})
        made.set("model", {"num_classes": 4, "spec": {"sha256": "b" * 64}})
        (tmp_path / "m.pt").write_bytes(b"x")
        options = ScanOptions(model=tmp_path / "m.pt", data=tmp_path)
        made.set("scan", options.as_record())
        yield made


def answer(
    case: Case, folder: str, sizes: dict[int, float], early: tuple[int, ...] = (), lacking: int = 0
) -> Any:
    """Return an engine that found triggers of these sizes, and says which were stopped early."""
    arrays, rows = [], []
    place = case.derived / folder
    place.mkdir()
    for index, size in sizes.items():
        name = f"trigger:{index}-neural-cleanse:mask"
        np.save(place / f"{index}.npy", np.full((4, 4), size, np.float32))
        data = (place / f"{index}.npy").read_bytes()
        arrays.append(
            {
                "name": name,
                "path": f"{folder}/{index}.npy",
                "dtype": "<f4",
                "shape": [4, 4],
                "sha256": hashlib.sha256(data).hexdigest(),
            }
        )
        rows.append(
            {
                "index": index,
                "method": "neural-cleanse",
                "mask_l1": size,
                "mask_array": name,
                "stopped_early": index in early,
                "compared": len(sizes) - len(early),
                "significant": False,
                "verdict": "none",
            }
        )
    ended = bool(early or lacking)
    told = {"classes": rows, "arrays": arrays, "caveats": [], "verdict": "none"}
    nothing = [index for index in range(4) if index not in sizes]
    told |= {"ended_early": ended, "lacking": nothing[:lacking]}
    return lambda job, **arguments: told if job == "trigger" else {"packages": {}}


def searched(case: Case, run: Any) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    reconstruct(case, run, events.append, None, {})
    return events


def test_what_was_found_so_far_is_recorded_and_told(case: Case) -> None:
    events = searched(case, answer(case, "one", {0: 5.0, 1: 7.0, 2: 9.0}, early=(1, 2), lacking=1))
    said = (
        "Of the classes: 1 searched through, 2 kept as far as found, 1 without a trigger that works"
    )
    assert any(said in str(event.get("text")) for event in events)
    document = trigger_document(case)
    assert [row["stopped_early"] for row in document["classes"]] == [False, True, True]
    assert said in document["caveats"][0]
    sentence = trigger_sentence(document)
    assert sentence.startswith("No trigger found for 1 class.")
    assert "Stopped early and not judged: 2 classes." in sentence
    assert np.asarray(case.array("trigger:1-neural-cleanse:mask"))[0, 0] == 7.0
    assert case.verify() == []
    # A screen that was through judges the same classes; the search that was stopped did not.
    screened = [
        {**row, "method": "maximum-margin", "stopped_early": False} for row in document["classes"]
    ]
    both = {**document, "classes": [*document["classes"], *screened]}
    said = trigger_sentence(both)
    assert said.startswith("No trigger found for 3 classes.")
    assert "Stopped early and not judged by neural-cleanse: 2 classes." in said


def test_nothing_found_yet_is_no_result(case: Case) -> None:
    with pytest.raises(Cancelled, match="nothing is recorded"):
        searched(case, answer(case, "one", {}, lacking=4))
    assert case.triggers() == []


def test_a_finished_trigger_gives_way_to_none_that_was_stopped_or_compared_with_fewer(
    case: Case,
) -> None:
    searched(case, answer(case, "one", {0: 5.0, 1: 7.0, 2: 9.0}))
    searched(case, answer(case, "two", {0: 1.0, 1: 1.0, 3: 1.0}, early=(1, 3)))
    sizes = {row["index"]: row["mask_l1"] for row in case.triggers()}
    assert sizes == {0: 5.0, 1: 7.0, 2: 9.0, 3: 1.0}
    assert np.asarray(case.array("trigger:1-neural-cleanse:mask"))[0, 0] == 7.0
    searched(case, answer(case, "three", {3: 2.0}))
    assert {row["index"]: row["mask_l1"] for row in case.triggers()}[3] == 2.0
    assert case.verify() == []


def test_a_rerun_repeats_what_was_searched_through_unless_the_search_went_on(case: Case) -> None:
    searched(case, answer(case, "one", {0: 5.0, 1: 7.0}, early=(1,)))
    assert _searches(case) == [({"full": False}, [0])]
    searched(case, answer(case, "two", {0: 5.0, 1: 7.0, 2: 9.0, 3: 8.0}))
    assert _searches(case) == [({"full": False}, [0, 1, 2, 3])]


def test_only_a_job_that_can_ends_early(case: Case) -> None:
    investigation = Investigation(case)
    assert not investigation.finish()
    with investigation._working("scan"):
        assert not investigation.finish()
    with investigation._working("trigger"):
        assert investigation.finish()


class Deaf:
    """Stands in for an investigation and writes down how it is asked to end."""

    asked: list[str] = []

    def __init__(self, case: Any, on_event: Any) -> None:
        self.can_finish = case != "scan"

    def finish(self) -> bool:
        if self.can_finish:
            self.asked.append("finish")
        return self.can_finish

    def cancel(self) -> None:
        self.asked.append("cancel")

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("job", "signals", "acts"),
    [
        ("trigger", [signal.SIGINT], ["finish"]),
        ("trigger", [signal.SIGINT, signal.SIGINT], ["finish", "cancel"]),
        ("trigger", [signal.SIGTERM], ["cancel"]),
        ("scan", [signal.SIGINT], ["cancel"]),
    ],
)
def test_the_first_control_c_keeps_the_second_cancels(
    job: str,
    signals: list[signal.Signals],
    acts: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "Investigation", Deaf)
    monkeypatch.setattr(Deaf, "asked", [])
    with command.investigating(job):  # type: ignore[arg-type]
        for one in signals:
            before = set(threading.enumerate())
            signal.raise_signal(one)
            for thread in set(threading.enumerate()) - before:
                thread.join(60)
    assert Deaf.asked == acts
    assert ("what was found so far is kept" in capsys.readouterr().err) == ("finish" in acts)


def test_control_c_at_the_question_is_a_no(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "Investigation", Deaf)
    monkeypatch.setattr(Deaf, "asked", [])
    monkeypatch.setattr(asking.sys.stdin, "isatty", lambda: True, raising=False)

    def pressed(*_: Any, **__: Any) -> bool:
        signal.raise_signal(signal.SIGINT)
        return True

    monkeypatch.setattr(asking.click, "confirm", pressed)
    with command.investigating("trigger"):  # type: ignore[arg-type]
        assert not asking.asked_to_train("About 3 min.", False)
        assert asking.asked_to_train("About 3 min.", True)
    assert Deaf.asked == []


def test_before_the_budget_was_agreed_to_there_is_nothing_to_keep(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    investigation, ends = Investigation(case), []

    def reconstruct(*given: Any) -> dict[str, Any]:
        ends.append(investigation.finish())
        assert given[-1]({})
        ends.append(investigation.finish())
        return {}

    monkeypatch.setattr(triggers, "reconstruct", reconstruct)
    monkeypatch.setattr(investigation, "_check_evidence", lambda *_: None)
    monkeypatch.setattr(investigation, "_open_engine", lambda *_: None)
    investigation.trigger(
        None, lambda budget: ends.append(investigation.finish()) is None, shadows=3
    )
    assert ends == [False, False, True]


def test_the_end_of_a_job_that_fails_as_nobody_foresaw_is_told(case: Case) -> None:
    told: list[dict[str, object]] = []
    investigation = Investigation(case, told.append)
    investigation._start("stamp", lambda: {}["missing"])
    investigation.close()
    (end,) = told
    assert (end["event"], end["job"]) == ("failed", "stamp")
    assert "Inspector itself has a fault: KeyError: 'missing'." in str(end["what"])
    assert "Traceback" in str(end["detail"])
    assert investigation.running is None


def test_a_job_runs_from_when_it_was_begun_until_its_end_is_told(case: Case) -> None:
    told: list[tuple[str, str | None]] = []
    investigation = Investigation(
        case, lambda it: told.append((it["event"], investigation.running))
    )
    go_on = threading.Event()
    investigation._start("stamp", lambda: go_on.wait(5))
    assert investigation.running == "stamp"
    investigation._start("drill", lambda: go_on.wait(5))
    assert told == [("failed", "stamp")]
    go_on.set()
    investigation.close()
    assert told[1:] == [("done", None)]


class Slow:
    """Stands in for an engine; while a job is on its way to it, somebody cancels."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.meanwhile, self.cancelled = meanwhile, False

    def submit(self, job: str, **arguments: Any) -> int:
        self.meanwhile()
        return 1

    def cancel(self, number: int) -> None:
        self.cancelled = True

    def wait(self, number: int) -> dict[str, Any]:
        assert self.cancelled, "it would work to its end"
        raise Cancelled


def test_a_cancel_while_a_job_is_on_its_way_reaches_it(case: Case) -> None:
    engines = Engines(case, lambda event: None)
    with pytest.raises(Cancelled):
        engines._run_in(Slow(engines.cancel), "signals", {})  # type: ignore[arg-type]
