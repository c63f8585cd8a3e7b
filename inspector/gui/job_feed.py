"""Job events on their way from a background thread into the window."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

INTERVAL = 50
"""Milliseconds between two deliveries: 20 per second, however fast a job reports."""

Event = dict[str, Any]


class JobFeed(QObject):
    """Takes events in any thread and emits them in the window's, at most 20 times a second.

    Of several progress reports of one stage, and of several previews of one name, only the newest
    in each delivery is emitted: a hundred thousand queued signals would block the window.
    `put` touches nothing of Qt, so that no Qt object is used outside its thread.

    Signals
    -------
    arrived : dict
        One event, in the order of arrival.
    delivered
        After the last event of a delivery: the time to redraw what several events changed.
    """

    arrived = Signal(object)
    delivered = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: deque[Event] = deque()
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL)
        self._timer.timeout.connect(self.deliver)
        self._timer.start()

    def put(self, event: Event) -> None:
        """Leave an event; safe to call from any thread."""
        self._waiting.append(event)

    @property
    def inbox(self) -> Callable[[Event], None]:
        """`put` without this object: a thread that outlives the window must not be the last to
        hold something of Qt, which would then be destroyed in that thread."""
        return self._waiting.append

    def deliver(self) -> None:
        """Emit what has arrived since the last time."""
        if not self._waiting:
            return
        waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
        newest = {_key(event): at for at, event in enumerate(waiting)}
        for at, event in enumerate(waiting):
            if _key(event) is None or newest[_key(event)] == at:
                self.arrived.emit(event)
        self.delivered.emit()

    def stop(self) -> None:
        """Deliver what waits, then nothing more."""
        self._timer.stop()
        self.deliver()


def _key(event: Event) -> tuple[Any, ...] | None:
    """Return what makes a later event replace an earlier one; None for those that all count."""
    kind = event.get("event")
    if kind == "progress":
        return (kind, event.get("stage"))
    if kind == "preview":
        return (kind, event.get("name"), event.get("class"))
    return None
