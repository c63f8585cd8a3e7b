"""Ask the engine for drills, and keep what they measured in the case."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from inspector.case import Case
from inspector.engine.client.options import ScanOptions, as_looked
from inspector.engine.client.steps import RunJob, key_of
from inspector.errors import BadInput, Cancelled

Agree = Callable[[dict[str, Any]], bool]
"""Takes the budget (drills, kept, images, epochs, seconds) and says whether to begin."""

ATTACKS = (
    *("patch", "blended", "sinusoid", "warp", "adaptive-blend", "all-to-all"),
    *("source-specific", "label-consistent", "feature-collision"),
)
"""Names of the attacks; the engine has their code."""

PATCHED = ("patch", "all-to-all", "source-specific", "label-consistent")
"""Those whose trigger is a patch; the others have no size."""

PLACES = ("upper-left", "upper-right", "lower-left", "lower-right", "centre")
ARCHITECTURES = ("own", "plain-cnn", "resnet")

KIND = "drill"
"""Of the records in the case."""


@dataclass(frozen=True)
class DrillPlan:
    """What one drill does.

    Attributes
    ----------
    target : int
        Class that the trigger leads to.
    attack : str
        One of `ATTACKS`.
    size : int or None
        Side of a patch in pixels; None for a ninth of the picture.
    opacity : float or None
        Strength of the trigger; None for the attack's own.
    place : str
        Of a patch.
    rate : float
        Share of the training pictures that is poisoned.
    architecture : str
        "own" fine-tunes a copy of the case's model, others are trained from nothing.
    epochs : int
    learning_rate : float
    images : int
        Random pictures of the data that are used; a fifth of them is held out to measure on.
    seed : int
    audit : int
        Random members of the target class that are taken as verified; 0 for none.
    """

    target: int
    attack: str = "patch"
    size: int | None = None
    opacity: float | None = None
    place: str = "upper-left"
    rate: float = 0.02
    architecture: str = "own"
    epochs: int = 5
    learning_rate: float = 3e-3
    images: int = 2000
    seed: int = 0
    audit: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be done.

        Raises
        ------
        BadInput
            A name is unknown or a number out of range.
        """
        for what, value, known in (
            ("attack", self.attack, ATTACKS),
            ("place", self.place, PLACES),
            ("architecture", self.architecture, ARCHITECTURES),
        ):
            if value not in known:
                raise BadInput(f"There is no {what} {value!r}.", f"There are: {', '.join(known)}.")
        for what, number, low, high in (
            ("rate", self.rate, 0.0001, 0.5),
            ("size", self.size, 1, 512),
            ("opacity", self.opacity, 0.0, 1.0),
            ("number of epochs", self.epochs, 1, 100),
            ("learning rate", self.learning_rate, 1e-7, 1.0),
            ("number of images", self.images, 50, 50_000),
            ("number of verified samples", self.audit, 0, 50_000),
        ):
            if number is not None and not low <= number <= high:
                raise BadInput(
                    f"A {what} of {number:g} is not possible.", "", f"Give {low:g} to {high:g}."
                )


def grid(
    base: DrillPlan,
    *,
    sizes: Sequence[int | None],
    opacities: Sequence[float | None],
    rates: Sequence[float],
    learning_rates: Sequence[float],
    architectures: Sequence[str],
) -> list[DrillPlan]:
    """Return one plan for every combination; triggers without a size have one."""
    if base.attack not in PATCHED:
        sizes = [None]
    return [
        replace(
            base, size=size, opacity=opacity, rate=rate, learning_rate=step, architecture=network
        )
        for network, step, rate, size, opacity in itertools.product(
            architectures, learning_rates, rates, sizes, opacities
        )
    ]


def quietest_class(case: Case) -> int:
    """Return the class that stands out least in the scan: poison planted there is not mixed up.

    Raises
    ------
    BadInput
        The case was not scanned.
    """
    rows = (case.get("outcome") or {}).get("classes") or []
    known = [row for row in rows if row["statistic"] is not None] or rows
    if not known:
        raise BadInput("There is nothing to plant in.", "The case was not scanned.", "Scan first.")
    return int(min(known, key=lambda row: row["statistic"] or 0.0)["index"])


def left_out(case: Case, target: int) -> list[int]:
    """Return the classes that stood out in the scan: poison in them would hide what is planted.

    None is left out when fewer than three classes would stay.
    """
    rows = (case.get("outcome") or {}).get("classes") or []
    loud = [
        int(row["index"])
        for row in rows
        if row["verdict"] in ("medium", "high") and row["index"] != target
    ]
    filled = sum(row["count"] > 0 for row in rows)
    return loud if filled - len(loud) >= 3 else []


def exercised(case: Case, targets: Collection[int]) -> ScanOptions:
    """Return the options of the scan that is to be put to the test.

    Raises
    ------
    BadInput
        No scan yet, or a class that is not there.
    """
    if not case.get("outcome") or not case.get("model"):
        raise BadInput("There is nothing to plant in.", "The case was not scanned.", "Scan first.")
    if wrong := [target for target in targets if not 0 <= target < len(case.class_names)]:
        raise BadInput(
            f"There is no class {wrong[0]}.", f"There are {len(case.class_names)}.", "Count from 0."
        )
    return as_looked(case)


def measure(
    case: Case,
    run: RunJob,
    options: ScanOptions,
    plans: Sequence[DrillPlan],
    emit: Callable[[dict[str, Any]], None],
    agree: Agree | None = None,
) -> list[str]:
    """Run those drills that the case does not hold yet, keep each, and return all their keys.

    Parameters
    ----------
    case : Case
    run : RunJob
    options : ScanOptions
        From `exercised`.
    plans : sequence of DrillPlan
    emit : callable
        Takes the events "progress", "log", and "drilled" after each.
    agree : callable, optional
        Is told what the drills that are left will take before any begins.

    Raises
    ------
    Cancelled
        The budget was not agreed to.
    """
    keys = [_key(case, options, plan) for plan in plans]
    done, count = case.kept(KIND), len(plans)
    left = [plan for key, plan in zip(keys, plans) if key not in done]
    if agree is not None and left and not agree(_budget(case, run, options, left, count)):
        raise Cancelled()
    for number, (key, plan) in enumerate(zip(keys, plans), 1):
        if count > 1:
            stage = {"event": "progress", "stage": "Drills", "done": number - 1, "total": count}
            emit({**stage, "text": plan.attack})
        if key in done:
            emit({"event": "log", "text": f"Drill {number} of {count}: already in the case"})
            continue
        if count > 1:
            emit({"event": "log", "text": f"Drill {number} of {count}"})
        result = run("drill", **_arguments(case, options, plan))
        said = {name: result[name] for name in ("success", "auroc", "found")}
        case.keep(
            KIND,
            key,
            {
                **result,
                "settings": asdict(plan),
                "left_out": left_out(case, plan.target),
                "detector_parameters": {k: dict(v) for k, v in options.parameters.items()},
            },
            settings=asdict(plan),
            **said,
        )
        emit({"event": "drilled", "key": key})
    if count > 1:
        emit({"event": "progress", "stage": "Drills", "done": count, "total": count, "text": ""})
    return keys


def _key(case: Case, options: ScanOptions, plan: DrillPlan) -> str:
    spec = case.get("model")["spec"]
    return key_of(
        # Drills without an audit keep the keys that they had before there were any.
        plan={k: v for k, v in asdict(plan).items() if k != "audit" or v},
        left_out=left_out(case, plan.target),
        model=spec["sha256"],
        data=case.get("dataset", {})["digest"],
        detectors=options.detectors,
        layer=options.layer or spec.get("layer"),
        **({"parameters": options.parameters} if options.parameters else {}),
    )


def _arguments(case: Case, options: ScanOptions, plan: DrillPlan) -> dict[str, Any]:
    spec = case.get("model")["spec"]
    return {
        "model": str(options.model),
        "data": str(options.data),
        "choice": {"spec": spec},
        "class_names": list(case.class_names),
        "plan": {name: value for name, value in asdict(plan).items() if name != "images"},
        "images": plan.images,
        "left_out": left_out(case, plan.target),
        "layer": options.layer or spec.get("layer"),
        "detectors": list(options.detectors) if options.detectors is not None else None,
        "split": options.split,
        "parameters": {name: dict(values) for name, values in options.parameters.items()},
    }


def _budget(
    case: Case, run: RunJob, options: ScanOptions, plans: Sequence[DrillPlan], asked: int
) -> dict[str, Any]:
    """Measure a training step of each network, and add up what these drills will take."""
    known: dict[tuple[Any, ...], dict[str, Any]] = {}
    seconds = 0.0
    for plan in plans:
        alike = (plan.architecture, plan.epochs, plan.images, plan.target)
        if alike not in known:
            told = run("drill", only_budget=True, **_arguments(case, options, plan))
            known[alike] = {name: int(told[name]) for name in ("images", "epochs")}
            known[alike]["seconds"] = max(0.0, float(told["seconds"]))
        seconds += known[alike]["seconds"]
    first = next(iter(known.values()))
    return {
        "drills": len(plans),
        "kept": asked - len(plans),
        "images": first["images"],
        "epochs": first["epochs"],
        "seconds": round(seconds, 1),
    }
