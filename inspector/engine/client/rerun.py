"""Repeat the runs of a case on the same evidence, in a scratch case, and compare the results."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inspector.case import Case, trigger_id
from inspector.case.repetition import compare, rerun_document
from inspector.case.tracing import TRACE
from inspector.case.trigger_choice import SEARCH
from inspector.engine.client.audit import copy_audits
from inspector.engine.client.checkpoints import CHECKPOINT
from inspector.engine.client.evidence import settle_doubts
from inspector.engine.client.investigation import Investigation
from inspector.engine.client.options import ScanOptions
from inspector.engine.client.runs import ENVIRONMENT, RUN
from inspector.engine.client.triggers import TRIGGER
from inspector.errors import BadInput

_SETTINGS = ("methods", "steps", "data_limit", "seeds", "source", "full")
_BEFORE = {"full": True}
"""What a search meant that does not say so: earlier versions always searched to the end."""

_REPEATED = ("signals", "detect")
_INTAKE = ("labels", "locator_bytes", "locator_offsets", "stored_sha256")


def rerun(
    case: Case,
    on_event: Callable[[dict[str, Any]], None] = lambda event: None,
    on_start: Callable[[Investigation], None] = lambda investigation: None,
) -> dict[str, Any]:
    """Do again what was recorded, with the same options and the accepted spec, and compare.

    The comparison is an act in the journal if the case may be written to. The scratch case lies in
    the temporary folder and is removed.

    Parameters
    ----------
    case : Case
        Scanned.
    on_event : callable
        Takes the events of the scan, from a background thread.
    on_start : callable
        Gets the investigation before it begins, so that somebody can cancel it.

    Raises
    ------
    BadInput
        Not scanned yet, or evidence that is missing or was changed.
    InspectorError
        The scan failed or was cancelled.
    """
    recorded, model = case.get("scan"), case.get("model")
    if not recorded or not model or not case.get("signals"):
        raise BadInput(
            "There is nothing to repeat.", "No scan has finished on this case.", "Scan first."
        )
    settle_doubts(case, on_event)
    case.watch.refuse_changed()
    scratch = Path(tempfile.mkdtemp(prefix="inspector-rerun-"))
    try:
        with Case.create(scratch / "rerun.case") as again:
            # The network is rebuilt from what the analyst accepted, not recognised anew.
            again.set("model", model)
            again.set("model_asked", case.get("model_asked"))
            copy_audits(case, again)
            investigation = Investigation(again, on_event)
            try:
                on_start(investigation)
                investigation.scan(ScanOptions.from_record(recorded))
                _repeat_what_followed(case, investigation)
            finally:
                investigation.close()
            document = _compared(case, again)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if not case.read_only:
        case.journal.append(
            "rerun",
            same=document["same"],
            environment_differs=document["environment"]["differs"],
            differing=[row["name"] for row in document["rows"] if not row["same"]],
        )
        document["journal_head"] = case.journal.head
    return document


def _repeat_what_followed(case: Case, investigation: Investigation) -> None:
    """Search the recorded triggers again, the data for their carriers, and place the map."""
    for settings, classes in _searches(case):
        investigation.trigger(classes, **settings)
    asked = _searched_for(case)
    if asked and asked in {trigger_id(row) for row in investigation.case.triggers()}:
        investigation.search_carriers(asked)
    placed = case.kept(RUN).get("map")
    if placed and case.has_array("map:umap"):
        investigation.map(neighbours=int(placed["neighbours"]))


def _searches(case: Case) -> list[tuple[dict[str, Any], list[int]]]:
    """Return settings and classes of the recorded trigger searches, in the order of recording.

    The case may be somebody else's: a record of another shape is left out. Of a search that ended
    early only the classes that it got through are listed, and none when it went on later.
    """
    found = []
    for name, row in case.kept(RUN).items():
        if name.split(" ")[0] != TRIGGER or not isinstance(row, dict):
            continue
        settings, classes = row.get("settings"), row.get("classes")
        if isinstance(settings, dict) and isinstance(classes, list):
            known = {key: settings[key] for key in _SETTINGS if key in settings}
            known = {**_BEFORE, **known}
            found.append((known, [int(index) for index in classes], bool(row.get("ended_early"))))
    whole = [(known, set(classes)) for known, classes, early in found if not early]
    return [
        (known, classes)
        for known, classes, early in found
        if classes and not (early and any(known == k and {*classes} <= c for k, c in whole))
    ]


def _searched_for(case: Case) -> str:
    finding = case.findings().get(SEARCH) or {}
    return str((finding.get("parameters") or {}).get("trigger") or "")


def _compared(case: Case, again: Case) -> dict[str, Any]:
    then, now = _environment(case), _environment(again)
    devices = {str((one.get("signals") or {}).get("device")) for one in (case, again)}
    runs = case.kept(RUN)
    names = list(_INTAKE)
    for job in (*_REPEATED, *(name for name in runs if name.startswith(CHECKPOINT))):
        names += [name for name in runs.get(job, {}).get("arrays", {}) if name not in names]
    if not runs:  # A case of format 1 has no record of its runs.
        names += [name for name in again.arrays() if name not in names]
    names += _followed(case, again)
    names = [name for name in names if name in case.arrays() or name in again.arrays()]
    same = bool(then) and then == now and devices == {"cpu"}
    rows = compare(case, again, same_environment=same, arrays=names)
    return rerun_document(case, rows, then, now, _not_repeated(case, again))


def _followed(case: Case, again: Case) -> list[str]:
    """Return the arrays of triggers, their carriers and the map that were repeated."""
    repeated = [
        name
        for run, row in again.kept(RUN).items()
        if run.split(" ")[0] in (TRIGGER, "map")
        for name in row.get("arrays", {})
    ]
    if SEARCH in again.findings():
        repeated.append(str(again.findings()[SEARCH]["score_array"]))
    return [name for name in repeated if name in case.arrays()]


def _environment(case: Case) -> dict[str, Any]:
    """Return what the signals were computed with; nothing in a case of format 1."""
    key = case.kept(RUN).get("signals", {}).get("environment")
    found = case.kept(ENVIRONMENT).get(str(key), {})
    return dict(found)


def _not_repeated(case: Case, again: Case) -> list[str]:
    left = []
    done = {trigger_id(row) for row in again.triggers()}
    lacking = [row for row in case.triggers() if trigger_id(row) not in done]
    if early := [trigger_id(row) for row in lacking if row.get("stopped_early")]:
        left.append(f"triggers {', '.join(early)}: their search was stopped early")
    if missing := [trigger_id(row) for row in lacking if not row.get("stopped_early")]:
        left.append(
            f"triggers {', '.join(missing)}: a later search of the same kind took their record's place"
        )
    if isinstance(case.get("trigger_summary"), dict) and case.get("trigger_summary").get("shadows"):
        left.append("shadow networks: `inspector trigger --shadows` trains them again")
    if SEARCH in case.findings() and SEARCH not in again.findings():
        left.append("search of the data: its trigger was not repeated")
    if case.has_array("map:umap") and not again.has_array("map:umap"):
        left.append("map: how it was placed was not recorded")
    if TRACE in case.findings():
        left.append("trace: `inspector trace` repeats it with the same seed")
    return left
