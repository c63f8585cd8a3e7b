"""Collects cyclic garbage in the window's thread alone.

Python collects in whichever thread happens to allocate. A job's thread that frees a widget out of a
reference cycle destroys a Qt object outside its thread, which ends the process.
"""

from __future__ import annotations

import gc

from PySide6.QtCore import QObject, QTimer

INTERVAL = 5000
"""Milliseconds between two looks."""


class GarbageCollection(QObject):
    """Takes over from Python's automatic collection, by the same thresholds, for good."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thresholds = gc.get_threshold()
        gc.disable()
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL)
        self._timer.timeout.connect(self.collect)
        self._timer.start()

    def collect(self) -> int:
        """Collect the oldest generation that is due; return how many objects were unreachable."""
        for generation in (2, 1, 0):
            if gc.get_count()[generation] > self._thresholds[generation]:
                return gc.collect(generation)
        return 0
