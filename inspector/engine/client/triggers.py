"""Trigger searches, step by step: what is asked of the engine, and what the case records of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from inspector.case import Case, find_trigger, trigger_id
from inspector.case.findings import VERDICTS
from inspector.case.shadow_document import NETWORKS, beside_of, shadows_of
from inspector.case.trigger_choice import SEARCH, TRIGGER_PARTS
from inspector.engine.client.options import ScanOptions
from inspector.engine.client.runs import keep_environment, keep_run
from inspector.engine.client.shadows import Agree, shadows_asked
from inspector.engine.client.steps import Emit, RunJob, key_of, register
from inspector.errors import BadInput, Cancelled

TRIGGER = "trigger"
"""What a record of a search begins with: the methods follow, so that each search keeps its own."""

_SHADOWS = ("shadows", "shadow_images")
_APART = ("methods", *_SHADOWS)
_EARLY = ("(early)",)
"""Ends the name of a run that ended early: it must not take the place of one that was through."""

_CAVEATS = (
    "Carriers are those of the reconstructed trigger: samples poisoned without it (clean-label, "
    "sinusoid, a second trigger) do not stand out here.",
    "A natural feature that takes its class along when it is pasted elsewhere scores like a trigger.",
)


def options_of(case: Case) -> ScanOptions:
    """Return the options of the case's scan.

    Raises
    ------
    BadInput
        It was not scanned: there is no model.
    """
    recorded = case.get("scan", None)
    if not recorded or not case.get("model", None):
        raise BadInput(
            "There is no model to search triggers in.", "The case was not scanned.", "Scan first."
        )
    return ScanOptions.from_record(recorded)


def reconstruct(
    case: Case,
    run: RunJob,
    emit: Emit,
    classes: Sequence[int] | None,
    settings: dict[str, Any],
    agree: Agree | None = None,
) -> dict[str, Any]:
    """Search triggers for some classes (all when None) and record them.

    ``agree`` is told what shadow networks will take, if the settings ask for ``shadows``, before
    anything is searched.

    Raises
    ------
    Cancelled
        The budget was not agreed to, or the search ended before there was a result.
    """
    options, model = options_of(case), case.get("model")
    # What is left out means something else in records of earlier versions.
    settings = {"full": False, **settings}
    count = int(model["num_classes"])
    wanted = list(range(count)) if classes is None else [int(c) for c in classes]
    if bad := [c for c in wanted if not 0 <= c < count]:
        raise BadInput(
            f"There is no class {bad[0]}.", f"The model has {count} classes.", "Count from 0."
        )
    # The methods are left out: each finished class lies there under its method's name; so are shadows.
    chosen = {name: value for name, value in settings.items() if name not in _APART}
    key = key_of(
        spec=model["spec"],
        data=(case.get("dataset") or {}).get("digest"),
        reference=str(options.reference),
        seed=options.seed,
        **chosen,
    )
    arguments = {
        "model": str(options.model),
        "data": str(options.reference or options.data),
        "data_role": "reference" if options.reference else "data",
        "suspect_data": str(options.data),
        "choice": {"spec": model["spec"]},
        "classes": wanted,
        "class_names": list(case.class_names),
        "split": options.split,
        "folder": f"trigger-{key}",
        "seed": options.seed,
        **{name: value for name, value in settings.items() if name not in _SHADOWS},
    }
    left_out = 0
    if settings.get("shadows"):
        arguments["shadows"], left_out = shadows_asked(
            case, options, *(settings[name] for name in _SHADOWS if name in settings)
        )
        if agree is not None:
            budget = run("trigger", only_budget=True, **arguments)["budget"]
            if not agree({**budget, "left_out": left_out}):
                raise Cancelled()
    result = run("trigger", **arguments)
    networks = result.get("shadows")
    if networks:
        networks |= {"left_out": left_out, "role": arguments["shadows"]["role"]}
    early, rows = bool(result["ended_early"]), result["classes"]
    if early and not rows:
        raise Cancelled(
            "The search was stopped.", "No class had a trigger that works yet: nothing is recorded."
        )
    said = _how_far(result) if early else ""
    if early:
        result["caveats"] = [said, *result["caveats"]]
        rows = _worth_recording(case, rows)
        if not rows:
            said = f"{said} What the case has is fuller, and stays."
            case.set("trigger_summary", {**(case.get("trigger_summary") or {}), "said": said})
            emit({"event": "log", "text": said})
            return result
    fuller = early and _compared_more(case, networks)
    if networks and networks["count"] and not fuller and (not early or any(map(_beside, rows))):
        case.set(NETWORKS, networks)
    arrays = _arrays_of(rows, result["arrays"])
    register(case, arrays, emit)
    for row in rows:
        case.record_trigger(int(row["index"]), str(row["method"]), row)
    unsaid = {"arrays"} if networks and networks["count"] and not fuller else {"arrays", "shadows"}
    summary = {**{k: v for k, v in result.items() if k not in unsaid}, "said": said}
    if fuller:
        # With fewer shadow networks less can be said: what more of them said stands.
        former = case.get("trigger_summary") or {}
        verdicts = [former.get("verdict"), summary["verdict"]]
        summary["verdict"] = next((one for one in reversed(VERDICTS) if one in verdicts), "none")
        if "shadows" in former:
            summary["shadows"] = former["shadows"]
    case.set("trigger_summary", summary)
    # A search that was not through cannot be repeated: a rerun makes the part that was.
    through = {int(row["index"]) for row in rows if not row["stopped_early"]}
    keep_run(
        case,
        " ".join(
            [TRIGGER, *(str(name) for name in settings.get("methods") or ()), *_EARLY[:early]]
        ),
        keep_environment(case, run("environment")),
        [str(item["name"]) for item in arrays],
        device="cpu",
        seed=options.seed,
        classes=[index for index in wanted if index in through] if early else wanted,
        settings=settings,
        ended_early=early,
    )
    if early:
        emit({"event": "log", "text": said})
    emit({"event": "finding", "detector": "triggers"})
    return result


def _how_far(result: dict[str, Any]) -> str:
    """Say what a search that ended early leaves."""
    rows = result["classes"]
    early = {int(row["index"]) for row in rows if row["stopped_early"]}
    lacking = {int(index) for index in result["lacking"]} - early
    through = {int(row["index"]) for row in rows} - early - lacking
    counts = (
        f"{len(through)} searched through",
        f"{len(early)} kept as far as found" if early else "",
        f"{len(lacking)} without a trigger that works" if lacking else "",
    )
    networks = result.get("shadows")
    beside = (
        f" Of {networks['asked']} shadow networks {networks['count']} were trained and searched."
        if networks
        else ""
    )
    return (
        f"The search was stopped early. Of the classes: {', '.join(filter(None, counts))}.{beside} The "
        "same search goes on where this one stopped."
    )


def _worth_recording(case: Case, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those rows of a search that ended early that know more than the case does.

    A trigger whose search was through gives way neither to one that was stopped nor to itself
    compared with fewer classes, or with fewer shadow networks.
    """
    former = {(row["index"], row["method"]): row for row in case.triggers()}

    def better(row: dict[str, Any]) -> bool:
        there = former.get((row["index"], row["method"]))
        if there is None or there.get("stopped_early") is True:
            return True
        compared = there.get("compared")  # Not known of searches by earlier versions.
        known = isinstance(compared, int) and compared <= row["compared"]
        return known and not row["stopped_early"] and _beside(row) >= _beside(there)

    return [row for row in rows if better(row)]


def _compared_more(case: Case, networks: dict[str, Any] | None) -> bool:
    """Tell whether the case holds a comparison with more shadow networks than these."""
    there = (shadows_of(case) or {}).get("count", 0)
    return bool(there > (networks["count"] if networks else 0))


def _beside(row: dict[str, Any]) -> int:
    """Return with how many shadow networks the class of a trigger was compared."""
    beside = beside_of(row) or {}
    return len(beside.get("others") or ()) if beside.get("deviation") is not None else 0


def _arrays_of(rows: list[dict[str, Any]], arrays: list[dict[str, Any]]) -> list[dict[str, Any]]:
    parts = (*TRIGGER_PARTS, "examples")
    wanted = {row.get(f"{part}_array") for row in rows for part in parts}
    return [item for item in arrays if item["name"] in wanted]


def search_data(case: Case, run: RunJob, emit: Emit, name: str | None) -> dict[str, Any]:
    """Search the data for carriers of one trigger and record that as a finding."""
    options, model = options_of(case), case.get("model")
    row = find_trigger(case, name)
    target, identity = int(row["index"]), trigger_id(row)
    files = trigger_files(case, row)
    known = case.arrays()
    assessed = known["assessed"].path if "assessed" in known else None
    result = run(
        "carriers",
        model=str(options.model),
        data=str(options.data),
        choice={"spec": model["spec"]},
        target=target,
        trigger=files,
        assessed=assessed,
        folder=f"carriers-{key_of(files=files, seed=options.seed)}",
        split=options.split,
        seed=options.seed,
    )
    looked, asked = int(result["looked"]), int(result["asked"])
    if asked and not looked:
        raise Cancelled(
            "The search was stopped.", "No sample was looked at yet: nothing is recorded."
        )
    register(case, result["arrays"], emit)
    environment = keep_environment(case, run("environment"))
    digests = {str(item["name"]): item["sha256"] for item in result["arrays"]}
    count = int(result["carriers"])
    # A carrier is as suspicious as the trigger that it carries.
    verdict = row.get("verdict", "none") if count else "none"
    verdict = verdict if verdict in VERDICTS else "none"
    finding = {
        "id": SEARCH,
        "title": f"Carriers of trigger {identity}",
        "version": str(result["version"]),
        "origin": "bundled",
        "parameters": {"trigger": identity, "threshold": result["threshold"]},
        "seed": options.seed,
        "status": "done",
        "reason": "",
        "seconds": result["seconds"],
        "verdict": verdict,
        "caveats": [*_CAVEATS, *map(str, result["notes"])],
        "classes": [
            {"index": target, "statistic": float(count), "p_value": None, "verdict": verdict}
        ],
        "score_array": "score:trigger-search",
        "carriers": count,
        "stopped_early": looked < asked,
        "among_target": int(result["among_target"]),
        "threshold": result["threshold"],
        "device": "cpu",
        "environment": environment,
        "result": digests.get("score:trigger-search"),
    }
    case.record_finding(SEARCH, finding)
    keep_run(case, "carriers", environment, list(digests), seed=options.seed, trigger=identity)
    emit({"event": "finding", "detector": SEARCH})
    return finding


def stamp_samples(case: Case, run: RunJob, rows: list[int], name: str | None) -> dict[str, Any]:
    """Put a trigger on samples; return answers and pictures before and after."""
    options, model = options_of(case), case.get("model")
    if bad := [row for row in rows if not 0 <= row < case.n]:
        raise BadInput(
            f"There is no sample {bad[0]}.", f"The case has {case.n} samples.", "Count from 0."
        )
    row = find_trigger(case, name)
    files = trigger_files(case, row)
    result = run(
        "stamp",
        model=str(options.model),
        data=str(options.data),
        choice={"spec": model["spec"]},
        target=int(row["index"]),
        trigger=files,
        rows=rows,
        folder=f"stamp-{key_of(files=files, rows=rows)}",
        split=options.split,
        seed=options.seed,
    )
    register(case, result["arrays"], lambda event: None)
    return {
        "trigger": trigger_id(row),
        "target": int(row["index"]),
        "rows": result["rows"],
        "before": np.array(case.array("stamp:before")),
        "after": np.array(case.array("stamp:after")),
    }


def trigger_files(case: Case, row: dict[str, Any]) -> dict[str, str]:
    """Return the files below ``derived/`` that hold a trigger, by part.

    Raises
    ------
    BadInput
        It has no picture.
    CaseError
        A file is not what the case recorded.
    """
    known = case.arrays()
    files = {}
    for part in TRIGGER_PARTS:
        array = row.get(f"{part}_array")
        if isinstance(array, str) and array in known:
            case.array(array)  # looked at before an engine reads it
            files[part] = known[array].path
    if not {"mask", "pattern"} <= files.keys():
        raise BadInput(
            f"The trigger {trigger_id(row)} has no picture.",
            "Its search found none, or was a screen without one.",
            "Reconstruct it with another method.",
        )
    return files
