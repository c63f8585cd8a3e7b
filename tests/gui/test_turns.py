"""Work that waits is done once, one piece per turn, and not for panels that are gone."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QObject
from pytestqt.qtbot import QtBot
from shiboken6 import delete

from inspector.gui.turns import soon


class Panel(QObject):
    """Counts what it is asked to do."""

    def __init__(self, said: list[str], name: str) -> None:
        super().__init__()
        self.said, self.name = said, name

    def refresh(self) -> None:
        self.said.append(self.name)


def test_each_piece_has_a_turn_of_its_own_and_is_done_once(qtbot: QtBot) -> None:
    said: list[str] = []
    one, other = Panel(said, "one"), Panel(said, "other")
    for panel in (one, other, one):
        soon(panel, panel.refresh)
    assert said == []
    QCoreApplication.processEvents()
    assert said == ["one"]
    qtbot.waitUntil(lambda: said == ["one", "other"])
    soon(one, one.refresh)
    qtbot.waitUntil(lambda: said == ["one", "other", "one"])


def test_a_panel_that_is_gone_is_passed_over(qtbot: QtBot) -> None:
    said: list[str] = []
    gone, there = Panel(said, "gone"), Panel(said, "there")
    soon(gone, gone.refresh)
    soon(there, there.refresh)
    delete(gone)
    qtbot.waitUntil(lambda: said == ["there"])
