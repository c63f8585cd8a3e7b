"""Running detectors: nothing third-party stops a run, and what comes out can be recorded."""

from __future__ import annotations

import json

import numpy as np
import pytest

from inspector.api import (
    ClassResult,
    Control,
    DetectorInfo,
    Finding,
    Parameter,
    Pictures,
    Progress,
)
from inspector.detectors import Entry, discover, run_detectors
from inspector.detectors.loading import NotADetector, checked_info
from inspector.errors import BadInput, Cancelled
from inspector.testing.contexts import planted_signals

BUNDLED = [e for e in discover(folders=[], entry_points=False) if not e.info.passes]


def _entry(run, identity="mine", **fields):
    class Mine:
        info = DetectorInfo(
            id=identity, title=identity.title(), summary="Mine.", version="1", **fields
        )

    Mine.run = run
    return Entry(Mine.info, Mine, "plugin folder", None, "ab" * 32, "ready")


def _given(finding, identity="mine", **fields):
    def run(self, ctx):
        yield Progress(0, 1)
        return finding(ctx) if callable(finding) else finding

    return _entry(run, identity, **fields)


def _run(entries, n=120, assessed=None, **arguments):
    signals, _ = planted_signals(n)
    labels = signals.pop("labels")
    if assessed is None:
        assessed = np.ones(n, np.bool_)
    names = [f"class {index}" for index in range(4)]
    return run_detectors(signals, labels, assessed, names, entries=entries, **arguments)


def test_every_finding_can_be_written_as_json():
    outcome = _run(BUNDLED)
    for finding in outcome.findings.values():
        scores = finding.pop("scores")
        assert scores.shape == (120,)
        assert scores.dtype == np.float32
        json.dumps(finding, allow_nan=False)
        assert finding["status"] == "done"
        assert finding["caveats"]
        assert finding["plugin_sha256"]
    json.dumps([outcome.classes, outcome.verdict, outcome.caveats], allow_nan=False)


def test_samples_that_were_not_assessed_have_no_scores():
    assessed = np.ones(120, np.bool_)
    assessed[::5] = False
    outcome = _run(BUNDLED, assessed=assessed)
    for values in (outcome.combined, *(one["scores"] for one in outcome.findings.values())):
        np.testing.assert_array_equal(np.isnan(values), ~assessed)
    assert any("24 samples are not assessed" in text for text in outcome.caveats)


def test_scores_of_some_samples_equal_those_of_a_smaller_dataset():
    signals, _ = planted_signals(200)
    labels = signals.pop("labels")
    assessed = np.arange(200) % 3 != 0
    names = list("abcd")
    part = run_detectors(signals, labels, assessed, names, entries=BUNDLED)
    small = run_detectors(
        {name: values[assessed] for name, values in signals.items()},
        labels[assessed],
        np.ones(assessed.sum(), np.bool_),
        names,
        entries=BUNDLED,
    )
    np.testing.assert_array_equal(part.combined[assessed], small.combined)


@pytest.mark.parametrize(
    ("raised", "cause"),
    [
        (ValueError("no such thing\nat all"), "ValueError: no such thing at all"),
        (SystemExit(3), "It called sys.exit() instead of returning."),
        (MemoryError(), "MemoryError"),
        (GeneratorExit(), "GeneratorExit"),
        (StopIteration("x"), "generator raised StopIteration"),
    ],
)
def test_a_detector_that_raises_is_a_failed_finding_and_the_next_one_runs(raised, cause):
    def run(self, ctx):
        yield Progress(0, 1)
        raise raised

    outcome = _run([_entry(run), *BUNDLED[:1]])
    assert outcome.findings["mine"]["status"] == "failed"
    assert cause in outcome.findings["mine"]["reason"]
    assert "\n" not in outcome.findings["mine"]["reason"]
    assert outcome.findings["spectral"]["status"] == "done"
    assert any("Mine" in text for text in outcome.caveats)


@pytest.mark.parametrize(
    ("finding", "cause"),
    [
        (None, "returned NoneType instead of a Finding"),
        (Finding(np.zeros(3, np.float32), caveats=("x",)), "shape (3,) instead of (120,)"),
        (Finding(np.full(120, np.inf), caveats=("x",)), "infinity"),
        (Finding(np.full(120, 1e300), caveats=("x",)), "infinity"),
        (Finding(np.array(["a"] * 120), caveats=("x",)), "type <U1"),
        (Finding(np.zeros(120)), "at least one"),
        (Finding(np.zeros(120), caveats="text"), "at least one"),
        (Finding(np.zeros(120), verdict="guilty", caveats=("x",)), "'guilty'"),
        (Finding(np.zeros(120), [ClassResult(9, 1.0)], caveats=("x",)), "class 9 does not exist"),
        (Finding(np.zeros(120), [ClassResult(1, 1.0, 7.0)], caveats=("x",)), "p-value 7.0"),
    ],
)
def test_a_finding_that_breaks_the_contract_is_refused_with_its_cause(finding, cause):
    outcome = _run([_given(finding)])
    assert outcome.findings["mine"]["status"] == "failed"
    assert cause in outcome.findings["mine"]["reason"]
    assert np.isnan(outcome.findings["mine"]["scores"]).all()


def test_a_run_without_yield_is_refused():
    outcome = _run([_entry(lambda self, ctx: Finding(np.zeros(ctx.n)))])
    assert "yield" in outcome.findings["mine"]["reason"]


def test_missing_signals_and_broken_entries_are_skipped_with_a_reason():
    def nothing(ctx):
        raise AssertionError("must not run")

    signals, _ = planted_signals(50)
    broken = Entry(None, None, "user folder", None, "", "broken", "Line 3 is not valid Python.")
    outcome = run_detectors(
        {"activations": signals["activations"]},
        signals["labels"],
        np.ones(50, np.bool_),
        list("abcd"),
        entries=[_given(nothing, needs=("gradients", "logits")), broken],
    )
    assert outcome.findings["mine"]["status"] == "skipped"
    assert "gradients, logits" in outcome.findings["mine"]["reason"]
    assert outcome.findings["user folder"]["reason"] == "Line 3 is not valid Python."
    assert any("there is no ranking" in text for text in outcome.caveats)


def test_what_follows_from_logits_need_not_be_given():
    def look(ctx):
        loss = -np.log(1 + ctx.signal("residuals")[np.arange(ctx.n), ctx.labels])
        np.testing.assert_allclose(loss, ctx.signal("loss"), rtol=1e-3, atol=1e-5)
        np.testing.assert_array_equal(ctx.signal("predicted"), ctx.signal("logits").argmax(axis=1))
        return Finding(np.zeros(ctx.n), caveats=("x",))

    signals, _ = planted_signals(60)
    outcome = run_detectors(
        {"logits": lambda: signals["logits"]},
        signals["labels"],
        np.ones(60, np.bool_),
        list("abcd"),
        entries=[_given(look, needs=("residuals", "loss", "predicted"))],
    )
    assert outcome.findings["mine"]["reason"] == ""


def test_pictures_are_those_of_the_rows_asked_for():
    asked = []

    def images(rows):
        asked.extend(rows)
        return [np.full((2, 2, 1), row, np.uint8) for row in rows]

    def look(ctx):
        assert [int(picture[0, 0, 0]) for picture in ctx.images([0, 2])] == [1, 5]
        return Finding(np.zeros(ctx.n), caveats=("x",))

    assessed = np.arange(120) % 2 == 1
    outcome = _run([_given(look)], assessed=assessed, images=images)
    assert outcome.findings["mine"]["reason"] == ""
    assert asked == [1, 5]


def test_settings_are_checked_and_recorded():
    def run(self, ctx, power=2.0):
        yield Progress(0, 1)
        return Finding(np.full(ctx.n, power), caveats=("x",))

    entry = _entry(run, parameters=(Parameter("power", 2.0, "How much.", 0, 5),))
    assert _run([entry]).findings["mine"]["parameters"] == {"power": 2.0}
    changed = _run([entry], parameters={"mine": {"power": 3}}).findings["mine"]
    assert changed["scores"][0] == 3
    assert changed["parameters"] == {"power": 3}
    for wrong in ({"power": 9.0}, {"power": "two"}, {"strength": 1}, {"power": float("nan")}):
        finding = _run([entry], parameters={"mine": wrong}).findings["mine"]
        assert finding["status"] == "failed"
        assert next(iter(wrong)) in finding["reason"]


class _Stops(Control):
    def __init__(self, after):
        self.left, self.steps = after, []

    def check(self):
        self.left -= 1
        if self.left < 0:
            raise Cancelled()

    def progress(self, stage, done, total, text=""):
        self.steps.append((stage, done, total, text))


def test_a_cancel_goes_through_even_when_the_detector_swallows_it():
    def run(self, ctx):
        for step in range(50):
            try:
                ctx.check_cancelled()
            except Exception:
                pass
            yield Progress(step, 50)
        return Finding(np.zeros(ctx.n), caveats=("x",))

    with pytest.raises(Cancelled):
        _run([_entry(run)], control=_Stops(6))


def test_progress_rises_over_all_detectors_even_if_one_goes_back():
    def run(self, ctx):
        for done in (1, 5, 2, 7, 99):
            yield Progress(done, 7, "step")
        return Finding(np.zeros(ctx.n), caveats=("x",))

    control = _Stops(10**6)
    _run([_entry(run), *BUNDLED], control=control)
    done = [step[1] for step in control.steps]
    assert done == sorted(done)
    assert done[-1] == control.steps[-1][2]
    assert {step[0] for step in control.steps} == {"detectors"}


def test_a_plugin_stays_out_of_the_ranking_unless_it_asks():
    def noisy(ctx):
        return Finding(ctx.rng.standard_normal(ctx.n), caveats=("x",))

    plain = _run(BUNDLED)
    beside = _run([*BUNDLED, _given(noisy)])
    mixed = _run([*BUNDLED, _given(noisy, in_ranking=True)])
    np.testing.assert_array_equal(plain.combined, beside.combined)
    assert not np.array_equal(plain.combined, mixed.combined)


def test_high_is_not_for_a_detector_to_say():
    result = Finding(np.zeros(120), [ClassResult(1, 5.0, 0.001, "high")], "high", ("x",))
    outcome = _run([_given(result)])
    assert outcome.findings["mine"]["verdict"] == "medium"
    assert outcome.findings["mine"]["classes"][0]["verdict"] == "medium"
    assert outcome.verdict != "high"


def test_signals_of_another_dataset_are_refused_in_one_line():
    signals, _ = planted_signals(50)
    labels = signals.pop("labels")
    with pytest.raises(BadInput, match="50 rows for 49 labels"):
        run_detectors(signals, labels[1:], np.ones(49, np.bool_), list("abcd"), entries=BUNDLED)
    with pytest.raises(BadInput, match="a label is 5"):
        run_detectors(
            signals, np.full(50, 5), np.ones(50, np.bool_), list("abcdefg"), entries=BUNDLED
        )


def test_no_sample_at_all():
    outcome = _run(BUNDLED, assessed=np.zeros(120, np.bool_))
    assert np.isnan(outcome.combined).all()
    assert outcome.verdict == "none"
    assert {one["status"] for one in outcome.findings.values()} == {"skipped"}
    assert {row["count"] for row in outcome.classes} == {0}


def _shown(rows, maps, title="where it lies"):
    return lambda ctx: Finding(
        np.zeros(ctx.n, np.float32),
        caveats=("None.",),
        pictures=Pictures(np.asarray(rows), np.asarray(maps), title),
    )


def test_pictures_come_out_in_the_order_of_the_rows_of_the_dataset():
    assessed = np.ones(120, np.bool_)
    assessed[:10] = False
    maps = np.stack([np.full((3, 4), level, np.uint8) for level in (7, 8)])
    outcome = _run([_given(_shown([5, 2], maps))], assessed=assessed)
    assert outcome.findings["mine"]["pictures"] == "where it lies"
    assert outcome.pictures["mine"].rows.tolist() == [12, 15]
    assert outcome.pictures["mine"].maps[:, 0, 0].tolist() == [8, 7]
    assert (
        "pictures" not in _run([_given(_shown([5], maps[:1])), *BUNDLED[:1]]).findings["spectral"]
    )


@pytest.mark.parametrize(
    ("rows", "maps", "cause"),
    [
        ([0, 0], np.zeros((2, 3, 3), np.uint8), "each once"),
        ([120], np.zeros((1, 3, 3), np.uint8), "0 … 119"),
        ([-1], np.zeros((1, 3, 3), np.uint8), "0 … 119"),
        ([0.5], np.zeros((1, 3, 3), np.uint8), "whole numbers"),
        ([0], np.zeros((1, 3, 3), np.float32), "instead of uint8"),
        ([0], np.zeros((2, 3, 3), np.uint8), "instead of uint8"),
        ([0], np.zeros((1, 3, 65), np.uint8), "too large"),
        ([0], np.zeros((1, 0, 3), np.uint8), "too large"),
    ],
)
def test_pictures_that_a_case_could_not_show_are_refused(rows, maps, cause):
    finding = _run([_given(_shown(rows, maps))]).findings["mine"]
    assert finding["status"] == "failed"
    assert cause in finding["reason"]


def test_what_a_few_samples_cost_is_said_before_it_is_paid():
    class Heard(Control):
        def __init__(self):
            self.said = []

        def log(self, message):
            self.said.append(message)

    heard, paid = Heard(), []

    def run(self, ctx):
        paid.extend(heard.said)
        yield Progress(0, 1)
        return Finding(np.zeros(ctx.n, np.float32), caveats=("None.",))

    _run(
        [_entry(run, passes=30.0, at_most=20)],
        images=lambda rows: [],
        forward=lambda images: np.zeros((0, 4), np.float32),
        control=heard,
    )
    assert paid == ["Mine: 30 further passes over 20 of 120 samples, as much as 5 over all."]


def test_what_needs_the_ranking_cannot_be_part_of_it():
    class Circular:
        info = DetectorInfo("round", "Round", "Round.", "1", needs=("combined",), in_ranking=True)

        def run(self, ctx):
            yield Progress(0, 1)

    with pytest.raises(NotADetector, match="cannot be part of it"):
        checked_info(Circular)
