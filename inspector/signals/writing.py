"""Writes measured blocks in a thread of its own, and declares them finished every second."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType

from inspector.signals.measuring import Measured
from inspector.signals.store import SignalStore

CHUNK_SECONDS = 1.0
"""Time after which what was written becomes a finished chunk: what a kill can cost."""

_WAITING = 2
"""Blocks that may wait for the disk before the network waits too."""


class ChunkWriter:
    """Takes blocks in order. Use it in a ``with`` statement.

    Leaving it, also by an error or a cancel, finishes what was taken.

    Parameters
    ----------
    store : SignalStore
        Open.
    started : float
        ``time.monotonic()`` when the run began.

    Attributes
    ----------
    taken : int
        Samples of the pass that are measured, those of former runs included.
    """

    def __init__(self, store: SignalStore, started: float) -> None:
        self._store = store
        self.taken = self._written = store.progress.done
        self._before = store.progress.seconds
        self._started = started
        self._marked = time.monotonic()
        self._waiting: deque[Future[None]] = deque()
        self._pool = ThreadPoolExecutor(1, "signals")

    def __enter__(self) -> ChunkWriter:
        """Return the writer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish what was taken.

        Raises
        ------
        InspectorError
            The disk refuses, and no other error is under way.
        """
        try:
            if error is None:
                self._settle(0)
                self._mark()
            else:
                # The error under way tells more; a disk that refuses now only means that the
                # last second is computed again.
                with suppress(OSError):
                    self._settle(0)
                    self._mark()
        except OSError as refusal:
            raise self._store.refused(refusal) from None
        finally:
            self._pool.shutdown(cancel_futures=True)

    def take(self, measured: Measured) -> None:
        """Write a block soon.

        Raises
        ------
        InspectorError
            The disk refused this or an earlier block.
        """
        try:
            self._settle(_WAITING)
        except OSError as refusal:
            raise self._store.refused(refusal) from None
        self._waiting.append(self._pool.submit(self._write, measured))
        self.taken += measured.count

    def _settle(self, waiting: int) -> None:
        while len(self._waiting) > waiting or (self._waiting and self._waiting[0].done()):
            self._waiting.popleft().result()

    def _write(self, measured: Measured) -> None:
        self._store.write(measured.rows, measured.arrays)
        if measured.unreadable:
            self._store.record_unreadable(measured.unreadable)
        self._written += measured.count
        if time.monotonic() - self._marked >= CHUNK_SECONDS:
            self._mark()

    def _mark(self) -> None:
        self._store.mark(self._written, self._before + time.monotonic() - self._started)
        self._marked = time.monotonic()
