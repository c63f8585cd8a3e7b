"""Works on several parts of the data at once, and hands the results over in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

import torch

from inspector.api import Control
from inspector.errors import InspectorError

Part = TypeVar("Part")
Result = TypeVar("Result")

_PATIENCE = 0.1
"""Seconds between two looks at cancel and pause while waiting for a result."""


def in_order(
    work: Callable[[Part], Result],
    parts: Sequence[Part],
    *,
    streams: int,
    threads: int,
    stopped: threading.Event,
    control: Control,
) -> Generator[Result, None, None]:
    """Yield ``work(part)`` for each part, in their order, working ahead in other threads.

    Each stream decodes and computes its own part: decoding overlaps computing, and the network
    needs no threads of its own. Threads that torch starts for one small batch wait for each other
    at every layer, spinning; while another process has one of two cores, that was measured at ten
    times the time.

    Parameters
    ----------
    work : callable
        Safe to call from several threads.
    parts : sequence
    streams : int
        Parts that are worked on at once.
    threads : int
        Threads that torch uses within one stream.
    stopped : threading.Event
        Set when no more results are wanted, for work that is under way.
    control : Control
        Looked at every tenth of a second.

    Raises
    ------
    InspectorError
        There is not enough memory.
    Cancelled
        By ``control``.
    """
    waiting: deque[Future[Result]] = deque()
    coming = iter(parts)
    with ThreadPoolExecutor(streams, "signals") as pool:
        _settle(pool, streams, threads)
        try:
            for part in coming:
                waiting.append(pool.submit(work, part))
                if len(waiting) > streams:
                    yield _result(waiting.popleft(), control)
            while waiting:
                yield _result(waiting.popleft(), control)
        finally:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)


def _result(future: Future[Result], control: Control) -> Result:
    control.check()
    while not wait([future], _PATIENCE).done:
        control.check()
    try:
        return future.result()
    except MemoryError:
        raise InspectorError(
            "There is not enough memory for this scan.",
            "",
            "Close other programs and run the same command again: finished parts are kept.",
        ) from None


def _settle(pool: ThreadPoolExecutor, streams: int, threads: int) -> None:
    """Set torch's number of threads in each stream.

    It belongs to the thread that sets it (OpenMP). All streams have to exist before the first one
    is given work, or one could be given the turns of two. A thread keeps its number only once it
    has asked for it: before, it would take the number that any thread set last (torch 2.15).
    """
    own = torch.get_num_threads()
    all_there = threading.Barrier(streams)

    def settle() -> None:
        torch.set_num_threads(threads)
        torch.get_num_threads()
        all_there.wait()

    for future in [pool.submit(settle) for _ in range(streams)]:
        future.result()
    torch.set_num_threads(own)
