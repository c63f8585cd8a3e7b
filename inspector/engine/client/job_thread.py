"""Work in the background with an end that is always told."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

from inspector.errors import Cancelled, InspectorError, unforeseen


class JobThread:
    """One job at a time in a thread of its own.

    Parameters
    ----------
    emit : callable
        Takes the event of the end, from that thread: "done", "cancelled" or "failed".

    Attributes
    ----------
    job : str, optional
        Name of the job that was begun and has not ended.
    """

    def __init__(self, emit: Callable[[dict[str, Any]], None]) -> None:
        self.job: str | None = None
        self._emit = emit
        self._thread: threading.Thread | None = None
        self._beginning = threading.Lock()

    def start(
        self, job: str, work: Callable[[], Any], before: Callable[[], None] = lambda: None
    ) -> bool:
        """Begin a job, and tell whether it was begun: not while another one runs.

        Parameters
        ----------
        job : str
            Its name.
        work : callable
            Does it, in the thread.
        before : callable
            Called here when the job will begin, while nobody can see it yet.

        Raises
        ------
        InspectorError
            The system gives no further thread.
        """
        with self._beginning:
            if self.job is not None:
                return False
            before()
            thread = threading.Thread(target=self._run, args=(job, work), name=job, daemon=True)
            self.job = job
            try:
                thread.start()
            except RuntimeError as error:
                self.job = None
                raise InspectorError(
                    f"The {job} could not be begun.",
                    f"The system gives Inspector no further thread: {error}.",
                    "Close other programs, then try again.",
                ) from error
            self._thread = thread
            return True

    def join(self, timeout: float) -> None:
        """Wait for the end, unless this is that thread."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _run(self, job: str, work: Callable[[], Any]) -> None:
        end = _end_of(work)
        self.job = None  # before anybody is told of the end, and begins the next
        self._emit({**end, "job": job})


def _end_of(work: Callable[[], Any]) -> dict[str, Any]:
    try:
        work()
    except Cancelled as error:
        return {"event": "cancelled", "why": error.why}
    except InspectorError as error:
        detail = "\n".join(getattr(error, "__notes__", []))
        return {"event": "failed", "detail": detail, **error.as_message()}
    except Exception as error:
        # Nobody would be told of its end, and whoever waits for it would wait for ever.
        told = unforeseen(error)
        return {"event": "failed", "detail": traceback.format_exc(), **told.as_message()}
    return {"event": "done"}
