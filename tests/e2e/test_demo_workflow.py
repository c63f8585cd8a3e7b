"""The main job on the command line: scan, look, tag, export."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from inspector.case import Case
from inspector.case.array_files import write_array
from inspector.places import resources

Command = Callable[..., Any]


def _schema(name: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(
        (resources() / "schema" / f"{name}.schema.json").read_text()
    )
    return parsed


def _planted(demo: Path) -> set[str]:
    with (demo / "truth.csv").open(newline="") as file:
        return {row["uri"] for row in csv.DictReader(file) if row["poisoned"] == "1"}


def test_the_demo_compares_its_ranking_with_the_planted_truth(demo: Path) -> None:
    said = (demo / "said.txt").read_text()
    assert "Planted truth:" in said
    assert f"inspector open {demo / 'demo.case'}" in said
    assert "uncalibrated" in said


def test_the_demo_will_not_overwrite_itself(demo: Path, command: Command) -> None:
    done = command("demo", "--out", demo, "--no-window")
    assert done.returncode == 2
    assert "already" in done.stderr


def test_the_planted_samples_come_first(demo: Path, command: Command, document: Command) -> None:
    ranking = document(command("ranking", demo / "demo.case", "--json"))
    jsonschema.validate(ranking, _schema("ranking"))
    planted = _planted(demo)
    flags = [sample["uri"] in planted for sample in ranking["samples"]]
    count = sum(flags)
    assert count == len(planted) > 40
    assert sum(flags[:count]) / count >= 0.8
    scores = [sample["combined"] for sample in ranking["samples"]]
    assert scores == sorted(scores, reverse=True)
    # Counting from 0 in the order of sorted paths.
    by_index = sorted(ranking["samples"], key=lambda sample: sample["index"])
    assert [sample["index"] for sample in by_index] == list(range(len(by_index)))
    assert [sample["uri"] for sample in by_index] == sorted(sample["uri"] for sample in by_index)


def test_scan_json_keeps_its_contract_and_resumes(
    demo: Path, case: Path, command: Command, document: Command
) -> None:
    evidence = demo / "evidence"
    arguments = ("--model", evidence / "model.safetensors", "--data", evidence / "data")
    done = command("scan", *arguments, "--case", case, "--json")
    found = document(done)
    jsonschema.validate(found, _schema("scan"))
    assert "already in the case" in done.stderr  # The signals were not computed again.
    assert found["verdict"] in ("low", "medium")  # "high" needs an audit.
    first = max(found["classes"], key=lambda row: row["statistic"])
    with (demo / "truth.csv").open(newline="") as file:
        targets = {row["label"] for row in csv.DictReader(file) if row["poisoned"] == "1"}
    assert {first["name"]} == targets
    assert all(row["p_value"] is None for row in found["classes"])
    assert any("uncalibrated" in caveat for caveat in found["caveats"])
    failing = command("scan", *arguments, "--case", case, "--fail-on", "low")
    assert failing.returncode == 1


def test_tag_undo_redo_and_export(demo: Path, case: Path, command: Command, tmp_path: Path) -> None:
    planted = _planted(demo)
    top = len(planted)
    done = command("tag", case, "--from-ranking", "combined", "--top", top, "--tag", "suspect")
    assert done.returncode == 0, done.stderr
    assert command("undo", case).returncode == 0
    refused = command("export", case, "--to", tmp_path / "nothing")
    assert refused.returncode == 2
    assert "No sample carries" in refused.stderr
    assert command("redo", case).returncode == 0
    target = tmp_path / "cleaned"
    done = command("export", case, "--to", target, "--drop", "suspect")
    assert done.returncode == 0, done.stderr
    check = subprocess.run(
        ["sha256sum", "-c", "--quiet", "manifest.sha256"],
        cwd=target,
        capture_output=True,
        check=False,
    )
    assert check.returncode == 0, check.stderr
    with (target / "removed.csv").open(newline="") as file:
        removed = list(csv.DictReader(file))
    assert len(removed) == top
    source = {
        p.relative_to(demo / "evidence" / "data") for p in _images(demo / "evidence" / "data")
    }
    kept = {p.relative_to(target) for p in _images(target)}
    assert kept < source
    assert len(source) - len(kept) == top
    again = command("export", case, "--to", target)
    assert again.returncode == 2


def _images(folder: Path) -> list[Path]:
    return list(folder.rglob("*.png"))


def test_tags_by_a_list_of_ids_show_in_the_ranking(
    demo: Path, case: Path, command: Command, document: Command, tmp_path: Path
) -> None:
    ids = tmp_path / "ids.txt"
    names = sorted(_planted(demo))[:3]
    ids.write_text("\n".join([*names, "5"]))
    assert command("tag", case, "--ids", ids, "--tag", "poison").returncode == 0
    ranking = document(command("ranking", case, "--json"))
    tagged = [sample for sample in ranking["samples"] if "poison" in sample["tags"]]
    assert len(tagged) == 4
    assert set(names) <= {sample["uri"] for sample in tagged}
    history = command("history", case).stdout
    assert "tag" in history


def test_ranking_csv_and_detector_order(demo: Path, command: Command) -> None:
    done = command("ranking", demo / "demo.case", "--csv", "--top", 5, "--detector", "spectral")
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert len(rows) == 5
    scores = [float(row["spectral"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    refused = command("ranking", demo / "demo.case", "--detector", "oracle")
    assert refused.returncode == 2
    assert "oracle" in refused.stderr


def test_a_verified_sample_calibrates_the_ranking(
    demo: Path, tmp_path: Path, command: Command, document: Command
) -> None:
    planted = _planted(demo)
    evidence = demo / "evidence"
    case = Path(shutil.copytree(demo / "demo.case", tmp_path / "audited.case"))
    ranking = document(command("ranking", case, "--json"))["samples"]
    ranking.sort(key=lambda sample: sample["index"])
    clean = [str(s["index"]) for s in ranking if s["uri"] not in planted]
    ids = tmp_path / "verified.txt"
    ids.write_text("\n".join(clean[::2]))
    found = document(
        command(
            *("scan", "--model", evidence / "model.safetensors", "--data", evidence / "data"),
            *("--case", case, "--verified", ids, "--json"),
        )
    )
    jsonschema.validate(found, _schema("scan"))
    assert found["calibrated"]
    assert found["verdict"] == "high"
    with_p = document(command("ranking", case, "--json"))["samples"]
    assert any(sample["p_value"] is not None for sample in with_p)


@pytest.mark.slow
def test_the_trigger_is_reconstructed_for_the_target_class(
    demo: Path, case: Path, command: Command, document: Command
) -> None:
    found = document(command("trigger", case, "--json"))
    jsonschema.validate(found, _schema("trigger"))
    masks = [row for row in found["classes"] if row["method"] == "neural-cleanse"]
    assert len(masks) == 10
    smallest = min(masks, key=lambda row: row["mask_l1"])  # Screens beside it find no masks.
    with (demo / "truth.csv").open(newline="") as file:
        targets = {row["label"] for row in csv.DictReader(file) if row["poisoned"] == "1"}
    assert {smallest["name"]} == targets
    assert smallest["success_rate"] >= 0.9


def test_one_class_is_searched_when_one_is_asked(
    case: Path, command: Command, document: Command
) -> None:
    found = document(command("trigger", case, "--classes", "0", "--steps", 20, "--json"))
    jsonschema.validate(found, _schema("trigger"))
    assert [row["index"] for row in found["classes"]] == [0]
    assert found["classes"][0]["p_value"] is None  # One class has nothing to be compared with.


def test_every_detector_is_listed_with_its_cost(command: Command) -> None:
    said = command("detectors").stdout
    for name in (
        "spectral",
        "spectral-whitened",
        "spectral-gradient",
        "activation-clustering",
        "frequency",
    ):
        assert name in said


def test_every_run_says_what_it_was_computed_with(case: Path) -> None:
    with Case.open(case, read_only=True) as opened:
        acts = {entry.act for entry in opened.journal.entries()}
        assert {"created", "closed", "evidence", "spec accepted", "run", "finding"} <= acts
        runs = {entry.details["key"]: entry.details for entry in opened.journal.of_act("run")}
        assert runs["signals"]["device"] == "cpu"
        assert runs["signals"]["sandbox"]
        environment = opened.kept("environment")[runs["signals"]["environment"]]
        assert environment["packages"]["torch"]
        assert environment["threads"] >= 1
        assert len(environment["torch_config_sha256"]) == 64
        arrays = opened.arrays()
        for entry in opened.journal.of_act("finding"):
            said = entry.details
            assert said["environment"] == runs["detect"]["environment"]
            assert said["result"] == arrays[f"score:{said['key']}"].sha256
            assert {"version", "parameters", "seed", "device"} <= said.keys()
        assert opened.verify() == []


def test_a_rerun_gives_the_same_to_the_bit_and_names_what_does_not(
    command: Command, document: Command, case: Path
) -> None:
    again = document(command("rerun", case, "--json"))
    jsonschema.validate(again, _schema("rerun"))
    assert again["environment"]["differs"] == []
    found = {row["name"]: row for row in again["rows"]}
    assert {row["promise"] for name, row in found.items() if name[:7] != "finding"} == {"identical"}
    assert {"evidence model", "evidence data", "score:spectral", "logits", "tags"} <= found.keys()
    with Case.open(case) as opened:
        assert opened.journal.of_act("rerun")[-1].details["same"] is True
        known = opened.arrays()["score:spectral"]
        values = np.array(opened.array("score:spectral"))
        values[7] += 1
        item = write_array(opened.derive("forged") / "score.npy", values, opened.derived)
        opened.set_array(known.name, *item.values())
    done = command("rerun", case)
    assert done.returncode == 1, done.stderr
    line = next(line for line in done.stdout.splitlines() if "score:spectral " in line)
    assert "DIFFERS" in line
    assert "Something differs" in done.stdout
