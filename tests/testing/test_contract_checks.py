"""Every check fails on a detector that breaks just that, and only then."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from inspector.api import DetectorInfo, Finding, Parameter, Progress
from inspector.testing import check_detector, contract_results


class Sound:
    """Breaks nothing; the others each change one thing."""

    info = DetectorInfo(id="sound", title="Sound", summary="S.", version="1")

    def run(self, ctx):
        yield Progress(0, 1)
        ctx.check_cancelled()
        return Finding(self.scores(ctx), caveats=("A test.",))

    def scores(self, ctx):
        with np.errstate(all="ignore"):
            total = np.clip(ctx.signal("activations"), -1e9, 1e9).sum(axis=1)
        return np.where(np.isfinite(total), total, np.nan).astype(np.float32)


class WritesSignals(Sound):
    def scores(self, ctx):
        values = ctx.signal("activations")
        if values.base is not None and values.base.flags.writeable:
            values.base[0] = 0
        return super().scores(ctx)


class WritesTheView(Sound):
    def scores(self, ctx):
        ctx.signal("activations")[0] = 0
        return super().scores(ctx)


class DrawsElsewhere(Sound):
    def scores(self, ctx):
        return np.random.default_rng().random(ctx.n)


class FallsBack(Sound):
    def run(self, ctx):
        yield Progress(2, 3)
        yield Progress(1, 3)
        return Finding(self.scores(ctx), caveats=("A test.",))


class NeverYields(Sound):
    def run(self, ctx):
        return Finding(self.scores(ctx), caveats=("A test.",))


class DoesNotCope(Sound):
    def scores(self, ctx):
        values = ctx.signal("activations")
        return values[:, 0] / values.std(axis=0)[0] + values[1, 0]


class SwallowsCancel(Sound):
    def run(self, ctx):
        try:
            ctx.check_cancelled()
        except Exception:
            pass
        if False:
            yield
        return Finding(self.scores(ctx), caveats=("A test.",))


class Warns(Sound):
    def scores(self, ctx):
        np.log(np.zeros(1))
        return super().scores(ctx)


class ScoresNothing(Sound):
    def scores(self, ctx):
        return np.full(ctx.n, np.nan)


class NoCaveat(Sound):
    def run(self, ctx):
        yield Progress(0, 1)
        return Finding(self.scores(ctx))


class ParameterWithoutHelp(Sound):
    info = DetectorInfo(
        id="p", title="P", summary="S.", version="1", parameters=(Parameter("a", 1, " "),)
    )


class ParameterNotANumber(Sound):
    info = DetectorInfo(
        id="p",
        title="P",
        summary="S.",
        version="1",
        parameters=(Parameter("a", float("nan"), "h"),),
    )


def _broken(detector):
    return [result.name for result in contract_results(detector) if not result.passed]


def test_a_sound_detector_passes():
    assert _broken(Sound) == []
    assert _broken(Sound()) == []
    assert len(check_detector(Sound)) > 15


@pytest.mark.parametrize(
    ("detector", "check"),
    [
        (WritesSignals, "signals are left untouched"),
        (WritesTheView, "signals are left untouched"),
        (DrawsElsewhere, "the same seed gives the same bytes"),
        (FallsBack, "progress never falls"),
        (NeverYields, "progress never falls"),
        (DoesNotCope, "it copes with a single sample"),
        (SwallowsCancel, "a cancel ends it within 0.5 s"),
        (Warns, "an ordinary case gives one finite or NaN score per sample"),
        (ScoresNothing, "an ordinary case gives one finite or NaN score per sample"),
        (NoCaveat, "an ordinary case gives one finite or NaN score per sample"),
        (ParameterWithoutHelp, "metadata is valid"),
        (ParameterNotANumber, "metadata is valid"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_broken_is_named(detector, check):
    assert check in _broken(detector)


def test_a_slow_step_is_told(monkeypatch):
    from inspector.testing import contract

    monkeypatch.setattr(contract, "CANCEL_SECONDS", 0.0)
    failed = {one.name: one.cause for one in contract_results(Sound) if not one.passed}
    assert any("without a yield" in cause for cause in failed.values())


def test_a_busy_machine_makes_no_detector_slow(monkeypatch):
    from inspector.testing import contract

    clock = itertools.count(step=4)
    monkeypatch.setattr(contract.time, "perf_counter", lambda: float(next(clock)))
    assert all(one.passed for one in contract_results(Sound))
    clock = itertools.count(step=6)  # But one that waits for ever so long is slow.
    failed = {one.name: one.cause for one in contract_results(Sound) if not one.passed}
    assert "for 1.0 s without a yield" in failed["a cancel ends it within 0.5 s"]


def test_a_detector_that_imports_qt_is_told(tmp_path):
    file = tmp_path / "with_qt.py"
    file.write_text("import PySide6.QtCore\n")
    results = {result.name: result for result in contract_results(Sound, file)}
    assert "PySide6" in results["it imports no Qt"].cause


def test_check_detector_names_all_that_is_broken_at_once():
    with pytest.raises(AssertionError, match="same seed") as caught:
        check_detector(DrawsElsewhere)
    assert "breaks its contract" in str(caught.value)


def test_metadata_that_cannot_be_used_ends_the_checks():
    (result,) = contract_results(object)
    assert not result.passed
    assert "no `info`" in result.cause
