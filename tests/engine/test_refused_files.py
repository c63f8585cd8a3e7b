"""A refused model file crosses the engine's border with what was seen of it, and stays in the case."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from inspector.case import Case
from inspector.engine.client.refused import KIND, keep_refused
from inspector.errors import BadInput, RefusedFile, from_message
from inspector.export.report import html_report, report_document
from inspector.intake.models import read_weights


class Command:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.system, ("true",)


def _refused(path: Path) -> RefusedFile:
    with pytest.raises(BadInput) as caught:
        read_weights(path)
    crossed = from_message(json.loads(json.dumps(caught.value.as_message())))
    assert isinstance(crossed, RefusedFile)
    assert str(crossed) == str(caught.value)
    return crossed


def test_a_refused_file_is_kept_once_with_what_it_names(tmp_path: Path) -> None:
    path, page = tmp_path / "<b>m.pkl", tmp_path / "page.pt"
    path.write_bytes(pickle.dumps({"run": Command()}, protocol=2))
    page.write_bytes(b"<!DOCTYPE html><html><body>Sign in</body></html>")
    with Case.create(tmp_path / "a.case") as case:
        for file in (path, page, path):
            keep_refused(case, file, _refused(file))
        entries = [entry for entry in case.journal.entries() if entry.act == KIND]
        digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in (path, page)]
        assert [entry.details["sha256"] for entry in entries] == digests
        named, plain = case.kept(KIND).values()
        found = named["contents"]["names"][0]
        assert (found["name"], found["verdict"]) == ("posix.system", "commands")
        assert path.read_bytes()[found["offset"] :].startswith(b"cposix\nsystem\n")
        assert (plain["container"], plain["contents"]) == ("html", None)
        assert case.verify() == []
        document = report_document(case, [])
    assert [row["sha256"] for row in document["observed"]["model_file"]["refused"]] == digests
    assert "CWE-502" in {row["id"] for row in document["assessed"]["techniques"]}
    assert "&lt;b&gt;m.pkl" in html_report(document)


@pytest.mark.parametrize("seen", [{}, {"sha256": "../x", "size": 1}, {"sha256": "a" * 64}])
def test_what_an_engine_says_of_a_file_is_checked(tmp_path: Path, seen: dict[str, Any]) -> None:
    with Case.create(tmp_path / "a.case") as case:
        keep_refused(case, tmp_path / "m.pt", RefusedFile("No.", seen=seen))
        assert case.kept(KIND) == {}
    assert isinstance(from_message({"kind": "RefusedFile", "what": "No.", "seen": 3}), RefusedFile)
