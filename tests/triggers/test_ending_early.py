"""A search that is ended before it is through: what works is kept, and nothing is made of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from planted_network import CLASSES, TARGET, PlantedModel, Recorder, pictures

from inspector.api import Control
from inspector.engine.jobs.trigger_classes import PartOf, forget_classes, search_classes
from inspector.errors import Cancelled, InspectorError
from inspector.triggers import (
    MethodEntry,
    Search,
    Stamp,
    TriggerResult,
    prepare_search,
    trigger_document,
    universal,
)
from inspector.triggers.max_margin import MaximumMargin
from inspector.triggers.measuring import conclude
from inspector.triggers.method import MethodInfo
from inspector.triggers.neural_cleanse import NeuralCleanse
from inspector.triggers.universal import UniversalPerturbation


class Ends(Recorder):
    """Wants the end after so many reports of progress."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def ends_early(self) -> bool:
        return len(self.steps) >= self.after


def asked(control: Control | None = None, **more: object) -> Search:
    images, labels = pictures()
    options = {"classes": range(CLASSES), "control": control, **more}
    return prepare_search(PlantedModel(), images, labels, **options)  # type: ignore[arg-type]


def by_class(results: list[TriggerResult]) -> dict[int, TriggerResult]:
    return {result.class_index: result for result in results}


@pytest.fixture(scope="module")
def whole() -> tuple[dict[int, TriggerResult], Recorder]:
    recorder = Recorder()
    return by_class(list(NeuralCleanse().run(asked(recorder)))), recorder


def _through(recorder: Recorder) -> list[int]:
    """The step at which each class was through, in order."""
    first: dict[int, int] = {}
    for sent in recorder.standings:
        for row in sent["classes"]:
            if not row["running"]:
                first.setdefault(row["class_index"], row["steps"])
    return sorted(first.values())


def test_classes_that_are_through_are_as_ever_and_others_work_but_are_larger(
    whole: tuple[dict[int, TriggerResult], Recorder],
) -> None:
    through, recorder = whole
    ends = _through(recorder)
    assert len(ends) >= 2
    control = Ends(ends[0] + 1)
    results = by_class(list(NeuralCleanse().run(asked(control))))
    done = [index for index, result in results.items() if not result.stopped_early]
    early = [index for index, result in results.items() if result.stopped_early]
    assert done
    assert early
    for index in done:
        np.testing.assert_array_equal(results[index].mask, through[index].mask)
    for index in early:
        assert results[index].success_rate > 0.8
        assert results[index].size >= through[index].size
        assert "Stopped early" in results[index].notes[0]
    assert control.steps[-1][0] < control.steps[-1][1]


def test_a_class_without_a_trigger_that_works_leaves_nothing() -> None:
    assert list(NeuralCleanse().run(asked(Ends(3)))) == []


def test_what_was_stopped_gets_no_verdict_and_is_told(
    whole: tuple[dict[int, TriggerResult], Recorder],
) -> None:
    control = Ends(_through(whole[1])[0] + 1)
    results = list(NeuralCleanse().run(asked(control)))
    document = trigger_document(results, [str(index) for index in range(CLASSES)])
    early = [row for row in document["classes"] if row["stopped_early"]]
    assert early
    for row in early:
        assert row["anomaly"] is None
        assert row["p_value"] is None
        assert not row["significant"]
        assert row["mask_l1"] > 0
    assert any(line.startswith("Stopped early: class ") for line in document["caveats"])
    compared = {row["compared"] for row in document["classes"]}
    assert compared == {len(results) - len(early)}


def test_a_screen_keeps_noise_that_works_and_a_climb_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(universal, "BUDGETS", (8, 16, 32, 40))
    results = by_class(list(UniversalPerturbation().run(asked(Ends(12)))))
    assert list(results) == [TARGET]
    assert results[TARGET].stopped_early
    assert results[TARGET].success_rate >= 0.8
    assert list(MaximumMargin().run(asked(Ends(12)))) == []


def test_standings_tell_what_each_class_has_so_far(
    whole: tuple[dict[int, TriggerResult], Recorder],
) -> None:
    results, recorder = whole
    last = {row["class_index"]: row for row in recorder.standings[-1]["classes"]}
    assert set(last) == set(range(CLASSES))
    for index, result in results.items():
        assert (last[index]["word"] == "found") == result.reached
        assert last[index]["mask_l1"] == pytest.approx(result.size)
    first = recorder.standings[0]["classes"]
    assert all(row["running"] for row in first)
    assert any(row["word"] == "searching" for row in first)


class Counting:
    """Paints white, class by class; stops, breaks or is cancelled at one of them."""

    info = MethodInfo("counting", "Counting", "Counts.", "1")
    searched: list[int] = []
    cancelled_at = -1

    def run(self, search: Search) -> Iterator[TriggerResult]:
        channels, height, width = search.shape
        for target in search.classes:
            if target == self.cancelled_at:
                raise Cancelled()
            self.searched.append(target)
            stamp = Stamp(torch.ones(1, height, width), torch.ones(channels, height, width))
            yield conclude(search, target, "counting", stamp, reached=True)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> MethodEntry:
    monkeypatch.setattr(Counting, "searched", [])
    return MethodEntry("counting", Counting.info, Counting, "plugin folder")


def test_classes_that_a_cancelled_search_got_through_are_not_searched_again(
    counting: MethodEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counting, "cancelled_at", 3)
    with pytest.raises(Cancelled):
        search_classes([counting], asked(), tmp_path, None)
    monkeypatch.setattr(Counting, "cancelled_at", -1)
    results = search_classes([counting], asked(), tmp_path, None)
    assert [result.class_index for result in results] == list(range(CLASSES))
    assert Counting.searched == list(range(CLASSES))
    forget_classes(tmp_path, results[:2])
    search_classes([counting], asked(), tmp_path, None)
    assert Counting.searched[CLASSES:] == [0, 1]


def test_a_search_of_all_sources_tells_from_how_many_it_was_made(
    counting: MethodEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class EndsAfterOneSource(Control):
        def ends_early(self) -> bool:
            return len(Counting.searched) >= CLASSES

    results = search_classes([counting], asked(EndsAfterOneSource()), tmp_path, "each")
    assert len(results) == CLASSES
    assert all(result.stopped_early for result in results)
    assert f"1 of {CLASSES} source classes" in results[0].notes[0]
    whole = search_classes([counting], asked(), tmp_path, "each")
    assert not any(result.stopped_early for result in whole)
    assert len(Counting.searched) == CLASSES * CLASSES


def test_a_method_that_forgets_a_class_is_refused_unless_it_was_to_end(
    counting: MethodEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counting, "run", lambda self, search: iter(()))
    with pytest.raises(InspectorError, match="returned nothing for class 0"):
        search_classes([counting], asked(), tmp_path, None)
    assert search_classes([counting], asked(Ends(0)), tmp_path, None) == []


def test_several_searches_are_one_stage_that_never_jumps() -> None:
    recorder = Recorder()
    for at in range(2):
        part = PartOf(recorder, "triggers", at, 2)
        for done in (0, 15, 30):
            part.progress("triggers", done, 30)
    assert recorder.steps == [
        (0, 2000), (500, 2000), (1000, 2000), (1000, 2000), (1500, 2000), (2000, 2000)
    ]  # fmt: skip
