"""A search that is stopped in the middle of its classes goes on there, to the same triggers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from planted_network import CLASSES, PlantedModel, Recorder, pictures

from inspector.engine.jobs.trigger_classes import forget_classes, search_classes
from inspector.errors import Cancelled
from inspector.triggers import (
    MethodEntry,
    TriggerResult,
    chosen_methods,
    discover_methods,
    prepare_search,
    running,
)

METHODS = ("neural-cleanse", "pixel", "blended", "feature-space")
STOPPED = 37
"""Steps: two into the eighth round."""


class Stops(Recorder):
    """Is cancelled, or wants the end, after so many steps."""

    def __init__(self, after: int, *, early: bool = False) -> None:
        super().__init__()
        self.after, self.early = after, early

    def check(self) -> None:
        if not self.early and len(self.steps) >= self.after:
            raise Cancelled()

    def ends_early(self) -> bool:
        return self.early and len(self.steps) >= self.after


def entry_of(method: str) -> MethodEntry:
    (entry,) = chosen_methods([method], discover_methods())
    return entry


def searched(
    method: str, folder: Path, control: Recorder | None = None, steps: int = 60
) -> list[TriggerResult]:
    images, labels = pictures(200)
    control = control or Recorder()
    after, control.after = getattr(control, "after", 0), 10**9  # type: ignore[attr-defined]
    search = prepare_search(
        PlantedModel(), images, labels, range(CLASSES), steps=steps, control=control
    )
    control.after = after  # type: ignore[attr-defined]
    return search_classes([entry_of(method)], search, folder, None)


def stopped(method: str, folder: Path, **how: bool) -> None:
    """Leave a search in the middle."""
    if how:
        searched(method, folder, Stops(STOPPED, **how))
        return
    with pytest.raises(Cancelled):
        searched(method, folder, Stops(STOPPED))


def assert_alike(found: list[TriggerResult], wanted: list[TriggerResult]) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert one.steps == other.steps
        assert one.success_rate == other.success_rate
        np.testing.assert_allclose(one.history, other.history, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(one.mask, other.mask, atol=2 / 255)
        assert one.notes == other.notes


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("how", [{}, {"early": True}], ids=["cancelled", "ended early"])
def test_what_is_resumed_ends_as_if_it_had_never_been_stopped(
    method: str, how: dict[str, bool], tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    whole = searched(method, tmp_path / "whole")
    stopped(method, tmp_path, **how)
    control = Recorder()
    assert_alike(searched(method, tmp_path, control), whole)
    round_end = STOPPED - STOPPED % 5
    assert len(control.steps) == 60 - round_end + 1
    assert control.steps[0] == ((round_end + 1) * CLASSES, 60 * CLASSES)


def test_some_classes_are_through_and_others_go_on_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = searched("neural-cleanse", tmp_path / "whole", steps=200)
    assert min(result.steps for result in whole) < 131 < max(result.steps for result in whole)
    with pytest.raises(Cancelled):
        searched("neural-cleanse", tmp_path, Stops(131), steps=200)
    assert len(list(tmp_path.glob("*/*.kept.json"))) == sum(result.steps < 131 for result in whole)
    control = Recorder()
    assert_alike(searched("neural-cleanse", tmp_path, control, steps=200), whole)
    assert len(control.steps) <= 200 - 130 + 1


def _torn(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-8])


def _changed(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-4] + np.float32(1.5).tobytes())


def _of_another_shape(file: Path) -> None:
    np.save(file, np.zeros((4, 3), np.float32))


def _gone(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("harm", [_torn, _changed, _of_another_shape, _gone])
def test_numbers_that_do_not_fit_begin_their_class_again(
    harm: Callable[[Path], None], tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    whole = searched("neural-cleanse", tmp_path / "whole")
    stopped("neural-cleanse", tmp_path)
    left = sorted(tmp_path.glob("*/*.running.npy"))
    assert left
    for file in left:
        harm(file)
    control = Recorder()
    assert_alike(searched("neural-cleanse", tmp_path, control), whole)
    assert control.steps[0][0] == len(left)


def test_a_described_state_that_is_no_state_begins_again(tmp_path: Path) -> None:
    stopped("neural-cleanse", tmp_path)
    left = sorted(tmp_path.glob("*/*.running.json"))
    assert len(left) >= 4
    for file, text in zip(left, ["{", "[]", '{"steps": -5}', '{"steps": "x"}'], strict=False):
        file.write_text(text)
    results = searched("neural-cleanse", tmp_path)
    assert [result.class_index for result in results] == list(range(CLASSES))


def test_a_state_that_claims_more_steps_than_the_search_makes_begins_again(tmp_path: Path) -> None:
    stopped("neural-cleanse", tmp_path)
    left = list(tmp_path.glob("*/*.running.json"))
    assert left
    for file in left:
        told = json.loads(file.read_text())
        numbers = file.name.replace(".running.json", f"-{told['steps']}.running.npy")
        longer = numbers.replace(str(told["steps"]), str(10**12))
        (file.parent / numbers).rename(file.parent / longer)
        file.write_text(json.dumps({**told, "steps": 10**12}))
    results = searched("neural-cleanse", tmp_path)
    assert [result.class_index for result in results] == list(range(CLASSES))


def test_nothing_is_left_of_classes_that_are_through_or_forgotten(tmp_path: Path) -> None:
    stopped("neural-cleanse", tmp_path)
    names = {path.name.split("-")[0] for path in tmp_path.glob("*/*.running.json")}
    through = {path.name.split("-")[0] for path in tmp_path.glob("*/*.kept.json")}
    assert names
    assert not names & through
    results = searched("neural-cleanse", tmp_path)
    assert not list(tmp_path.glob("*/*running*"))
    (place,) = tmp_path.iterdir()
    (place / "0-neural-cleanse-extra-5.running.npy").touch()
    stopped("pixel", tmp_path)
    forget_classes(tmp_path, [*results, *(replace(one, method="pixel") for one in results)])
    # Another method's, whose name begins alike.
    left = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert left == ["0-neural-cleanse-extra-5.running.npy"]


def test_a_search_that_is_killed_loses_what_it_did_since_it_last_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_EVERY", 0.0)
    seen: list[set[str]] = []

    class Looks(Recorder):
        def progress(self, stage: str, done: int, total: int, text: str = "") -> None:
            super().progress(stage, done, total, text)
            seen.append({path.name for path in tmp_path.glob("*/0-*.running.npy")})

    searched("neural-cleanse", tmp_path, Looks())
    assert seen[3] == set()
    assert seen[4] == seen[8] == {"0-neural-cleanse-5.running.npy"}
    assert seen[9] == {"0-neural-cleanse-10.running.npy"}


def test_a_disk_that_refuses_ends_no_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_EVERY", 0.0)
    said: list[str] = []

    class Hears(Recorder):
        def log(self, message: str) -> None:
            said.append(message)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(running, "keep_running", full)
    assert len(searched("neural-cleanse", tmp_path, Hears())) == CLASSES
    assert len(said) == 1
    assert "No space left on device" in said[0]
