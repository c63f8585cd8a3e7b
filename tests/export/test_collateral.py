"""The preview of an export against a case whose truth is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from inspector import places
from inspector.case import Case
from inspector.export import collateral_preview
from inspector.export.false_removals import estimated_false_removals
from report_case import put

GOOD, POISON, VERIFIED = 900, 60, 200


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    """Two classes; the second holds 60 poisoned samples that lie apart."""
    with Case.create(tmp_path / "planted.case") as made:
        n = 2 * GOOD + POISON
        made.set("dataset", {"format": "idx", "n": n, "class_names": ["a", "b"], "notes": []})
        labels = np.array([0] * GOOD + [1] * (GOOD + POISON), np.int32)
        rng = np.random.default_rng(0)
        scores = rng.normal(0, 1, n).astype(np.float32)
        scores[-POISON:] += 12
        put(made, "labels", labels)
        put(made, "score:activation-clustering", scores)
        yield made


def audited(case: Case, seed: int = 0) -> np.ndarray:
    """Verify 200 good samples of class b; return its p-values, conformal."""
    rng = np.random.default_rng(seed)
    n = case.n
    scores = np.array(case.array("score:activation-clustering"))
    verified = np.zeros(n, bool)
    verified[GOOD + rng.permutation(GOOD)[:VERIFIED]] = True
    reference = np.sort(scores[verified])
    p_values = np.full(n, np.nan, np.float32)
    rank = VERIFIED - np.searchsorted(reference, scores[GOOD:], side="left")
    p_values[GOOD:] = (rank + 1) / (VERIFIED + 1)
    put(case, "verified", verified)
    put(case, "p_value", p_values)
    return p_values


def dropping(case: Case, rows: np.ndarray) -> np.ndarray:
    mask = np.zeros(case.n, bool)
    mask[rows] = True
    return mask


def preview(case: Case, drop: np.ndarray, **more: float) -> dict:
    document = collateral_preview(case, drop, tags=["poison"], **more)
    path = places.resources() / "schema" / "export-preview.schema.json"
    jsonschema.Draft202012Validator(json.loads(path.read_text("utf-8"))).validate(
        json.loads(json.dumps(document, allow_nan=False))
    )
    return document


def test_counts_balance_and_clusters_are_those_of_the_planted_case(case: Case) -> None:
    poison = np.arange(case.n - POISON, case.n)
    extra = np.arange(GOOD, GOOD + 30)
    found = preview(case, dropping(case, np.concatenate([poison, extra])))
    assert found["samples"] == {"before": 1860, "removed": 90, "after": 1770}
    a, b = found["classes"]
    assert (a["before"], a["removed"], a["after"]) == (900, 0, 900)
    assert (b["before"], b["removed"], b["after"]) == (960, 90, 870)
    assert a["share_after"] == pytest.approx(900 / 1770)
    assert found["balance"]["before"] == pytest.approx(960 / 900)
    assert found["balance"]["after"] == pytest.approx(900 / 870)
    parts = {(row["class_name"], row["cluster"]): row for row in found["clusters"]}
    assert parts["b", "outer"]["before"] == parts["b", "outer"]["removed"] == POISON
    assert (parts["b", "main"]["before"], parts["b", "main"]["removed"]) == (900, 30)
    assert found["clusters_from"] == "activation-clustering"


def test_without_an_audit_nothing_is_estimated(case: Case) -> None:
    found = preview(case, dropping(case, np.arange(case.n - POISON, case.n)))
    assert found["false_removals"]["estimated"] is None
    assert "cannot be estimated without an audit" in found["false_removals"]["sentence"]
    assert {row["estimated_false"] for row in found["classes"]} == {None}


def test_the_estimate_is_near_the_truth(case: Case) -> None:
    audited(case)
    poison = np.arange(case.n - POISON, case.n)
    verified = np.array(case.array("verified"))
    good = np.setdiff1d(np.arange(GOOD, 2 * GOOD), np.flatnonzero(verified))
    rng = np.random.default_rng(1)
    only = preview(case, dropping(case, poison))["false_removals"]
    assert only["estimated"] < 10
    mixed = np.concatenate([poison, rng.permutation(good)[:100]])
    found = preview(case, dropping(case, mixed))["false_removals"]
    assert found["estimated"] == pytest.approx(100, abs=25)
    assert (found["covered"], found["not_covered"]) == (160, 0)


def test_the_estimate_is_right_on_average() -> None:
    """Thresholding 1,000 p-values of which 50 are not uniform, over 200 draws."""
    estimates, truths = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        p_values = np.concatenate([rng.uniform(0, 1, 950), rng.uniform(0, 0.001, 50)])
        removed = p_values <= 0.02
        estimates.append(estimated_false_removals(p_values, removed, 0.05))
        truths.append(np.count_nonzero(removed[:950]))
    assert np.mean(estimates) == pytest.approx(np.mean(truths), rel=0.1)


def test_samples_beyond_the_error_rate_count_as_good(case: Case) -> None:
    p_values = audited(case)
    free = np.isfinite(p_values) & ~np.array(case.array("verified"))
    beyond = np.flatnonzero(free & (p_values > 0.2))[:40]
    found = preview(case, dropping(case, beyond), error_rate=0.05)
    assert found["false_removals"]["estimated"] == pytest.approx(40, abs=6)


def test_what_is_outside_the_estimate_is_said(case: Case) -> None:
    audited(case)
    verified = np.flatnonzero(np.array(case.array("verified")))[:3]
    case.tags.apply(verified[:2], "clean")
    rows = np.concatenate([np.arange(5), np.arange(case.n - POISON, case.n), verified])
    found = preview(case, dropping(case, rows))
    assert found["false_removals"]["not_covered"] == 5
    assert "For the other 5 it cannot be estimated" in found["false_removals"]["sentence"]
    assert found["classes"][1]["verified_removed"] == 3
    assert found["false_removals"]["estimated"] >= 3
    assert any("3 of the samples left out were verified" in note for note in found["notes"])
    assert any("2 of the samples left out also carry" in note for note in found["notes"])


def test_an_emptied_class_is_named(case: Case) -> None:
    found = preview(case, dropping(case, np.arange(GOOD)))
    assert found["notes"] == ["No sample would be left of a; class indices stay."]
    assert found["balance"]["after"] is None
