"""Groups planted in signals, to see whether a scan would find them: what stands for poison.

Nothing is trained: activations, or answers, of some samples are moved as poison would move them.
Where the answers follow linearly from the activations (the last layer of almost every classifier),
they are moved along, so that detectors of gradients see the group as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from inspector.statistics.covariance import concentrated_moments, whitener
from inspector.statistics.spectra import principal_components

Canary = Literal["features", "others", "gradients"]
CANARIES: tuple[Canary, ...] = get_args(Canary)

_WIDTH = 24
_LINEAR = 1e-3
"""Largest share of the variance of the answers that a linear map may leave unexplained."""


@dataclass(frozen=True)
class Spread:
    """The spread of the bulk of a class.

    Attributes
    ----------
    steps : ndarray, shape (k, d), float64
        A unit vector of length k times it is one deviation of the bulk.
    directions : int
        k, the directions in which anything moves.
    """

    steps: NDArray[np.float64]
    directions: int


@dataclass(frozen=True)
class Grounds:
    """The class that groups are planted in, with some samples of the others beside it.

    Attributes
    ----------
    signals : dict of str to ndarray
        "activations" (n, d), and "logits" (n, C) where they can be moved along. The class first.
    labels : ndarray, shape (n,), int32
    own : int
        Members of the class.
    """

    signals: dict[str, NDArray[np.float32]]
    labels: NDArray[np.int32]
    own: int

    @property
    def others(self) -> NDArray[np.intp]:
        """Rows of the other classes."""
        return np.arange(self.own, len(self.labels))


Plant = Callable[[NDArray[np.intp], float, np.random.Generator], dict[str, NDArray[np.float32]]]
"""Rows of the class, a distance, and randomness; gives signals with a group planted there."""


def planter(grounds: Grounds, canary: Canary) -> tuple[Plant, int]:
    """Return what plants groups of a kind, and the directions that it moves them in.

    Parameters
    ----------
    grounds : Grounds
    canary : {"features", "others", "gradients"}
        "features": samples of the class itself, their activations moved in a random direction.
        "others": the activations of samples of other classes, drawn to the centre of the class and
        moved: they keep the shape of another class, as poison with a trigger does. "gradients":
        samples whose answers lean to one other class while their activations stay, so that the
        gradient alone tells.

    Raises
    ------
    ValueError
        Gradients are to be moved, and the answers are not at hand.
    """
    features = grounds.signals["activations"]
    if canary == "gradients":
        if "logits" not in grounds.signals:
            raise ValueError("gradients need logits")
        return _of_answers(grounds)
    spread = bulk_spread(features[: grounds.own])
    head = linear_head(features, grounds.signals.get("logits"))
    centre = features[: grounds.own].mean(axis=0, dtype=np.float64)
    means = {
        int(label): features[grounds.labels == label].mean(axis=0, dtype=np.float64)
        for label in np.unique(grounds.labels[grounds.own :])
    }

    def plant(
        rows: NDArray[np.intp], distance: float, random: np.random.Generator
    ) -> dict[str, NDArray[np.float32]]:
        step = _step(spread, distance, random)
        moved = features.copy()
        if canary == "others":
            donors = random.choice(
                grounds.others, len(rows), replace=len(grounds.others) < len(rows)
            )
            away = np.stack([means[int(label)] for label in grounds.labels[donors]])
            moved[rows] = (features[donors] - away + centre + step).astype(np.float32)
        else:
            moved[rows] += step.astype(np.float32)
        planted = {"activations": moved}
        if head is not None:
            answers = grounds.signals["logits"].copy()
            answers[rows] += (moved[rows] - features[rows]) @ head
            planted["logits"] = answers
        return planted

    return plant, spread.directions


def _of_answers(grounds: Grounds) -> tuple[Plant, int]:
    """Let answers lean from the class to one other, in deviations of their difference."""
    answers = grounds.signals["logits"]
    own = int(grounds.labels[0])
    leans = answers[: grounds.own] - answers[: grounds.own, own, None]
    spread = leans.std(axis=0, dtype=np.float64)
    rivals = np.setdiff1d(np.flatnonzero(spread > 0), [own])

    def plant(
        rows: NDArray[np.intp], distance: float, random: np.random.Generator
    ) -> dict[str, NDArray[np.float32]]:
        moved = answers.copy()
        if len(rivals):
            rival = int(random.choice(rivals))
            step = distance * spread[rival] / 2
            moved[rows, rival] += step
            moved[rows, own] -= step
        return {**grounds.signals, "logits": moved}

    return plant, len(rivals)


def _step(spread: Spread, distance: float, random: np.random.Generator) -> NDArray[np.float64]:
    direction = random.standard_normal(len(spread.steps))
    step: NDArray[np.float64] = direction * (distance / np.linalg.norm(direction)) @ spread.steps
    return step


def linear_head(
    features: NDArray[np.float32], answers: NDArray[np.float32] | None
) -> NDArray[np.float32] | None:
    """Return W, shape (d, C), with answers = features · W + b, or None where they do not follow so.

    Parameters
    ----------
    features : ndarray, shape (n, d)
    answers : ndarray, shape (n, C), or None
    """
    if answers is None:
        return None
    x = np.column_stack([features, np.ones(len(features), np.float32)]).astype(np.float64)
    y = answers.astype(np.float64)
    found = np.linalg.lstsq(x, y, rcond=None)[0]
    left = float(((x @ found - y) ** 2).sum())
    spread = float(((y - y.mean(axis=0)) ** 2).sum())
    return found[:-1].astype(np.float32) if left <= _LINEAR * spread else None


def bulk_spread(rows: NDArray[np.float32]) -> Spread:
    """Return the spread of the bulk of rows, in the directions where they spread most.

    Parameters
    ----------
    rows : ndarray, shape (n, d)
        Some of them may be strange; 85 % count.
    """
    width = max(2, min(_WIDTH, int(np.sqrt(len(rows) / 2)), rows.shape[1]))
    mean, variances, directions = principal_components(rows, width)
    live = variances > max(1e-9 * float(variances[0]), 1e-30)
    scaled = directions[:, live] * np.sqrt(np.maximum(variances[live], 0))
    along = ((rows - mean.astype(np.float32)) @ directions[:, live]) / np.sqrt(variances[live])
    turn = whitener(concentrated_moments(along.astype(np.float64), 0.85)[1], 1e-3)
    # rows = along · scaledᵀ, and along · turn is white: one deviation of it is turn⁻¹ of along.
    return Spread(np.linalg.pinv(turn) @ scaled.T, int(live.sum()))


def distance_of(rows: NDArray[np.floating], bulk: NDArray[np.floating]) -> float:
    """Return how many deviations of a bulk the centre of some rows lies from its own.

    Parameters
    ----------
    rows : ndarray, shape (m, d)
    bulk : ndarray, shape (n, d)
    """
    spread = bulk_spread(np.asarray(bulk, np.float32))
    away = rows.mean(axis=0, dtype=np.float64) - bulk.mean(axis=0, dtype=np.float64)
    return float(np.linalg.norm(away @ np.linalg.pinv(spread.steps)))


def grounds_of(
    signals: dict[str, NDArray[Any]],
    labels: NDArray[Any],
    label: int,
    beside: int,
    random: np.random.Generator,
) -> Grounds:
    """Gather a class and up to ``beside`` members of each other class."""
    own = np.flatnonzero(labels == label)
    rows = [own]
    for other in np.setdiff1d(np.unique(labels[labels >= 0]), [label]):
        rows.append(np.sort(random.permutation(np.flatnonzero(labels == other))[:beside]))
    chosen = np.concatenate(rows)
    return Grounds(
        {
            name: np.ascontiguousarray(values[chosen], np.float32)
            for name, values in signals.items()
        },
        labels[chosen].astype(np.int32),
        len(own),
    )
