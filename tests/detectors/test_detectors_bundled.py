"""The bundled detectors keep the contract of plugins and find poison in a real, tiny network."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.detectors import discover, run_detectors
from inspector.testing import check_detector, make_case

ENTRIES = discover(folders=[], entry_points=False)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_contract(entry):
    check_detector(entry.factory)


def test_those_of_the_ranking_come_first_and_every_one_names_its_source():
    assert [entry.id for entry in ENTRIES if entry.info.in_ranking] == [
        "spectral",
        "spectral-whitened",
        "spectral-gradient",
        "activation-clustering",
        "quantum-entropy",
        "spectral-layers",
        "loss-trajectory",
        "spectral-conv-gradient",
    ]
    assert {entry.origin for entry in ENTRIES} == {"bundled"}
    assert all(entry.info.reference for entry in ENTRIES)
    assert all(len(entry.sha256) == 64 for entry in ENTRIES)
    assert len({entry.id for entry in ENTRIES}) == len(ENTRIES) >= 18


def test_a_scan_runs_only_cheap_ones_unless_others_are_named():
    by_default = {e.id for e in ENTRIES if e.info.by_default and not e.info.passes}
    ranking = {entry.id for entry in ENTRIES if entry.info.in_ranking}
    assert by_default == ranking | {"low-loss", "duplicates"}


def _run(case, **arguments):
    everything = np.ones(len(case.labels), np.bool_)
    return run_detectors(
        case.signals, case.labels, everything, case.class_names, entries=ENTRIES, **arguments
    )


def _share_found(outcome, truth):
    return truth[np.argsort(-outcome.combined)[: truth.sum()]].mean()


@pytest.mark.parametrize("poison", ["patch", "blend"])
def test_the_combined_ranking_leads_with_poison(poison):
    case = make_case(n=600, classes=5, poison=poison, rate=0.04)
    outcome = _run(case)
    assert _share_found(outcome, case.truth) > 0.8
    statistics = [row["statistic"] for row in outcome.classes]
    assert int(np.argmax(statistics)) == case.target


def test_a_verified_sample_makes_the_target_class_high_and_no_other():
    case = make_case(n=900, classes=5, poison="patch", rate=0.05)
    verified = np.zeros(900, np.bool_)
    random = np.random.default_rng(0)
    for label in range(5):
        clean = np.flatnonzero((case.labels == label) & ~case.truth)
        verified[random.choice(clean, 60, replace=False)] = True
    outcome = _run(case, verified=verified)
    assert outcome.calibrated
    assert [row["verdict"] == "high" for row in outcome.classes] == [True, *[False] * 4]
    assert outcome.verdict == "high"
    assert np.nanmedian(outcome.p_value[case.truth]) < 0.05
    assert np.nanmedian(outcome.p_value[~case.truth]) > 0.3


def test_the_same_seed_gives_the_same_bytes():
    case = make_case(n=300, classes=4)
    once, again = _run(case, seed=3), _run(case, seed=3)
    assert once.combined.tobytes() == again.combined.tobytes()
    assert once.classes == again.classes


def test_a_network_without_poison_is_not_accused():
    outcome = _run(make_case(n=600, classes=5, poison="none"))
    assert outcome.verdict in ("none", "low")
    assert not outcome.calibrated


def test_an_audit_that_took_poison_for_clean_is_doubted_and_accuses_nobody():
    case = make_case(n=900, classes=5, poison="patch", rate=0.05)
    assert _run(case).classes[case.target]["verdict"] == "medium"
    verified = np.zeros(900, np.bool_)
    random = np.random.default_rng(0)
    for label in range(5):
        rows = np.flatnonzero(case.labels == label)
        verified[random.choice(rows, 60, replace=False)] = True
    assert verified[case.truth].sum() > 5
    outcome = _run(case, verified=verified)
    assert outcome.classes[case.target]["verdict"] != "high"
    assert any("look at them again" in text for text in outcome.caveats)


def test_the_class_to_audit_first_is_named():
    case = make_case(n=600, classes=5, poison="patch", rate=0.04)
    name = case.class_names[case.target]
    assert any(f"An audit of class {name} would decide most" in t for t in _run(case).caveats)
    verified = np.zeros(600, np.bool_)
    verified[np.flatnonzero(case.labels == 3)[::2]] = True
    caveats = _run(case, verified=verified).caveats
    assert any(f"Class {name} stands out and was not audited" in text for text in caveats)
