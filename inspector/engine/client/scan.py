"""The scan, step by step: what is asked of the engine, and what the case records of it.

Every step is keyed by what it depends on; a step whose key the case already holds is skipped, so
that the command that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from inspector.case import Case
from inspector.case.array_files import write_array
from inspector.engine.client.audit import verified_codes
from inspector.engine.client.options import ScanOptions
from inspector.engine.client.refused import keep_refused
from inspector.engine.client.runs import keep_environment, keep_run
from inspector.engine.client.spec_file import record_spec
from inspector.engine.client.told_evidence import check_told
from inspector.engine.client.verified import read_ids, rows_of
from inspector.errors import BadInput, RefusedFile
from inspector.intake.models.spec import read_spec
from inspector.intake.signature import signature_beside

Emit = Callable[[dict[str, Any]], None]

DETECTOR_SIGNALS = (
    "assessed",
    "labels",
    "logits",
    "activations",
    "predicted",
    "loss",
    "thumbnails",
    "pixel_sha256",
)


class RunJob(Protocol):
    """Run one job in the engine, wait for it, and return its result."""

    def __call__(self, job: str, **arguments: Any) -> dict[str, Any]: ...


def key_of(**parts: Any) -> str:
    """Return 16 hexadecimal digits that stand for these values."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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


def scan(
    case: Case,
    run: RunJob,
    options: ScanOptions,
    emit: Emit,
    device: str,
) -> None:
    """Run every step of a scan and record it in the case.

    Parameters
    ----------
    case : Case
        Open for writing.
    run : RunJob
        Runs a job in the engine.
    options : ScanOptions
        Checked options with absolute paths.
    emit : callable
        Takes the events "stage", "array", "finding" and "log".
    device : str
        "cpu" or "cuda".
    """
    case.set("scan", options.as_record())
    choice = intake(case, run, options, emit)
    arrays = signals(case, run, options, choice, emit, device)
    detect(case, run, options, arrays, choice, emit)
    pca(case, run, options, arrays, emit)


def register(case: Case, arrays: list[dict[str, Any]], emit: Emit) -> None:
    """Take arrays that the engine wrote into the case, checked, and say that they are there."""
    for item in arrays:
        case.set_array(
            str(item["name"]),
            str(item["path"]),
            str(item["dtype"]),
            tuple(int(size) for size in item["shape"]),
            str(item["sha256"]),
        )
        emit({"event": "array", "name": str(item["name"])})


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
    recorded = {item.role: item for item in case.evidence()}
    # From before it is read: a change while it is hashed will be noticed at the next look.
    seen = {role: item.fingerprint() for role, item in recorded.items() if role != "verified"}
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
        elif not case.watch.settle(before, item["sha256"], seen[item["role"]]):
            raise BadInput(
                f"The {item['role']} {item['path']} has changed since the case was made.",
                f"Its SHA-256 was {before.sha256[:16]}…, now it is {item['sha256'][:16]}….",
                "Restore the evidence, or make a new case of the changed one.",
            )
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


def signals(
    case: Case,
    run: RunJob,
    options: ScanOptions,
    choice: dict[str, Any],
    emit: Emit,
    device: str,
) -> dict[str, str]:
    """Run the one pass, unless the case has it; return the signals' files by name."""
    dataset = case.get("dataset", {})
    key = key_of(
        spec=choice["spec"],
        digest=dataset["digest"],
        layer=options.layer or choice["spec"].get("layer"),
        limit=options.limit,
        sketch=options.sketch,
        seed=options.seed if options.limit or options.sketch else 0,
    )
    stage = "Signals"
    done = case.get("signals", {})
    if done.get("key") == key and all(case.has_array(name) for name in done["arrays"]):
        emit({"event": "stage", "stage": stage, "state": "skipped"})
        return _files(case, done["arrays"])
    emit({"event": "stage", "stage": stage, "state": "started"})
    result = run(
        "signals",
        model=str(options.model),
        data=str(options.data),
        choice=choice,
        folder=f"signals-{key}",
        layer=options.layer or choice["spec"].get("layer"),
        limit=options.limit,
        device=device,
        sketch=options.sketch,
        split=options.split,
        seed=options.seed,
    )
    register(case, result["arrays"], emit)
    unreadable = [(int(row), str(reason)) for row, reason in result["unreadable"]]
    case.set_unreadable(unreadable)
    if unreadable and len(unreadable) >= min(case.n, options.limit or case.n):
        raise BadInput(
            f"None of the {len(unreadable):,} images could be looked at.",
            f"The first, {case.locator(unreadable[0][0])}: {unreadable[0][1]}.",
            "Check that this is the data that the model was trained on.",
        )
    names = [item["name"] for item in result["arrays"]]
    environment = run("environment")
    # Together: signals that are there are never computed again, so their run must be told too.
    with case.transaction():
        case.set(
            "signals",
            {
                "key": key,
                "arrays": names,
                "device": result["device"],
                "layer": result["layer"],
                "seconds": result["seconds"],
                "turned": result["turned"],
            },
        )
        keep_run(
            case,
            "signals",
            keep_environment(case, environment),
            names,
            device=result["device"],
            layer=result["layer"],
            limit=options.limit,
            sketch=options.sketch,
            seed=options.seed,
        )
    emit({"event": "stage", "stage": stage, "state": "done"})
    return _files(case, names)


def _orientation(case: Case) -> str:
    """Return how images are turned before the model of the case sees them."""
    written = case.get("model", {}).get("model_spec", {})
    return str(written.get("preprocess", {}).get("orientation", "ignore"))


def _files(case: Case, names: list[str]) -> dict[str, str]:
    known = case.arrays()
    return {name: known[name].path for name in [*names, "labels"] if name in known}


def verified_array(case: Case, options: ScanOptions, emit: Emit) -> str | None:
    """Write what was verified as codes into the case; return their file, None without any.

    The codes are those of `audit.verified_codes`; a list of verified samples counts as clean.
    """
    codes = verified_codes(case)
    listed = None
    if options.verified is not None:
        listed = rows_of(read_ids(Path(options.verified)), case.n, case.locator)
        codes[listed] = 1
    if not codes.any():
        return None
    folder = case.derive("verified")
    path = folder / f"verified-{hashlib.sha256(codes.tobytes()).hexdigest()[:16]}.npy"
    item = {"name": "verified", **write_array(path, codes, case.derived)}
    register(case, [item], emit)
    if options.verified is not None and listed is not None:
        source = Path(options.verified)
        recorded = hashlib.sha256(source.read_bytes()).hexdigest()
        case.add_evidence(
            "verified", str(source), recorded, source.stat().st_size, {"samples": len(listed)}
        )
    return str(item["path"])


def detect(
    case: Case,
    run: RunJob,
    options: ScanOptions,
    arrays: dict[str, str],
    choice: dict[str, Any],
    emit: Emit,
) -> None:
    """Run the detectors and record findings, class table and verdict."""
    stage = "Detectors"
    emit({"event": "stage", "stage": stage, "state": "started"})
    wanted = {name: arrays[name] for name in (*DETECTOR_SIGNALS, "gradients") if name in arrays}
    verified = verified_array(case, options, emit)
    if verified:
        wanted["verified"] = verified
    key = key_of(
        signals=case.get("signals", {})["key"],
        detectors=options.detectors,
        seed=options.seed,
        verified=verified,
    )
    result = run(
        "detect",
        model=str(options.model),
        data=str(options.data),
        choice=choice,
        arrays=wanted,
        class_names=list(case.class_names),
        folder=f"findings-{key}",
        orientation=_orientation(case),
        detectors=list(options.detectors) if options.detectors is not None else None,
        split=options.split,
        seed=options.seed,
    )
    register(case, result["arrays"], emit)
    environment = keep_environment(case, run("environment"))
    digests = {str(item["name"]): item["sha256"] for item in result["arrays"]}
    for name, finding in result["findings"].items():
        made = {
            "device": "cpu",
            "environment": environment,
            "result": digests.get(str(finding.get("score_array"))),
        }
        case.record_finding(name, {**finding, **made})
        emit({"event": "finding", "detector": name})
    keep_run(case, "detect", environment, list(digests), seed=options.seed)
    warnings = [str(text) for text in case.get("warnings", [])]
    turned = int((case.get("signals") or {}).get("turned") or 0)
    if turned:
        followed = (case.get("dataset") or {}).get("orientation") == "exif"
        warnings.append(
            f"{turned:,} images carry an EXIF orientation, which is "
            f"{'followed' if followed else 'ignored, as in training through torchvision'}."
        )
    unreadable = len(case.unreadable())
    if unreadable:
        warnings.append(
            f"{case.n - unreadable:,} of {case.n:,} images read; {unreadable:,} unreadable."
        )
    if options.limit is not None and options.limit < case.n:
        warnings.append(f"Only {options.limit:,} of {case.n:,} samples were assessed (--limit).")
    case.set(
        "outcome",
        {
            "classes": result["classes"],
            "verdict": result["verdict"],
            "caveats": [*result["caveats"], *warnings],
            "calibrated": result["calibrated"],
            "columns": result["columns"],
        },
    )
    emit({"event": "stage", "stage": stage, "state": "done"})


def pca(case: Case, run: RunJob, options: ScanOptions, arrays: dict[str, str], emit: Emit) -> None:
    """Place the samples by their principal components."""
    emit({"event": "stage", "stage": "Map", "state": "started"})
    result = run(
        "pca",
        arrays={name: arrays[name] for name in ("activations", "assessed")},
        folder=f"map-{case.get('signals', {})['key']}",
        seed=options.seed,
    )
    register(case, result["arrays"], emit)
    emit({"event": "stage", "stage": "Map", "state": "done"})
