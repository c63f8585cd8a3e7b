"""Choosing between settings by what the network answers on the data's own labels."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from inspector.api import Control
from inspector.errors import BadInput
from inspector.intake.models.answers import Answers, kind_of
from inspector.intake.models.building import build_network
from inspector.intake.models.candidates import Candidate
from inspector.intake.models.normalisations import Normalisation
from inspector.intake.models.stated import Pins
from inspector.intake.models.tracing import Trace, trace
from inspector.intake.models.variants import Setting, carried, fits, refinements

ROUNDS = ((100, 1.5e11), (250, 4e11), (500, 8e11))
"""How many images each setting is measured on, and the operations that may be spent on it. In every
round those that are clearly worse than the best drop out. Operations are counted, not timed, so
that the choice does not depend on the machine."""

_BATCH_OPERATIONS = 4e9  # between two looks at the control: 0.1 s at 40 GFLOP/s
_LOSS_CAP = 20.0  # nats; one wild answer must not decide
# Down to a half only: a network that answers right but without any certainty was not trained so.
_TEMPERATURES = [2.0**power for power in range(-1, 5)]
_UNCHANGED = _TEMPERATURES.index(1.0)
_NOTABLE = 0.01  # nats; smaller differences of loss mean nothing, however certain they are


@dataclass
class Sample:
    """Decoded images with their labels; ``images`` is one array when all have one size."""

    images: NDArray[np.uint8] | list[NDArray[np.uint8]]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass
class Trial:
    """What was measured for one setting, on the first images of the sample."""

    setting: Setting
    trace: Trace
    correct: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, bool))
    losses: NDArray[np.float64] = field(default_factory=lambda: np.empty((len(_TEMPERATURES), 0)))

    @property
    def accuracy(self) -> float:
        """Share of correct answers."""
        return float(self.correct.mean()) if len(self.correct) else 0.0

    @property
    def loss(self) -> NDArray[np.float64]:
        """Cross-entropy per image, nats, at the temperature that suits the setting best.

        A scale that is too large makes a network more certain, and where it is right anyway that
        lowers the plain loss; the temperature (Guo et al. 2017) takes that advantage away.
        """
        best = int(np.argmin(self.losses.mean(axis=1))) if self.losses.size else 0
        return self.losses[best]

    def as_dict(self, chosen: bool) -> dict[str, Any]:
        """Return what the case keeps of it."""
        return {
            "architecture": self.setting.candidate.name,
            **dict(self.setting.choices),
            "sample": len(self.correct),
            "accuracy": round(self.accuracy, 4),
            "loss": round(float(self.losses[_UNCHANGED].mean()), 4) if len(self.correct) else None,
            "chosen": chosen,
        }


class Chooser:
    """Measures settings of one network on one sample, remembers what it measured, and chooses.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        The weights.
    sample : Sample
        At most as many images as the last of `ROUNDS`.
    control : Control
        Checked between batches.

    Attributes
    ----------
    pins : Pins
        What is given and not tried.
    answers : Answers
        How the output of the network becomes logits in the order of the data's classes.
    """

    def __init__(self, tensors: Mapping[str, Tensor], sample: Sample, control: Control) -> None:
        self.tensors, self.sample, self.control = tensors, sample, control
        self.pins, self.answers = Pins(), Answers()
        self.trials: dict[str, Trial] = {}
        self.refused: list[str] = []
        self._network: tuple[str, nn.Module] | None = None

    def choose(self, points: Sequence[Setting], usual: Sequence[Normalisation]) -> Trial:
        """Go from starting points to one setting: layout and size, then details, then pixel values.

        Parameters
        ----------
        points : sequence of Setting
            Layouts and sizes, the preferred ones first.
        usual : sequence of Normalisation
            What pixel values can be scaled to, the preferred ones first.

        Raises
        ------
        BadInput
            The network runs in no setting.
        """
        # A wrong scale costs accuracy, a wrong layout all of it: a few scales that differ widely
        # are enough to tell layouts apart.
        start = [point.scaled(scale) for point in points for scale in usual[:3]]
        best = self.best(start)
        for wider in (_activations, self._channel_orders):
            if self.hopeless(best):
                # Nothing works yet: what else can be wrong is varied together with the layout.
                best = self.best([other for setting in start for other in wider(setting)])
        for sweep in range(3):
            before = best.setting
            if sweep and len(points) > 1:
                # With a wrong activation all layouts look alike; now that it is chosen, look again.
                best = self.best([carried(point, best.setting) for point in points])
            scaled = [best.setting.scaled(scale) for scale in usual]
            best = self.best(scaled, less_likely)
            best = self.best(fits(best.setting))
            best = self.best(self._channel_orders(best.setting))
            for place in range(len(refinements(best.setting))):
                best = self.best(refinements(best.setting)[place])
            if best.setting == before:
                break
        return best

    def hopeless(self, trial: Trial) -> bool:
        """Tell whether a setting is hardly better than always answering the commonest class."""
        labels = self.sample.labels
        chance = float(np.bincount(labels[labels >= 0]).max() / len(labels))
        # With two unequal classes half as much again is out of reach.
        return trial.accuracy < min(1.5 * chance, (1 + chance) / 2)

    def best(
        self, settings: Sequence[Setting], worse: Callable[[Trial, Trial], bool] | None = None
    ) -> Trial:
        """Measure settings against each other; take the first that is not clearly worse.

        Parameters
        ----------
        settings : sequence of Setting
            The preferred ones first.
        worse : callable
            `less_accurate` (the default) or `less_likely`.
        """
        worse = worse or less_accurate
        settings = self.pins.apply(settings)
        trials = [trial for trial in map(self.prepare, settings) if trial is not None]
        if not trials:
            raise BadInput(
                "The network cannot be run on this data.",
                self.refused[-1] if self.refused else "",
                "Check that model and data belong together.",
            )
        for images, operations in ROUNDS:
            for trial in trials:
                affordable = int(operations / max(trial.trace.operations, 1.0))
                self._extend(trial, min(images, len(self.sample), max(affordable, 24)))
            leader = max(trials, key=lambda trial: (trial.accuracy, -float(trial.loss.mean())))
            trials = [trial for trial in trials if not worse(trial, leader)]
            if len(trials) == 1 or self.hopeless(leader):
                break
        return trials[0]

    def network(self, candidate: Candidate) -> nn.Module:
        """Build a network; the last one is kept, since settings that share it come in a row."""
        key = _key(candidate)
        if self._network is None or self._network[0] != key:
            self._network = None  # first let go of the old one: two large networks need not fit
            self._network = (key, build_network(candidate, self.tensors, self.answers))
        return self._network[1]

    def take_answers(self, answers: Answers) -> None:
        """Read the output of the network in another way from now on."""
        if answers != self.answers:
            self.answers, self._network = answers, None

    def find_kind(self, setting: Setting) -> str:
        """Return whether a network of others gives logits or probabilities, by its answers."""
        images = setting.preprocess(self.sample.images[:16])
        with torch.inference_mode():
            return kind_of(build_network(setting.candidate, self.tensors)(images))

    def prepare(self, setting: Setting) -> Trial | None:
        """Build the network and run two grey images; None, and a reason, when it does not run."""
        key = _key(setting.candidate) + json.dumps(setting.preprocess.as_dict())
        known = self.trials.get(key)
        if known is None:
            self.control.check()
            preprocess = setting.preprocess
            try:
                network = self.network(setting.candidate)
                traced = trace(network, preprocess.channels, preprocess.size)
            except (RuntimeError, ValueError, AssertionError) as error:
                reason = str(error).strip().splitlines() or [type(error).__name__]
                self.refused.append(
                    f"At {preprocess.size[0]}×{preprocess.size[1]}: {reason[0][:200]}"
                )
                return None
            known = self.trials[key] = Trial(setting, traced)
        known.setting = setting  # the same way to run it, described by the latest question
        return known

    def _extend(self, trial: Trial, count: int) -> None:
        start = len(trial.correct)
        if count <= start:
            return
        correct, losses = measure(
            self.network(trial.setting.candidate),
            trial.setting,
            trial.trace.operations,
            self.sample,
            range(start, count),
            self.control,
        )
        trial.correct = np.concatenate([trial.correct, correct])
        trial.losses = np.concatenate([trial.losses, losses], axis=1)
        text = ", ".join(value for _, value in trial.setting.choices)
        self.control.progress("model", len(self.trials), 0, f"{text}: {trial.accuracy:.0%} correct")

    def _channel_orders(self, setting: Setting) -> list[Setting]:
        coloured = any(image.shape[-1] == 3 for image in self.sample.images[:50])
        if setting.preprocess.mode == "L" or not coloured:
            return [setting]
        return [setting.changed("channels", mode, mode=mode) for mode in ("RGB", "BGR")]


def _activations(setting: Setting) -> list[Setting]:
    lists = refinements(setting)
    return lists[0] if lists else [setting]


def measure(
    network: nn.Module,
    setting: Setting,
    operations: float,
    sample: Sample,
    rows: range,
    control: Control,
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Run a network on some rows of a sample.

    Returns
    -------
    correct : ndarray (len(rows),) bool
        Whether the largest answer is at the label.
    losses : ndarray (temperatures, len(rows)) float64
        Cross-entropy at the label, nats, at most 20; answers that are no numbers count as 20.
    """
    step = int(min(max(_BATCH_OPERATIONS / max(operations, 1.0), 1), 250))
    correct, losses = [], []
    for start in range(rows.start, rows.stop, step):
        control.check()
        stop = min(start + step, rows.stop)
        labels = torch.from_numpy(sample.labels[start:stop])
        with torch.inference_mode():
            logits = network(setting.preprocess(sample.images[start:stop]))
            nats = torch.stack(
                [
                    F.cross_entropy(logits / temperature, labels, reduction="none")
                    for temperature in _TEMPERATURES
                ]
            )
        correct.append((logits.argmax(1) == labels).numpy())
        losses.append(nats.double().nan_to_num(_LOSS_CAP).clamp(0, _LOSS_CAP).numpy())
    return np.concatenate(correct), np.concatenate(losses, axis=1)


def less_accurate(trial: Trial, leader: Trial) -> bool:
    """Tell whether a setting is less accurate than the leader by more than chance.

    Images on which both are right or both are wrong say nothing (McNemar 1947), so settings that
    differ by a percent are told apart on a few hundred images.
    """
    gain, discordant = _gain(trial, leader)
    return gain > 2.5 * math.sqrt(discordant)


def less_likely(trial: Trial, leader: Trial) -> bool:
    """Tell whether a setting is less accurate, or as accurate with a clearly higher loss.

    For the scale of pixel values, which changes the loss of almost every image. Not for layers: on
    easy data another activation than the one it was trained with can have a lower loss.
    """
    if less_accurate(trial, leader):
        return True
    count = min(len(trial.correct), len(leader.correct))
    if trial is leader or count < 20:
        return False
    excess = trial.loss[:count] - leader.loss[:count]
    spread = float(excess.std(ddof=1)) / math.sqrt(count)
    return _gain(trial, leader)[0] >= 0 and float(excess.mean()) > max(4 * spread, _NOTABLE)


def _gain(trial: Trial, leader: Trial) -> tuple[int, int]:
    count = min(len(trial.correct), len(leader.correct))
    difference = leader.correct[:count].astype(int) - trial.correct[:count]
    return int(difference.sum()), int(np.abs(difference).sum())


def _key(candidate: Candidate) -> str:
    arguments = {key: value for key, value in candidate.args.items() if key != "size"}
    return candidate.network + json.dumps(arguments, sort_keys=True)
