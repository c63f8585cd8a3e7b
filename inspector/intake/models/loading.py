"""From a weights file and its training data to a network that runs as it did in training."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inspector.api import Control
from inspector.errors import BadInput
from inspector.intake.models.answers import Answers, stated_order
from inspector.intake.models.candidates import Candidate
from inspector.intake.models.choosing import Chooser, Sample, Trial, measure
from inspector.intake.models.finding import find_networks
from inspector.intake.models.hinted import SURE, hinted_labels
from inspector.intake.models.reading import container_word, read_as_stated
from inspector.intake.models.searching import INSIDE, search
from inspector.intake.models.spec import ModelSpec
from inspector.intake.models.suspect import SuspectModel
from inspector.intake.models.weights import Weights

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
    spec: ModelSpec | None = None,
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
    spec : ModelSpec, optional
        What is stated about the model: taken as given and not tried.
    arch, classes
        See `recognise`; they win over the spec.
    control : Control, optional
        Progress is reported as stage "model".
    seed : int
        Of the random rows.

    Raises
    ------
    BadInput
        The file cannot be read, belongs to no known network, does not fit the data, or contradicts
        the spec.
    """
    control, path, spec = control or Control(), Path(path), spec or ModelSpec()
    control.progress("model", 0, 0, f"reading {path.name}")
    weights = read_as_stated(path, spec.stated.get("weights", {}), control)
    found = find_networks(weights, spec, arch, classes)
    weights, candidates = found.weights, found.candidates
    labels = np.asarray(dataset.labels)
    _check_labels(candidates[0], labels, dataset.class_names)
    _check_channels(candidates[0])
    named = hinted_labels(weights.hints, spec, dataset.class_names, candidates[0].num_classes)
    order = stated_order(named, dataset.class_names, candidates[0].num_classes)
    rows = np.flatnonzero(labels >= 0) if (labels >= 0).any() else np.arange(len(labels))
    rows = np.random.default_rng(seed).permutation(rows)[:FINAL_SAMPLE]
    control.progress("model", 0, 0, "decoding a sample")
    sample = _decode(dataset, rows[:CHOOSING_SAMPLE], control)
    chooser = Chooser(weights.tensors, sample, control)
    chooser.answers = Answers(spec.get("output", "kind", "logits"), order)
    labelled = bool((labels >= 0).any())
    trial = search(chooser, found, spec, labelled)
    if labelled and order and named is not spec and trial.accuracy < SURE:
        # The order of classes is only what the file says: it is measured against the data's own.
        other = Chooser(weights.tensors, sample, control)
        other.answers = Answers(chooser.answers.kind)
        again = search(other, found, spec, labelled)
        if again.accuracy > trial.accuracy:
            chooser, trial, named = other, again, spec
    accuracy, count = _accuracy(chooser, trial, dataset, rows, control)
    model = _suspect(path, weights, chooser, trial, accuracy, count, labels)
    model.candidates = found.ranked(model.candidate)
    model.stated = spec
    model.layer = _layer(model, spec)
    model.class_names = _names_of_answers(model, named, dataset.class_names)
    return model


def _layer(model: SuspectModel, spec: ModelSpec) -> str | None:
    """Return the layer that the spec asks for, after looking whether it is there."""
    layer: str | None = spec.get("features", "layer")
    names = [name for name, _ in model.network.named_modules() if name]
    if layer is None or layer in names:
        return layer
    near = difflib.get_close_matches(layer, names, 4, 0.4) or names[-4:]
    raise BadInput(
        f"The network has no layer {layer!r}.",
        f"The nearest names are: {', '.join(near)}.",
        "Correct [features] layer in the spec.",
    )


def _names_of_answers(model: SuspectModel, spec: ModelSpec, data: tuple[str, ...]) -> list[str]:
    """Return the names of the answers in the model's own order, as far as they are known."""
    stated: list[str] | None = spec.get("labels", "names")
    if stated is not None or len(data) != model.num_classes:
        return stated or []
    order = model.answers.order or tuple(range(model.num_classes))
    names = [""] * model.num_classes
    for place, answer in enumerate(order):
        names[answer] = data[place]
    return names


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
    path: Path,
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
    own = weights.normalisation is not None and choices.get("normalisation") == INSIDE
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
        answers=chooser.answers,
        normalised_inside=own,
        file=path.name,
        container=container_word(weights),
        prefix=weights.prefix,
        nesting=weights.nesting,
        contents=weights.contents,
        size=weights.size,
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
