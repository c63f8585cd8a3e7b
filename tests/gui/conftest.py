"""What holds for every test of the window."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from planted_case import copy_planted
from pytestqt.qtbot import QtBot

from inspector.gui.workspace import Workspace


@pytest.fixture(scope="module", autouse=True)
def _collected_in_the_main_thread() -> Iterator[None]:
    """As `inspector.gui.garbage` does in the window: a job's thread must not free widgets."""
    gc.disable()
    yield
    gc.collect()


@pytest.fixture
def space(qtbot: QtBot, tmp_path: Path) -> Iterator[Workspace]:
    """A window's workspace on a case with planted poison."""
    copy_planted(tmp_path / "planted.case", 200)
    opened = Workspace()
    assert opened.open_case(tmp_path / "planted.case")
    yield opened
    opened.close_case()
