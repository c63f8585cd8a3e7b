"""From a weights file and its training data to a network that runs as it did in training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inspector.api import Control
from inspector.errors import BadInput
from inspector.intake.models.candidates import Candidate
from inspector.intake.models.choosing import Chooser, Sample, Trial, measure
from inspector.intake.models.normalisations import Normalisation, normalisations
from inspector.intake.models.recognition import recognise
from inspector.intake.models.suspect import SuspectModel
from inspector.intake.models.variants import starting_points
from inspector.intake.models.weights import Weights, read_weights

if TYPE_CHECKING:
    from inspector.intake.datasets import Dataset

CHOOSING_SAMPLE = 500
"""Images on which settings are compared."""

FINAL_SAMPLE = 2000
"""Images on which the accuracy is measured that is reported."""

_FINAL_OPERATIONS = 1e12
_DECODE_STEP = 64


def load_model(
    path: Path | str,
    dataset: Dataset,
    *,
    arch: str | None = None,
    classes: int | None = None,
    control: Control | None = None,
    seed: int = 0,
) -> SuspectModel:
    """Read a model file, rebuild the network, and find out how it is to be run on this data.

    What weights do not show (scaling of pixel values, order of channels, stride of the first layer,
    poolings, activations) is tried, and measured by the labels of up to 500 random images.

    Parameters
    ----------
    path : Path
        The weights file.
    dataset : Dataset
        The data that the model was trained on.
    arch, classes
        See `recognise`.
    control : Control, optional
        Progress is reported as stage "model".
    seed : int
        Of the random rows.

    Raises
    ------
    BadInput
        The file cannot be read, belongs to no known network, or does not fit the data.
    """
    control = control or Control()
    control.progress("model", 0, 0, f"reading {Path(path).name}")
    weights = read_weights(path, control)
    candidates = recognise(weights.tensors, arch, classes)
    labels = np.asarray(dataset.labels)
    _check_labels(candidates[0], labels, dataset.class_names)
    _check_channels(candidates[0])
    rows = np.flatnonzero(labels >= 0) if (labels >= 0).any() else np.arange(len(labels))
    rows = np.random.default_rng(seed).permutation(rows)[:FINAL_SAMPLE]
    control.progress("model", 0, 0, "decoding a sample")
    sample = _decode(dataset, rows[:CHOOSING_SAMPLE], control)
    chooser = Chooser(weights.tensors, sample, control)
    trial = _choose(chooser, candidates, weights, labelled=bool((labels >= 0).any()))
    accuracy, count = _accuracy(chooser, trial, dataset, rows, control)
    return _suspect(weights, chooser, trial, accuracy, count, labels)


def _check_labels(candidate: Candidate, labels: np.ndarray, names: tuple[str, ...]) -> None:
    if not len(labels):
        raise BadInput("The data has no samples.", fix="Check the path of the data.")
    largest = int(labels.max())
    if largest >= candidate.num_classes:
        named = f" ({names[largest]!r})" if largest < len(names) else ""
        raise BadInput(
            f"The data has a class {largest}{named}, the network knows {candidate.num_classes}.",
            f"Its answers are numbered 0 to {candidate.num_classes - 1}.",
            "Check that model and data belong together.",
        )


def _check_channels(candidate: Candidate) -> None:
    if candidate.in_channels not in (1, 3):
        raise BadInput(
            f"The network takes images with {candidate.in_channels} channels.",
            "Only grey and colour images are examined.",
        )


def _decode(dataset: Dataset, rows: np.ndarray, control: Control) -> Sample:
    images: list[np.ndarray] = []
    kept: list[int] = []
    why = ""
    for start in range(0, len(rows), _DECODE_STEP):
        control.check()
        chunk = rows[start : start + _DECODE_STEP]
        for row, image in zip(chunk, dataset.decode_batch(chunk)):
            if isinstance(image, np.ndarray):
                images.append(image)
                kept.append(int(row))
            else:
                why = why or f"Sample {row} is {image}."
    if not images:
        raise BadInput(
            f"None of {len(rows)} randomly chosen images can be read.",
            why,
            "Check that this is the data that the model was trained on.",
        )
    labels = np.asarray(dataset.labels)[kept].astype(np.int64)
    uniform = len({image.shape for image in images}) == 1
    return Sample(np.stack(images) if uniform else images, labels)


def _choose(
    chooser: Chooser, candidates: list[Candidate], weights: Weights, labelled: bool
) -> Trial:
    sample = chooser.sample
    uniform = isinstance(sample.images, np.ndarray)
    image = (sample.images[0].shape[0], sample.images[0].shape[1]) if uniform else None
    best: Trial | None = None
    for candidate in candidates:
        points = starting_points(candidate, image)
        if not points:
            continue
        channels = points[0].preprocess.channels
        usual = normalisations(channels, list(sample.images[:200]))
        if weights.normalisation is not None:
            mean, std = (values * (channels // len(values)) for values in weights.normalisation)
            usual = [Normalisation("inside the network", mean, std)]
        trial: Trial | None
        if labelled:
            trial = chooser.choose(points, usual)
        else:
            # Nothing to measure by: the usual scaling of its family is the best guess.
            named = "ImageNet" if candidate.family == "torchvision" else usual[0].name
            scale = next((entry for entry in usual if entry.name == named), usual[0])
            prepared = (chooser.prepare(point.scaled(scale)) for point in points)
            trial = next((trial for trial in prepared if trial is not None), best)
        if best is None or (trial is not None and trial.accuracy > best.accuracy):
            best = trial
    if best is None:
        raise BadInput(
            f"The weights are those of {candidates[0].name}, but no image size fits them.",
            "The first linear layer does not match what the convolutions give.",
            "Check that model and data belong together.",
        )
    return best


def _accuracy(
    chooser: Chooser, trial: Trial, dataset: Dataset, rows: np.ndarray, control: Control
) -> tuple[float | None, int]:
    """Measure the chosen setting on more images than it was chosen on."""
    if chooser.sample.labels.max() < 0:
        return None, 0
    affordable = max(int(_FINAL_OPERATIONS / max(trial.trace.operations, 1.0)), 100)
    more = rows[CHOOSING_SAMPLE:affordable]
    counts = [(int(trial.correct.sum()), len(trial.correct))]
    network = chooser.network(trial.setting.candidate)
    parts = [(chooser.sample, range(len(trial.correct), min(len(chooser.sample), affordable)))]
    if len(more):
        control.progress("model", len(chooser.trials), 0, "measuring the accuracy")
        rest = _decode(dataset, more, control)
        parts.append((rest, range(len(rest))))
    for sample, part in parts:
        if len(part):
            operations = trial.trace.operations
            correct, _ = measure(network, trial.setting, operations, sample, part, control)
            counts.append((int(correct.sum()), len(correct)))
    right, total = (sum(column) for column in zip(*counts))
    return right / total, total


def _suspect(
    weights: Weights,
    chooser: Chooser,
    trial: Trial,
    accuracy: float | None,
    count: int,
    labels: np.ndarray,
) -> SuspectModel:
    candidate = trial.setting.candidate
    choices = dict(trial.setting.choices)
    details = [
        choices[key] for key in ("stem", "layout", "activation", "pooling") if key in choices
    ]
    if candidate.family == "torchvision" and choices.get("stem") == "stride 2, pooling":
        details.remove("stride 2, pooling")  # as torchvision has it
    notes = [*weights.notes]
    if not trial.trace.head:
        notes.append(
            "The answers do not come from a linear layer: gradients of the last layer are not"
            " available in closed form."
        )
    return SuspectModel(
        network=chooser.network(candidate),
        architecture=f"{candidate.name} ({'; '.join(details)})" if details else candidate.name,
        family=candidate.family,
        num_classes=trial.trace.answers,
        in_channels=trial.setting.preprocess.channels,
        preprocess=trial.setting.preprocess,
        accuracy=accuracy,
        accuracy_sample=count,
        tried=[other.as_dict(other is trial) for other in chooser.trials.values()],
        head=trial.trace.head,
        layers=list(trial.trace.layers),
        sha256=weights.sha256,
        notes=notes,
        doubt="" if accuracy is None else _doubt(accuracy, trial.trace.answers, labels),
        operations=trial.trace.operations,
        candidate=candidate,
    )


def _doubt(accuracy: float, classes: int, labels: np.ndarray) -> str:
    """Say so when a model does hardly better than guessing on what it is said to be trained on."""
    counts = np.bincount(labels[labels >= 0])
    # Guessing means the commonest class where classes are unequal; with two classes twice that is
    # out of reach, so halfway to perfect is the bar.
    chance = max(1 / classes, float(counts.max() / counts.sum()))
    if accuracy >= min(2 * chance, (1 + chance) / 2):
        return ""
    return (
        f"The model is right on only {accuracy:.1%} of the labels; guessing gives {chance:.1%}."
        " Likely causes: the data is not what it was trained on, its classes are in another order,"
        " its images are scaled in a way that was not tried, or the architecture differs where"
        " weights do not show it. Scores computed from it mean little."
    )
