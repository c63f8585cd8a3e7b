"""The scan, step by step: what is asked of the engine, and what the case records of it.

Every step is keyed by what it depends on; a step whose key the case already holds is skipped, so
that the command that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from inspector.case import Case
from inspector.case.array_files import write_array
from inspector.engine.choosing import check_running
from inspector.engine.client.audit import verified_codes
from inspector.engine.client.checkpoints import course
from inspector.engine.client.options import ScanOptions
from inspector.engine.client.raised import raised_limits
from inspector.engine.client.runs import keep_environment, keep_run
from inspector.engine.client.steps import Emit, RunJob, key_of, register
from inspector.engine.client.taking_in import intake
from inspector.engine.client.verified import read_ids, rows_of
from inspector.errors import BadInput
from inspector.parameters import checked_settings, infos_of

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
    if options.parameters:
        options = with_checked_parameters(options, run("catalogue")["detectors"])
    case.journal.append("scan started", options=options.as_record())
    case.set("scan", options.as_record())
    choice = intake(case, run, options, emit)
    arrays = signals(case, run, options, choice, emit, device)
    fitted = course(case, run, options, choice, emit, device)
    # The map first: it takes a moment, and is something to look at while the detectors run.
    pca(case, run, options, arrays, emit)
    detect(case, run, options, arrays, fitted, choice, emit)
    case.journal.append("scan finished", verdict=case.get("outcome", {}).get("verdict"))


def with_checked_parameters(options: ScanOptions, rows: list[dict[str, Any]]) -> ScanOptions:
    """Return the options with every value of a parameter checked, and in its type.

    Parameters
    ----------
    options : ScanOptions
    rows : list of dict
        The engine's catalogue of detectors.

    Raises
    ------
    BadInput
        A detector, parameter or value that is not possible, or a detector that would not run.
    """
    infos = infos_of(rows)
    settings = checked_settings(options.parameters, infos)
    check_running(settings, infos, options.detectors, options.absent)
    return replace(options, parameters=settings)


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
    raised = raised_limits(case)
    key = key_of(
        # Pictures that were too large before are read when a limit is raised.
        **({"limits": raised} if raised else {}),
        spec=choice["spec"],
        digest=dataset["digest"],
        layer=options.layer or choice["spec"].get("layer"),
        limit=options.limit,
        sketch=options.sketch,
        seed=options.seed if options.limit or options.sketch or options.conv_sketch else 0,
        **({"conv_sketch": options.conv_sketch} if options.conv_sketch else {}),
        **({"layers": options.layers} if options.layers else {}),
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
        layers=list(options.layers),
        limit=options.limit,
        device=device,
        sketch=options.sketch,
        conv_sketch=options.conv_sketch,
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
                "layers": [str(name)[:200] for name in result["layers"]],
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
            layers=[str(name)[:200] for name in result["layers"]],
            limit=options.limit,
            sketch=options.sketch,
            conv_sketch=options.conv_sketch,
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
    fitted: dict[str, str],
    choice: dict[str, Any],
    emit: Emit,
) -> None:
    """Run the detectors and record findings, class table and verdict.

    ``fitted`` are the files of `checkpoints.course`.
    """
    stage = "Detectors"
    emit({"event": "stage", "stage": stage, "state": "started"})
    wanted = {
        name: file
        for name, file in arrays.items()
        if name in (*DETECTOR_SIGNALS, "gradients", "conv_gradients") or name.startswith("layer-")
    }
    verified = verified_array(case, options, emit)
    if verified:
        wanted["verified"] = verified
    key = key_of(
        signals=case.get("signals", {})["key"],
        detectors=options.detectors,
        seed=options.seed,
        verified=verified,
        **({"checkpoints": list(fitted)} if fitted else {}),
        **({"parameters": options.parameters} if options.parameters else {}),
    )
    result = run(
        "detect",
        model=str(options.model),
        data=str(options.data),
        choice=choice,
        arrays=wanted,
        courses={
            kind: [file for name, file in fitted.items() if name.startswith(f"course:{kind}:")]
            for kind in ("loss", "margin")
        },
        layers=list(case.get("signals", {}).get("layers") or ()),
        class_names=list(case.class_names),
        folder=f"findings-{key}",
        orientation=_orientation(case),
        detectors=list(options.detectors) if options.detectors is not None else None,
        split=options.split,
        seed=options.seed,
        parameters={name: dict(values) for name, values in options.parameters.items()},
        base=key_of(signals=case.get("signals", {})["key"], checkpoints=list(fitted)),
        kept=_done_before(case),
    )
    kept = [str(name) for name in result["kept"]]
    if strange := set(kept) - set(case.findings()):
        raise ValueError(f"the engine kept {sorted(strange)}, which never ran")
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
    if kept:
        ran = ", ".join(str(one["title"]) for one in result["findings"].values()) or "none"
        emit({"event": "log", "text": f"Kept as they were: {len(kept)} detectors; run: {ran}."})
    yielded = [*digests, *(name for one in kept for name in _arrays_of(case, one))]
    keep_run(case, "detect", environment, yielded, seed=options.seed)
    warnings = [str(text) for text in case.get("warnings", [])]
    for name in sorted(set(options.parameters) - {*result["findings"], *kept}):
        warnings.append(f"Values were set for {name}, which did not run: they changed nothing.")
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
            "order": [str(name) for name in result["order"]],
        },
    )
    emit({"event": "stage", "stage": stage, "state": "done"})


def _done_before(case: Case) -> dict[str, dict[str, str]]:
    """Return key and file of the scores of every detector that has run to its end."""
    arrays, found = case.arrays(), {}
    for name, finding in case.findings().items():
        scores = arrays.get(str(finding.get("score_array")))
        if finding.get("status") == "done" and finding.get("key") and scores is not None:
            found[name] = {"key": str(finding["key"]), "scores": scores.path}
    return found


def _arrays_of(case: Case, detector: str) -> list[str]:
    """Return the names of all arrays that a run of a detector has yielded."""
    exact = {f"score:{detector}", f"sample_maps:{detector}", f"sample_map_rows:{detector}"}
    return [
        name for name in case.arrays() if name in exact or name.startswith(f"artifact:{detector}:")
    ]


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
