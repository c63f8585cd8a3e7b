"""Values of detectors' parameters: read, refused in one sentence that helps, told, kept apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inspector.api import DetectorInfo, Finding, Parameter, Progress
from inspector.case import Case
from inspector.detectors import Entry, run_detectors
from inspector.engine.choosing import check_running
from inspector.engine.client import ScanOptions
from inspector.engine.client.options import as_looked
from inspector.engine.jobs.kept_findings import step_keys, to_be_kept
from inspector.errors import BadInput
from inspector.parameters import (
    assignments,
    checked_settings,
    cost,
    infos_of,
    read_settings,
    settings_said,
)
from inspector.testing.contexts import planted_signals

FOLDS = DetectorInfo(
    id="folded",
    title="Folded",
    summary="S.",
    version="1",
    needs=("labels",),
    passes=4.0,
    by_default=False,
    parameters=(
        Parameter("folds", 5, "Parts of the data.", 2, 20, scales_passes=True),
        Parameter("share", 0.05, "Of poison.", 0.0),
        Parameter("strict", False, "Whether to be."),
        Parameter("look", "all", "At what.", choices=("all", "first half")),
    ),
)
USUAL = DetectorInfo(
    id="usual",
    title="Usual",
    summary="S.",
    version="1",
    in_ranking=True,
    needs=("labels", "activations"),
    parameters=(Parameter("power", 2.0, "How much.", 0, 5),),
)
INFOS = {info.id: info for info in (FOLDS, USUAL)}


def test_words_become_values_of_the_type_that_the_detector_declares() -> None:
    words = ["folded.folds=3", "folded.strict=Yes", "folded.look=first half", "usual.power=1e-1"]
    assert read_settings(words, INFOS) == {
        "folded": {"folds": 3, "strict": True, "look": "first half"},
        "usual": {"power": 0.1},
    }


def test_values_are_told_as_they_can_be_typed() -> None:
    values = {"folded": {"share": 0.1234567, "strict": True}, "usual": {"power": 2.0}}
    told = assignments(values)
    assert told == "folded.share=0.1234567, folded.strict=true, usual.power=2"
    assert read_settings(told.split(", "), INFOS) == values


@pytest.mark.parametrize("value", [10**400, -(10**400), 10**17, [1], None, "x" * 10**5, True])
def test_values_of_a_foreign_record_are_refused_in_a_sentence(value: object) -> None:
    with pytest.raises(BadInput, match=r"folded\.share cannot be") as refused:
        checked_settings({"folded": {"share": value}}, INFOS)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("parameters", [[1], 5, "x", None, {"spectral": [1]}, {"spectral": 5}])
def test_a_foreign_record_of_another_shape_sets_nothing(parameters: object) -> None:
    record = {"model": "/m.pt", "data": "/d", "parameters": parameters}
    assert ScanOptions.from_record(record).parameters == {}


def test_limits_and_drills_look_as_the_findings_did(tmp_path: Path) -> None:
    """A later scan with other values may have been cancelled before any detector ran."""
    with Case.create(tmp_path / "a.case") as case:
        options = ScanOptions(Path("/m.pt"), Path("/d"), parameters={"folded": {"folds": 9}})
        case.set("scan", options.as_record())
        own = {"folds": 3, "strict": False}
        case.record_finding("folded", {"parameters": own, "in_place_of": {"folds": 5}})
        case.record_finding("usual", {"parameters": {"power": 2.0}, "in_place_of": {}})
        looked = as_looked(case)
        assert looked.parameters == {"folded": {"folds": 3}}
        assert replace(looked, parameters=options.parameters) == options


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["folded.folds"], "DETECTOR.PARAMETER=VALUE"),
        (["folds=3"], "DETECTOR.PARAMETER=VALUE"),
        (["foldd.folds=3"], "No detector is called 'foldd'. Nearest: folded."),
        (["folded.fold=3"], "no parameter 'fold'. Nearest: folds. It has folds (a whole number"),
        (["folded.folds=1"], "cannot be '1'. It must be a whole number from 2 to 20; 5 by default"),
        (["folded.folds=3.0"], "a whole number from 2 to 20"),
        (["folded.folds=three"], "cannot be 'three'"),
        (["folded.share=nan"], "It must be a number, 0 or more"),
        (["folded.share=inf"], "It must be a number, 0 or more"),
        (["folded.share=" + "9" * 400], "It must be a number, 0 or more"),
        (["folded.folds=" + "9" * 400], "a whole number from 2 to 20"),
        (["folded.strict=maybe"], "true or false"),
        (["folded.look=last"], "one of: all, first half"),
        (["folded.folds=3", "folded.folds=4"], "set twice"),
    ],
)
def test_what_cannot_be_set_is_one_sentence_with_the_names_and_bounds(
    words: list[str], said: str
) -> None:
    with pytest.raises(BadInput) as refusal:
        read_settings(words, INFOS)
    assert said in str(refusal.value)
    assert refusal.value.fix


@pytest.mark.parametrize(
    ("wanted", "said"),
    [(None, "--detectors +folded"), (("usual",), "Name folded, too"), (("+usual",), "+folded")],
)
def test_a_value_for_a_detector_that_would_not_run_is_not_ignored(
    wanted: tuple[str, ...] | None, said: str
) -> None:
    with pytest.raises(BadInput, match="folded.folds is set, and folded would not run") as refusal:
        check_running({"folded": {"folds": 3}}, INFOS, wanted, ())
    assert said in str(refusal.value)
    check_running({"folded": {"folds": 3}}, INFOS, ("+folded",), ())
    check_running({"usual": {"power": 3.0}}, INFOS, None, ())


def test_passes_are_told_for_the_values_and_not_for_the_defaults() -> None:
    assert cost(FOLDS, {}, 1500) == "4 further passes over 1,500 samples"
    assert cost(FOLDS, {"folds": 10}, 1500) == "8 further passes over 1,500 samples"
    assert cost(USUAL, {}) == ""


def test_the_list_of_an_engine_is_read_back() -> None:
    from dataclasses import asdict

    rows = [{"status": "ready", "info": asdict(info)} for info in INFOS.values()]
    assert infos_of([*rows, {"status": "broken", "info": None}]) == INFOS


class _Usual:
    info = USUAL
    runs = 0

    def run(self, ctx, power=2.0):
        type(self).runs += 1
        yield Progress(0, 1)
        return Finding(ctx.rng.normal(size=ctx.n) ** 2 * power, caveats=("x",))


def _entry(sha256: str = "0" * 64, origin: str = "bundled") -> Entry:
    return Entry(USUAL, _Usual, origin, None, sha256, "ready")


def _outcome(**asked):
    signals, _ = planted_signals(60)
    labels = signals.pop("labels")
    return run_detectors(
        signals, labels, np.ones(60, np.bool_), list("abcd"), entries=[_entry()], **asked
    )


def test_a_finding_with_other_values_says_so_and_what_is_not_known_of_them() -> None:
    usual = _outcome().findings["usual"]
    assert usual["in_place_of"] == {}
    assert settings_said(usual) == ""
    outcome = _outcome(parameters={"usual": {"power": 3.0}})
    changed = outcome.findings["usual"]
    assert settings_said(changed) == "with power = 3 in place of 2"
    assert any("measured with the defaults only" in text for text in changed["caveats"])
    assert any("Usual with power = 3 in place of 2" in text for text in outcome.caveats)
    assert not any("defaults" in text for text in (*usual["caveats"], *_outcome().caveats))


def test_scores_that_are_kept_give_the_same_ranking_without_a_run() -> None:
    first, runs = _outcome(), _Usual.runs
    again = _outcome(kept={"usual": first.findings["usual"]["scores"]})
    assert _Usual.runs == runs
    np.testing.assert_array_equal(again.combined, first.combined)
    assert again.classes == first.classes
    assert again.columns == ["usual"]


def test_a_run_is_keyed_by_all_that_it_depends_on() -> None:
    def key(parameters=None, base="s", seed=0, **entry):
        return step_keys([_entry(**entry)], parameters or {}, base, seed).get("usual")

    assert key() == key({"usual": {"power": 2.0}}) == key({"other": {"power": 9}})
    others = [
        key({"usual": {"power": 3.0}}),
        key(base="t"),
        key(seed=1),
        key(sha256="1" * 64),
    ]
    assert len({key(), *others}) == 5
    assert key(origin="package somebody") is None


def test_what_reads_the_combined_ranking_depends_on_what_makes_it() -> None:
    after = DetectorInfo("after", "After", "S.", "1", needs=("labels", "combined"))
    both = [_entry(), Entry(after, _Usual, "bundled", None, "2" * 64, "ready")]
    usual, changed = (
        step_keys(both, {"usual": {"power": power}}, "s", 0)["after"] for power in (2.0, 3.0)
    )
    assert usual != changed
    unknown = [_entry(origin="package somebody"), both[1]]
    assert step_keys(unknown, {}, "s", 0) == {}


def test_what_reads_the_ranking_runs_when_something_of_the_ranking_does() -> None:
    after = DetectorInfo("after", "After", "S.", "1", needs=("labels", "combined"))
    both = [_entry(), Entry(after, _Usual, "bundled", None, "2" * 64, "ready")]
    keys = step_keys(both, {}, "s", 0)
    kept = {name: {"key": key, "scores": f"{name}.npy"} for name, key in keys.items()}
    assert to_be_kept(both, keys, kept) == {"usual": "usual.npy", "after": "after.npy"}
    # It failed the first time: nothing of it is kept, and it may not fail again.
    assert to_be_kept(both, keys, {"after": kept["after"]}) == {}
    assert to_be_kept(both, keys, {"usual": kept["usual"]}) == {"usual": "usual.npy"}
