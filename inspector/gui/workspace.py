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
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from inspector.case import Case, SampleTable
from inspector.errors import InspectorError
from inspector.gui.background import BackgroundJob, start_demo, start_export, start_report
from inspector.gui.evidence_watch import EvidenceWatch
from inspector.gui.job_feed import Event, JobFeed
from inspector.gui.plain import plain
from inspector.gui.selection import Selection
from inspector.gui.thumbnails import ThumbnailCache
from inspector.gui.unsaved_acts import UnsavedActs
from inspector.gui.view_state import ViewState

if TYPE_CHECKING:
    from inspector.engine.client import Investigation, ScanOptions

_ENDINGS = ("done", "failed", "cancelled")


class Workspace(ViewState):
    """The open case as the window sees it; see `ViewState` for selection, filter and order.

    No method raises `InspectorError`: what goes wrong is said through `message`, and the method
    returns False (or None) and leaves everything as it was.

    Attributes
    ----------
    case : Case or None
    investigation : Investigation or None
        Runs jobs on the case; None while nothing has been started.
    saved_at : dt.time or None
        When the journal last confirmed a write.

    Signals
    -------
    case_changed : Case or None
    table_changed : set of str
        Names of the arrays and records that are new or changed: ``labels``, ``map:umap``,
        ``thumbnails``, ``score:<id>``, ``finding:<id>``, ``findings``, ``triggers``.
    tags_changed : ndarray of int
        Rows whose tags changed; also after undo and redo.
    job_event : dict
        Events of `Investigation`, at most 20 deliveries a second.
    kinds_changed
        A kind of tag is new, or has another colour or key.
    unsaved_changed : int
        How many acts the disk has refused and the window keeps.
    message : str, str
        Kind ("info", "done", "warning", "error") and text.
    note_requested, similar_requested, trigger_requested : int
        A key or menu asks the panel in charge to act on this sample.
    """

    case_changed = Signal(object)
    table_changed = Signal(object)
    tags_changed = Signal(object)
    job_event = Signal(object)
    kinds_changed = Signal()
    unsaved_changed = Signal(int)
    message = Signal(str, str)
    note_requested = Signal(int)
    similar_requested = Signal(int)
    trigger_requested = Signal(int)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.case: Case | None = None
        self.investigation: Investigation | None = None
        self.saved_at: dt.time | None = None
        self._aside: BackgroundJob | None = None
        self._thumbnails = ThumbnailCache()
        self._stale: set[str] = set()
        self._unsaved, self._told = UnsavedActs(), 0
        self.evidence = EvidenceWatch(self)
        self.evidence.told.connect(self.message)
        self.kinds_changed.connect(self._after_tags)
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

    # ---- tags -----------------------------------------------------------------------------------

    def tag_selection(self, name: str) -> bool:
        """Put a tag on the selected samples, or on the current one when nothing is selected."""
        return self.tag_rows(self.targets(), name)

    def tag_group(self, name: str) -> bool:
        """Put a tag on every visible sample that has the label of the current one."""
        if self.table is None or self.current < 0:
            return False
        labels = self.table.columns["label"]
        group = labels == labels[self.current]
        if self.visible is not None:
            group &= self.visible
        return self.tag_rows(np.flatnonzero(group), name)

    def tag_and_advance(self, name: str, among: NDArray[Any] | None = None) -> bool:
        """Tag, then go to the next sample that has no tag.

        Parameters
        ----------
        name : str
            The tag.
        among : ndarray, optional
            Rows in the order to go by; by default the ranking of the visible samples.
        """
        if not self.tag_selection(name):
            return False
        order = self.ranked(self.visible) if among is None else among
        at = np.flatnonzero(order == self.current)
        start = int(at[0]) + 1 if at.size else 0
        rest = np.concatenate([order[start:], order[:start]])
        untagged = rest[self.tag_code[rest] < 0]
        if untagged.size:
            self.select([untagged[0]], "new", "keys", int(untagged[0]))
        return True

    def tag_rows(self, rows: NDArray[Any], name: str, note: str = "") -> bool:
        """Put a tag on samples: one journal entry, one undo step."""
        return self._edit(rows, lambda case: case.tags.apply(rows, name, note=note))

    def untag_rows(self, rows: NDArray[Any], name: str) -> bool:
        """Take one tag off samples."""
        return self._edit(rows, lambda case: case.tags.remove(rows, name))

    def clear_tags(self) -> bool:
        """Take all tags off the selected samples."""
        rows = self.targets()
        return self._edit(rows, lambda case: case.tags.clear(rows))

    def undo(self) -> bool:
        """Take back the last change of tags, also one of an earlier day."""
        if len(self._unsaved):
            self._unsaved.take_back()
            self._tell_unsaved()
            self.message.emit("info", "The act that was not saved yet is taken back.")
            return True
        return self._step_back(lambda case: case.tags.undo(), "Nothing to undo.")

    def redo(self) -> bool:
        """Make the last undone change again."""
        return self._step_back(lambda case: case.tags.redo(), "Nothing to redo.")

    def _edit(self, rows: NDArray[Any], act: Callable[[Case], object]) -> bool:
        case = self.case
        if case is None or not rows.size:
            self.message.emit("info", "Select samples first: drag around them on the map.")
            return False
        self._unsaved.keep(act)
        return self.save_unsaved()

    def write_note(self, text: str, rows: NDArray[Any]) -> bool:
        """Write a note on samples, or on the case when there are no rows."""
        if self.case is None:
            return False
        self._unsaved.keep(lambda case: case.notes.add(text, rows))
        return self.save_unsaved()

    def judge(self, number: int, accept: bool, why: str = "") -> bool:
        """Accept or reject a proposal."""
        if self.case is None:
            return False
        self._unsaved.keep(
            lambda case: (
                case.proposals.accept(number, why) if accept else case.proposals.reject(number, why)
            )
        )
        return self.save_unsaved()

    @property
    def unsaved(self) -> int:
        """How many acts the disk has refused; they are kept, in their order."""
        return len(self._unsaved)

    def save_unsaved(self) -> bool:
        """Do what waits, in order; what the disk refuses is kept and nothing after it is done."""
        case = self.case
        if case is None:
            return False
        done, problems = self._unsaved.save(case)
        for text in problems:
            self.message.emit("error", text)
        self._tell_unsaved()
        if done:
            self._after_tags()
        return not problems and not len(self._unsaved)

    def _tell_unsaved(self) -> None:
        if self._told != len(self._unsaved):
            self._told = len(self._unsaved)
            self.unsaved_changed.emit(self._told)

    def _step_back(self, act: Callable[[Case], object], nothing: str) -> bool:
        case = self.case
        if case is None:
            return False
        answer = self._attempt(lambda: (act(case),))
        if answer is None:
            return False
        if answer[0] is None:
            self.message.emit("info", nothing)
            return False
        self._after_tags()
        return True

    def _after_tags(self) -> None:
        before = self.tag_bits
        self._read_tags()
        same = len(before) == len(self.tag_bits)
        rows = np.flatnonzero(before != self.tag_bits) if same else np.arange(self.n)
        self.saved_at = dt.datetime.now().time()
        self.tags_changed.emit(rows)
        if "tag" in self.filter_text:
            self.set_filter(self.filter_text)

    def _read_tags(self) -> None:
        bits = np.zeros(self.n, np.uint32)
        code = np.full(self.n, -1, np.int8)
        if self.case is not None and self.n:
            for at, kind in reversed(list(enumerate(self.case.tags.kinds))):
                mask = self.case.tags.mask(kind.name)
                bits |= mask.astype(np.uint32) << np.uint32(at)
                code[mask] = at
        self.tag_bits, self.tag_code = bits, code
        self._read_proposed()

    # ---- jobs -----------------------------------------------------------------------------------

    def start_scan(self, options: ScanOptions) -> bool:
        """Analyse the evidence that ``options`` names, in the background."""
        return self._start(lambda run: run.start_scan(options))

    def start_map(self) -> bool:
        """Compute the UMAP, in the background."""
        return self._start(lambda run: run.start_map())

    def start_trigger(self, classes: Sequence[int], **settings: Any) -> bool:
        """Reconstruct triggers for some classes, in the background."""
        return self._start(lambda run: run.start_trigger(list(classes), **settings))

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
                case, target, drop, self._feed.put, quarantine=quarantine, lists_only=lists_only
            )
        )

    def start_report(self, target: Path) -> bool:
        """Write a report, in place of a file of that name."""
        case = self.case
        if case is None:
            return False
        return self._start_aside(lambda: start_report(case, target, self._feed.put))

    def start_demo(self, folder: Path) -> bool:
        """Make the evidence of the demo case in a new folder; needs no open case."""
        return self._start_aside(lambda: start_demo(folder, self._feed.put))

    @property
    def running(self) -> str | None:
        """Name of the job that runs: "scan", "trigger", "map", "export", "report", "demo"."""
        if self._aside is not None and self._aside.running:
            return self._aside.name
        return None if self.investigation is None else self.investigation.running

    def cancel_job(self) -> None:
        """Stop the running job; what it finished is kept."""
        if self._aside is not None:
            self._aside.cancel()
        if self.investigation is not None:
            self.investigation.cancel()

    def pause_job(self) -> None:
        """Let the running job wait."""
        if self.investigation is not None:
            self.investigation.pause()

    def resume_job(self) -> None:
        """Let a waiting job go on."""
        if self.investigation is not None:
            self.investigation.resume()

    def _start(self, begin: Callable[[Investigation], object]) -> bool:
        case = self.case
        if case is None or self._is_busy():
            return False

        def run() -> tuple[object]:
            if self.investigation is None:
                from inspector.engine.client import Investigation

                self.investigation = Investigation(case, self._feed.put)
            return (begin(self.investigation),)

        return self._attempt(run) is not None

    def _start_aside(self, begin: Callable[[], BackgroundJob]) -> bool:
        if self._is_busy():
            return False
        job = self._attempt(begin)
        self._aside = job or self._aside
        return job is not None

    def _is_busy(self) -> bool:
        # The map runs in an engine of its own, beside whatever else there is.
        if self.running in (None, "map"):
            return False
        self.message.emit("warning", f"The {self.running} still runs: cancel it or wait for it.")
        return True

    def _on_event(self, event: Event) -> None:
        kind = event.get("event")
        if kind == "array":
            self._stale.add(str(event.get("name", "")))
        elif kind == "finding":
            self._stale.add(f"finding:{event.get('detector', '')}")
        elif kind in _ENDINGS:
            self._stale |= {"findings", "triggers"}
            self.saved_at = dt.datetime.now().time()
        self.job_event.emit(event)
        if kind == "failed":
            parts = (str(event.get(part, "")) for part in ("what", "why", "fix"))
            self.message.emit("error", " ".join(part for part in parts if part))

    def _on_delivered(self) -> None:
        stale, self._stale = self._stale, set()
        if stale:
            self._reload(stale)

    def _attempt(self, act: Callable[[], Any]) -> Any:
        """Return what ``act`` returns, or None after saying why it could not be done."""
        try:
            return act()
        except InspectorError as error:
            self.message.emit("error", str(error))
            return None
