"""Small cases to act on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from case_makers import describe, fill

from inspector.case import Case, opening


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests need no durability; those that do run in processes of their own."""
    monkeypatch.setattr(opening, "SYNCHRONOUS", "OFF")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "suspects.case"


@pytest.fixture
def case(folder: Path) -> Iterator[Case]:
    """An empty case, open for writing."""
    with Case.create(folder) as made:
        yield made


@pytest.fixture
def tagged_case(case: Case) -> Case:
    """A case with 100 samples and nothing computed, to be tagged."""
    describe(case, 100)
    return case


@pytest.fixture
def scanned(case: Case) -> Case:
    """A scanned case of six samples; sample 4 could not be read."""
    fill(case)
    return case
