"""What an engine lists, asked for in the background and told by signals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from inspector.errors import InspectorError
from inspector.gui.background import Question

Row = dict[str, Any]
_LOOK = 100
"""Milliseconds between two looks whether the engine has answered."""


class EngineList(QObject):
    """Asks once at a time; an engine takes seconds to start.

    Parameters
    ----------
    ask : callable
        Returns the rows; runs in a thread.

    Signals
    -------
    arrived : list of dict
    failed : str
        Why there is no list, for people.
    """

    arrived = Signal(object)
    failed = Signal(str)

    def __init__(self, ask: Callable[[], list[Row]], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._ask = ask
        self._question: Question[list[Row]] | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK)
        self._timer.timeout.connect(self._look)

    def load(self) -> bool:
        """Ask, unless an answer is awaited already."""
        if self._timer.isActive():
            return False
        self._question = Question(self._ask, "catalogue")
        self._timer.start()
        return True

    def _look(self) -> None:
        answer = self._question.answer if self._question is not None else None
        if answer is None:
            return
        self._timer.stop()
        if isinstance(answer, InspectorError):
            self.failed.emit(str(answer))
        else:
            self.arrived.emit(answer)
