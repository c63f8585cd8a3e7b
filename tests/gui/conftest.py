"""What holds for every test of the window."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def _collected_in_the_main_thread() -> Iterator[None]:
    """As `inspector.gui.garbage` does in the window: a job's thread must not free widgets."""
    gc.disable()
    yield
    gc.collect()
