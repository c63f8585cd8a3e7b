"""Look after the evidence of the open case, in the background: on opening, on focus, on demand."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QGuiApplication

from inspector.case import Case
from inspector.case.evidence import Evidence, Look
from inspector.errors import BadInput, Cancelled, CaseError, InspectorError
from inspector.gui.job_feed import Event, JobFeed

Check = Callable[[], None]


class EvidenceWatch(QObject):
    """Knows how the evidence was found at the last look.

    What the file system says was touched is hashed again, by an engine; the outcome is in the
    journal before it is shown.

    Attributes
    ----------
    looks : list of Look
        The outcome of the last look.

    Signals
    -------
    changed
        A look ended with another outcome than the one before.
    told : str, str
        Kind and text of something to say: evidence was found, or is not what it was.
    """

    changed = Signal()
    told = Signal(str, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.looks: list[Look] = []
        self._case: Case | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._feed = JobFeed(self)
        self._feed.arrived.connect(self._on_event)
        application = QGuiApplication.instance()
        if isinstance(application, QGuiApplication):
            application.applicationStateChanged.connect(self._on_state)

    @property
    def running(self) -> bool:
        """Whether a look is under way."""
        return self._thread is not None and self._thread.is_alive()

    def use(self, case: Case | None) -> None:
        """Look after another case, or after none."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5.0)
        self._case, self._thread, self.looks = case, None, []
        self._stop = threading.Event()
        self.look()

    def look(self) -> None:
        """Look at the evidence now, unless a look is under way."""
        case, put = self._case, self._feed.inbox
        if case is not None:
            # A job hashes the evidence itself; two would only wait for each other.
            busy = getattr(self.parent(), "running", None) not in (None, "map")
            settles = not (case.read_only or busy)
            self._start(lambda check: _settle(case, check, put) if settles else None)

    def locate(self, item: Evidence, path: Path) -> None:
        """Say where evidence lies now; its digest is compared before anything is recorded."""
        case, put = self._case, self._feed.inbox
        if case is not None:
            self._start(lambda check: _relocate(case, item, path, check, put))

    def of(self, item: Evidence) -> Look | None:
        """Return how one piece of evidence was found, None before the first look."""
        return next((look for look in self.looks if look.item.key == item.key), None)

    def _start(self, work: Callable[[Check], None]) -> None:
        case, stop, put = self._case, self._stop, self._feed.inbox
        if case is None or self.running:
            return
        # The thread holds nothing of Qt.
        self._thread = threading.Thread(
            target=_run, args=(case, work, stop, put), name="evidence", daemon=True
        )
        self._thread.start()

    def _on_event(self, event: Event) -> None:
        if event["event"] == "told":
            self.told.emit(str(event["kind"]), str(event["text"]))
            return
        looks: list[Any] = event["looks"]
        if looks != self.looks:
            self.looks = looks
            self.changed.emit()

    def _on_state(self, state: Qt.ApplicationState) -> None:
        if state == Qt.ApplicationState.ApplicationActive:
            self.look()


def _run(
    case: Case, work: Callable[[Check], None], stop: threading.Event, put: Callable[[Event], None]
) -> None:
    """Do some work on the evidence, then look at it."""

    def check() -> None:
        if stop.is_set():
            raise Cancelled()

    try:
        work(check)
    except Cancelled:
        return
    except InspectorError as error:
        put({"event": "told", "kind": "error", "text": str(error)})
    try:
        looks = case.watch.look()
    except InspectorError:
        return  # The case was closed meanwhile, or says elsewhere that it is damaged.
    if not stop.is_set():
        put({"event": "looks", "looks": looks})


def _settle(case: Case, check: Check, put: Callable[[Event], None]) -> None:
    """Hash again what was touched, and tell what turned out to be changed.

    Evidence that has moved together with the case is found again, by its digest too.
    """
    looks = case.watch.look()
    for look in looks:
        place = case.watch.candidate(look.item) if look.state == "missing" else None
        if place is not None:
            with contextlib.suppress(CaseError, BadInput):  # Other bytes lie there.
                _relocate(case, look.item, place, check, put)
    if all(look.state != "touched" for look in looks):
        return
    from inspector.engine.client.evidence import settle_doubts

    for found in settle_doubts(case, check=check):
        names = counted(case.watch.results())
        text = (
            f"The {found.item.role} {found.item.path} has changed since the case was made. "
            f"Its results belong to the former bytes and are stale: {names}."
        )
        put({"event": "told", "kind": "warning", "text": text})


def counted(results: Sequence[str]) -> str:
    """Return which results there are, in few words: a case may hold dozens of triggers."""
    said = []
    for kind in ("finding", "trigger"):
        count = sum(name.startswith(f"{kind} ") for name in results)
        if count:
            said.append(f"{count} {kind}{'' if count == 1 else 's'}")
    rest = [name for name in results if not name.startswith(("finding ", "trigger "))]
    return ", ".join([*rest, *said]) or "none so far"


def _relocate(
    case: Case, item: Evidence, path: Path, check: Check, put: Callable[[Event], None]
) -> None:
    from inspector.engine.client.evidence import relocate

    moved = relocate(case, item.recorded_path, path, check=check)
    text = f"The {moved.role} was found at {moved.path}: its SHA-256 is the recorded one."
    put({"event": "told", "kind": "done", "text": text})
