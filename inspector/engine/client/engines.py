"""The engines of a case: the strict one, that of the GPU, and that of the map."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inspector.case import Case
from inspector.engine.client.options import ScanOptions
from inspector.engine.client.placement import on_gpu, readable
from inspector.engine.client.process import Engine
from inspector.engine.client.raised import raised_limits
from inspector.errors import Cancelled, InspectorError

CANCEL_GRACE = 5.0
"""Seconds that a cancelled job may take to the next chunk before the engine is killed."""


class Engines:
    """Starts engines when a job needs them, and hands each job to the one that it belongs to.

    Parameters
    ----------
    case : Case
        Open for writing: which engine was started with which layers is in its journal.
    on_event : callable
        Takes the engines' events, from background threads.
    """

    def __init__(self, case: Case, on_event: Callable[[dict[str, Any]], None]) -> None:
        self._case, self._on_event = case, on_event
        self.strict: Engine | None = None
        self._gpu: Engine | None = None
        self._map: Engine | None = None
        self._map_lock = threading.Lock()
        self._options: ScanOptions | None = None
        self._current: tuple[Engine, int] | None = None
        self._cancelled, self._finishing = threading.Event(), threading.Event()

    @property
    def layers(self) -> list[str]:
        """Sandbox layers in force in the strict engine."""
        strict = self.strict
        return list(strict.layers) if strict else []

    def open(self, options: ScanOptions, also: tuple[Path, ...] = ()) -> None:
        """Start the strict engine that may read just this evidence, unless the present one does.

        Raises
        ------
        Cancelled
            There is no job any more that would need it.
        """
        self.check()
        self._options = options
        read = (*readable(options, cuda=False), *also)
        self.strict = self._opened(self.strict, read, cuda=False)

    def run(self, job: str, **arguments: Any) -> dict[str, Any]:
        """Run a job in the engine that it belongs to, wait for it, and return its result."""
        assert self.strict is not None
        if not on_gpu(job, arguments):
            return self._run_in(self.strict, job, arguments)
        assert self._options is not None
        spec = arguments["choice"]["spec"]
        arguments["cleaned"] = self._run_in(
            self.strict,
            "clean",
            {"model": arguments["model"], "sha256": str(spec["sha256"]), "spec": spec},
        )
        self._gpu = self._opened(self._gpu, readable(self._options, cuda=True), cuda=True)
        return self._run_in(self._gpu, job, arguments)

    def warm_map(self) -> Engine:
        """Start the engine that holds UMAP: a fit in numba can only be killed."""
        # A scan and the window may ask at once, while somebody cancels.
        with self._map_lock:
            if self._map is None or not self._map.alive:
                self._map = Engine(self._case.derived, self._on_event)
                self._map.start()
                self._map.submit("umap")
            return self._map

    def end_map(self) -> None:
        """End the engine of a map that is done."""
        if (engine := self._take_map()) is not None:
            engine.close(timeout=0.2)

    def detectors(self) -> list[dict[str, Any]]:
        """Return every detector that an engine finds, working or broken."""
        if self.strict is None or not self.strict.alive:
            self.strict = Engine(self._case.derived, self._on_event)
            self.strict.start()
        answer = self.strict.wait(self.strict.submit("catalogue"))
        rows: list[dict[str, Any]] = answer["detectors"]
        return rows

    def allow(self) -> None:
        """Forget a cancel: the job that it was meant for has ended, or another one begins.

        To be called before anybody can see the new job, whose own cancel would else be forgotten.
        """
        self._cancelled.clear()

    def go_through(self) -> None:
        """Forget that an earlier job was asked to conclude."""
        self._finishing.clear()

    def check(self) -> None:
        """Raise `Cancelled` when the job was cancelled, for steps that no engine here takes."""
        if self._cancelled.is_set():
            raise Cancelled()

    def cancel(self) -> None:
        """Stop the running job at its next chunk; kill the engine when none comes; kill the map."""
        self._cancelled.set()
        # Read once, here and below: the job may end in its own thread meanwhile.
        current = self._current
        if current is not None:
            engine, number = current
            with contextlib.suppress(InspectorError):
                engine.cancel(number)
            timer = threading.Timer(CANCEL_GRACE, self._kill_if_stuck, current)
            timer.daemon = True
            timer.start()
        self.cancel_map()

    def finish(self) -> None:
        """Have the running job, or the one that is about to run, conclude with what it has."""
        self._finishing.set()
        current = self._current
        if current is not None:
            engine, number = current
            with contextlib.suppress(InspectorError):
                engine.finish(number)

    def cancel_map(self) -> None:
        """Stop the map, which can only be killed."""
        if (engine := self._take_map()) is not None:
            engine.kill()

    def pause(self) -> None:
        """Hold the running job at its next chunk."""
        current = self._current
        if current is not None:
            engine, number = current
            # Of an engine that has died, the end of the job tells.
            with contextlib.suppress(InspectorError):
                engine.pause(number)

    def resume(self) -> None:
        """Let a held job go on."""
        current = self._current
        if current is not None:
            engine, number = current
            with contextlib.suppress(InspectorError):
                engine.resume(number)

    def close(self) -> None:
        """Stop what runs and end every engine."""
        self.cancel()
        for engine in (self.strict, self._gpu):
            if engine is not None:
                engine.close(timeout=1.0)
        self.strict = self._gpu = None

    def _take_map(self) -> Engine | None:
        with self._map_lock:
            engine, self._map = self._map, None
        return engine

    def _opened(self, present: Engine | None, read: tuple[Path, ...], *, cuda: bool) -> Engine:
        limits = raised_limits(self._case)
        asked = (read, limits)
        if present is not None and present.alive and (present.read, present.limits) == asked:
            return present
        if present is not None:
            present.close()
        engine = Engine(self._case.derived, self._on_event, read=read, cuda=cuda, limits=limits)
        engine.start()
        engine.wait_ready()
        self._case.set("sandbox", engine.layers)
        self._case.journal.append(
            "engine started",
            device="cuda" if cuda else "cpu",
            sandbox=engine.layers,
            missing=engine.missing,
        )
        if engine.missing:
            lacking = f"Part of the sandbox is not offered here: {', '.join(engine.missing)}."
            self._on_event({"event": "log", "text": lacking, "level": "warning"})
        return engine

    def _run_in(self, engine: Engine, job: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.check()
        number = engine.submit(job, **arguments)
        self._current = engine, number
        try:
            # Asked for before the job was there to be told.
            if self._finishing.is_set():
                engine.finish(number)
            if self._cancelled.is_set():
                self.cancel()
            return engine.wait(number)
        finally:
            self._current = None

    def _kill_if_stuck(self, engine: Engine, number: int) -> None:
        if self._current == (engine, number):
            engine.kill()
