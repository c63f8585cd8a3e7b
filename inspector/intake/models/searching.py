"""From the networks that come into question to the one way of running one that fits the labels."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from inspector.errors import BadInput
from inspector.intake.models.answers import Answers
from inspector.intake.models.candidates import Candidate
from inspector.intake.models.choosing import Chooser, Trial, less_accurate
from inspector.intake.models.finding import Found
from inspector.intake.models.hinted import SURE, hinted_pins, hinted_scale
from inspector.intake.models.normalisations import Normalisation, normalisations
from inspector.intake.models.spec import ModelSpec
from inspector.intake.models.stated import Pins, stated_preprocess
from inspector.intake.models.variants import Setting, starting_points

INSIDE = "inside the network"
"""What a scaling is called that the network's own buffers give."""


def search(chooser: Chooser, found: Found, spec: ModelSpec, labelled: bool) -> Trial:
    """Measure the candidates with everything that is not stated, and return what fits best.

    Parameters
    ----------
    chooser : Chooser
        Remembers every setting that is measured.
    found : Found
        The candidates, and what is stated of each.
    spec : ModelSpec
    labelled : bool
        Whether there is anything to measure by; without, the usual settings are taken, and those
        that the file itself names.

    Raises
    ------
    BadInput
        No candidate runs on these images.
    """
    best: Trial | None = None
    own = found.weights.normalisation
    if spec.get("preprocess", "normalize_inside_model") is False:
        own = None
    for candidate, args in zip(found.candidates, found.pins):
        pins = Pins(args, _preprocess_pins(spec, candidate, own is not None))
        # What is stated wins over what the file says.
        hinted = pins.over(hinted_pins(found.weights.hints, candidate))
        chooser.pins = pins
        points = _points(chooser, candidate, pins)
        if not points and not _points(chooser, candidate, hinted):
            continue
        usual = _scales(chooser, found, points, own)
        if candidate.family in ("plugin", "timm") and spec.get("output", "kind") is None:
            kind = next((chooser.find_kind(one) for one in points if chooser.prepare(one)), "")
            chooser.take_answers(Answers(kind or "logits", chooser.answers.order))
        if labelled:
            trial: Trial | None = _measured(chooser, candidate, pins, hinted, usual)
        else:
            named = "0 to 1" if candidate.family in ("builtin", "plugin") else "ImageNet"
            said = usual[0] if usual[0].name in (INSIDE, "as the file says") else None
            scale = said or next((one for one in usual if one.name == named), usual[0])
            scaled = [point.scaled(scale) for point in _points(chooser, candidate, hinted)]
            trial = next(filter(None, map(chooser.prepare, hinted.apply(scaled))), best)
        if best is None or (trial is not None and trial.accuracy > best.accuracy):
            best = trial
    if best is None:
        raise BadInput(
            f"The weights are those of {found.candidates[0].name}, but no image size fits them.",
            "The first linear layer does not match what the convolutions give.",
            "Check that model and data belong together.",
        )
    return best


def _measured(
    chooser: Chooser,
    candidate: Candidate,
    pins: Pins,
    hinted: Pins,
    usual: Sequence[Normalisation],
) -> Trial:
    """Measure what the file says first; the alternatives too, unless it is right on nearly all."""
    first: Trial | None = None
    if hinted != pins:
        chooser.pins = hinted
        with contextlib.suppress(BadInput):  # it may not run the way that the file says
            first = chooser.choose(_points(chooser, candidate, hinted), usual)
        chooser.pins = pins
        if first is not None and first.accuracy >= SURE:
            return first
    best = chooser.choose(_points(chooser, candidate, pins), usual)
    return best if first is None or less_accurate(first, best) else first


def _points(chooser: Chooser, candidate: Candidate, pins: Pins) -> list[Setting]:
    images = chooser.sample.images
    image = None
    if isinstance(images, np.ndarray):
        image = (images.shape[1], images.shape[2])
    return pins.apply(starting_points(candidate, image, pins.preprocess.get("size")))


def _scales(
    chooser: Chooser,
    found: Found,
    points: Sequence[Setting],
    own: tuple[tuple[float, ...], tuple[float, ...]] | None,
) -> list[Normalisation]:
    """List the scalings of pixel values that are tried, those that the file names first."""
    channels = points[0].preprocess.channels if points else 3
    if own is not None:
        mean, std = (values * (channels // len(values)) for values in own)
        return [Normalisation(INSIDE, mean, std)]
    usual = normalisations(channels, list(chooser.sample.images[:200]))
    said = hinted_scale(found.weights.hints, channels)
    if said is None:
        return usual
    return [said, *(one for one in usual if (one.mean, one.std) != (said.mean, said.std))]


def _preprocess_pins(spec: ModelSpec, candidate: Candidate, inside: bool) -> dict[str, Any]:
    """Return the fields of the preprocessing that are not tried."""
    pins = stated_preprocess(spec)
    if spec.get("preprocess", "normalize_inside_model"):
        if inside:
            # Its buffers say how, and are used in the preprocessing instead.
            return {key: pins[key] for key in pins if key not in ("mean", "std")}
        if candidate.family in ("builtin", "torchvision"):
            raise BadInput(
                "The spec says normalize_inside_model = true, and the file has no mean and std.",
                f"{candidate.name} has no normalisation of its own.",
                "Set it to false and state mean and std in [preprocess].",
            )
        pins |= {"mean": (0.0,), "std": (1.0,)}
    if (pins.get("mode") == "L") != (candidate.in_channels == 1) and "mode" in pins:
        raise BadInput(
            f"The spec says mode = {pins['mode']!r}; the network takes"
            f" {candidate.in_channels} channels.",
            "L gives one channel, RGB and BGR give three (grey images are repeated).",
            "Correct [preprocess] mode in the spec.",
        )
    return pins
