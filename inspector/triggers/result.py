"""What a trigger search concluded for one class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from inspector.triggers.anomaly import size_look
from inspector.triggers.region import described

Form = Literal["painted", "added", "transformation"]
HISTORY = ("step", "loss", "success", "mask_l1", "weight")
"""Columns of `TriggerResult.history`."""


@dataclass(frozen=True)
class TriggerResult:
    """A reconstructed trigger and how well it works.

    Attributes
    ----------
    class_index : int
        Class that the trigger turns pictures into.
    method : str
        Name of the search, lower case with hyphens.
    status : str
        "done", or "skipped" when nothing could be searched; the cause is in `notes`.
    mask : ndarray, shape (H, W), float32
        Opacity of the trigger per pixel, multiples of 1/255 in 0..1, at the size the network sees. Of
        a transformation the mean change of held-out pictures, any value in 0..1.
    pattern : ndarray, shape (H, W, C), uint8
        Colour of the trigger, 0..255, in the channel order of the pictures.
    delta : ndarray, shape (H, W, C), int16, or None
        Grey levels that the trigger adds to a picture, which then keeps to 0..255; None for any other
        trigger.
    weights : dict of str to ndarray, float32, or None
        What a trigger that changes each picture in its own way is made of, see `Transformation`;
        None for any other.
    examples : ndarray, shape (2, n, H, W, C), uint8, or None
        Some held-out pictures before and after such a trigger; None for any other.
    reached : bool
        Whether the search reached its success rate on the pictures that it used. When not, the
        trigger is the most successful one that was met.
    size : float
        What the search kept small, in pixels; NaN where that is `mask_l1`.
    looks : tuple of float
        What is compared across classes, larger = more suspicious; several are several chances of a
        false alarm. By default one: minus the logarithm of the size.
    noise : tuple of float
        Standard error of each look, by which classes differ without any reason.
    mask_l1 : float
        Sum of the mask, pixels.
    success_rate : float
        Share of held-out pictures of other classes that the trigger turns; NaN when there were none.
    success_interval : tuple of float
        Wilson 95 % interval of `success_rate`.
    held_out : int
        Number of held-out pictures behind `success_rate`.
    controls : dict of str to float or None
        Success rate of the same pixels "moved" and "shuffled".
    details : dict
        What else a method has to say, JSON-able.
    steps : int
        Optimisation steps spent on the class.
    history : ndarray, shape (t, 5), float32
        One row per round; columns in `HISTORY`.
    notes : tuple of str
        What the reader must know, in sentences.
    stopped_early : bool
        The search was ended before it was through: the trigger works and may be larger than needed.
        It is not compared with those of other classes.
    """

    class_index: int
    method: str
    status: Literal["done", "skipped"]
    mask: NDArray[np.float32]
    pattern: NDArray[np.uint8]
    delta: NDArray[np.int16] | None = None
    weights: Mapping[str, NDArray[np.float32]] | None = None
    examples: NDArray[np.uint8] | None = None
    reached: bool = False
    size: float = math.nan
    looks: tuple[float, ...] = ()
    noise: tuple[float, ...] = ()
    mask_l1: float = math.nan
    success_rate: float = math.nan
    success_interval: tuple[float, float] = (math.nan, math.nan)
    held_out: int = 0
    controls: Mapping[str, float | None] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 0
    seed: int = 0
    history: NDArray[np.float32] = field(
        default_factory=lambda: np.zeros((0, len(HISTORY)), np.float32)
    )
    notes: tuple[str, ...] = ()
    stopped_early: bool = False

    @property
    def form(self) -> Form:
        """How the trigger goes onto a picture."""
        if self.weights is not None:
            return "transformation"
        return "painted" if self.delta is None else "added"

    @property
    def comparable_l1(self) -> float:
        """Size for `anomaly_index`: infinite when no trigger was found, NaN when none was sought."""
        if self.status == "skipped" or self.stopped_early:
            return math.nan
        size = self.mask_l1 if math.isnan(self.size) else self.size
        return size if self.reached else math.inf

    @property
    def compared(self) -> tuple[float, ...]:
        """What `standing` compares across classes: `looks`, or the size; NaN when stopped early."""
        if self.stopped_early:
            return (math.nan,) * max(len(self.looks), 1)
        return self.looks or (size_look(self.comparable_l1),)

    def summary(self) -> dict[str, Any]:
        """Return everything but the pictures as JSON-able values; NaN becomes None."""
        return {
            "index": self.class_index,
            "method": self.method,
            "status": self.status,
            "reached": self.reached,
            "mask_l1": finite(self.mask_l1),
            "region": described(self.mask),
            "success_rate": finite(self.success_rate),
            "success_interval": list(self.success_interval) if self.held_out else None,
            "held_out": self.held_out,
            "controls": dict(self.controls),
            "shape": list(self.pattern.shape),
            "form": self.form,
            "steps": self.steps,
            "seed": self.seed,
            "history": [[finite(value) for value in row] for row in self.history.tolist()],
            "notes": list(self.notes),
            "stopped_early": self.stopped_early,
            **self.details,
        }


def finite(value: float) -> float | None:
    """Return the value as a float, or None when JSON could not carry it."""
    return float(value) if math.isfinite(value) else None


def wilson_interval(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """Interval of a share out of few trials, honest near 0 and 1 (Wilson 1927).

    Parameters
    ----------
    successes, trials : int
        Counts; no trials give (NaN, NaN).
    z : float
        Normal quantile; the default gives 95 %.
    """
    if trials <= 0:
        return math.nan, math.nan
    share = successes / trials
    centre = share + z * z / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)
