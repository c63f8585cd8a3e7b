"""A screened search compares all classes at one point, and goes on only with those that stand out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from planted_network import CLASSES, TARGET, PlantedModel, Recorder, pictures

from inspector.api import Control
from inspector.engine.jobs.trigger_classes import forget_classes, search_classes
from inspector.errors import Cancelled
from inspector.triggers import (
    MethodEntry,
    MethodInfo,
    Search,
    Stamp,
    TriggerResult,
    anomaly_index,
    chosen_methods,
    conclude,
    discover_methods,
    prepare_search,
    trigger_document,
)
from inspector.triggers.neural_cleanse import NeuralCleanse
from inspector.triggers.screening import SCREENS, pointed_at

NAMES = [f"strip {index}" for index in range(CLASSES)]


def asked(control: Control | None = None, **more: Any) -> Search:
    images, labels = pictures(240)
    return prepare_search(
        PlantedModel(), images, labels, range(CLASSES), control=control or Control(), **more
    )


def rows_of(results: list[TriggerResult], method: str) -> list[dict[str, Any]]:
    document = trigger_document(results, NAMES)
    return [row for row in document["classes"] if row["method"] == method]


@pytest.fixture(scope="module")
def screened(tmp_path_factory: pytest.TempPathFactory) -> list[TriggerResult]:
    entries = chosen_methods([*SCREENS, "neural-cleanse"], discover_methods())
    return search_classes(entries, asked(), tmp_path_factory.mktemp("s"), None, screened=True)


def test_the_class_that_stands_out_is_searched_to_the_end_and_most_others_are_not(
    screened: list[TriggerResult],
) -> None:
    rows = rows_of(screened, "neural-cleanse")
    assert [row["index"] for row in rows] == list(range(CLASSES))
    kept = [row["index"] for row in rows if row["screening"]["kept"]]
    assert TARGET in kept
    assert len(kept) <= CLASSES // 2
    assert [row["index"] for row in rows if row["significant"]] == [TARGET]
    for row in rows:
        assert (row["steps"] > 80) == row["screening"]["kept"] or row["steps"] == 80
        if not row["screening"]["kept"]:
            assert "upper bound" in row["screening"]["reason"]


def test_the_trigger_that_comes_out_is_that_of_a_full_search(
    screened: list[TriggerResult],
) -> None:
    full = {result.class_index: result for result in NeuralCleanse().run(asked())}
    for result in screened:
        if result.method != "neural-cleanse":
            continue
        there = full[result.class_index]
        if result.details["screening"]["kept"]:
            np.testing.assert_allclose(result.mask, there.mask, atol=2 / 255)
            assert result.success_rate == pytest.approx(there.success_rate, abs=0.02)
        else:
            assert result.mask_l1 >= there.mask_l1 - 0.1


def test_what_goes_on_does_not_begin_again_and_leaves_nothing_behind(tmp_path: Path) -> None:
    class Logged(Control):
        def __init__(self) -> None:
            self.said: list[str] = []

        def log(self, message: str) -> None:
            self.said.append(message)

    control = Logged()
    entries = chosen_methods(["neural-cleanse"], discover_methods())
    results = search_classes(entries, asked(control), tmp_path, None, screened=True)
    kept = [one for one in results if one.details["screening"]["kept"]]
    said = f"{len(kept)} of {len(kept)} classes go on where they stood."
    assert said in control.said
    forget_classes(tmp_path, results)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_classes_are_compared_where_all_had_the_same_number_of_steps(
    screened: list[TriggerResult],
) -> None:
    rows = rows_of(screened, "neural-cleanse")
    rung = {r.class_index: r.size for r in NeuralCleanse().run(asked(steps=80))}
    expected = anomaly_index([rung[index] for index in range(CLASSES)])
    np.testing.assert_allclose([row["anomaly"] for row in rows], expected.index, rtol=0.05)
    # With the two screens there are three comparisons, and the p-value is for all of them.
    together = np.minimum(3 * expected.p_value, 1)
    np.testing.assert_allclose([row["p_value"] for row in rows], together, atol=0.06)


def test_the_document_says_what_was_not_searched_to_the_end(screened: list[TriggerResult]) -> None:
    caveats = trigger_document(screened, NAMES)["caveats"]
    (said,) = [line for line in caveats if "upper bounds" in line]
    assert "neural-cleanse compared the classes after 80 steps" in said
    assert "--full" in said


class Shrinking:
    """Paints a square whose size falls with the steps that it is given, class by class."""

    info = MethodInfo("shrinking", "Shrinking", "Shrinks.", "1", rung=4)
    sizes = [40.0, 44.0, 6.0, 38.0, 42.0, 46.0]
    made: list[tuple[int, int]] = []
    cancelled_at: tuple[int, int] = (-1, -1)

    def run(self, search: Search) -> Iterator[TriggerResult]:
        channels, height, width = search.shape
        steps = search.steps or 16
        for target in search.classes:
            if (target, steps) == self.cancelled_at:
                raise Cancelled()
            self.made.append((target, steps))
            size = self.sizes[target] * 4 / steps
            mask = torch.full((1, height, width), size / (height * width))
            stamp = Stamp(mask, torch.ones(channels, height, width))
            found = conclude(
                search, target, "shrinking", stamp, reached=True, size=size, steps=steps
            )
            yield found


@pytest.fixture
def shrinking(monkeypatch: pytest.MonkeyPatch) -> MethodEntry:
    monkeypatch.setattr(Shrinking, "made", [])
    return MethodEntry("shrinking", Shrinking.info, Shrinking, "plugin folder")


def test_a_class_does_not_stand_out_more_for_having_been_searched_longer(
    shrinking: MethodEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Shrinking, "sizes", [40.0, 44.0, 36.0, 38.0, 42.0, 46.0])
    results = search_classes([shrinking], asked(), tmp_path, None, screened=True)
    rows = rows_of(results, "shrinking")
    assert rows[2]["screening"]["kept"]
    assert rows[2]["mask_l1"] < min(row["mask_l1"] for row in rows if row["index"] != 2) / 2
    assert not any(row["significant"] for row in rows)
    assert rows[2]["anomaly"] == pytest.approx(anomaly_index(Shrinking.sizes).index[2], rel=0.02)


def test_a_search_that_was_stopped_goes_on_where_it_was(
    shrinking: MethodEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Shrinking, "cancelled_at", (TARGET, 16))
    with pytest.raises(Cancelled):
        search_classes([shrinking], asked(), tmp_path, None, screened=True)
    assert Shrinking.made == [(index, 4) for index in range(CLASSES)]
    monkeypatch.setattr(Shrinking, "cancelled_at", (-1, -1))
    results = search_classes([shrinking], asked(), tmp_path, None, screened=True)
    assert Shrinking.made[CLASSES:] == [(TARGET, 16)]
    forget_classes(tmp_path, results)
    search_classes([shrinking], asked(), tmp_path, None, screened=True)
    assert len(Shrinking.made) == 2 * (CLASSES + 1)


def test_what_is_ended_between_the_two_parts_is_not_compared(
    shrinking: MethodEntry, tmp_path: Path
) -> None:
    class Ends(Recorder):
        def ends_early(self) -> bool:
            return len(Shrinking.made) >= CLASSES

    results = search_classes([shrinking], asked(Ends()), tmp_path, None, screened=True)
    assert all(result.stopped_early for result in results)
    assert "first rung" in results[0].notes[0]


def test_from_every_source_the_target_goes_on_from_the_one_that_leads_to_it(
    shrinking: MethodEntry, tmp_path: Path
) -> None:
    results = search_classes([shrinking], asked(), tmp_path, "each", screened=True)
    rows = {row["index"]: row for row in rows_of(results, "shrinking")}
    assert [index for index, row in rows.items() if row["screening"]["kept"]] == [TARGET]
    assert [steps for _, steps in Shrinking.made].count(16) == 1
    assert {row["source"] for row in rows.values()} <= set(range(CLASSES))


def test_a_search_no_longer_than_the_rung_is_not_cut_in_two(
    shrinking: MethodEntry, tmp_path: Path
) -> None:
    results = search_classes([shrinking], asked(steps=4), tmp_path, None, screened=True)
    assert not any("screening" in result.details for result in results)
    assert Shrinking.made == [(index, 4) for index in range(CLASSES)]


def test_a_screen_can_point_at_a_class_and_without_any_comparison_all_go_on() -> None:
    def made(method: str, looks: list[float]) -> list[TriggerResult]:
        blank = np.zeros((4, 4), np.float32)
        pattern = np.zeros((4, 4, 1), np.uint8)
        return [
            TriggerResult(at, method, "done", blank, pattern, reached=True, looks=(look,))
            for at, look in enumerate(looks)
        ]

    rung = made("neural-cleanse", [0.0, 0.1, 0.2, 0.3, 0.4, 3.0])
    screen = made("universal-perturbation", [0.0, 9.0, 0.2, 0.3, 0.4, 0.1])
    assert set(pointed_at(rung)) == {5}
    chosen = pointed_at(rung, screen)
    assert chosen == {5: ("neural-cleanse",), 1: ("universal-perturbation",)}
    nowhere = made("neural-cleanse", [-np.inf] * 4 + [0.0, 0.1])
    assert set(pointed_at(nowhere)) == set(range(6))
