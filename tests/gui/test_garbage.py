"""Cyclic garbage that holds Qt objects is freed by the window's thread and by no other."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from inspector.gui.garbage import GarbageCollection


@pytest.fixture
def collection(qtbot: QtBot) -> Iterator[GarbageCollection]:
    thresholds = gc.get_threshold()
    gc.collect()
    gc.set_threshold(100, 10, 10)
    yield GarbageCollection()
    gc.set_threshold(*thresholds)


def test_only_the_windows_thread_collects(collection: GarbageCollection) -> None:
    class Panel(QObject):
        pass

    panel = Panel()
    panel.circle = panel  # type: ignore[attr-defined]
    gone = weakref.ref(panel)
    del panel

    def allocate() -> None:
        kept = [[number] for number in range(10_000)]
        assert len(kept) == 10_000

    thread = threading.Thread(target=allocate)
    thread.start()
    thread.join()
    assert gone() is not None
    assert collection.collect() > 0
    assert gone() is None
