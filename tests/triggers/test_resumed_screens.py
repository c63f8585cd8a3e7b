"""A screen that is stopped goes on with all its classes, and what is kept belongs to a version."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from planted_network import CLASSES, PlantedModel, Recorder, pictures

from inspector.engine.jobs.trigger_classes import forget_classes, search_classes
from inspector.errors import Cancelled
from inspector.triggers import (
    MethodEntry,
    MethodInfo,
    Search,
    Stamp,
    TriggerResult,
    chosen_methods,
    conclude,
    discover_methods,
    kept_screens,
    prepare_search,
    universal,
)

SCREENS = ("universal-perturbation", "maximum-margin")
STEPS, STOPPED = 20, 13


class Stops(Recorder):
    """Is cancelled, or wants the end, after so many steps and so many checks beyond them."""

    def __init__(self, after: int, *, early: bool = False, checks: int = 0) -> None:
        super().__init__()
        self.after, self.early, self.left = after, early, checks

    def check(self) -> None:
        super().check()
        if not self.early and len(self.steps) >= self.after:
            self.left -= 1
            if self.left < 0:
                raise Cancelled()

    def ends_early(self) -> bool:
        return self.early and len(self.steps) >= self.after


def asked(control: Recorder, count: int = 200, classes: int = CLASSES) -> Search:
    images, labels = pictures(count)
    search = prepare_search(PlantedModel(), images, labels, range(classes), steps=STEPS)
    return replace(search, control=control)


def screened(
    method: str, folder: Path, control: Recorder | None = None, classes: int = CLASSES
) -> list[TriggerResult]:
    entries = chosen_methods([method], discover_methods())
    return search_classes(entries, asked(control or Recorder(), classes=classes), folder, None)


def stopped(method: str, folder: Path, how: str) -> None:
    if how == "ended early":
        screened(method, folder, Stops(STOPPED, early=True))
        return
    with pytest.raises(Cancelled):
        screened(method, folder, Stops(STOPPED))


def assert_alike(found: list[TriggerResult], wanted: list[TriggerResult]) -> None:
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one.looks, other.looks, rtol=1e-6)
        np.testing.assert_allclose(one.noise, other.noise, rtol=1e-6)
        np.testing.assert_allclose(one.history, other.history, rtol=1e-5)
        np.testing.assert_array_equal(one.pattern, other.pattern)
        assert one.controls == other.controls
        assert (one.steps, one.details) == (other.steps, other.details)
        assert not one.stopped_early


@pytest.mark.parametrize("method", SCREENS)
@pytest.mark.parametrize("how", ["cancelled", "ended early"])
def test_a_screen_that_is_resumed_ends_as_if_it_had_never_been_stopped(
    method: str, how: str, tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    whole = screened(method, tmp_path / "whole")
    stopped(method, tmp_path, how)
    control = Recorder()
    assert_alike(screened(method, tmp_path, control), whole)
    assert control.steps == [(number, STEPS) for number in range(STOPPED + 1, STEPS + 1)]
    assert not list(tmp_path.rglob("*.screen.*"))


def test_classes_that_were_measured_are_not_measured_again(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    control = Recorder()
    whole = screened("universal-perturbation", tmp_path / "whole", control)
    budgets = len(universal.BUDGETS)
    with pytest.raises(Cancelled):  # in the fourth class
        screened("universal-perturbation", tmp_path, Stops(STEPS, checks=3 * budgets))
    again = Recorder()
    assert_alike(screened("universal-perturbation", tmp_path, again), whole)
    assert again.steps == []
    assert again.checks < control.checks - 3 * budgets


@pytest.mark.parametrize("method", SCREENS)
def test_a_screen_that_is_killed_loses_what_it_did_since_it_last_wrote(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_screens, "_EVERY", 0.0)
    monkeypatch.setattr(kept_screens, "_PACE", 0.0)
    seen: list[int] = []

    class Looks(Recorder):
        def progress(self, stage: str, done: int, total: int, text: str = "") -> None:
            (file,) = tmp_path.glob("*/*.screen.json")
            seen.append(json.loads(file.read_text())["steps"])
            super().progress(stage, done, total, text)

    screened(method, tmp_path, Looks())
    assert seen == list(range(1, STEPS + 1))


def _torn(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-8])


def _gone(file: Path) -> None:
    file.unlink()


def _of_another_shape(file: Path) -> None:
    np.save(file, np.zeros((4, 3), np.float32))


@pytest.mark.parametrize("method", SCREENS)
@pytest.mark.parametrize("harm", [_torn, _gone, _of_another_shape])
def test_a_standing_that_does_not_fit_begins_again(
    method: str, harm: Callable[[Path], None], tmp_path: Path
) -> None:
    stopped(method, tmp_path, "cancelled")
    (file,) = tmp_path.glob("*/*.screen.npy")
    harm(file)
    control = Recorder()
    assert len(screened(method, tmp_path, control)) == CLASSES
    assert control.steps[0] == (1, STEPS)


@pytest.mark.parametrize(
    "told", ["{", "[]", '{"classes": [0]}', '{"steps": "x"}', "courses", "steps", "counts"]
)
def test_a_described_standing_that_is_none_begins_again(told: str, tmp_path: Path) -> None:
    stopped("maximum-margin", tmp_path, "cancelled")
    (file,) = tmp_path.glob("*/*.screen.json")
    kept = json.loads(file.read_text())
    odd = {"courses": [[[1]]], "steps": STEPS + 1, "counts": [[1]]}
    file.write_text(json.dumps({**kept, told: odd[told]}) if told in odd else told)
    control = Recorder()
    assert len(screened("maximum-margin", tmp_path, control)) == CLASSES
    assert control.steps[0] == (1, STEPS)


def test_a_standing_of_other_classes_says_nothing_of_these(tmp_path: Path) -> None:
    stopped("maximum-margin", tmp_path, "cancelled")
    control = Recorder()
    screened("maximum-margin", tmp_path, control, classes=CLASSES - 1)
    assert control.steps[0] == (1, STEPS)


def test_a_disk_that_refuses_ends_no_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    class Hears(Recorder):
        def log(self, message: str) -> None:
            said.append(message)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept_screens, "_EVERY", 0.0)
    monkeypatch.setattr(kept_screens.ScreenKeeper, "_write", full)
    assert len(screened("maximum-margin", tmp_path, Hears())) == CLASSES
    assert len(said) == 1
    assert "No space left on device" in said[0]


class Dot:
    """Paints one dot, and notes which classes it was asked for."""

    info = MethodInfo("dot", "Dot", "Paints a dot.", "1.0")
    made: list[int] = []

    def run(self, search: Search) -> Iterator[TriggerResult]:
        channels, height, width = search.shape
        mask = torch.zeros(1, height, width)
        mask[0, 0, 0] = 1.0
        stamp = Stamp(mask, torch.ones(channels, height, width))
        for target in search.classes:
            self.made.append(target)
            yield conclude(search, target, "dot", stamp, reached=True)


@pytest.mark.parametrize("change", ["version", "file", "steps", "quick", "seed", "pictures"])
def test_what_another_version_or_search_kept_is_searched_again(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Dot, "made", [])
    entry = MethodEntry("dot", Dot.info, Dot, "plugin folder", "a" * 64)
    search = asked(Recorder())
    search_classes([entry], search, tmp_path, None)
    search_classes([entry], search, tmp_path, None)
    assert Dot.made == list(range(CLASSES))
    if change == "version":
        entry = replace(entry, info=replace(Dot.info, version="1.1"))
    elif change == "file":
        entry = replace(entry, sha256="b" * 64)
    elif change == "pictures":
        search = asked(Recorder(), count=198)
    else:
        now = {"steps": 7, "quick": True, "seed": 1}[change]
        search = replace(search, **{change: now})
    results = search_classes([entry], search, tmp_path, None)
    assert Dot.made == 2 * list(range(CLASSES))
    forget_classes(tmp_path, results)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
