"""Trace one answer to the training samples that taught it: what is asked, and what is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inspector.case import Case
from inspector.case.tracing import TRACE, trace_document
from inspector.engine.client.runs import keep_environment, keep_run
from inspector.engine.client.steps import Emit, RunJob, key_of, register
from inspector.engine.client.triggers import options_of
from inspector.errors import BadInput

_CAVEATS = (
    "Likeness at the last layer finds samples that the network treats as it treats this picture; "
    "whether they made the answer is what the unlearning tests.",
    "When more samples are responsible than were unlearned, the rest can hold the answer up.",
)
_NEEDED = ("labels", "assessed", "activations")
_CLEAR = 0.2
"""Probability by which unlearning must move the answer more than a control does."""


def check_incident(case: Case, index: int | None, image: Path | None) -> None:
    """Refuse what cannot be traced.

    Raises
    ------
    BadInput
        Not exactly one of both, no such sample or file, or no scan yet.
    """
    options_of(case)
    if (index is None) == (image is None):
        raise BadInput("Give one picture to trace.", "", "Give either --image or --index.")
    if missing := [name for name in _NEEDED if not case.has_array(name)]:
        raise BadInput(f"The case holds no {missing[0]}.", "A trace needs a scan.", "Scan first.")
    if index is not None and not 0 <= index < case.n:
        raise BadInput(
            f"There is no sample {index}.", f"The case has {case.n} samples.", "Count from 0."
        )
    if image is not None and not image.is_file():
        raise BadInput(f"There is no file {image}.", "", "Check the path.")


def trace_answer(
    case: Case, run: RunJob, emit: Emit, index: int | None, image: Path | None, top: int
) -> dict[str, Any]:
    """Run the job, record the finding and return its document."""
    options, model, known = options_of(case), case.get("model"), case.arrays()
    incident = f"Sample {index}" if image is None else image.name
    result = run(
        "trace",
        model=str(options.model),
        data=str(options.data),
        choice={"spec": model["spec"]},
        arrays={name: known[name].path for name in _NEEDED},
        index=index,
        image=None if image is None else str(image),
        top=top,
        layer=options.layer,
        split=options.split,
        seed=options.seed,
        folder=f"trace-{key_of(index=index, image=str(image), top=top, seed=options.seed)}",
    )
    register(case, result["arrays"], emit)
    environment = keep_environment(case, run("environment"))
    answer = int(result["answer"])
    after = None if result["after"] is None else _belief(case, result["after"])
    controls = [_belief(case, row) for row in result["controls"]]
    outcome = outcome_of(answer, after, controls)
    verdict = {"confirmed": "medium", "partly": "low"}.get(outcome, "none")
    samples = [{"index": int(row), "score": float(score)} for row, score in result["samples"]]
    if bad := [row["index"] for row in samples if not 0 <= row["index"] < case.n]:
        raise ValueError(f"there is no sample {bad[0]}")
    label = result["label"]
    traced = {
        "incident": incident,
        "index": index,
        "answer": answer,
        "answer_name": _name(case, answer),
        "label": None if label is None else int(label),
        "probability": float(result["probability"]),
        "samples": samples,
        "after": after,
        "controls": controls,
        "outcome": outcome,
    }
    finding = {
        "id": TRACE,
        "title": f"Trace of {incident}",
        "version": str(result["version"]),
        "origin": "bundled",
        "parameters": {"incident": incident, "top": top},
        "seed": options.seed,
        "status": "done",
        "reason": "",
        "seconds": float(result["seconds"]),
        "verdict": verdict,
        "caveats": list(_CAVEATS),
        "classes": [
            {
                "index": answer,
                "statistic": float(len(samples)),
                "p_value": None,
                "verdict": verdict,
            }
        ],
        "score_array": "score:trace",
        "device": "cpu",
        "environment": environment,
        "result": str(result["arrays"][0]["sha256"]),
        "trace": traced,
    }
    case.record_finding(TRACE, finding)
    names = [str(item["name"]) for item in result["arrays"]]
    keep_run(case, "trace", environment, names, seed=options.seed, incident=incident, top=top)
    emit({"event": "finding", "detector": TRACE})
    return trace_document(case)


def outcome_of(answer: int, after: dict[str, Any] | None, controls: list[dict[str, Any]]) -> str:
    """Return "confirmed", "partly" or "not confirmed".

    Partly when the answer loses clearly more probability without the samples than with any control;
    confirmed when it also changes, and with no control.
    """
    if after is None or not controls:
        return "not confirmed"
    least = min(row["probability"] for row in controls)
    if least - after["probability"] < _CLEAR:
        return "not confirmed"
    changed = after["answer"] != answer and all(row["answer"] == answer for row in controls)
    return "confirmed" if changed else "partly"


def _belief(case: Case, row: Any) -> dict[str, Any]:
    answer, probability = int(row[0]), float(row[1])
    if not 0 <= probability <= 1:
        raise ValueError(f"{probability} is no probability")
    return {"answer": answer, "name": _name(case, answer), "probability": probability}


def _name(case: Case, label: int) -> str:
    return case.class_names[label] if 0 <= label < len(case.class_names) else str(label)
