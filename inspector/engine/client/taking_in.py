"""The first step of a scan: evidence is opened, hashed, compared with the case and recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inspector.case import Case
from inspector.case.evidence import Evidence
from inspector.engine.client.options import ScanOptions
from inspector.engine.client.refused import keep_refused
from inspector.engine.client.spec_file import record_spec
from inspector.engine.client.steps import Emit, RunJob, register
from inspector.engine.client.told_evidence import check_told
from inspector.errors import BadInput, RefusedFile
from inspector.intake.models.spec import read_spec
from inspector.intake.signature import signature_beside

_READ_HERE = ("model", "data", "reference")


def check_same_investigation(case: Case, options: ScanOptions) -> None:
    """Refuse to mix two investigations in one case.

    Raises
    ------
    BadInput
        The case holds other evidence.
    """
    known = {item.role: Path(item.path) for item in case.evidence()}
    for role, path in (("model", options.model), ("data", options.data)):
        asked = Path(path).absolute()
        if role in known and known[role] != asked:
            raise BadInput(
                f"The case {case.path} is about another {role}: {known[role]}.",
                "One case is one investigation.",
                f"Give another --case folder. If it is the same {role} in another place: "
                f"inspector relocate {case.path} --evidence {role} --to {asked}",
            )
    for item in case.evidence():
        if item.role == "data" and item.details.get("split") != options.split:
            former = item.details.get("split")
            raise BadInput(
                f"The case {case.path} is about {f'the split {former}' if former else 'no split'}.",
                "One case is one investigation of one split.",
                "Give another --case folder, or the same --split.",
            )


def intake(case: Case, run: RunJob, options: ScanOptions, emit: Emit) -> dict[str, Any]:
    """Open and hash the evidence; return how later jobs rebuild the network."""
    emit({"event": "stage", "stage": "Reading evidence", "state": "started"})
    asked: dict[str, Any] = {
        "arch": options.arch,
        "classes": options.classes,
        "seed": options.seed,
    }
    if options.spec is not None:
        asked["stated"] = read_spec(options.spec).as_dict()
    former = case.get("model", None)
    choice = asked
    if former and case.get("model_asked", None) == asked:
        choice = {"spec": former["spec"]}
    case.watch.refuse_changed()
    recorded = {item.role: item for item in case.evidence() if item.role in _READ_HERE}
    # From before it is read: a change while it is hashed will be noticed at the next look.
    seen = {role: item.fingerprint() for role, item in recorded.items()}
    try:
        result = run(
            "intake",
            model=str(options.model),
            data=str(options.data),
            reference=str(options.reference) if options.reference else None,
            choice=choice,
            split=options.split,
        )
    except RefusedFile as error:
        keep_refused(case, Path(options.model), error)
        raise
    check_told(result["evidence"], options)
    for item in result["evidence"]:
        before = recorded.get(item["role"])
        record(case, item, before, seen.get(item["role"], ""))
    model = result["model"]
    case.keep(
        "spec accepted",
        "model",
        {"spec": model["spec"], "sha256": model["sha256"], "asked": asked},
        architecture=model["architecture"],
        sha256=model["sha256"],
        asked={name: value for name, value in asked.items() if value is not None},
    )
    case.set("model", model)
    case.set("model_asked", asked)
    _compare_signature(case, run, Path(options.model), str(model["sha256"]))
    case.set("dataset", result["dataset"])
    record_spec(case, model, asked.get("stated"))
    if "reference" in result:
        case.set("reference", result["reference"])
    register(case, result["arrays"], emit)
    case.set("warnings", warnings_of(model, result["dataset"], result.get("reference")))
    for warning in case.get("warnings", []):
        emit({"event": "log", "text": warning, "level": "warning"})
    emit({"event": "stage", "stage": "Reading evidence", "state": "done"})
    return {"spec": model["spec"]}


def record(case: Case, item: dict[str, Any], before: Evidence | None, seen: str) -> None:
    """Add evidence that was read to the case, or compare it with what the case knows of it.

    Parameters
    ----------
    case : Case
    item : dict
        What the engine says of it, checked by `check_told`.
    before : Evidence, optional
        What the case knows.
    seen : str
        `Evidence.fingerprint` of ``before``, from before it was read.

    Raises
    ------
    BadInput
        Its bytes are not those that were recorded.
    """
    if before is None or before.path != item["path"]:
        files = [str(name) for name in item.get("files", ())]
        details = {"files": files, "split": item.get("split")}
        case.add_evidence(
            item["role"],
            item["path"],
            item["sha256"],
            int(item["size"]),
            {name: value for name, value in details.items() if value},
        )
    elif not case.watch.settle(before, item["sha256"], seen):
        raise BadInput(
            f"The {item['role']} {item['path']} has changed since the case was made.",
            f"Its SHA-256 was {before.sha256[:16]}…, now it is {item['sha256'][:16]}….",
            "Restore the evidence, or make a new case of the changed one.",
        )


def _compare_signature(case: Case, run: RunJob, model: Path, sha256: str) -> None:
    """Let the engine compare the detached signature beside the model, if there is one."""
    # Found here: the engine may not look around in the model's folder.
    path = signature_beside(model)
    found = None
    if path is not None:
        asked = {"signature": str(path), "model": str(model), "sha256": sha256}
        found = run("signature", **asked)["signature"]
    if found or case.get("signature"):
        case.set("signature", found)


def warnings_of(
    model: dict[str, Any], dataset: dict[str, Any], reference: dict[str, Any] | None
) -> list[str]:
    """Return what must be said before any detector runs."""
    said: list[str] = []
    contents = model.get("contents") or {}
    if contents.get("remarkable"):
        said.append(f"The model file: {contents['summary']}")
    if model.get("doubt"):
        said.append(str(model["doubt"]))
    classes = int(model["num_classes"])
    names = dataset.get("class_names") or []
    if len(names) == 1:
        said.append("The dataset has one class only; nothing can be compared across classes.")
    if len(names) > classes:
        said.append(f"The dataset names {len(names)} classes, the model answers with {classes}.")
    if reference and reference.get("accuracy") is not None:
        said.append(
            f"Accuracy on the reference set: {reference['accuracy']:.1%} of "
            f"{reference['assessed']:,} samples. It serves trigger reconstruction, not calibration."
        )
    return said + [str(note) for note in dataset.get("notes", [])]
