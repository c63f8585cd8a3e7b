"""The report: valid against its schema, honest in words, inert whatever the evidence is called."""

from __future__ import annotations

import base64
import hashlib
import html
import html.parser
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
from inspector.case import Case
from inspector.engine.client.audit import draw, judge
from inspector.errors import BadInput
from inspector.export.report import (
    check_report_target,
    html_report,
    record_report,
)
from inspector.export.report.page import pictures_of, print_report
from inspector.export.report.techniques import technique_table, techniques_for
from inspector.export.single import write_file
from report_case import HOSTILE, TARGET, N, document_of, keep_drill, make_case, measure_limits, put

CONTENTS = {
    "container": "torch-zip",
    "method": "inert",
    "verdict": "commands",
    "summary": "Names functions that run commands: posix.system<b>. Nothing was run.",
    "names": [
        {
            "name": "posix.system<b>",
            "offset": 31,
            "count": 1,
            "verdict": "commands",
            "member": "archive/data.pkl",
        }
    ],
    "names_total": 1,
    "anomalies": ["The record is doubled."],
    "checksum_errors": [],
    "tensors": 12,
    "not_finite": [],
}


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    with make_case(tmp_path / "hostile.case") as made:
        yield made


def validated(document: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(document, allow_nan=False)
    json.dumps(document, ensure_ascii=False).encode("utf-8")
    path = places.resources() / "schema" / "report.schema.json"
    schema = json.loads(path.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(text))
    return json.loads(text)


def _words(page: str) -> str:
    """Return the text of a page with single blanks."""
    return " ".join("".join(_Page(page).text).split())


class _Page(html.parser.HTMLParser):
    """What a browser would see: elements, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


# ---- the document --------------------------------------------------------------------------------


def test_the_document_is_valid_and_says_what_the_case_holds(case: Case) -> None:
    document = validated(document_of(case))
    assert document["journal"]["head"] == case.journal.head
    assert document["journal"]["whole"]
    assert document["case"]["id"] == case.journal.entry(1).hash
    assert [item["sha256"] for item in document["observed"]["evidence"]] == ["ab" * 32, "cd" * 32]
    assert document["observed"]["evidence"][0]["changed"]
    row = document["assessed"]["classes"][TARGET]
    assert (row["verdict"], row["error_rate"], row["tagged"]) == ("medium", "uncalibrated", 6)
    assert document["methods"]["detectors"][0]["parameters"] == {"directions": 2}
    assert document["methods"]["settings"] == {"seed": 3, "device": "cpu"}


def test_fact_opinion_and_decision_stand_in_different_branches(case: Case) -> None:
    document = document_of(case)
    facts = json.dumps(document["observed"])
    assert "verdict" not in facts
    assert "significant" not in facts
    assert "white square" not in facts
    assert document["assessed"]["triggers"][0]["significant"] is True
    group = document["decided"]["groups"][0]
    assert (group["tag"], group["count"], group["source"]) == ("poison", 6, "manual")
    assert group["note"] == "white square <i>again</i>"
    assert group["user"]
    assert group["time"].endswith("Z")
    assert [row["index"] for row in group["samples"]] == list(range(TARGET, N, 10))


def test_pictures_are_the_arrays_of_the_case(case: Case) -> None:
    document = document_of(case)
    first = document["observed"]["suspects"][0]
    with Image.open(io.BytesIO(base64.b64decode(first["picture"]["png"]))) as image:
        assert image.format == "PNG"
        pixels = np.asarray(image)
    assert pixels.shape == (96, 96, 3)
    thumbnail = case.array("thumbnails")[first["index"]]
    assert np.array_equal(pixels[::12, ::12], thumbnail)
    grey, mask, _ = document["observed"]["triggers"][0]["pictures"]
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(grey["png"]))))
    assert shown[0, 0].tolist() == [128, 128, 128]
    assert shown[-1, -1].tolist() == [255, 255, 255]
    assert np.asarray(Image.open(io.BytesIO(base64.b64decode(mask["png"])))).max() == 255


def test_a_transformation_is_pictured_by_a_sample_before_and_after(case: Case) -> None:
    arrays = {
        "mask": np.full((8, 8), 0.2, np.float32),
        "pattern": np.full((8, 8, 1), 128, np.uint8),
        "examples": np.stack([np.full((2, 8, 8, 1), level, np.uint8) for level in (10, 90)]),
        "bend": np.zeros((2, 4, 4), np.float32),
    }
    row: dict[str, Any] = {"significant": True, "anomaly": 9.0, "form": "transformation"}
    for part, values in arrays.items():
        name = row[f"{part}_array"] = f"trigger:0-feature-space:{part}"
        put(case, name, values)
    case.record_trigger(0, "feature-space", row)
    document = validated(document_of(case))
    found = document["observed"]["triggers"]
    (shown,) = [one["pictures"] for one in found if one["method"] == "feature-space"]
    levels = [np.asarray(Image.open(io.BytesIO(base64.b64decode(p["png"]))))[0, 0] for p in shown]
    assert levels == [10, 90, 51]
    assert "before" in html_report(document)


def test_what_could_not_be_seen_is_said_whether_measured_or_not(case: Case) -> None:
    assert document_of(case)["not_seen"]["sentence"].startswith("Not measured")
    said = _words(html_report(document_of(case)))
    assert said.count("run inspector limits CASE --class NAME.") == 2
    assert "No test, human or machine" not in said
    measure_limits(case, 0)
    document = validated(document_of(case))
    found = document["not_seen"]
    assert found["measured"]
    assert found["sentence"].startswith("Measured on planted groups for 1 of 5 classes")
    assert found["unmeasured"] == list(case.class_names[1:])
    row = found["limits"]["classes"][0]
    assert (row["name"], row["smallest_group"], row["verified"]) == (HOSTILE[0], 4, 6)
    assert "Groups under 4 cannot be significant" in row["sentence"]


def test_a_power_map_is_a_picture_of_coloured_cells(case: Case) -> None:
    measure_limits(case, 0)
    document = document_of(case)
    for page in (_Page(html_report(document)), _Page(print_report(document))):
        colours = [attributes["bgcolor"] for _, attributes in page.tags if "bgcolor" in attributes]
        assert colours == ["#f0a070", "#fbf3e4", "#f0a070", "#96c4f0"]
        said = " ".join("".join(page.text).split())
        assert HOSTILE[0] in said
        assert "1.0%0%0% to 60%50%5% to 95%·4.02.9 to –beyond1.4" in said
        assert "10.0%0%0% to 60%·100%40% to 100%4.03.1 to 4.85.03.1 to 6.20.4" in said
    # A case that was measured before intervals were kept still has a report.
    measure_limits(case, 1, intervals=False)
    validated(document_of(case))
    assert "·4.0beyond1.4" in _words(html_report(document_of(case)))


def test_drills_say_what_was_planted_and_whether_it_was_found(case: Case) -> None:
    assert document_of(case)["not_seen"]["drills"] == []
    assert "known attacks, planted in copies" not in html_report(document_of(case))
    keep_drill(case, "one", TARGET, size=3, auroc=0.987, found=True, verdict="medium")
    keep_drill(case, "two", 0, size=2, auroc=0.612, found=False, verdict="none", success=None)
    document = validated(document_of(case))
    first, second = document["not_seen"]["drills"]
    assert (first["target_name"], first["auroc"], first["found"]) == ("ordinary", 0.987, True)
    assert first["sentence"].endswith("This scan would have found it.")
    assert (second["success"], second["found"]) == (None, False)
    for page in (html_report(document), print_report(document)):
        said = _words(page)
        assert "patch, 3 px, opacity 0.5" in said
        assert "40 of 1,600 pictures, the model’s own network, seed 7" in said
        assert "96.0%97.5%before 98.0%0.98780.0%1 medium yes" in said.replace("\xa0", " ")
        assert "–97.5%before 98.0%0.61280.0%1 none no" in said.replace("\xa0", " ")
        # Of the class with a verdict it is said that it stood out before; the shared caveats once.
        assert said.count("stood out in the scan before anything was planted") == 1
        assert said.count("kept out of this training") == 1


def test_controls_stand_beside_the_trigger_that_they_were_made_for(case: Case) -> None:
    assert "Controls of the reconstructions" not in html_report(document_of(case))
    row = {**case.triggers()[0], "held_out": 300}
    row["controls"] = {"moved": 0.12, "shuffled": None}
    row["stability"] = {"seeds": 3, "overlap": 0.75, "l1_ratio": 1.25}
    case.record_trigger(TARGET, "neural-cleanse", row)
    for label, rate in ((0, 0.2), (1, 0.3), (TARGET, 0.9)):
        budgets = [{"budget": 8, "success_rate": rate, "success_interval": None}]
        case.record_trigger(label, "universal-perturbation", {"budgets": budgets})
    document = validated(document_of(case))
    held = [row for row in document["observed"]["triggers"] if row["method"] == "neural-cleanse"]
    assert held[0]["controls"] == {"moved": 0.12, "shuffled": None}
    assert held[0]["baseline"] == {"budget": 8, "success_rate": 0.9, "others": 0.25}
    for page in (html_report(document), print_report(document)):
        said = _words(page)
        assert "neural-cleanse ordinary99.0%12.0%–90.0% (±8)25.0%0.753 seeds1.25" in said
        assert re.search(rf"universal-perturbation .*{re.escape(HOSTILE[0])}–––20.0%", said)


def test_error_rates_appear_with_an_audit(case: Case) -> None:
    document = validated(document_of(case))
    assert document["decided"]["audits"] == []
    assert document["observed"]["suspects"][0]["false_bound"] is None
    assert "no random sample was verified" in html_report(document)
    outcome = case.get("outcome")
    outcome["calibrated"] = True
    outcome["classes"][TARGET] |= {
        "p_value": 0.004, "p_value_holm": 0.008, "verified": 5, "selected": 4, "verdict": "high",
    }  # fmt: skip
    case.set("outcome", outcome)
    put(case, "q_value", np.full(N, 0.03, np.float32))
    put(case, "false_bound", np.full(N, 2, np.float32))
    rows = draw(case, TARGET, 6, seed=1).rows
    judge(case, TARGET, dict(zip(rows, ("clean", "clean", "poison", "mislabelled"))))
    draw(case, 0, 4, seed=1)
    document = validated(document_of(case))
    rates = [row["error_rate"] for row in document["assessed"]["classes"]]
    assert rates == ["uncalibrated"] * 4 + ["0.004 by chance"]
    assert "for 1 of 5 classes" in document["assessed"]["error_rate"]
    first, audit = document["decided"]["audits"]
    assert (first["name"], first["reviewed"]) == (HOSTILE[0], 0)
    assert (audit["drawn"], audit["reviewed"]) == (6, 4)
    assert audit["verdicts"] == {"clean": 2, "poison": 1, "mislabelled": 1, "unsure": 0}
    assert audit["prevalence"]["estimate"] == 0.25
    # binom.test(1, 4) in R.
    assert audit["prevalence"]["low"] == pytest.approx(0.006309463, abs=1e-6)
    assert audit["prevalence"]["high"] == pytest.approx(0.8058796, abs=1e-6)
    said = _words(html_report(document))
    assert "25.0%0.6% to 80.6%" in said
    assert "1 poisoned sample is in the audit" in said
    assert "0.0040.00840.004 by chance" in said
    assert "q 0.032 false at most" in said


def test_notes_and_proposals_are_told_apart_from_tags(case: Case) -> None:
    case.notes.add("Looked at all of class 4. <b>Bold</b>")
    case.notes.add("odd", [3])
    first = case.proposals.add([1, 2, 3], "suspect", source="detector spectral")
    case.proposals.add([7], "mislabelled", source="list issues.csv")
    case.proposals.reject(first.number, "they are fine")
    document = validated(document_of(case))
    assert [note["text"] for note in document["decided"]["notes"]] == [
        "Looked at all of class 4. <b>Bold</b>"
    ]
    states = [(row["tag"], row["state"]) for row in document["assessed"]["proposals"]]
    assert states == [("suspect", "rejected"), ("mislabelled", "open")]
    acts = {act["act"]: act for act in document["decided"]["acts"]}
    assert acts["proposal rejected"]["note"] == "they are fine"
    assert acts["note"]["count"] in (0, 1)
    assert "proposal" not in acts
    page = html_report(document)
    assert "&lt;b&gt;Bold&lt;/b&gt;" in page


def test_an_empty_case_has_a_report(tmp_path: Path) -> None:
    with Case.create(tmp_path / "empty.case") as empty:
        document = validated(document_of(empty))
        assert document["summary"]["sentence"].startswith("Nothing was assessed")
        page = html_report(document)
    assert "No evidence is recorded" in page
    assert "No detector has run" in page


def test_a_broken_journal_is_said_on_the_first_page(case: Case) -> None:
    case._database._connection.execute("DROP TRIGGER IF EXISTS journal_no_update")
    for (name,) in case._database.rows("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
        case._database._connection.execute(f'DROP TRIGGER "{name}"')
    case._database._connection.execute("UPDATE journal SET hash = ? WHERE seq = 3", ("0" * 64,))
    document = validated(document_of(case))
    assert not document["journal"]["whole"]
    assert "NOT WHOLE: Journal entry 3" in html_report(document)


# ---- techniques ----------------------------------------------------------------------------------


def test_techniques_follow_from_findings(case: Case) -> None:
    ids = {row["id"] for row in document_of(case)["assessed"]["techniques"]}
    assert {"AML.T0020", "AML.T0018.000", "NISTAML.023", "ML02:2023", "CWE-59"} <= ids
    assert "CWE-502" not in ids
    model = case.get("model")
    case.set("model", {**model, "contents": CONTENTS})
    document = validated(document_of(case))
    after = {row["id"] for row in document["assessed"]["techniques"]}
    assert after - ids >= {"CWE-502", "AML.T0011.000", "AML.T0076"}
    page = html_report(document)
    assert "posix.system&lt;b&gt;" in page
    assert "run commands" in page
    assert "The record is doubled." in page


def test_every_name_of_the_table_is_described_current_and_dated() -> None:
    table = technique_table()
    for rule in table["rules"]:
        assert set(rule["techniques"]) <= set(table["techniques"])
        assert rule["because"].endswith(".")
    assert not set(table["techniques"]) & set(table["retired"])
    every = techniques_for({rule["when"] for rule in table["rules"]})
    assert {row["id"] for row in every} >= {"AML.T0076", "CWE-502", "AML.M0014"}
    for row in every:
        assert row["release"] or row["framework"] == "CWE"
    assert {row["release"] for row in every if row["id"].startswith("AML.")} == {"2026.09"}


# ---- the page ------------------------------------------------------------------------------------


def test_hostile_names_come_out_inert(case: Case) -> None:
    text = html_report(document_of(case))
    page = _Page(text)
    assert "script" not in {tag for tag, _ in page.tags}
    assert "<script" not in text.lower()
    assert [tag for tag, _ in page.tags].count("style") == 1
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    said = "".join(page.text)
    for name in (HOSTILE[0], HOSTILE[1], HOSTILE[3]):
        assert name in said
    assert "\u202e" not in text
    assert "safe%E2%80%AEgnp.exe" in said
    assert "white square <i>again</i>" in said
    assert "i" not in {tag for tag, _ in page.tags}
    assert "49" not in re.findall(r"\{\{.*?\}\}", said)


def test_the_policy_forbids_all_but_the_pages_own_style_and_pictures(case: Case) -> None:
    text = html_report(document_of(case))
    policy = next(
        attributes["content"]
        for tag, attributes in _Page(text).tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy.split("; ") == [
        "default-src 'none'",
        "img-src data:",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert text.index("Content-Security-Policy") < text.index("<style>")


def test_all_pictures_lie_inside_the_page_and_decode(case: Case) -> None:
    document = document_of(case)
    page = _Page(html_report(document))
    sources = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
    assert len(sources) == len(pictures_of(document)) == 24 + 3
    for source in sources:
        assert source.startswith("data:image/png;base64,")
        with Image.open(io.BytesIO(base64.b64decode(source.split(",", 1)[1]))) as image:
            image.verify()
    links = [a.get("href") or a.get("src") for tag, a in page.tags if tag in ("a", "link", "img")]
    assert all(link.startswith("data:") for link in links)


def test_a_document_that_was_tampered_with_cannot_smuggle_markup(case: Case) -> None:
    document = document_of(case)
    document["observed"]["suspects"][0]["picture"]["png"] = 'x" onerror="alert(1)'
    with pytest.raises(ValueError):
        html_report(document)


def test_marks_keep_fact_opinion_and_decision_apart(case: Case) -> None:
    page = html_report(document_of(case))
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", page, re.DOTALL)
    marked = {
        re.sub("<[^>]*>|&nbsp;", "", heading).split("\n")[0].strip(): heading
        for heading in headings
    }
    assert all("mark observed" in marked[name] for name in marked if name.startswith("Evidence"))
    assert any("mark opinion" in text for name, text in marked.items() if "Classes" in name)
    assert any("mark decision" in text for name, text in marked.items() if "Decisions" in name)


# ---- on the disk ---------------------------------------------------------------------------------


def test_a_report_is_written_once_and_recorded(case: Case, tmp_path: Path) -> None:
    target = tmp_path / "r.html"
    head = case.journal.head
    digest = write_file(target, b"one")
    record_report(case, target, digest, head)
    assert digest == hashlib.sha256(b"one").hexdigest()
    entry = case.journal.entries(1)[0]
    assert (entry.act, entry.details["head"], entry.details["sha256"]) == ("reported", head, digest)
    with pytest.raises(BadInput, match="already exists"):
        write_file(target, b"two")
    assert target.read_bytes() == b"one"
    write_file(target, b"two", replace=True)
    assert target.read_bytes() == b"two"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hostile.case", "r.html"]


def test_reports_stay_out_of_the_evidence_and_derived_arrays(case: Case, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    case.add_evidence("data", data, "ef" * 32, 1)
    for place, said in (
        (data / "r.html", "lies in the evidence"),
        (case.derived / "r.html", "derived arrays"),
        (tmp_path / "none" / "r.html", "does not exist"),
        (tmp_path / "r.docx", "does not say what to write"),
    ):
        with pytest.raises(BadInput, match=said):
            check_report_target(case, place)
    check_report_target(case, case.exports / "r.pdf")
