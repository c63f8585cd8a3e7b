"""A case with its engine: what the window and the command line ask for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from inspector.case import Case
from inspector.engine.client import cleaning as cleanings
from inspector.engine.client import drill as drills
from inspector.engine.client import placing, triggers
from inspector.engine.client import scan as scans
from inspector.engine.client.answers import understood
from inspector.engine.client.engines import Engines
from inspector.engine.client.evidence import settle_doubts
from inspector.engine.client.job_thread import JobThread
from inspector.engine.client.limits import measure, planting
from inspector.engine.client.options import ScanOptions
from inspector.engine.client.pace import Pace
from inspector.engine.client.placement import device_of
from inspector.engine.client.retold import retold
from inspector.engine.client.shadows import Agree
from inspector.engine.client.steps import RunJob
from inspector.engine.client.taking_in import check_same_investigation
from inspector.engine.client.tracing import check_incident, trace_answer
from inspector.errors import Cancelled, InspectorError

ENDS_EARLY = ("trigger", "carriers")
"""Jobs that can end before they are through, with results."""


class Investigation:
    """Run scans, maps and trigger searches on one case.

    Parameters
    ----------
    case : Case
        Open for writing; stays open when the investigation closes.
    on_event : callable
        Takes every event as a dict, from a background thread.
    """

    def __init__(
        self, case: Case, on_event: Callable[[dict[str, Any]], None] = lambda event: None
    ) -> None:
        self.case = case
        self._on_event = on_event
        self._engines = Engines(case, self._on_engine_event)
        self._open_engine, self._run = self._engines.open, self._engines.run
        self._pace = Pace()
        self._thread, self._map_thread = JobThread(self._emit), JobThread(self._emit)
        self._job: str | None = None
        self._begun = self._asking = False

    # ---- state ----------------------------------------------------------------------------------

    @property
    def running(self) -> str | None:
        """Name of the running job, None when there is none.

        One of "scan", "trigger", "carriers", "stamp", "trace", "limits", "drill", "cleaning" and "map".
        """
        # A job that was begun runs, though its thread has not come to it yet.
        return self._job or self._thread.job or self._map_thread.job

    @property
    def layers(self) -> list[str]:
        """Sandbox layers in force in the engine."""
        return self._engines.layers

    # ---- scan -----------------------------------------------------------------------------------

    @understood
    def scan(self, options: ScanOptions, *, with_map: bool = False) -> None:
        """Scan and wait.

        Parameters
        ----------
        options : ScanOptions
            What to scan.
        with_map : bool
            Compile UMAP in a second engine meanwhile, and place the samples afterwards.

        Raises
        ------
        InspectorError
            Bad input, a cancel, or an engine that died; what was finished is in the case.
        """
        options = options.absolute()
        options.check(self.case.path)
        check_same_investigation(self.case, options)
        device = device_of(options.device)
        with self._working("scan"):
            if with_map:
                self._engines.warm_map()
            self._open_engine(options)
            scans.scan(self.case, self._run, options, self._emit, device)
        if with_map:
            self.start_map()

    def start_scan(self, options: ScanOptions, *, with_map: bool = True) -> None:
        """Scan in the background; the end is an event "done", "failed" or "cancelled"."""
        self._start("scan", lambda: self.scan(options, with_map=with_map))

    # ---- map ------------------------------------------------------------------------------------

    @understood
    def map(self, *, neighbours: int = 15) -> None:
        """Place the samples with UMAP and wait.

        Raises
        ------
        InspectorError
            Without signals there is nothing to place.
        """
        asked = placing.request(self.case, neighbours)
        try:
            placing.place(self.case, self._engines, asked, self._emit)
        except InspectorError as error:
            self._journal_end("map", error)
            raise

    def start_map(self) -> None:
        """Place the samples in the background, beside whatever else runs, unless that is under way."""
        self._map_thread.start("map", self.map)

    # ---- trigger --------------------------------------------------------------------------------

    @understood
    def trigger(
        self, classes: Sequence[int] | None = None, agree: Agree | None = None, **settings: Any
    ) -> dict[str, Any]:
        """Search triggers for some classes (all when None) and wait; return the engine's result.

        Raises
        ------
        InspectorError
            No scan yet, bad classes, a cancel, or an engine that died.
        """

        def agreed(budget: dict[str, Any]) -> bool:
            yes = agree is None or agree(budget)
            self._asking = not yes
            return yes

        self._asking = agree is not None and bool(settings.get("shadows"))
        try:
            return self._on_triggers(
                "trigger",
                lambda run: triggers.reconstruct(
                    self.case, run, self._emit, classes, settings, agreed if agree else None
                ),
            )
        finally:
            self._asking = False

    def search_carriers(self, trigger: str | None = None) -> dict[str, Any]:
        """Search the data for carriers of a trigger and wait; return the recorded finding.

        Parameters
        ----------
        trigger : str, optional
            Which of the recorded ones, see `find_trigger`; the most telling one by default.
        """
        return self._on_triggers(
            "carriers", lambda run: triggers.search_data(self.case, run, self._emit, trigger)
        )

    def stamp(self, rows: Sequence[int], trigger: str | None = None) -> dict[str, Any]:
        """Put a trigger on samples, ask the network before and after, and wait.

        Returns
        -------
        dict
            ``trigger``, ``rows`` as the engine's job "stamp" describes them, and the arrays
            ``before`` and ``after``, (k, H, W, C) uint8.
        """
        return self._on_triggers(
            "stamp", lambda run: triggers.stamp_samples(self.case, run, list(rows), trigger)
        )

    def _on_triggers(
        self,
        job: str,
        work: Callable[[RunJob], dict[str, Any]],
        also: tuple[Path, ...] = (),
    ) -> dict[str, Any]:
        options = triggers.options_of(self.case)
        with self._working(job, options):
            self._open_engine(options, also)
            return work(self._run)

    def start_trigger(self, classes: Sequence[int], agree: Agree, **settings: Any) -> None:
        """Search triggers in the background; previews arrive as events."""
        self._start("trigger", lambda: self.trigger(classes, agree, **settings))

    def start_carriers(self, trigger: str | None = None) -> None:
        """Search the data for carriers in the background."""
        self._start("carriers", lambda: self.search_carriers(trigger))

    def start_stamp(self, rows: Sequence[int], trigger: str | None = None) -> None:
        """Put a trigger on samples in the background; an event "stamped" has the answers."""

        def work() -> None:
            found = self.stamp(rows, trigger)
            answers = {name: found[name] for name in ("trigger", "target", "rows")}
            self._emit({"event": "stamped", **answers})

        self._start("stamp", work)

    # ---- trace ----------------------------------------------------------------------------------

    @understood
    def trace(
        self, *, index: int | None = None, image: Path | None = None, top: int = 50
    ) -> dict[str, Any]:
        """Trace one answer to training samples; see `tracing.trace_answer`."""
        image = None if image is None else image.absolute()
        check_incident(self.case, index, image)
        also = () if image is None else (image,)
        return self._on_triggers(
            "trace",
            lambda run: trace_answer(self.case, run, self._emit, index, image, top),
            also,
        )

    def start_trace(
        self, index: int | None = None, image: Path | None = None, top: int = 50
    ) -> None:
        """Trace the answer to a sample, or to a picture in a file, in the background."""
        self._start("trace", lambda: self.trace(index=index, image=image, top=top))

    # ---- limits ---------------------------------------------------------------------------------

    def limits(
        self, label: int, *, verified: int = 500, runs: int = 10, canary: str = "features"
    ) -> dict[str, Any]:
        """Measure what a scan would have seen in one class; see `limits.measure`."""
        options = planting(self.case, label)
        with self._working("limits"):
            self._open_engine(options)
            return measure(self.case, self._run, options, label, verified, runs, canary)

    def start_limits(self, label: int, **settings: Any) -> None:
        """Measure the limits of one class in the background."""
        self._start("limits", lambda: self.limits(label, **settings))

    # ---- drill ----------------------------------------------------------------------------------

    @understood
    def drill(
        self, plans: Sequence[drills.DrillPlan], agree: drills.Agree | None = None
    ) -> list[str]:
        """Plant attacks in copies and see whether they are found; see `drill.measure`."""
        options = drills.exercised(self.case, {plan.target for plan in plans})
        with self._working("drill", options):
            self._open_engine(options)
            return drills.measure(self.case, self._run, options, plans, self._emit, agree)

    def start_drill(
        self, plans: Sequence[drills.DrillPlan], agree: drills.Agree | None = None
    ) -> None:
        """Run drills in the background, where ``agree`` is asked."""
        self._start("drill", lambda: self.drill(plans, agree))

    # ---- check of the cleaning ------------------------------------------------------------------

    @understood
    def verify_cleaning(
        self, plan: cleanings.CleaningPlan, agree: cleanings.Agree = lambda budget: True
    ) -> str:
        """Train copies without and with the tagged samples; see `measure_cleaning`."""
        options = triggers.options_of(self.case)
        with self._working("cleaning", options):
            self._open_engine(options)
            return cleanings.measure_cleaning(self.case, self._run, options, plan, agree)

    def start_cleaning(
        self, plan: cleanings.CleaningPlan, agree: cleanings.Agree = lambda budget: True
    ) -> None:
        """Check the cleaning in the background, where ``agree`` is asked; then comes "cleaned"."""

        def work() -> None:
            self._emit({"event": "cleaned", "key": self.verify_cleaning(plan, agree)})

        self._start("cleaning", work)

    # ---- one job at a time ----------------------------------------------------------------------

    def cancel(self) -> None:
        """Stop the running job at its next chunk; kill the engine when none comes; kill the map."""
        self._engines.cancel()

    @property
    def ends_early(self) -> bool:
        """Whether the running job can end before it is through, with results.

        Before its evidence is checked and its budget is agreed to it has none.
        """
        return self._begun and self._job in ENDS_EARLY and not self._asking

    def finish(self) -> bool:
        """Have the running job end now with what it has; False when it can only be cancelled."""
        if self.ends_early:
            self._engines.finish()
        return self.ends_early

    def cancel_map(self) -> None:
        """Stop the map, which can only be killed."""
        self._engines.cancel_map()

    def pause(self) -> None:
        """Hold the running job at its next chunk."""
        self._engines.pause()

    def resume(self) -> None:
        """Let a held job go on."""
        self._engines.resume()

    def close(self) -> None:
        """Stop everything and end the engines; the case stays open."""
        self._engines.close()
        for thread in (self._thread, self._map_thread):
            thread.join(timeout=3.0)

    def detectors(self) -> list[dict[str, Any]]:
        """Return every detector that the engine finds, working or broken."""
        return self._engines.detectors()

    def _check_evidence(self, options: ScanOptions) -> None:
        """Refuse evidence that is missing, or is not what was scanned."""
        settle_doubts(self.case, self._on_engine_event, self._engines.check)
        self.case.watch.refuse_changed()
        options.check(self.case.path)

    @contextlib.contextmanager
    def _working(self, job: str, scanned: ScanOptions | None = None) -> Iterator[None]:
        """Let one job at a time work on the evidence, checked before where it was scanned already.

        How the job fails is an act of the journal, unless the evidence was refused or the analyst
        cancelled before it began.
        """
        if self._job is not None:
            raise InspectorError(
                f"A {self._job} is running in this case.",
                "One job at a time works on the evidence.",
                "Wait for it or cancel it.",
            )
        self._engines.go_through()
        self._job = job
        self._pace = Pace()
        try:
            if scanned is not None:
                self._check_evidence(scanned)
            self._begun = True
            yield
        except InspectorError as error:
            if self._begun:
                self._journal_end(job, error)
            if isinstance(error, Cancelled):
                self._engines.allow()
            raise
        finally:
            self._job, self._begun = None, False

    def _journal_end(self, job: str, error: InspectorError) -> None:
        # The disk may be what failed: the first error is the one to tell.
        with contextlib.suppress(InspectorError):
            act = f"{job} cancelled" if isinstance(error, Cancelled) else f"{job} failed"
            self.case.journal.append(act, reason=error.what)

    def _start(self, job: str, work: Callable[[], Any]) -> None:
        if self._job is None and self._thread.start(job, work, self._engines.allow):
            return
        busy = self._job or self._thread.job or job
        self._emit(
            {
                "event": "failed",
                "job": job,
                "what": f"A {busy} is running already.",
                "why": "",
                "fix": "Wait for it or cancel it.",
            }
        )

    def _on_engine_event(self, event: dict[str, Any]) -> None:
        told = retold(event, self._pace)
        if told is not None:
            self._emit(told)

    def _emit(self, event: dict[str, Any]) -> None:
        self._on_event(event)
