"""Cases that released versions wrote open, and bring everything along."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from inspector.case import Case, scan_document
from inspector.case.schema import version

RELEASED = Path(__file__).parent / "fixtures"


def released(name: str, folder: Path) -> Path:
    """Build a case out of the text of its database and its arrays."""
    source = RELEASED / name
    shutil.copytree(source / "derived", folder / "derived")
    with closing(sqlite3.connect(folder / "case.db", isolation_level=None)) as raw:
        raw.executescript((source / "case.sql").read_text("ascii"))
    return folder


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("name", sorted(os.listdir(RELEASED)))
def test_a_case_of_a_released_version_opens_with_all_that_is_in_it(
    folder: Path, name: str, read_only: bool
) -> None:
    released(name, folder)
    with Case.open(folder, read_only=read_only) as case:
        assert case.verify() == []
        assert case.problems == []
        assert case.n == 6
        assert case.tags.names(range(4)) == [[], ["poison"], ["poison"], []]
        assert case.tags.reasons([1])[1][0].note == "corner patch"
        assert [kind.name for kind in case.tags.kinds][-1] == "watermark"
        assert case.tags.can_redo
        assert case.array("combined")[1] == pytest.approx(0.99)
        assert [item.role for item in case.evidence()] == ["model", "data"]
        assert scan_document(case)["findings"][0]["id"] == "spectral"
        assert case.triggers()[0]["mask_l1"] == 9.0


def test_a_case_on_read_only_media_is_brought_up_to_date_in_a_copy(folder: Path) -> None:
    released("v1", folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with Case.open(folder, read_only=True) as case:
        assert case.journal.of_act("note")[0].details["rows"] == [2]
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_the_upgrade_is_an_act_and_the_former_file_is_kept(folder: Path) -> None:
    released("v1", folder)
    head = "6441c7d09bf89e239a0152c72d48ec259f0ac50841cc0d547b43c4fe2d05eef4"
    with Case.open(folder) as case:
        case.tags.redo()
        opened = case.journal.of_act("opened")[-1]
        assert opened.details["upgraded_from"] == 1
        assert opened.details["backup"] == "case.db.bak-v1"
        assert case.journal.entry(opened.seq - 1).hash == head
    with closing(sqlite3.connect(folder / "case.db")) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (version(),)
    with closing(sqlite3.connect(folder / "case.db.bak-v1")) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (1,)
        assert raw.execute("SELECT hash FROM head").fetchone() == (head,)


def test_an_old_case_that_was_tampered_with_is_still_found_out(folder: Path) -> None:
    released("v1", folder)
    with closing(sqlite3.connect(folder / "case.db", isolation_level=None)) as raw:
        raw.execute("UPDATE record SET value = '{}' WHERE kind = 'finding'")
    with Case.open(folder) as case:
        assert any("finding spectral was changed" in problem for problem in case.verify())
