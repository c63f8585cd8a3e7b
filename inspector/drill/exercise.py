"""One drill: plant an attack in a copy of the data, let a copy of the model learn it, and look."""

from __future__ import annotations

import copy
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.detectors import Entry, Outcome, checked_for, run_detectors
from inspector.detectors.derived import with_layers
from inspector.drill.attack import Attack, Labels, Pixels
from inspector.drill.copies import OWN, copied, estimate_seconds, small_model
from inspector.drill.detectability import (
    FOUND_VERDICTS,
    audited,
    auroc,
    class_rank,
    draw_audit,
    found_at,
)
from inspector.drill.families import FAMILIES, Setting
from inspector.drill.pixel_network import PixelNetwork
from inspector.drill.planted_data import PlantedData
from inspector.drill.training import Course, train_network
from inspector.errors import BadInput
from inspector.intake.models import SuspectModel

HELD_OUT = 0.2
"""Share of the pictures that is kept to measure on."""

_SIGNALS = ("logits", "activations", "predicted", "loss", "thumbnails", "pixel_sha256")


@dataclass(frozen=True)
class Plan:
    """What a drill does.

    Attributes
    ----------
    attack : str
        See `families.FAMILIES`.
    size, opacity, place
        See `families.Setting`.
    rate : float
        Share of the training pictures that is poisoned.
    target : int
    architecture : str
        One of `ARCHITECTURES`.
    epochs, batch, learning_rate
        Of the training, see `Course`.
    seed : int
    audit : int
        Random members of each class that poison leads to, verified by somebody who recognises it;
        0 for none, as in a scan that nobody audited.
    """

    attack: str
    rate: float
    target: int
    size: int | None = None
    opacity: float | None = None
    place: str = "upper-left"
    architecture: str = OWN
    epochs: int = 5
    batch: int = 32
    learning_rate: float = 3e-3
    seed: int = 0
    audit: int = 0


def exercise(
    suspect: SuspectModel,
    images: Pixels,
    labels: Labels,
    class_names: Sequence[str],
    plan: Plan,
    *,
    entries: Sequence[Entry],
    folder: Path,
    control: Control | None = None,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Plant, train, scan, and return what was measured.

    Parameters
    ----------
    suspect : SuspectModel
        Stays as it is.
    images : ndarray, shape (n, H, W, C), uint8
        Of the network's size, RGB or grey; stay as they are.
    labels : ndarray, shape (n,), integer
    class_names : sequence of str
    plan : Plan
    entries : sequence of Entry
        Detectors to run.
    folder : Path
        Signals lie in a temporary folder below it meanwhile.
    control : Control, optional
    parameters : mapping of str to mapping, optional
        Values by detector id.

    Returns
    -------
    dict
        parameters, planted, covers, budget, success, accuracy, accuracy_before, auroc, tpr_at_1,
        target_rank, verdict, found, seconds, audit (see `detectability.audited`, with "verified" and
        "recognised"; None without).

    Raises
    ------
    BadInput
        An attack that is not there, or does not fit these pictures; a value that a detector cannot
        have.
    Cancelled
        By ``control``.
    """
    control, begun = control or Control(), time.perf_counter()
    # Before the training: a detector that refuses its values would seem to have looked in vain.
    parameters = checked_for(entries, parameters)
    random = np.random.default_rng(plan.seed)
    order = random.permutation(len(labels))
    share = round(HELD_OUT * len(labels))
    held, kept = np.sort(order[:share]), np.sort(order[share:])
    own = copied(suspect)
    attack = _attack(plan, own, images[held], labels[held], control)
    control.progress("Drill: planting", 0, 1, plan.attack)
    planted = attack.plant(images[kept], labels[kept], plan.target, plan.rate, random)
    control.progress("Drill: planting", 1, 1, f"{len(planted.rows)} of {len(kept)} pictures")
    learner, epochs = _learner(own, plan)
    budget = _budget(learner, planted.images, planted.labels, plan, epochs)
    control.log(
        f"Drill: {plan.attack} on {len(planted.rows)} of {len(kept):,} pictures, target "
        f"{class_names[plan.target]}: {epochs} epochs, about {budget['seconds']:.0f} s of training."
    )
    before = view_of(own, control).answers(images[held]) == labels[held]
    train_network(
        learner.network,
        planted.images,
        planted.labels,
        course=Course(epochs, plan.batch, plan.learning_rate),
        normalise=learner.preprocess.normalise,
        seed=plan.seed,
        control=control,
    )
    view = view_of(learner, control)
    shown, wanted = attack.trials(images[held], labels[held], plan.target)
    flags = np.zeros(len(kept), bool)
    flags[planted.rows] = True
    led_to = np.unique(planted.labels[planted.rows])
    audit = np.random.default_rng([plan.seed, 1])
    codes, recognised = draw_audit(planted.labels, flags, led_to, plan.audit, audit)
    data = PlantedData(planted.images, planted.labels, class_names)
    outcome = _scan(learner, data, codes, entries, folder, plan.seed, control, parameters)
    outcome.refuse_failed(parameters)
    rank = class_rank(outcome.classes, led_to)
    verdicts = [row["verdict"] for row in outcome.classes if row["index"] in led_to]
    verdict = next((name for name in ("high", "medium", "low") if name in verdicts), "none")
    return {
        "attack": attack.name,
        "clean_label": attack.clean_label,
        "parameters": attack.parameters,
        "planted": len(planted.rows),
        "covers": len(planted.covers),
        "held_out": len(held),
        "trials": len(wanted),
        "budget": budget,
        "success": float((view.answers(shown) == wanted).mean()) if len(wanted) else None,
        "accuracy": float((view.answers(images[held]) == labels[held]).mean()),
        "accuracy_before": float(before.mean()),
        "auroc": auroc(outcome.combined, flags),
        "tpr_at_1": found_at(outcome.combined, flags),
        "target_rank": rank,
        "verdict": verdict,
        "found": rank == 1 and verdict in FOUND_VERDICTS,
        "audit": {
            "verified": int(codes.sum()),
            "recognised": recognised,
            **audited(outcome.classes, outcome.q_value, flags, led_to),
        }
        if plan.audit
        else None,
        "seconds": time.perf_counter() - begun,
    }


def training_budget(
    suspect: SuspectModel, images: Pixels, labels: Labels, plan: Plan
) -> dict[str, Any]:
    """Return what the training of a drill will take: images, epochs and estimated seconds.

    Parameters are those of `exercise`; nothing is planted, and one step is measured.
    """
    learner, epochs = _learner(copied(suspect), plan)
    count = len(labels) - round(HELD_OUT * len(labels))
    return _budget(learner, images[:count], labels[:count], plan, epochs)


def view_of(model: SuspectModel, control: Control) -> PixelNetwork:
    """Return a model as attacks and measurements see it."""
    return PixelNetwork(
        model.network, model.preprocess.normalise, head=model.head, check=control.check
    )


def _budget(
    learner: SuspectModel, images: Pixels, labels: Labels, plan: Plan, epochs: int
) -> dict[str, Any]:
    seconds = estimate_seconds(learner, images, labels, plan.batch, epochs)
    return {"images": len(labels), "epochs": epochs, "seconds": seconds}


def _attack(
    plan: Plan, own: SuspectModel, images: Pixels, labels: Labels, control: Control
) -> Attack:
    if plan.attack not in FAMILIES:
        raise BadInput(f"There is no attack {plan.attack!r}.", f"There are: {', '.join(FAMILIES)}.")
    return FAMILIES[plan.attack](
        Setting(
            size=plan.size,
            opacity=plan.opacity,
            place=plan.place,
            target=plan.target,
            classes=own.num_classes,
            images=images,
            labels=labels,
            network=view_of(own, control),
        )
    )


def _learner(own: SuspectModel, plan: Plan) -> tuple[SuspectModel, int]:
    """Return the model to be trained, and for how many epochs."""
    if plan.architecture == OWN:
        return replace(own, network=copy.deepcopy(own.network)), plan.epochs
    return small_model(own, plan.architecture, plan.seed), 3 * plan.epochs  # from nothing


def _scan(
    model: SuspectModel,
    data: PlantedData,
    verified: NDArray[np.int8],
    entries: Sequence[Entry],
    folder: Path,
    seed: int,
    control: Control,
    parameters: Mapping[str, Mapping[str, Any]] | None,
) -> Outcome:
    """Make the pass and run the detectors, as a scan does."""
    from inspector.signals import compute_signals

    place = Path(tempfile.mkdtemp(prefix="drill-", dir=folder))
    try:
        signals = compute_signals(
            model,
            data,
            place,
            layer=model.layer,
            layers=("auto",),
            seed=seed,
            control=control,
        )
        loaded = {
            name: np.load(signals.arrays[name], allow_pickle=False)
            for name in signals.arrays
            if name in (*_SIGNALS, "assessed") or name.startswith("layer-")
        }
    finally:
        shutil.rmtree(place, ignore_errors=True)
    assessed = loaded.pop("assessed", np.ones(len(data), np.bool_))
    return run_detectors(
        with_layers(loaded, signals.layers),
        data.labels,
        assessed,
        data.class_names,
        entries=entries,
        parameters=parameters,
        seed=seed,
        verified=verified if verified.any() else None,
        images=lambda rows: [data.decode(int(row)) for row in rows],
        control=control,
    )
