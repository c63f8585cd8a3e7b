"""Rate and time left, as the progress bars show them."""

from __future__ import annotations

from inspector.engine.client.pace import Pace
from inspector.engine.client.retold import how_far


def _event(done: int, total: int = 1000, stage: str = "Signals") -> dict[str, object]:
    return {"event": "progress", "stage": stage, "done": done, "total": total}


def test_a_steady_stage_has_its_rate_and_time_left() -> None:
    pace = Pace()
    assert pace.extend(_event(0), now=0.0)["rate"] is None
    later = pace.extend(_event(200), now=2.0)
    assert later["rate"] == 100
    assert later["seconds_left"] == 8


def test_a_slow_start_is_forgotten() -> None:
    pace = Pace()
    pace.extend(_event(0), now=0.0)
    for second in range(60, 90):
        last = pace.extend(_event((second - 60) * 10), now=float(second))
    assert 9 < last["rate"] < 11


def test_stages_do_not_mix() -> None:
    pace = Pace()
    pace.extend(_event(0), now=0.0)
    assert pace.extend(_event(5, stage="Detectors"), now=1.0)["rate"] is None


def test_no_total_means_no_time_left() -> None:
    pace = Pace()
    pace.extend(_event(0, total=0), now=0.0)
    assert pace.extend(_event(5, total=0), now=1.0)["seconds_left"] is None


def test_of_three_unequal_steps_no_time_left_is_promised() -> None:
    # "Reading evidence" hashes in a moment, then tries settings of the network for many seconds.
    pace = Pace()
    pace.extend(_event(0, total=3), now=0.0)
    told = pace.extend(_event(1, total=3), now=0.5)
    assert told["rate"] == 2
    assert told["seconds_left"] is None


def test_a_stage_that_begins_anew_has_a_rate_of_its_own() -> None:
    pace = Pace()
    pace.extend(_event(0), now=0.0)
    pace.extend(_event(1000), now=10.0)
    pace.extend(_event(10), now=11.0)
    assert pace.extend(_event(60), now=12.0)["rate"] == 50


def test_the_time_left_of_a_long_stage_does_not_jump_with_its_parts() -> None:
    """Parts of 20 s that go at twice and at half the usual pace, as of networks in turn."""
    pace, done, told = Pace(), 0.0, []
    for second in range(1, 601):
        done += 20 if second // 20 % 2 else 5
        event = {"stage": "long", "done": round(done), "total": 20_000}
        left = pace.extend(event, float(second))["seconds_left"]
        if second > 300:
            told.append(left / ((20_000 - done) / 12.5))
    assert min(told) > 0.6
    assert max(told) < 1.6


def test_shares_of_several_searches_are_told_in_percent() -> None:
    assert how_far("Shadow networks", 4_040, 19_000) == "21 %"
    assert how_far("Signals", 4_040, 19_000) == "4,040 of 19,000"
