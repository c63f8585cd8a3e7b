"""Work that can wait a moment, one piece per turn of the event loop, so that none is felt.

When a scan ends, every panel has something new to show. Each is quick; all in one go would hold up
the mouse for a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, QObject, QTimer
from shiboken6 import isValid


class Turns(QObject):
    """The pieces that wait, in the order in which they were first asked for."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: dict[Callable[[], object], QObject] = {}
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._next)

    def add(self, owner: QObject, work: Callable[[], object]) -> None:
        """Do ``work()`` in a turn of its own; once, however often it is asked for until then."""
        self._waiting.setdefault(work, owner)
        self._timer.start()

    def _next(self) -> None:
        # An open dialog or a test may end between two turns, and take panels with it.
        while self._waiting:
            work = next(iter(self._waiting))
            if isValid(self._waiting.pop(work)):
                if not self._waiting:
                    self._timer.stop()
                work()
                return
        self._timer.stop()


def soon(owner: QObject, work: Callable[[], object]) -> None:
    """Do ``work()`` in a coming turn of the event loop, unless ``owner`` is gone by then.

    Parameters
    ----------
    owner : QObject
        Whose work it is.
    work : callable
        A bound method or a function; asked for again before its turn, it is done once.
    """
    app = QCoreApplication.instance()
    assert app is not None
    turns = app.findChild(Turns)
    if turns is None:
        turns = Turns(app)
    turns.add(owner, work)
