"""What all panels share: the open case, how it is looked at, and every act upon it.

Panels hold no state of the case and never talk to each other. They read it here, act through the
methods, and redraw on the signals. All of it lives in the window's thread; events of background
jobs come in through `JobFeed`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from inspector.case import Case, SampleTable
from inspector.gui.agreement import Agreement
from inspector.gui.background import BackgroundJob, start_demo, start_export, start_report
from inspector.gui.evidence_watch import EvidenceWatch
from inspector.gui.job_feed import Event, JobFeed
from inspector.gui.judging import Judging
from inspector.gui.plain import plain
from inspector.gui.selection import Selection
from inspector.gui.thumbnails import ThumbnailCache
from inspector.gui.turns import soon
from inspector.gui.unsaved_acts import UnsavedActs
from inspector.gui.verifying import outcome, start_verify

if TYPE_CHECKING:
    from inspector.engine.client import Investigation, ScanOptions
    from inspector.engine.client.cleaning import CleaningPlan
    from inspector.engine.client.drill import DrillPlan

_ENDINGS = ("done", "failed", "cancelled")


class Workspace(Judging):
    """The open case as the window sees it, and the jobs that run on it.

    See `ViewState` for selection, filter and order, and `Judging` for tags, notes and proposals.

    Attributes
    ----------
    investigation : Investigation or None
        Runs jobs on the case; None while nothing has been started.

    Signals
    -------
    case_changed : Case or None
    table_changed : set of str
        Names of the arrays and records that are new or changed: ``labels``, ``map:umap``,
        ``thumbnails``, ``score:<id>``, ``finding:<id>``, ``findings``, ``triggers``.
    job_event : dict
        Events of `Investigation`, at most 20 deliveries a second.
    command_requested : str
        A panel asks for a command of the window, by its id.
    detector_requested : str
        A panel asks for the form of a detector, by its id.
    note_requested, similar_requested, trigger_requested, saliency_requested, pin_requested : int
        A key or menu asks the panel in charge to act on this sample.
    """

    case_changed = Signal(object)
    table_changed = Signal(object)
    job_event = Signal(object)
    command_requested = Signal(str)
    detector_requested = Signal(str)
    note_requested = Signal(int)
    similar_requested = Signal(int)
    trigger_requested = Signal(int)
    saliency_requested = Signal(int)
    pin_requested = Signal(int)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.investigation: Investigation | None = None
        self._aside: BackgroundJob | None = None
        self._agreement: Agreement | None = None
        self._thumbnails = ThumbnailCache()
        self._stale: set[str] = set()
        self.evidence = EvidenceWatch(self)
        self.evidence.told.connect(self.message)
        self._feed = JobFeed(self)
        self._feed.arrived.connect(self._on_event)
        self._feed.delivered.connect(self._on_delivered)

    # ---- the case -------------------------------------------------------------------------------

    def open_case(self, path: Path) -> bool:
        """Open a case folder in place of the present one."""
        if self.case is not None and self.case.path == path.resolve():
            return True
        return self._enter(lambda: Case.open(path))

    def create_case(self, path: Path) -> bool:
        """Create a case folder and open it in place of the present one."""
        return self._enter(lambda: Case.create(path))

    def close_case(self) -> None:
        """Stop what runs, release the case, show none."""
        self._leave()
        self.case_changed.emit(None)

    def _enter(self, opener: Callable[[], Case]) -> bool:
        case = self._attempt(opener)
        if case is None:
            return False
        self._leave()
        self.case = case
        self.order_column = str(case.get("order_column", "combined"))
        self.case_changed.emit(case)
        for sentence in case.recovered:
            self.message.emit("warning", sentence)
        self._reload(set(case.arrays()))
        self.evidence.use(case)
        return True

    def _leave(self) -> None:
        self.evidence.use(None)
        if len(self._unsaved):
            self.save_unsaved()
            self._unsaved = UnsavedActs()
            self._tell_unsaved()
        if self._aside is not None:
            self._aside.cancel()
            self._aside.wait(3.0)
            self._aside = None
        self.answer_budget(False)
        if self.investigation is not None:
            self.investigation.close()
            self._feed.deliver()
        if self.case is not None:
            self.case.close()
        self.case = self.investigation = self.saved_at = None
        self._stale.clear()
        self._forget_view()
        self._thumbnails.use(None)

    def _reload(self, names: set[str]) -> None:
        """Take up arrays that were written since the table was built."""
        case = self.case
        if case is None or not case.has_array("labels"):
            return
        if self.table is None or int(self.table.n) != case.n:
            self.table = SampleTable(case)
            self.selection, self.current = Selection.empty(self.n), -1
            self.visible = None
        else:
            self.table.refresh()
        if "thumbnails" in names and case.has_array("thumbnails"):
            self._thumbnails.use(self._attempt(lambda: case.array("thumbnails")))
        self._order = None
        self._read_tags()
        self.table_changed.emit(names)
        if self.filter_text:
            self.set_filter(self.filter_text)

    @property
    def case_name(self) -> str:
        """Name of the open case, as its folder has it: show it through `plain`."""
        return "" if self.case is None else self.case.name

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, as the evidence has them: show them through `plain`."""
        return () if self.case is None else tuple(self.case.class_names)

    def class_name(self, index: int) -> str:
        """Return the name of one class, safe to show."""
        names = self.class_names
        return plain(names[index], 60) if 0 <= index < len(names) else "no label"

    def thumbnail(self, row: int) -> QImage | None:
        """Return the thumbnail of a sample, or None while there is none."""
        return self._thumbnails.get(row)

    # ---- jobs -----------------------------------------------------------------------------------

    def start_scan(self, options: ScanOptions) -> bool:
        """Analyse the evidence that ``options`` names, in the background."""
        return self._start(lambda run: run.start_scan(options))

    def pass_cost(self) -> tuple[int, float]:
        """Return how many samples a pass is over, and the seconds that it took; 0 while unknown."""
        signals = None if self.case is None else self.case.get("signals")
        if self.table is None or not isinstance(signals, dict):
            return 0, 0.0
        seconds = signals.get("seconds")
        known = float(seconds) if isinstance(seconds, int | float) else 0.0
        return int(np.count_nonzero(self.table.assessed)), known

    def start_map(self) -> bool:
        """Compute the UMAP, in the background."""
        return self._start(lambda run: run.start_map())

    def start_trigger(self, classes: Sequence[int], **settings: Any) -> bool:
        """Reconstruct triggers for some classes, in the background.

        With ``shadows`` among the settings an event "budget" waits for `answer_budget`.
        """
        agreement = Agreement("trigger", self._feed.inbox)
        return self._start(
            lambda run: run.start_trigger(list(classes), agreement.ask, **settings),
            agreement if settings.get("shadows") else None,
        )

    def start_limits(self, label: int, verified: int, canary: str = "features") -> bool:
        """Measure what an analysis would see in one class, in the background."""
        return self._start(lambda run: run.start_limits(label, verified=verified, canary=canary))

    def start_carriers(self, trigger: str | None = None) -> bool:
        """Search the data for samples that carry a trigger, in the background."""
        return self._start(lambda run: run.start_carriers(trigger))

    def start_stamp(self, rows: Sequence[int], trigger: str | None = None) -> bool:
        """Put a trigger on samples and ask the network; the answers come as an event "stamped"."""
        return self._start(lambda run: run.start_stamp(list(rows), trigger))

    def start_trace(
        self, index: int | None = None, image: Path | None = None, top: int = 50
    ) -> bool:
        """Trace the answer to a sample, or to a picture in a file, in the background."""
        return self._start(lambda run: run.start_trace(index, image, top))

    def start_cleaning(self, plan: CleaningPlan) -> bool:
        """Check the cleaning in the background; an event "budget" waits for `answer_budget`."""
        agreement = Agreement("cleaning", self._feed.inbox)
        return self._start(lambda run: run.start_cleaning(plan, agreement.ask), agreement)

    def start_drill(self, plans: Sequence[DrillPlan]) -> bool:
        """Run drills in the background; an event "budget" waits for `answer_budget`."""
        agreement = Agreement("drill", self._feed.inbox)
        return self._start(lambda run: run.start_drill(list(plans), agreement.ask), agreement)

    def answer_budget(self, agreed: bool) -> None:
        """Say whether the job that has told its budget goes on."""
        if self._agreement is not None:
            self._agreement.answer(agreed)

    def start_export(
        self,
        target: Path,
        drop: Sequence[str],
        *,
        quarantine: Path | None = None,
        lists_only: bool = False,
    ) -> bool:
        """Write a cleaned dataset without the samples that carry one of the tags ``drop``."""
        case = self.case
        if case is None:
            return False
        return self._start_aside(
            lambda: start_export(
                case, target, drop, self._feed.inbox, quarantine=quarantine, lists_only=lists_only
            )
        )

    def start_report(self, target: Path) -> bool:
        """Write a report, in place of a file of that name."""
        case = self.case
        if case is None:
            return False
        return self._start_aside(lambda: start_report(case, target, self._feed.inbox))

    def start_verify(self) -> bool:
        """Check journal, arrays, exports and evidence; a message tells the outcome."""
        case = self.case
        if case is None:
            return False
        return self._start_aside(lambda: start_verify(case, self._feed.inbox))

    def start_demo(self, folder: Path) -> bool:
        """Make the evidence of the demo case in a new folder; needs no open case."""
        return self._start_aside(lambda: start_demo(folder, self._feed.inbox))

    @property
    def running(self) -> str | None:
        """Name of the job that runs: "scan", "trigger", "map", "export", "report", "verify", "demo"."""
        if self._aside is not None and self._aside.running:
            return self._aside.name
        return None if self.investigation is None else self.investigation.running

    @property
    def busy(self) -> str:
        """Say what stands in the way of another job, and what to do; "" when nothing does."""
        # The map runs in an engine of its own, beside whatever else there is.
        if self.running in (None, "map"):
            return ""
        if self._asking:
            return f"The {self.running} asks for its budget first: answer that, or cancel it."
        return f"The {self.running} still runs: cancel it or wait for it."

    @property
    def _asking(self) -> bool:
        """Whether the running job measures what it would take, or waits for the answer."""
        return self._agreement is not None and self._agreement.open

    def cancel_job(self) -> None:
        """Stop the running job; what it finished is kept."""
        self.answer_budget(False)
        if self._aside is not None:
            self._aside.cancel()
        if self.investigation is not None:
            self.investigation.cancel()

    @property
    def ends_early(self) -> bool:
        """Whether the running job can end before it is through, with what it has."""
        # Before its budget was agreed to it has nothing.
        return self.investigation is not None and self.investigation.ends_early and not self._asking

    def finish_job(self) -> bool:
        """Have the running job end now with what it has; False when it can only be cancelled."""
        job = self.running  # It may have ended by itself when it has been told.
        ends = self.ends_early and self.investigation is not None and self.investigation.finish()
        if ends:
            self.job_event.emit({"event": "finishing", "job": job})
        return ends

    def pause_job(self) -> None:
        """Let the running job wait."""
        if self.investigation is not None:
            self.investigation.pause()

    def resume_job(self) -> None:
        """Let a waiting job go on."""
        if self.investigation is not None:
            self.investigation.resume()

    def _start(
        self, begin: Callable[[Investigation], object], agreement: Agreement | None = None
    ) -> bool:
        case = self.case
        if case is None or self._is_busy():
            return False

        def run() -> tuple[object]:
            if self.investigation is None:
                from inspector.engine.client import Investigation

                self.investigation = Investigation(case, self._feed.inbox)
            return (begin(self.investigation),)

        # One who is not begun must not take the place of whom the answer is for.
        before, self._agreement = self._agreement, agreement
        begun = self._attempt(run) is not None
        if begun:
            self.job_event.emit({"event": "started", "job": self.running})
        else:
            self._agreement = before
        return begun

    def _start_aside(self, begin: Callable[[], BackgroundJob]) -> bool:
        if self._is_busy():
            return False
        job = self._attempt(begin)
        self._aside = job or self._aside
        if job is not None:
            self.job_event.emit({"event": "started", "job": job.name})
        return job is not None

    def _is_busy(self) -> bool:
        if self.busy:
            self.message.emit("warning", self.busy)
        return bool(self.busy)

    def _on_event(self, event: Event) -> None:
        kind = event.get("event")
        if kind == "array":
            self._stale.add(str(event.get("name", "")))
        elif kind == "finding":
            self._stale.add(f"finding:{event.get('detector', '')}")
        elif kind in _ENDINGS:
            self._stale |= {"findings", "triggers"}
            self.evidence.look()
            self.saved_at = dt.datetime.now().time()
        self.job_event.emit(event)
        if kind == "done" and event.get("job") == "verify":
            self.message.emit(*outcome(event.get("result")))
        if kind == "failed":
            parts = (str(event.get(part, "")) for part in ("what", "why", "fix"))
            self.message.emit("error", " ".join(part for part in parts if part))

    def _on_delivered(self) -> None:
        if self._stale:
            soon(self, self._take_up)

    def _take_up(self) -> None:
        stale, self._stale = self._stale, set()
        if stale:
            self._reload(stale)
