"""How hard the search presses the mask to be small, adapted to the success rate as it goes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Settings:
    """Constants of a search. A round is what one success rate is measured over.

    A round must hold more than 100 pictures: below that a rate of 0.99 means that all of them turn,
    and no backdoor works every time.

    Attributes
    ----------
    batch : int
        Pictures per step.
    round_steps : int
        Steps per round.
    success : float
        Success rate that a trigger must reach to count.
    first_weight : float
        Weight of the mask's L1 norm once the trigger works.
    increase : float
        Factor on the weight after `patience` successful rounds; ``increase ** 1.5`` divides it after
        as many failures.
    patience : int
        Rounds.
    least_gain : float
        A round gains when it shrinks the smallest mask below this fraction of what it was.
    stop_patience : int
        Rounds without a gain after which the search ends, once the weight has been both raised and
        lowered.
    rate : float
        Step size of Adam in tanh space.
    keep : float
        Weight of a second cross-entropy: leaving the target out, the answers are still to name the
        class that they named without the trigger.

    Notes
    -----
    The defaults are made for some 200 steps, where the authors' code takes up to 31,000 with a weight
    that begins at 1e-3 and a rate of 0.1. With these a mask is after 80 steps as small as with those
    (and rounds as short) after 130. Still larger steps are faster, but then triggers hold less well
    on pictures that the search never had: 0.87 beside 0.97, the worst of six on a planted network.
    """

    batch: int = 24
    round_steps: int = 5
    success: float = 0.99
    first_weight: float = 3e-3
    increase: float = 1.5
    patience: int = 1
    least_gain: float = 0.99
    stop_patience: int = 10
    rate: float = 0.2
    keep: float = 0.0


class Penalty:
    """Weight of the mask's size for one class: Wang et al. 2019, appendix, as in their code."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.weight = 0.0
        self.best_l1 = float("inf")
        self.finished = False
        self._good = self._bad = self._idle = 0
        self._raised = self._lowered = False

    def told(self) -> dict[str, Any]:
        """Return where it stands, for `resumed`, as JSON-able values (infinity as such)."""
        return {name: value for name, value in vars(self).items() if name != "settings"}

    @classmethod
    def resumed(cls, settings: Settings, told: Mapping[str, Any]) -> Penalty:
        """Return one that stands where another did.

        Raises
        ------
        KeyError, TypeError, ValueError
            Something is missing, or is no number that a penalty could hold.
        """
        penalty = cls(settings)
        for name, value in penalty.told().items():
            given = type(value)(told[name])
            if math.isnan(given) or given < 0:
                raise ValueError(name)
            setattr(penalty, name, given)
        return penalty

    def update(self, success: float, mask_l1: float) -> bool:
        """Take in one round; tell whether its mask is the smallest that worked so far."""
        settings = self.settings
        works = success >= settings.success
        if self.best_l1 < float("inf"):
            gained = works and mask_l1 < settings.least_gain * self.best_l1
            self._idle = 0 if gained else self._idle + 1
        better = works and mask_l1 < self.best_l1
        if better:
            self.best_l1 = mask_l1
        self._good, self._bad = (self._good + 1, 0) if works else (0, self._bad + 1)
        self._adapt()
        enough = self._idle >= settings.stop_patience
        self.finished = enough and self._raised and self._lowered
        return better

    def _adapt(self) -> None:
        settings = self.settings
        if self._good >= settings.patience:
            self._good = 0
            if self.weight == 0:
                self.weight = settings.first_weight
            else:
                self.weight *= settings.increase
                self._raised = True
        elif self._bad >= settings.patience:
            self._bad = 0
            if self.weight > 0:
                self.weight /= settings.increase**1.5
                self._lowered = True
