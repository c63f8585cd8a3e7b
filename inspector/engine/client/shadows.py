"""What shadow networks may be trained on: the samples of a case that look clean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.case import Case, SampleTable
from inspector.engine.client.options import ScanOptions
from inspector.errors import BadInput

Agree = Callable[[dict[str, Any]], bool]
"""Takes the budget (count, epochs, train, architecture, why, seconds, left_out) and says whether to
train."""

EPOCHS, IMAGES = 15, 4000
LEFT_OUT = 0.1
"""Share of each class that is not trained on: its most suspicious samples. With the poison among them
the shadows would learn the backdoor, and nothing of the suspect would stand out beside them."""

_CARRIERS = "trigger-search:carriers"


def shadows_asked(
    case: Case, options: ScanOptions, count: int, images: int | None = None
) -> tuple[dict[str, Any], int]:
    """Return what an engine is asked for, and how many samples look too suspicious to train on.

    Parameters
    ----------
    case : Case
    options : ScanOptions
        A trusted reference set is trained on whole, in place of the data.
    count : int
        Shadows.
    images : int, optional
        Samples to train on at most, drawn at random; `IMAGES` when missing.

    Raises
    ------
    BadInput
        A number out of range, or nothing to train on.
    """
    images = IMAGES if images is None else images
    for what, number, low, high in (("shadows", count, 1, 200), ("images", images, 200, 50_000)):
        if not low <= number <= high:
            raise BadInput(f"{number} {what} are not possible.", "", f"Give {low} to {high}.")
    asked = {"count": count, "epochs": EPOCHS, "images": images}
    if options.reference:
        return {**asked, "data": str(options.reference), "role": "reference", "rows": None}, 0
    rows = clean_looking(case)
    if len(rows) < images // 20 or not len(rows):
        raise BadInput(
            "There is nothing to train shadow networks on.",
            f"Of {case.n:,} samples {len(rows)} have a label and look clean.",
            "Give a trusted set with `scan --reference`.",
        )
    drawn = np.sort(np.random.default_rng(options.seed).permutation(rows)[:images])
    left = case.n - len(rows)
    return {**asked, "data": str(options.data), "role": "data", "rows": drawn.tolist()}, left


def clean_looking(case: Case) -> NDArray[np.intp]:
    """Return the rows that carry no tag but "clean", no trigger, and are not the top of their class."""
    table = SampleTable(case)
    good = np.array(table.assessed)
    for kind in case.tags.kinds:
        if kind.name != "clean":
            good &= ~case.tags.mask(kind.name)
    if case.has_array(_CARRIERS):
        good &= ~np.asarray(case.array(_CARRIERS), np.bool_)
    labels = np.asarray(case.array("labels"))
    scores = table.columns.get("combined")
    if scores is not None:
        for label in np.unique(labels):
            rows = np.flatnonzero((labels == label) & np.isfinite(scores))
            order = rows[np.argsort(-scores[rows], kind="stable")]
            good[order[: round(LEFT_OUT * len(rows))]] = False
    return np.flatnonzero(good & (labels >= 0))
