"""What other programs read: validated against the schemas, and honest in words."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

import jsonschema
import numpy as np
import pytest
from case_makers import describe, fill, locate, store

from inspector import places
from inspector.case import (
    Case,
    find_trigger,
    ranking_document,
    scan_document,
    trigger_document,
    trigger_sentence,
    verdict_sentence,
    write_ranking_csv,
)
from inspector.case.cleaning_document import cleaning_document
from inspector.case.drill_document import drill_document
from inspector.case.limits_document import limits_document, limits_sentence
from inspector.case.repetition import compare
from inspector.errors import BadInput


def validate(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Check a document as another program would get it; return it so."""
    text = json.dumps(document, allow_nan=False)
    json.dumps(document, ensure_ascii=False).encode("utf-8")
    schema = json.loads((places.resources() / "schema" / f"{name}.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(text))
    return json.loads(text)


# ---- ranking -------------------------------------------------------------------------------------


def test_a_ranking_is_most_suspicious_first(scanned: Case) -> None:
    scanned.tags.apply([1], "poison")
    scanned.tags.apply([1, 3], "suspect")
    document = validate(ranking_document(scanned), "ranking")
    assert [sample["index"] for sample in document["samples"]] == [1, 3, 5, 2, 0]
    assert document["samples"][0] == {
        "index": 1,
        "uri": "cat/1.png",
        "label": 0,
        "label_name": "cat",
        "predicted": 1,
        "scores": {"spectral": 0.9, "spectral-whitened": 6.0},
        "combined": 0.99,
        "p_value": 0.001,
        "sha256": None,
        "pixel_sha256": None,
        "tags": ["poison", "suspect"],
        "q_value": None,
    }
    assert document["samples"][1]["uri"] == "ship/\\xff3.png"
    assert document["samples"][2]["scores"] == {"spectral": None, "spectral-whitened": 5.0}


def test_a_ranking_by_one_detector_and_only_the_top(scanned: Case) -> None:
    by_one = ranking_document(scanned, detector="spectral")["samples"]
    assert [sample["index"] for sample in by_one] == [1, 3, 0, 2, 5]
    assert len(ranking_document(scanned, top=2)["samples"]) == 2
    assert ranking_document(scanned, top=0)["samples"] == []


def test_samples_without_label_or_answer_have_none(case: Case) -> None:
    describe(case, 3, ["only"])
    locate(case, [b"0", b"1", b"2"])
    store(case, "labels", np.array([-1, 0, 7], np.int32))
    store(case, "combined", np.array([3, 2, 1], np.float32))
    rows = validate(ranking_document(case), "ranking")["samples"]
    assert [(row["label"], row["label_name"]) for row in rows] == [
        (None, None),
        (0, "only"),
        (7, None),
    ]
    assert {row["predicted"] for row in rows} == {row["p_value"] for row in rows} == {None}
    assert rows[0]["scores"] == {}


def test_infinite_scores_stay_numbers(case: Case) -> None:
    describe(case, 3)
    locate(case, [b"0", b"1", b"2"])
    store(case, "combined", np.array([np.inf, 1, -np.inf], np.float32))
    store(case, "assessed", np.ones(3, bool))
    rows = validate(ranking_document(case), "ranking")["samples"]
    largest = float(np.finfo(np.float32).max)
    assert [row["combined"] for row in rows] == pytest.approx([largest, 1.0, -largest])
    assert np.float32(rows[0]["combined"]) == np.finfo(np.float32).max


def test_scores_are_short_and_still_the_same_number(case: Case) -> None:
    n = 3000
    rng = np.random.default_rng(0)
    scores = (rng.standard_normal(n) * 10.0 ** rng.integers(-44, 38, n)).astype(np.float32)
    scores[:5] = [0.1, 1 / 3, 0, -2.5, 1e-45]
    describe(case, n)
    locate(case, [b""] * n)
    store(case, "combined", scores)
    rows = ranking_document(case)["samples"]
    for row in rows:
        assert np.float32(row["combined"]) == scores[row["index"]]
    by_index = {row["index"]: row["combined"] for row in rows}
    assert (by_index[0], by_index[2], by_index[3]) == (0.1, 0, -2.5)
    usual = [value for value in by_index.values() if 1e-12 < abs(value) < 1e12]
    assert len(usual) > 500
    assert all(float(f"{value:.9g}") == value for value in usual)


def test_a_ranking_that_is_not_there_says_what_to_do(case: Case) -> None:
    with pytest.raises(BadInput, match=r"no ranking yet.*inspector scan"):
        ranking_document(case)
    with pytest.raises(BadInput, match=r"no ranking by 'spektral'.*none yet"):
        ranking_document(case, detector="spektral")


def test_a_wrong_detector_names_those_there_are(scanned: Case) -> None:
    with pytest.raises(BadInput, match="spectral, spectral-whitened"):
        ranking_document(scanned, detector="label")
    with pytest.raises(BadInput, match="--top is -1"):
        ranking_document(scanned, top=-1)


def test_csv_has_one_column_per_detector_and_no_formulas(scanned: Case) -> None:
    scanned.tags.apply([5], "poison")
    scanned.tags.apply([5], "clean")
    text = io.StringIO()
    write_ranking_csv(ranking_document(scanned), text)
    rows = list(csv.reader(io.StringIO(text.getvalue())))
    assert rows[0] == [
        "index",
        "uri",
        "label",
        "label_name",
        "predicted",
        "spectral",
        "spectral-whitened",
        "combined",
        "p_value",
        "tags",
        "q_value",
    ]
    assert rows[3][:9] == ["5", "'=1+1.png", "2", "truck", "2", "", "5.0", "0.7", "0.2"]
    assert rows[3][9:] == ["poison;clean", ""]
    assert [row[0] for row in rows[1:]] == ["1", "3", "5", "2", "0"]


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@x", "\tx", "\rx", "\nx"])
def test_every_formula_start_is_disarmed(case: Case, name: str) -> None:
    describe(case, 1, [name])
    locate(case, [name.encode()])
    store(case, "labels", np.zeros(1, np.int32))
    store(case, "combined", np.array([-1], np.float32))
    text = io.StringIO()
    write_ranking_csv(ranking_document(case), text)
    row = list(csv.reader(io.StringIO(text.getvalue())))[1]
    assert (row[1], row[3], row[5]) == ("'" + name, "'" + name, "-1.0")


def test_an_empty_ranking_is_a_header(scanned: Case) -> None:
    text = io.StringIO()
    write_ranking_csv(ranking_document(scanned, top=0), text)
    assert len(text.getvalue().splitlines()) == 1


def test_sixty_thousand_rows_are_all_there(case: Case) -> None:
    n = 60_000
    describe(case, n)
    names = [b"class/%05d.png" % row for row in range(n)]
    locate(case, names)
    rng = np.random.default_rng(0)
    for name in ("labels", "predicted"):
        store(case, name, rng.integers(0, 3, n).astype(np.int32))
    for name in ("score:a", "score:b", "score:c", "score:d", "combined", "p_value"):
        store(case, name, rng.random(n, np.float32))
    case.tags.apply(rng.permutation(n)[:5000], "suspect")
    document = ranking_document(case)
    assert len(document["samples"]) == n


# ---- scan ----------------------------------------------------------------------------------------


FINDING = {
    "title": "Spectral signatures",
    "version": "1.0",
    "origin": "bundled",
    "plugin_sha256": "",
    "parameters": {"rank": 1},
    "seed": 0,
    "status": "done",
    "reason": "",
    "seconds": 0.2,
    "verdict": "medium",
    "caveats": ["Rare sub-classes look the same."],
    "classes": [{"index": 1, "statistic": 9.5, "p_value": None, "verdict": "medium"}],
    "score_array": "score:spectral",
}
OUTCOME = {
    "classes": [
        {
            "index": index,
            "name": name,
            "count": 2,
            "statistic": float(index),
            "p_value": None,
            "verdict": "medium" if name == "ship" else "none",
        }
        for index, name in enumerate(("cat", "ship", "truck"))
    ],
    "verdict": "medium",
    "caveats": ["This ranking is uncalibrated."],
    "calibrated": False,
}


@pytest.fixture
def judged(scanned: Case) -> Case:
    scanned.add_evidence("model", "/evidence/model.pt", "ab" * 32, 100)
    scanned.add_evidence("data", "/evidence/d\udcff", "cd" * 32, 200)
    scanned.set(
        "model",
        {
            "architecture": "plain_cnn",
            "family": "builtin",
            "num_classes": 3,
            "in_channels": 1,
            "accuracy": 0.93,
            "head": "fc2",
            "notes": [],
            "tried": [
                {
                    "architecture": "plain_cnn",
                    "normalisation": "0 to 1",
                    "sample": 500,
                    "accuracy": 0.9,
                    "loss": 0.31,
                    "chosen": True,
                }
            ],
            "spec": {"preprocess": {"mode": "L", "size": [28, 28], "mean": [0.5], "std": [0.5]}},
        },
    )
    scanned.set("signals", {"layer": "fc1"})
    scanned.record_finding("spectral", FINDING)
    scanned.record_finding(
        "frequency", {"status": "failed", "reason": "It raised ValueError.", "verdict": "none"}
    )
    scanned.set("outcome", OUTCOME)
    return scanned


def test_a_scan_document_follows_its_schema(judged: Case) -> None:
    document = validate(scan_document(judged), "scan")
    assert document["schema"] == "inspector/scan/1"
    assert document["journal_head"] == judged.journal.head
    assert document["evidence"][0] == {
        "role": "model",
        "path": "/evidence/model.pt",
        "sha256": "ab" * 32,
        "size": 100,
        "state": "missing",
    }
    assert document["evidence"][1]["path"] == "/evidence/d\\xff"
    assert document["model"]["accuracy"] == 0.93
    assert document["model"]["layer"] == "fc1"
    assert document["model"]["preprocess"]["size"] == [28, 28]
    assert document["dataset"] == {
        "format": "idx",
        "count": 6,
        "assessed": 5,
        "class_names": ["cat", "ship", "truck"],
        "unreadable": [{"index": 4, "uri": "x", "reason": "not an image"}],
        "notes": [],
    }
    assert document["classes"] == OUTCOME["classes"]
    assert (document["verdict"], document["calibrated"]) == ("medium", False)
    assert document["caveats"] == ["This ranking is uncalibrated."]
    assert [row["id"] for row in document["findings"]] == ["spectral", "frequency"]
    assert document["findings"][0]["plugin_sha256"] is None
    assert document["findings"][1]["status"] == "failed"


def test_a_case_without_a_scan_still_has_a_document(case: Case) -> None:
    document = validate(scan_document(case), "scan")
    assert document["verdict"] == "none"
    assert "says nothing" in document["caveats"][0]
    assert (
        verdict_sentence(document) == "Nothing was assessed: no detector has finished on this case."
    )


def test_an_unfinished_scan_counts_classes_and_takes_the_worst_verdict(scanned: Case) -> None:
    scanned.record_finding("spectral", FINDING)
    scanned.record_finding("crashed", {**FINDING, "status": "failed", "verdict": "high"})
    document = validate(scan_document(scanned), "scan")
    assert [row["count"] for row in document["classes"]] == [2, 2, 2]
    assert document["verdict"] == "medium"
    assert "not calibrated" in document["caveats"][-1]


def test_the_verdict_in_words_is_never_clean(judged: Case) -> None:
    document = scan_document(judged)
    said = verdict_sentence(document)
    assert said.startswith("Verdict medium: clear signs")
    assert "in class ship" in said
    assert "1 detector looked at 5 of 6 samples" in said
    assert "The error rate is not known" in said
    document["verdict"] = "none"
    said = verdict_sentence(document)
    assert said.startswith("Nothing stood out")
    assert "does not show that the data are clean" in said
    document |= {"verdict": "high", "calibrated": True}
    for row in document["classes"]:
        row["verdict"] = "high"
    said = verdict_sentence(document)
    assert "strong and calibrated" in said
    assert "in classes cat, ship, truck;" in said
    assert "not known" not in said


# ---- triggers ------------------------------------------------------------------------------------


def _trigger(**changed: Any) -> dict[str, Any]:
    return {
        "anomaly": 4.2,
        "threshold": 3.86,
        "p_value": 0.01,
        "success_rate": 0.98,
        "success_interval": [0.95, 0.99],
        "mask_l1": 12.3,
        "significant": True,
        **changed,
    }


def test_a_trigger_document_follows_its_schema(case: Case) -> None:
    describe(case, 10)
    assert validate(trigger_document(case), "trigger") == {"classes": [], "verdict": "none"}
    assert "No trigger was searched" in trigger_sentence(trigger_document(case))
    case.record_trigger(2, "neural-cleanse", _trigger(significant=False, anomaly=math.nan))
    document = validate(trigger_document(case), "trigger")
    assert document["verdict"] == "none"
    assert "does not show that the model is clean" in trigger_sentence(document)
    case.record_trigger(1, "neural-cleanse", _trigger(extra="is not shown"))
    document = validate(trigger_document(case), "trigger")
    assert document["verdict"] == "medium"
    assert document["classes"][0] == {
        "index": 1,
        "name": "ship",
        "method": "neural-cleanse",
        **_trigger(),
    }
    assert document["classes"][1]["anomaly"] is None
    assert trigger_sentence(document).endswith("flips predictions to class ship.")


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({"success_interval": [0.1, 0.4]}, "low"),
        ({"success_interval": None}, "low"),
        ({"success_interval": [None, None]}, "low"),
        ({"verdict": "high"}, "high"),
        ({"significant": False}, "none"),
    ],
)
def test_the_verdict_on_triggers(case: Case, changed: dict[str, Any], verdict: str) -> None:
    case.record_trigger(7, "neural-cleanse", _trigger(**changed))
    document = validate(trigger_document(case), "trigger")
    assert document["verdict"] == verdict
    assert document["classes"][0]["name"] == "7"


def test_long_lists_of_classes_are_cut() -> None:
    rows = [{"index": i, "name": f"c{i}", "significant": True} for i in range(8)]
    said = trigger_sentence({"classes": rows, "verdict": "low"})
    assert "classes c0, c1, c2, c3, c4 and 3 more" in said


def test_a_search_of_the_data_is_told_beside_the_triggers(
    case: Case,
) -> None:
    describe(case, 10)
    case.set("trigger_summary", {"caveats": ["Nothing found is never clean."]})
    controls = {"moved": 0.1, "shuffled": None}
    case.record_trigger(1, "pixel", _trigger(controls=controls, held_out=300, notes=[]))
    budgets = [
        {"budget": 8, "success_rate": rate, "success_interval": None} for rate in (0.9, 0.1, 0.3)
    ]
    for index, row in enumerate(budgets):
        case.record_trigger(index, "universal-perturbation", _trigger(budgets=[row], budget=8))
    case.record_finding(
        "trigger-search",
        {
            "verdict": "medium",
            "carriers": 7,
            "among_target": 6,
            "threshold": 0.9,
            "caveats": ["Clean-label poison escapes."],
            "parameters": {"trigger": "1:pixel"},
        },
    )
    document = validate(trigger_document(case), "trigger")
    assert document["caveats"] == ["Nothing found is never clean."]
    assert document["search"]["carriers"] == 7
    pixel = next(row for row in document["classes"] if row["method"] == "pixel")
    assert pixel["controls"] == controls
    assert pixel["baseline"] == {"budget": 8, "success_rate": 0.1, "others": 0.6}
    rows = compare(case, case, same_environment=True, arrays=[])
    (row,) = [row for row in rows if row.name.startswith("finding")]
    assert (row.name, row.same) == ("finding trigger-search", True)


def test_triggers_without_pictures_cannot_be_put_on_anything(case: Case) -> None:
    case.record_trigger(1, "maximum-margin", _trigger())
    with pytest.raises(BadInput, match="no reconstructed trigger"):
        find_trigger(case)


def test_limits_and_drills_say_what_detectors_were_told(case: Case) -> None:
    told = {"spectre": {"share": 0.2}}
    measured = {
        "members": 9, "verified": 4, "smallest_group": 2, "width": 3, "by_share": [], "cells": []
    }  # fmt: skip
    case.keep("limits", "0", {**measured, "parameters": told})
    (row,) = validate(limits_document(case), "limits")["classes"]
    assert "this pipeline (with spectre.share=0.2) finds too few" in limits_sentence(row)
    case.keep("limits", "0", measured)
    (row,) = limits_document(case)["classes"]
    assert "this pipeline finds too few" in limits_sentence(row)
    drill = {
        "settings": {"target": 0}, "attack": "patch", "clean_label": False, "left_out": [],
        "parameters": {}, "budget": {}, "success": 1.0, "accuracy": 0.9, "accuracy_before": 0.9,
        "auroc": 0.9, "tpr_at_1": 0.5, "target_rank": 1, "verdict": "medium", "found": True,
        "planted": 3, "covers": 0.1, "trials": 9, "held_out": 9, "seconds": 1.0,
        "detector_parameters": told,
    }  # fmt: skip
    case.keep("drill", "k", drill)
    (one,) = drill_document(case)["drills"]
    assert one["caveats"][-1] == "The detectors ran as in the case's scan, with spectre.share=0.2."


@pytest.mark.parametrize("rows", [5, "x", [7], [{"path": 1}], [{"sha256": [], "path": None}]])
def test_checkpoints_of_another_shape_do_not_keep_a_received_case_from_being_told(
    case: Case, rows: object
) -> None:
    fill(case)
    case.set("checkpoints", rows)
    assert scan_document(case)["checkpoints"] == []


@pytest.mark.parametrize(
    "odd",
    [
        None,
        7,
        "text",
        [],
        {},
        {"settings": {"target": 0}},
        {"parameters": 5},
        {"cells": [{}], "by_share": 3},
    ],
)
def test_records_of_another_shape_are_left_out_of_what_a_received_case_tells(
    case: Case, odd: Any
) -> None:
    for kind, key in (
        ("limits", "0"), ("limits", "x"), ("canaries", "0/others"), ("canaries", "1"),
        ("drill", "k"), ("cleaning", "k"),
    ):  # fmt: skip
        case.keep(kind, key, odd)
    limits = limits_document(case)
    assert limits["classes"] == limits["canaries"] == []
    assert drill_document(case)["drills"] == []
    assert cleaning_document(case)["checks"] == []
