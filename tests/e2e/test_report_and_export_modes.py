"""Reports and the further modes of the export, as a person calls them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from inspector import places

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tagged(case: Path, command: Command) -> Path:
    assert command("tag", case, "--from-ranking", "combined", "--top", 45).returncode == 0
    return case


def schema_of(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(
        (places.resources() / "schema" / f"{name}.schema.json").read_text("utf-8")
    )
    return schema


def test_the_same_case_as_json_html_and_pdf(tagged: Path, command: Command, tmp_path: Path) -> None:
    heads = []
    for ending in ("json", "html", "pdf"):
        done = command("report", tagged, "--to", tmp_path / f"r.{ending}")
        assert done.returncode == 0, done.stderr
        heads.append(re.search(r"Journal head ([0-9a-f]{64})", done.stdout)[1])
    document = json.loads((tmp_path / "r.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema_of("report")).validate(document)
    assert document["journal"]["head"] == heads[0]
    assert document["decided"]["groups"][0]["count"] == 45
    assert len(document["observed"]["suspects"]) == 24
    page = (tmp_path / "r.html").read_text("utf-8")
    assert heads[1] in page
    assert "<script" not in page.lower()
    paper = (tmp_path / "r.pdf").read_bytes()
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) > 2
    history = command("history", tagged).stdout
    assert history.count("  reported") == 3


def test_a_report_over_something_or_of_an_unknown_kind_is_refused(
    tagged: Path, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "r.html").write_text("mine")
    for target in (tmp_path / "r.html", tmp_path / "r.doc", tmp_path / "no" / "r.html"):
        done = command("report", tagged, "--to", target)
        assert done.returncode == 2
        assert done.stderr.startswith("inspector: ")
        assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "r.html").read_text() == "mine"


def test_the_preview_writes_nothing_and_says_what_would_go(
    tagged: Path, command: Command, document: Callable[..., dict[str, Any]]
) -> None:
    before = command("history", tagged).stdout.splitlines()[-1]
    found = document(command("export", tagged, "--preview", "--json"))
    jsonschema.Draft202012Validator(schema_of("export-preview")).validate(found)
    assert found["samples"] == {"before": 1500, "removed": 45, "after": 1455}
    assert sum(row["removed"] for row in found["clusters"]) == 45
    assert {row["cluster"] for row in found["clusters"] if row["removed"]} == {"outer"}
    assert "cannot be estimated without an audit" in found["false_removals"]["sentence"]
    said = command("export", tagged, "--preview").stdout
    assert "45 of 1,500 samples would be left out" in said
    assert command("history", tagged).stdout.splitlines()[-1] == before


def test_quarantine_and_lists(tagged: Path, command: Command, tmp_path: Path) -> None:
    done = command("export", tagged, "--to", tmp_path / "good", "--quarantine", tmp_path / "bad")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "good").rglob("*.png"))) == 1455
    assert len(list((tmp_path / "bad").rglob("*.png"))) == 45
    assert "Journal head" in done.stdout
    listed = command("export", tagged, "--to", tmp_path / "lists", "--list-only")
    assert listed.returncode == 0, listed.stderr
    assert len((tmp_path / "lists" / "kept_files.txt").read_text().splitlines()) == 1455
    for folder in ("good", "bad", "lists"):
        check = subprocess.run(
            ["sha256sum", "--strict", "--quiet", "-c", "manifest.sha256"],
            cwd=tmp_path / folder,
            capture_output=True,
        )
        assert check.returncode == 0, check.stderr


def test_options_that_contradict_each_other_are_refused(
    tagged: Path, command: Command, tmp_path: Path
) -> None:
    for arguments in (
        (),
        ("--to", tmp_path / "a", "--list-only", "--quarantine", tmp_path / "b"),
        ("--to", tmp_path / "a", "--json"),
        ("--to", tmp_path / "a", "--quarantine", tmp_path / "a"),
    ):
        done = command("export", tagged, *arguments)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("[ab]"))


def test_leftovers_are_named_and_deleted_on_request(
    tagged: Path, command: Command, tmp_path: Path
) -> None:
    stale = tmp_path / ".good.partial-0123abcd"
    stale.mkdir()
    done = command("export", tagged, "--to", tmp_path / "good")
    assert done.returncode == 0
    assert f"left {stale}" in done.stderr
    assert stale.exists()
    again = command("export", tagged, "--to", tmp_path / "good2", "--remove-leftovers")
    assert again.returncode == 0
    assert stale.exists()
    (tmp_path / ".good3.partial-0123abcd").mkdir()
    last = command("export", tagged, "--to", tmp_path / "good3", "--remove-leftovers")
    assert last.returncode == 0
    assert not (tmp_path / ".good3.partial-0123abcd").exists()
