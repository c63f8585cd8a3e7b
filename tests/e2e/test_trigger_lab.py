"""The trigger lab on the command line: reconstruct, search the data, stamp."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image

from held_engine import hold_engines
from inspector.case import Case, find_trigger
from inspector.engine.client import Investigation
from inspector.places import resources

Command = Callable[..., Any]
FINDING = "trigger-search"


def _valid(document: dict[str, Any], name: str = "trigger") -> dict[str, Any]:
    schema = json.loads((resources() / "schema" / f"{name}.schema.json").read_text())
    jsonschema.validate(document, schema)
    return document


def _truth(demo: Path) -> tuple[set[str], str]:
    with (demo / "truth.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["poisoned"] == "1"]
    return {row["uri"] for row in rows}, rows[0]["label"]


@pytest.fixture(scope="module")
def searched(
    demo: Path, command: Command, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """The demonstration with the trigger of its target class, and what its search said."""
    case = tmp_path_factory.mktemp("lab") / "lab.case"
    shutil.copytree(demo / "demo.case", case)
    _, target = _truth(demo)
    options = ("--classes", target, "--steps", 120, "--data-limit", 300)
    done = command("trigger", case, *options, "--search", "--propose", "--json")
    assert done.returncode == 0, done.stderr
    return case, json.loads(done.stdout)


def test_carriers_are_found_recorded_and_proposed(
    demo: Path, searched: tuple[Path, dict[str, Any]], command: Command
) -> None:
    case, document = searched
    _valid(document)
    planted, _target = _truth(demo)
    assert document["search"]["trigger"].endswith(":neural-cleanse")
    assert any("clean-label" in caveat for caveat in document["search"]["caveats"])
    assert any("never means that the model is clean" in line for line in document["caveats"])
    with Case.open(case, read_only=True) as opened:
        finding = opened.findings()[FINDING]
        assert finding["status"] == "done"
        uris = opened.samples.locators(range(opened.n))
        truth = np.array([uri in planted for uri in uris])
        scores = np.asarray(opened.array("score:trigger-search"))
        found = np.asarray(opened.array("trigger-search:carriers"))
        assert (scores[truth][:, None] > scores[~truth][None]).mean() >= 0.99
        assert (found & truth).sum() >= 0.9 * truth.sum()
        assert (found & ~truth).sum() <= 0.1 * truth.sum()
        (proposal,) = opened.proposals.all("open")
        assert proposal.source == f"trigger search {document['search']['trigger']}"
        assert proposal.count == found.sum()
        assert opened.verify() == []
    ranking = json.loads(command("ranking", case, "--detector", FINDING, "--json").stdout)
    assert ranking["samples"][0]["uri"] in planted


def test_a_second_search_takes_the_trigger_that_is_there_and_tags(
    searched: tuple[Path, dict[str, Any]], command: Command, tmp_path: Path
) -> None:
    case = Path(shutil.copytree(searched[0], tmp_path / "tagged.case"))
    done = command("trigger", case, "--search", "--tag", "poison")
    assert done.returncode == 0, done.stderr
    assert "carry the trigger" in done.stdout
    assert "Trigger search" not in done.stderr
    with Case.open(case, read_only=True) as opened:
        carriers = np.asarray(opened.array("trigger-search:carriers"))
        assert (opened.tags.mask("poison") == carriers).all()
        assert len(opened.journal.of_act("trigger")) == 1


def test_stamped_examples_are_pictures_in_a_new_folder(
    searched: tuple[Path, dict[str, Any]], command: Command, tmp_path: Path
) -> None:
    case, _ = searched
    done = command("stamp", case, "--to", tmp_path / "out", "--count", 5, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document == json.loads((tmp_path / "out" / "stamp.json").read_text())
    assert len(_valid(document, "stamp")["examples"]) == 5
    mask = np.asarray(Image.open(tmp_path / "out" / "mask.png"))
    pattern = np.asarray(Image.open(tmp_path / "out" / "pattern.png"))
    assert mask.shape == pattern.shape[:2]
    assert mask.max() > 100
    weight = mask.astype(float) / 255
    for row in document["examples"]:
        before, after = (
            np.asarray(Image.open(tmp_path / "out" / row[f"{when}_file"]), float)
            for when in ("before", "after")
        )
        assert np.abs((1 - weight) * before + weight * pattern - after).max() <= 1
    turned = [row["after"]["index"] == document["target"]["index"] for row in document["examples"]]
    assert np.mean(turned) >= 0.8
    again = command("stamp", case, "--to", tmp_path / "out")
    assert again.returncode == 2
    assert "already" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--method", "oracle"), "No trigger search is called 'oracle'"),
        (("--source", "0,1"), "is not one class"),
        (("--tag", "suspect"), "Only a search of the data"),
        (("--search", "--tag", "suspect", "--propose"), "not both"),
        (("--search", "--tag", "nonsense"), "There is no tag 'nonsense'"),
        (("--search", "--trigger", "77:oracle"), "There is no trigger '77:oracle'"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    searched: tuple[Path, dict[str, Any]], command: Command, arguments: tuple[str, ...], words: str
) -> None:
    done = command("trigger", searched[0], *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_trigger_there_is_nothing_to_stamp(
    case: Path, command: Command, tmp_path: Path
) -> None:
    done = command("stamp", case, "--to", tmp_path / "out")
    assert done.returncode == 2
    assert "holds no reconstructed trigger" in done.stderr


def test_a_transformation_is_kept_applied_and_searched_for(
    case: Path, command: Command, tmp_path: Path
) -> None:
    asked = ("--method", "feature-space", "--classes", "0,1,2", "--steps", 10, "--data-limit", 80)
    done = command("trigger", case, *asked, "--search", "--json")
    assert done.returncode == 0, done.stderr
    document = _valid(json.loads(done.stdout))
    rows = [row for row in document["classes"] if row["method"] == "feature-space"]
    assert [row["form"] for row in rows] == ["transformation"] * 3
    assert all(row["retained"]["interval"][0] <= row["retained"]["rate"] for row in rows)
    assert any("no pattern" in caveat for caveat in document["search"]["caveats"])
    name = document["search"]["trigger"]
    done = command(
        "stamp", case, "--trigger", name, "--to", tmp_path / "out", "--count", 4, "--json"
    )
    assert done.returncode == 0, done.stderr
    stamped = _valid(json.loads(done.stdout), "stamp")
    assert stamped["form"] == "transformation"
    with Case.open(case, read_only=True) as opened:
        row = find_trigger(opened, name)
        mean = np.asarray(opened.array(row["mask_array"]))
        assert np.asarray(opened.array(row["bend_array"])).shape == (2, 4, 4)
        assert opened.verify() == []
    shown = np.asarray(Image.open(tmp_path / "out" / "mask.png"))
    np.testing.assert_allclose(shown, np.rint(mean * 255), atol=1)
    changes = [
        np.asarray(Image.open(tmp_path / "out" / row["after_file"]), float)
        - np.asarray(Image.open(tmp_path / "out" / row["before_file"]), float)
        for row in stamped["examples"]
    ]
    assert all(change.any() for change in changes)
    assert np.ptp(changes, axis=0).max() > 2  # no one pattern, added to all


def test_a_transformation_that_was_tampered_with_is_refused(
    case: Path, command: Command, tmp_path: Path
) -> None:
    asked = ("--method", "feature-space", "--classes", "0", "--steps", 2, "--data-limit", 40)
    assert command("trigger", case, *asked).returncode == 0
    with Case.open(case, read_only=True) as opened:
        path = case / "derived" / opened.arrays()["trigger:0-feature-space:gates"].path
    np.save(path, np.zeros((4, 9, 5), np.float32))
    done = command("stamp", case, "--trigger", "0:feature-space", "--to", tmp_path / "out")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "gates" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_screen_says_what_it_compares_with(case: Path, command: Command) -> None:
    done = command(
        "trigger", case, "--method", "screen", "--steps", 8, "--data-limit", 120, "--json"
    )
    assert done.returncode == 0, done.stderr
    document = _valid(json.loads(done.stdout))
    methods = {row["method"] for row in document["classes"]}
    assert methods == {"universal-perturbation", "maximum-margin"}
    row = next(row for row in document["classes"] if row["method"] == "universal-perturbation")
    assert len(row["budgets"]) == 4
    assert row["baseline"]["budget"] == 8


def test_a_search_of_all_classes_screens_them_and_goes_on_with_those_that_stand_out(
    case: Path, command: Command
) -> None:
    few = ("--steps", 90, "--data-limit", 120)
    done = command("trigger", case, *few, "--json")
    assert done.returncode == 0, done.stderr
    rows = [
        row
        for row in _valid(json.loads(done.stdout))["classes"]
        if row["method"] == "neural-cleanse"
    ]
    assert len(rows) == 10
    kept = [row["index"] for row in rows if row["screening"]["kept"]]
    assert 0 < len(kept) < 10
    assert any("upper bound" in row["screening"]["reason"] for row in rows)
    again = command("trigger", case, *few, "--classes", kept[0], "--json")
    found = {
        row["index"]: row
        for row in _valid(json.loads(again.stdout))["classes"]
        if row["method"] == "neural-cleanse"
    }
    assert "screening" not in found[kept[0]]
    (before,) = (row for row in rows if row["index"] == kept[0])
    # Up to rounding: how pictures are parted into blocks depends on how many classes are searched.
    assert found[kept[0]]["mask_l1"] == pytest.approx(before["mask_l1"], rel=2e-3)


@pytest.mark.parametrize("words", [("--methods", "--json"), ("--json", "--methods")])
def test_every_search_is_listed_with_broken_ones_and_their_cause(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, str]
) -> None:
    (tmp_path / "triggers").mkdir()
    (tmp_path / "triggers" / "torn.py").write_text("raise ValueError('torn in two')")
    monkeypatch.setenv("INSPECTOR_PLUGINS", str(tmp_path))
    done = command("trigger", *words)
    assert done.returncode == 0, done.stderr
    document = _valid(json.loads(done.stdout), "trigger-methods")
    rows = {row["id"]: row for row in document["methods"]}
    bundled = {
        *("neural-cleanse", "universal-perturbation", "maximum-margin"),
        *("pixel", "blended", "feature-space"),
    }
    assert bundled <= {name for name, row in rows.items() if row["status"] == "ready"}
    (broken,) = [row for name, row in rows.items() if name not in bundled]
    assert broken["status"] != "ready"
    assert "torn in two" in broken["cause"]


@pytest.mark.slow
def test_the_cleaning_is_checked_against_its_control_and_kept(
    searched: tuple[Path, dict[str, Any]], command: Command, tmp_path: Path
) -> None:
    case = Path(shutil.copytree(searched[0], tmp_path / "cleaned.case"))
    refused = command("verify-cleaning", case, "--yes")
    assert refused.returncode == 2
    assert "No sample carries the tag suspect" in refused.stderr
    assert command("trigger", case, "--search", "--tag", "suspect").returncode == 0
    unasked = command("verify-cleaning", case)
    assert unasked.returncode == 2
    assert "Add --yes" in unasked.stderr
    assert "about" in unasked.stderr
    done = command("verify-cleaning", case, "--yes", "--epochs", 8, "--json")
    assert done.returncode == 0, done.stderr
    (check,) = _valid(json.loads(done.stdout), "cleaning")["checks"]
    assert check["outcome"] == "removed"
    assert check["cleaned"]["success"]["interval"][1] < check["kept"]["success"]["interval"][0]
    assert check["cleaned"]["accuracy"]["rate"] > 0.9
    assert "never means that the data are clean" in " ".join(check["caveats"])
    with Case.open(case, read_only=True) as opened:
        assert list(opened.kept("cleaning")) == [check["key"]]
        (entry,) = opened.journal.of_act("cleaning")
        assert entry.details["start"] == "scratch"
        assert opened.verify() == []
    again = command("verify-cleaning", case, "--yes", "--epochs", 8, "--json")
    assert json.loads(again.stdout) == json.loads(done.stdout)
    assert "Training" not in again.stderr


@pytest.mark.slow
def test_a_search_from_each_class_names_the_source(case: Path, command: Command) -> None:
    asked = ("--source", "each", "--classes", "0,1", "--steps", 6, "--data-limit", 80, "--json")
    done = command("trigger", case, *asked)
    assert done.returncode == 0, done.stderr
    rows = _valid(json.loads(done.stdout))["classes"]
    assert all(row["source"] != row["index"] for row in rows)
    assert {row["index"] for row in rows} == {0, 1}


def test_a_search_that_is_ended_keeps_what_works_and_goes_on_from_there(
    case: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a real engine: the class that is through is not searched a second time."""
    events: list[dict[str, Any]] = []

    def end_when_one_is_through(event: dict[str, Any]) -> None:
        events.append(event)
        rows = event.get("classes") if event.get("name") == "trigger-classes" else None
        if rows and not all(row["running"] for row in rows):
            investigation.finish()

    settings = {"steps": 600, "data_limit": 80}
    with Case.open(case) as opened:
        hold_engines(
            monkeypatch,
            "event.get('name') == 'trigger-classes'"
            " and not all(row['running'] for row in event['values']['classes'])",
        )
        investigation = Investigation(opened, end_when_one_is_through)
        first = investigation.trigger(range(4), **settings)
        assert first["ended_early"]
        recorded = {row["index"]: row for row in opened.triggers()}
        through = [index for index, row in recorded.items() if not row["stopped_early"]]
        assert 0 < len(through) < 4
        assert opened.verify() == []
        events.clear()
        second = investigation.trigger(through, **settings)
        assert opened.verify() == []
        investigation.close()
    assert not second["ended_early"]
    assert any("searched before" in str(event.get("text")) for event in events)
    assert not any(event.get("name") == "trigger-classes" for event in events)
    sizes = {row["index"]: row["mask_l1"] for row in second["classes"]}
    assert sizes == {index: recorded[index]["mask_l1"] for index in through}


@pytest.mark.slow
def test_classes_are_compared_with_those_of_shadow_networks(
    case: Path, command: Command, document: Command
) -> None:
    asked = ("trigger", case, "--method", "neural-cleanse", "--data-limit", 60, "--shadows", 1)
    unasked = command(*asked)
    assert unasked.returncode == 2
    assert "1 shadow network" in unasked.stderr
    assert "--yes" in unasked.stderr
    found = _valid(document(command(*asked, "--yes", "--json")))
    assert found["shadows"]["count"] == 1
    assert found["shadows"]["accuracy"][0] > 0.8
    assert any("19 can" in caveat for caveat in found["caveats"])
    # One shadow decides nothing: a class is significant by the other classes, as without any.
    assert all(row["shadows"]["threshold"] is None for row in found["classes"])
    assert all(row["p_value"] <= 0.05 for row in found["classes"] if row["significant"])
    assert all(row["shadows"]["family_p_value"] >= 0.5 for row in found["classes"])
    assert all(len(row["shadows"]["others"]) == 1 for row in found["classes"])
    assert found["shadows"]["p_value"] == min(
        row["shadows"]["family_p_value"] for row in found["classes"]
    )
    # A search from one class has shadows that were searched from there, too.
    found = _valid(document(command(*asked, "--yes", "--json", "--source", 1)))
    rows = [row for row in found["classes"] if row["index"] != 1]
    assert all(row["source"] == 1 for row in rows)
    assert all(len(row["shadows"]["others"]) == 1 for row in rows)
