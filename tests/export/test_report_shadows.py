"""Shadow networks in the report: every class beside them, in numbers, as dots, and in words."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image

from inspector import places
from inspector.case import Case, trigger_document
from inspector.case.shadow_document import NETWORKS, compared_sentence, shadows_of, shadows_sentence
from inspector.export.report import html_report
from inspector.export.report.page import pictures_of, print_report
from inspector.export.report.strips import ticks
from report_case import HOSTILE, TARGET, compare_with_shadows, document_of, make_case


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    with make_case(tmp_path / "shadowed.case") as made:
        yield made


def valid(document: dict[str, Any], name: str = "report") -> dict[str, Any]:
    schema = json.loads((places.resources() / "schema" / f"{name}.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(document)))
    return document


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.split("</style>")[1])).split())


def beside(document: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return {row["index"]: row["shadows"] for row in document["observed"]["triggers"]}


def pixels(picture: dict[str, Any]) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(picture["png"]))) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_the_section_says_what_was_trained_and_what_stands_out(case: Case) -> None:
    compare_with_shadows(case, 19)
    document = valid(document_of(case))
    assert document["observed"]["shadows"]["networks"]["train"] == 1352
    (method,) = document["observed"]["shadows"]["methods"]
    assert (method["method"], method["count"], method["threshold"]) == ("neural-cleanse", 19, 0.75)
    for page in (html_report(document), print_report(document)):
        said = words(page)
        assert f"19, {HOSTILE[0]}" in said
        assert "1,352 samples of those that look clean" in said
        assert "148 that look suspicious" in said
        assert "90.0%, 91.0%, 92.0%" in said
        assert "ordinary stands out beside 19 shadow networks: deviation 1.50 of 0.75" in said
        assert "p-value 0.05 for all classes and methods together" in said
        assert "holds if the network was trained as they were" in said
        assert "Whole network" not in said
        assert re.search(r"ordinary\W+Inspector’s opinion\W+1\.50 0\.01 0\.05", said)
        assert re.search(r"safe%E2%80%AEgnp\.exe 0\.20 0\.5 1", said)


def test_too_few_networks_make_nothing_significant(case: Case) -> None:
    compare_with_shadows(case, 4)
    said = words(html_report(valid(document_of(case))))
    assert "Farthest from 4 shadow networks is ordinary: deviation 1.50, p-value 0.2" in said
    assert "So few of them decide nothing" in said
    assert "Bold: significant" not in said
    assert "line: threshold" not in said


def test_a_p_value_of_the_whole_network_is_shown_where_there_is_one(case: Case) -> None:
    compare_with_shadows(case, 19, whole=0.021)
    assert valid(trigger_document(case), "trigger")["shadows"]["p_value"] == 0.021
    document = valid(document_of(case))
    assert "verdict" not in json.dumps(document["observed"])
    said = words(html_report(document))
    assert re.search(r"Whole network p-value 0\.021\W+medium", said)
    assert "verdict medium, p-value 0.021 (of clean networks that were trained like these" in said
    assert document["assessed"]["shadows"]["verdict"] == "medium"


def test_a_network_that_does_not_stand_out_is_never_called_clean(case: Case) -> None:
    compare_with_shadows(case, 19, whole=0.4)
    case.set(NETWORKS, {**case.get(NETWORKS), "verdict": "none"})
    networks = valid(trigger_document(case), "trigger")["shadows"]
    for said in (shadows_sentence(networks), words(html_report(valid(document_of(case))))):
        assert "verdict none, p-value 0.4" in said
        assert "about 40% deviate as much). That does not show that it is clean." in said


def test_it_says_how_many_of_the_networks_that_were_asked_for_it_has(case: Case) -> None:
    compare_with_shadows(case, 7)
    case.set(NETWORKS, {**case.get(NETWORKS), "asked": 19})
    assert shadows_sentence(shadows_of(case) or {}).startswith("7 of 19 shadow networks")
    said = words(html_report(valid(document_of(case))))
    assert "7 of 19, for the search was ended" in said


def test_every_class_is_a_strip_of_dots_a_marker_and_the_threshold(case: Case) -> None:
    compare_with_shadows(case, 19)
    document = document_of(case)
    low, high = document["observed"]["shadows"]["methods"][0]["axis"]
    for index, own in beside(document).items():
        drawn = pixels(own["strip"])
        width = drawn.shape[1]
        assert width == 2 * own["strip"]["width"]

        def place(value: float, width: int = width) -> float:
            return 16 + (value - low) / (high - low) * (width - 32)

        dark = np.flatnonzero((drawn.sum(axis=2) < 150).any(axis=0))
        assert abs((dark[0] + dark[-1]) / 2 - place(1.5 if index == TARGET else 0.1 * index)) <= 2
        orange = (drawn[0, :, 0] > 170) & (drawn[0, :, 2] < 90)
        assert abs(np.flatnonzero(orange).mean() - place(0.75)) <= 2
        blue = (drawn[:, :, 2] > drawn[:, :, 0] + 40).any(axis=0)
        for value in own["others"]:
            at = round(place(value))
            assert blue[at - 2 : at + 3].any() or np.abs(dark - at).min() <= 2


def test_pictures_are_numbered_as_they_are_named(case: Case) -> None:
    compare_with_shadows(case, 19)
    document = document_of(case)
    named = re.findall(r'src="picture:(\d+)"', print_report(document))
    assert sorted(map(int, named)) == list(range(len(pictures_of(document))))


def test_without_shadows_there_is_no_section_but_a_way_to_one(case: Case) -> None:
    document = valid(document_of(case))
    assert document["observed"]["shadows"] is None
    assert document["assessed"]["shadows"] is None
    said = words(html_report(document))
    assert "Shadow networks" not in said
    assert "inspector trigger CASE --shadows 19" in said


@pytest.mark.parametrize(
    "said",
    [
        "x",
        ["deviation"],
        {"deviation": "<b>1</b>", "threshold": [], "p_value": {}, "others": "abc"},
        {"deviation": 1e300, "threshold": 1e300, "p_value": -3, "family_p_value": 7},
        {"deviation": True, "others": [[1], None]},
        {},
    ],
)
def test_what_is_no_comparison_is_left_out(case: Case, said: Any) -> None:
    case.record_trigger(TARGET, "neural-cleanse", {**case.triggers()[0], "shadows": said})
    case.set(NETWORKS, {"count": 3, "accuracy": [0.5], "train": "many", "role": ["data"]})
    valid(trigger_document(case), "trigger")
    document = valid(document_of(case))
    assert document["observed"]["shadows"] is None
    for page in (html_report(document), print_report(document)):
        assert "Shadow networks" not in words(page)


def test_of_a_comparison_only_what_can_be_drawn_is_kept(case: Case) -> None:
    others = [0.5, "x", None, True, 1e300, [1], {"a": 1}, -0.25, *[0.1] * 5000]
    odd = {
        "deviation": 2,
        "threshold": None,
        "p_value": "x",
        "family_p_value": 0.5,
        "others": others,
    }
    case.record_trigger(TARGET, "neural-cleanse", {**case.triggers()[0], "shadows": odd})
    case.set(NETWORKS, 7)
    case.set("trigger_summary", {"shadows": {"accuracy": 5}})
    document = valid(document_of(case))
    (own,) = beside(document).values()
    assert own["others"][:2] == [0.5, -0.25]
    assert len(own["others"]) <= 200
    assert own["p_value"] is None
    assert "not recorded" in words(html_report(document))


@pytest.mark.parametrize(
    "told",
    [{"role": "elsewhere"}, {"count": -1}, {"count": True}, {"why": None}, {"accuracy": "0.9"}],
)
def test_networks_of_another_shape_are_unknown(case: Case, told: dict[str, Any]) -> None:
    compare_with_shadows(case, 19)
    assert shadows_of(case) is not None
    case.set(NETWORKS, {**case.get(NETWORKS), **told})
    assert shadows_of(case) is None
    assert "neural-cleanse beside 19 shadow networks" in words(html_report(document_of(case)))


@pytest.mark.parametrize("axis", [(-0.3, 0.3), (0.0, 1e-3), (-900.0, 900.0), (-0.1, 2.61)])
def test_scales_have_a_few_round_numbers(axis: tuple[float, float]) -> None:
    values = ticks(axis)
    assert 2 <= len(values) <= 6
    assert all(axis[0] <= value <= axis[1] for value in values)


def test_a_class_beyond_its_shadows_whose_trigger_fails_is_not_told_as_usual() -> None:
    beside = {"deviation": 3.0, "threshold": 2.0, "family_p_value": 0.05, "others": [0.1] * 19}
    said = compared_sentence([{"name": "ship", "significant": False, "shadows": beside}])
    assert "ship lies beyond 19 shadow networks: deviation 3.00 of 2.00" in said
    assert "does not count" in said
    assert "No class stands out" not in said
