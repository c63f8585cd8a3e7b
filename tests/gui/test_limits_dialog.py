"""*Case ▸ Limits on evidence…*."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from inspector.case import Case
from inspector.engine.client.raised import raised_limits
from inspector.gui.limits_dialog import LimitsDialog
from inspector.gui.workspace import Workspace


def test_a_limit_is_raised_once_and_said(qtbot: QtBot, tmp_path: Path) -> None:
    Case.create(tmp_path / "a.case").close()
    space = Workspace()
    assert space.open_case(tmp_path / "a.case")
    dialog = LimitsDialog(space)
    qtbot.addWidget(dialog)
    dialog.name.setCurrentText("image-bytes")
    assert dialog.now.text() == "64 MiB; at most 4 GiB"
    dialog.value.setText("12")
    dialog.button.click()
    assert "can be raised from 64 MiB" in dialog.said.text()
    assert space.case is not None
    assert raised_limits(space.case) == {}
    with qtbot.waitSignal(space.message):
        dialog.value.setText("100MiB")
        dialog.show()
        qtbot.keyClick(dialog.value, Qt.Key.Key_Return)
    assert dialog.isVisible()
    assert raised_limits(space.case) == {"image-bytes": 100 << 20}
    assert dialog.now.text() == "100 MiB (raised from 64 MiB); at most 4 GiB"
    assert "Analyse again" in dialog.said.text()
    space.close_case()
