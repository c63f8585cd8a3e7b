"""Work of the window that is no job of an investigation, in a thread, reporting like one."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from inspector.case import Case
from inspector.errors import BadInput, Cancelled, InspectorError, unforeseen

if TYPE_CHECKING:
    from inspector.engine.client import Engine

_LOOK = 0.3
"""Seconds between two looks whether the analyst cancelled."""
Emit = Callable[[dict[str, Any]], None]
Check = Callable[[], None]
Answer = TypeVar("Answer")


class BackgroundJob:
    """One piece of work with an end that is always told: "done", "failed" or "cancelled".

    Parameters
    ----------
    name : str
        Under which it is announced.
    work : callable
        ``work(check)`` returns the result; it calls ``check`` often, which raises after a cancel.
    emit : callable
        Takes the events, from the thread of the job.
    """

    def __init__(self, name: str, work: Callable[[Check], dict[str, Any]], emit: Emit) -> None:
        self.name = name
        self._work, self._emit = work, emit
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether the thread still works."""
        return self._thread.is_alive()

    def cancel(self) -> None:
        """Stop at the next check."""
        self._stop.set()

    def wait(self, timeout: float | None = None) -> None:
        """Wait for the end."""
        self._thread.join(timeout)

    def _check(self) -> None:
        if self._stop.is_set():
            raise Cancelled()

    def _run(self) -> None:
        ending: dict[str, Any]
        try:
            ending = {"event": "done", "result": self._work(self._check)}
        except Cancelled:
            ending = {"event": "cancelled"}
        except InspectorError as error:
            ending = {"event": "failed", **error.as_message()}
        except OSError as error:
            what = f"The {self.name} stopped: {error.strerror or error}."
            ending = {"event": "failed", "what": what, "why": "", "fix": ""}
        except Exception as error:  # the end is always told
            ending = {
                "event": "failed",
                "detail": traceback.format_exc(),
                **unforeseen(error).as_message(),
            }
        self._emit({**ending, "job": self.name})


class Question(Generic[Answer]):
    """A question that takes seconds, answered in a thread while the window goes on.

    The thread knows this object and nothing of Qt: a dialog that is closed before the answer is
    there would otherwise be destroyed by the thread that held it last, which ends the process.

    Parameters
    ----------
    ask : callable
        Returns the answer, or raises `InspectorError` or `OSError`.
    name : str
        Of the thread.

    Attributes
    ----------
    answer : object or InspectorError, optional
        None until the question is answered.
    """

    def __init__(self, ask: Callable[[], Answer], name: str) -> None:
        self.answer: Answer | InspectorError | None = None
        threading.Thread(target=self._work, args=(ask,), name=name, daemon=True).start()

    def _work(self, ask: Callable[[], Answer]) -> None:
        try:
            self.answer = ask()
        except InspectorError as error:
            self.answer = error
        except OSError as error:
            self.answer = InspectorError(f"The engine could not be started: {error.strerror}.")
        except Exception as error:  # whoever looks for the answer would look for ever
            self.answer = unforeseen(error)


def start_export(
    case: Case,
    target: Path,
    drop: Sequence[str],
    emit: Emit,
    *,
    quarantine: Path | None = None,
    lists_only: bool = False,
) -> BackgroundJob:
    """Write the dataset without the samples that carry one of these tags.

    The event "done" has ``kept``, ``removed``, ``target`` and ``head`` (of the journal) in its
    result.

    Parameters
    ----------
    case : Case
    target : Path
        Folder to create.
    drop : sequence of str
        Tags.
    emit : callable
        Takes the events.
    quarantine : Path, optional
        A second folder, for what is left out.
    lists_only : bool
        Write lists, no data.

    Raises
    ------
    BadInput
        No sample carries one of the tags: the export would be a plain copy.
    """
    mask = np.zeros(case.n, bool)
    for name in drop:
        mask |= case.tags.mask(name)
    if not mask.any():
        raise BadInput(
            "No sample carries these tags.",
            "The export would be a plain copy of the dataset.",
            "Tag samples first.",
        )

    def work(check: Check) -> dict[str, Any]:
        from inspector.engine.client.exporting import export_case

        result = export_case(
            case,
            mask,
            target,
            tags=list(drop),
            quarantine=quarantine,
            lists_only=lists_only,
            on_event=emit,
            check=check,
        )
        return {
            "kept": result.kept,
            "removed": result.removed,
            "target": str(target),
            "head": case.journal.head,
        }

    return BackgroundJob("export", work, emit)


def start_report(case: Case, target: Path, emit: Emit) -> BackgroundJob:
    """Write a report, in place of a file of that name; the analyst has agreed to that.

    The event "done" has ``target`` and ``sha256`` in its result.

    Raises
    ------
    BadInput
        The name or the place will not do.
    """
    from inspector.export.report import check_report_target

    check_report_target(case, target)

    def work(check: Check) -> dict[str, Any]:
        from inspector.engine.client.audit_files import audit_document
        from inspector.export.report import record_report, report_document
        from inspector.export.single import write_file
        from inspector.gui.report_file import report_bytes

        document = report_document(case, audit_document(case)["audits"])
        check()
        content = report_bytes(document, target.suffix)
        check()
        digest = write_file(target, content, replace=True)
        record_report(case, target, digest, document["journal"]["head"])
        return {"target": str(target), "sha256": digest}

    return BackgroundJob("report", work, emit)


def start_demo(folder: Path, emit: Emit) -> BackgroundJob:
    """Let an engine plant an attack and train a network; the event "done" says where they lie."""

    def report(event: dict[str, Any]) -> None:
        # The engine's own "done" is not the end: the case has still to be made and scanned.
        if event.get("event") == "progress":
            emit(event)

    def work(check: Check) -> dict[str, Any]:
        from inspector.engine.client import Engine

        folder.mkdir(parents=True, exist_ok=True)
        engine = Engine(folder, report)
        engine.start()
        try:
            number = engine.submit("demo", folder=str(folder), seed=0)
            while not _is_over(engine, number):
                check()
        finally:
            engine.close(timeout=1.0)
        return {"folder": str(folder)}

    return BackgroundJob("demo", work, emit)


def _is_over(engine: Engine, number: int) -> bool:
    """Wait a moment for a job of an engine; True once it has ended well."""
    try:
        engine.wait(number, timeout=_LOOK)
    except TimeoutError:
        return False
    return True
