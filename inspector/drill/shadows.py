"""Shadow networks: clean look-alikes of the suspect, to see what is usual without a backdoor."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from inspector.api import Control
from inspector.drill.attack import Labels, Pixels
from inspector.drill.copies import RESIDUAL, copied, estimate_seconds, redrawn, small_model
from inspector.drill.exercise import HELD_OUT, view_of
from inspector.drill.training import Course, train_network
from inspector.intake.models import SuspectModel

STAGE = "Shadow networks"

SEARCH_SHARE = 2 / 3
"""Of a training step for a picture: a search needs no slopes of weights."""


@dataclass(frozen=True)
class ShadowPlan:
    """How shadows are trained.

    Attributes
    ----------
    count : int
    epochs : int
        Passes over four fifths of the samples, other ones for each shadow; the rest tells its accuracy.
    batch, learning_rate
        See `Course`.
    seed : int
        Shadows are numbered from 1; number and seed give weights, split and order.
    """

    count: int
    epochs: int = 15
    batch: int = 32
    learning_rate: float = 3e-3
    seed: int = 0


def untrained(suspect: SuspectModel, seed: int) -> tuple[SuspectModel, str]:
    """Return a network like the suspect's with weights drawn from a seed, and why it is another one.

    Returns
    -------
    model : SuspectModel
        For pictures of the network's size. Never the suspect's weights: they may hold the backdoor.
    why : str
        Why it is a small residual network instead; "" when it has the suspect's architecture.
    """
    own = copied(suspect)
    why = redrawn(own.network, seed)
    return (small_model(own, RESIDUAL, seed), why) if why else (own, "")


def shadow_budget(
    suspect: SuspectModel, images: Pixels, labels: Labels, plan: ShadowPlan, searched: int
) -> dict[str, Any]:
    """Return what all shadows will take, from some measured steps.

    Parameters
    ----------
    suspect : SuspectModel
    images : ndarray, shape (n, H, W, C), uint8
        Of the network's size.
    labels : ndarray, shape (n,), integer
    plan : ShadowPlan
    searched : int
        Pictures that the search of one shadow looks at.

    Returns
    -------
    dict
        count, epochs, train, architecture, why, and seconds.
    """
    model, why = untrained(suspect, plan.seed + 1)
    train = len(labels) - round(HELD_OUT * len(labels))
    once = estimate_seconds(model, images[:train], labels[:train], plan.batch, 1)
    picture = once / max(1, plan.batch * math.ceil(train / plan.batch))
    seconds = plan.count * (once * plan.epochs + SEARCH_SHARE * picture * searched)
    return {
        "count": plan.count,
        "epochs": plan.epochs,
        "train": train,
        "architecture": model.architecture,
        "why": why,
        "seconds": round(seconds, 1),
    }


def train_shadow(
    suspect: SuspectModel,
    images: Pixels,
    labels: Labels,
    plan: ShadowPlan,
    number: int,
    control: Control,
) -> tuple[SuspectModel, float]:
    """Train one shadow.

    Parameters
    ----------
    suspect : SuspectModel
        Stays as it is.
    images : ndarray, shape (n, H, W, C), uint8
        Of the network's size.
    labels : ndarray, shape (n,), integer
    plan : ShadowPlan
    number : int
        Which, from 1.
    control : Control

    Returns
    -------
    shadow : SuspectModel
        With the suspect's own preprocessing.
    accuracy : float
        On held-out samples.
    """
    seed = plan.seed + number
    fresh, _ = untrained(suspect, seed)
    order = np.random.default_rng(seed).permutation(len(labels))
    held, rest = np.split(order, [round(HELD_OUT * len(labels))])
    train_network(
        fresh.network,
        images[rest],
        labels[rest],
        course=Course(plan.epochs, plan.batch, plan.learning_rate),
        normalise=fresh.preprocess.normalise,
        seed=seed,
        control=control,
        stage=STAGE,
    )
    right = view_of(fresh, control).answers(images[held]) == labels[held]
    accuracy = float(right.mean()) if len(held) else float("nan")
    return replace(suspect, network=fresh.network, head=fresh.head), accuracy
