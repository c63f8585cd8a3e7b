"""Train a copy without some samples, and one with them: does a trigger still work afterwards?"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.drill.attack import Labels, Pixels
from inspector.drill.copies import copied, estimate_seconds, redrawn
from inspector.drill.exercise import HELD_OUT, view_of
from inspector.drill.pixel_network import PixelNetwork, pictures_of, pixels_of
from inspector.drill.training import Course, train_network
from inspector.errors import BadInput
from inspector.intake.models import SuspectModel
from inspector.triggers import Stamp
from inspector.triggers.result import wilson_interval

SCRATCH, WEIGHTS, AUTOMATIC = "scratch", "weights", "auto"
STARTS = (AUTOMATIC, SCRATCH, WEIGHTS)
"""From weights drawn anew; from the suspect's weights with a last layer drawn anew; the first of the
two that is possible."""

EPOCHS = {SCRATCH: 15, WEIGHTS: 5}
_PORTION = 256
_FEWEST = 20
"""Samples to train on, and held-out samples to put the trigger on; fewer measure nothing."""


@dataclass(frozen=True)
class Trial:
    """How copies are trained.

    Attributes
    ----------
    start : str
        One of `STARTS`.
    epochs : int or None
        Passes over the samples; `EPOCHS` of the start when None.
    seconds : float or None
        As many epochs as this time allows, at least one, in place of ``epochs``.
    batch, learning_rate
        Of the training, see `Course`.
    seed : int
        Of the split, the weights and the order.
    """

    start: str = AUTOMATIC
    epochs: int | None = None
    seconds: float | None = None
    batch: int = 32
    learning_rate: float = 3e-3
    seed: int = 0


@dataclass(frozen=True)
class Budget:
    """What both trainings together will take.

    Attributes
    ----------
    start : str
        `SCRATCH` or `WEIGHTS`.
    why : str
        Why not from scratch; "" when it is, or was not asked for.
    epochs, steps : int
        Of each training.
    seconds : float
        Estimated from a measured step.
    """

    start: str
    why: str
    epochs: int
    steps: int
    seconds: float


def check_cleaning(
    suspect: SuspectModel,
    images: Pixels,
    labels: Labels,
    removed: NDArray[np.bool_],
    target: int,
    stamp: Stamp,
    trial: Trial,
    *,
    only_budget: bool = False,
    control: Control | None = None,
) -> dict[str, Any]:
    """Train two copies alike, without and with the removed samples, and try a trigger on all three.

    Parameters
    ----------
    suspect : SuspectModel
        Stays as it is.
    images : ndarray, shape (n, H, W, C), uint8
        Of the network's size.
    labels : ndarray, shape (n,), integer
    removed : ndarray, shape (n,), bool
        Samples that the cleaning takes away. None of them is held out to measure on.
    target : int
        Class of the trigger.
    stamp : Stamp
    trial : Trial
    only_budget : bool
        Train nothing; return ``budget``, ``train``, ``removed`` and ``held_out`` alone.
    control : Control, optional

    Returns
    -------
    dict
        budget (see `Budget`), train, removed, held_out (counts), seconds, and for each of "before",
        "cleaned" and "kept": accuracy, success and usual, each (right, of how many, low, high).
        "success" counts held-out samples of other classes that are answered with the trigger's once
        they carry it, "usual" those that are without it.

    Raises
    ------
    BadInput
        Nothing is removed, too little stays, or the start is not possible.
    Cancelled
        By ``control``.

    Notes
    -----
    Both trainings have the same start, number of steps and order seed: whatever training alone does
    to a trigger, it does to both.
    """
    control, begun = control or Control(), time.perf_counter()
    stay = np.flatnonzero(~removed)
    order = np.random.default_rng(trial.seed).permutation(stay)
    held = np.sort(order[: round(HELD_OUT * len(stay))])
    cleaned = np.sort(order[len(held) :])
    kept = np.sort(np.concatenate([cleaned, np.flatnonzero(removed)]))
    _refuse_too_few(labels, removed, cleaned, held, target)
    own = copied(suspect)
    fresh, start, why = _started(own, trial)
    budget = _budget(fresh, images[kept], labels[kept], start, why, trial)
    counts = {"train": len(cleaned), "removed": int(removed.sum()), "held_out": len(held)}
    told = {"budget": budget.__dict__, **counts}
    if only_budget:
        return told
    measured = {
        "before": _measured(view_of(own, control), images[held], labels[held], target, stamp)
    }
    for name, rows in (("cleaned", cleaned), ("kept", kept)):
        control.log(f"Training on {len(rows):,} samples, the tagged ones {_WORDS[name]}.")
        learner = replace(fresh, network=copy.deepcopy(fresh.network))
        train_network(
            learner.network,
            images[rows],
            labels[rows],
            course=Course(budget.epochs, trial.batch, trial.learning_rate, budget.steps),
            normalise=learner.preprocess.normalise,
            seed=trial.seed,
            control=control,
            stage=f"Training, tagged samples {_WORDS[name]}",
        )
        view = view_of(learner, control)
        measured[name] = _measured(view, images[held], labels[held], target, stamp)
    return {**told, **measured, "seconds": time.perf_counter() - begun}


_WORDS = {"cleaned": "left out", "kept": "kept"}


def _refuse_too_few(
    labels: Labels,
    removed: NDArray[np.bool_],
    cleaned: NDArray[np.intp],
    held: NDArray[np.intp],
    target: int,
) -> None:
    if not removed.any():
        raise BadInput(
            "None of the samples that were drawn is tagged.",
            "Without them nothing changes.",
            "Tag samples first, or draw more with --images.",
        )
    if len(cleaned) < _FEWEST or int((labels[held] != target).sum()) < _FEWEST:
        raise BadInput(
            "Too few samples stay to train on and to measure with.",
            f"{len(cleaned)} to train on and {int((labels[held] != target).sum())} of other classes "
            f"to measure with; each needs {_FEWEST}.",
            "Tag fewer samples, or draw more with --images.",
        )


def _started(own: SuspectModel, trial: Trial) -> tuple[SuspectModel, str, str]:
    """Return the untrained copy, how it starts, and why not otherwise."""
    network = copy.deepcopy(own.network)
    cause = "" if trial.start == WEIGHTS else redrawn(network, trial.seed)
    if trial.start != WEIGHTS and not cause:
        return replace(own, network=network), SCRATCH, ""
    if trial.start == SCRATCH:
        raise BadInput(
            "This network cannot be trained from scratch.", cause, "Use --start weights instead."
        )
    network = copy.deepcopy(own.network)
    head = dict(network.named_modules()).get(own.head) if own.head else None
    if head is not None:
        redrawn(head, trial.seed)
    return replace(own, network=network), WEIGHTS, cause


def _budget(
    model: SuspectModel, images: Pixels, labels: Labels, start: str, why: str, trial: Trial
) -> Budget:
    """Measure a step, and say how many epochs there will be and what both trainings take."""
    once = 2 * estimate_seconds(model, images, labels, trial.batch, 1)
    epochs = trial.epochs or EPOCHS[start]
    if trial.seconds is not None:
        epochs = min(max(1, int(trial.seconds / once)) if once else epochs, 1000)
    steps = epochs * math.ceil(len(labels) / trial.batch)
    return Budget(start, why, epochs, steps, round(once * epochs, 1))


def _measured(
    view: PixelNetwork, images: Pixels, labels: Labels, target: int, stamp: Stamp
) -> dict[str, list[float]]:
    others = images[labels != target]
    right = int((view.answers(images) == labels).sum())
    usual = int((view.answers(others) == target).sum())
    turned = sum(int((view.answers(some) == target).sum()) for some in _stamped(others, stamp))
    return {
        "accuracy": _rate(right, len(images)),
        "success": _rate(turned, len(others)),
        "usual": _rate(usual, len(others)),
    }


def _stamped(images: Pixels, stamp: Stamp) -> Iterator[Pixels]:
    for start in range(0, len(images), _PORTION):
        some = images[start : start + _PORTION]
        yield pictures_of(stamp.on(pixels_of(some)), some)


def _rate(hits: int, trials: int) -> list[float]:
    low, high = wilson_interval(hits, trials)
    return [hits, trials, float(low), float(high)]
