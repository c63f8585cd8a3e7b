"""What a job asks before it spends time: its budget goes to the window, the answer comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any


class Agreement:
    """One question of one job, answered once.

    Nothing of Qt is held or touched: `ask` runs in the thread of the job.

    Parameters
    ----------
    job : str
        Name of the job.
    put : callable
        Takes the event "budget" in any thread.
    """

    def __init__(self, job: str, put: Callable[[dict[str, Any]], None]) -> None:
        self.job, self._put = job, put
        self._answered = threading.Event()
        self._agreed = False

    @property
    def open(self) -> bool:
        """Whether nobody has answered yet."""
        return not self._answered.is_set()

    def ask(self, budget: Mapping[str, Any]) -> bool:
        """Show the budget in the window and wait for the answer."""
        if not self._answered.is_set():
            self._put({"event": "budget", "job": self.job, "budget": dict(budget)})
            self._answered.wait()
        return self._agreed

    def answer(self, agreed: bool) -> None:
        """Answer the question, also before it is asked; a second answer changes nothing."""
        if not self._answered.is_set():
            self._agreed = agreed
            self._answered.set()
