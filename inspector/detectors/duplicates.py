"""Duplicates across labels: the same picture, or nearly, under different labels."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import ClassResult, Context, DetectorInfo, Finding, Parameter, Progress, Verdict
from inspector.statistics import near_duplicates as near
from inspector.statistics.rows import as_scores

_MANY = 0.01
"""Share of a class with twins under other labels from which on more than slips is likely."""
_FEWEST = 5


class Duplicates:
    """Groups equal and nearly equal pictures; score = how many of its twins have other labels.

    Poison is often made from pictures of the very set: a copy with a trigger under the target's
    label beside the original, or a picture that somebody labelled twice. A sample scores 0 without
    such twins, and from 1 to 2 by the share of its twins that have another label, a little more for
    equal pixels and where the network sees the two differently (as it does where a trigger works).
    """

    info = DetectorInfo(
        id="duplicates",
        title="Duplicates across labels",
        summary="Is the same picture, or nearly the same, in the set under another label?",
        version="1.0",
        needs=("labels", "thumbnails"),
        parameters=(Parameter("nearly", True, "Whether nearly equal pictures are sought too."),),
        reference="Barz and Denzler 2020, Do We Train on Test Data? (duplicates in CIFAR)",
    )

    def run(self, ctx: Context, nearly: bool = True) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        pictures = _as_pictures(ctx.signal("thumbnails"))
        labels = ctx.labels
        yield Progress(0, 3, "equal pictures")
        equal = near.equal_groups(_keys(ctx, pictures))
        # One of each is enough for the search: the others join through it.
        _, first = np.unique(equal, return_index=True)
        pairs = np.zeros((0, 2), np.int64)
        if nearly and len(first) > 1:
            yield Progress(1, 3, "nearly equal pictures")
            pairs = yield from _near_pairs(ctx, pictures, first)
        yield Progress(2, 3, "labels")
        groups = near.joined(len(first), pairs)[equal]
        scores, conflicting = _scores(equal, labels, pairs)
        exact, _ = _scores(equal, labels, pairs[:0])
        scores = np.where(exact > 1, scores + 0.25, scores)
        _add_disagreement(scores, groups, conflicting, ctx)
        classes = _classes(labels, conflicting, len(ctx.class_names))
        sizes = np.bincount(groups, minlength=1)
        told = np.where(sizes[groups] > 1, groups, -1).astype(np.int32) if len(groups) else groups
        _say(ctx, groups, equal, conflicting)
        yield Progress(3, 3, "done")
        return Finding(
            scores=as_scores(scores),
            classes=classes,
            verdict=_worst(classes),
            caveats=(
                "Large sets hold the same picture under two labels by mistake; which of the labels "
                "is wrong, and whether by intent, only looking tells.",
                "A copy that was changed all over (blended, warped, cropped, mirrored) is not "
                "found; pictures are compared at no more than 64 pixels a side.",
            ),
            artifacts={"group": told, "conflicting": conflicting},
        )


def _as_pictures(values: NDArray[Any]) -> NDArray[np.uint8]:
    return values if values.ndim == 4 else values.reshape(len(values), 1, 1, -1)


def _keys(ctx: Context, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what equal pictures share: the hash of their pixels, or the thumbnails themselves."""
    if ctx.has("pixel_sha256"):
        return np.asarray(ctx.signal("pixel_sha256"))
    return pictures.reshape(len(pictures), -1)


def _near_pairs(
    ctx: Context, pictures: NDArray[np.uint8], rows: NDArray[np.intp]
) -> Generator[Progress, None, NDArray[np.int64]]:
    """Return pairs of positions in ``rows`` whose pictures are nearly equal."""
    points, flat, keys, telling = [], [], [], []
    for start in range(0, len(rows), near.CHUNK):
        ctx.check_cancelled()
        part = pictures[rows[start : start + near.CHUNK]]
        coefficients, dull = near.low_frequencies(part)
        hashes, enough = near.quarter_keys(part)
        points.append(coefficients)
        flat.append(dull)
        keys.append(hashes)
        telling.append(enough)
    yield Progress(1, 3, "candidates")
    rich = np.flatnonzero(~np.concatenate(flat))
    candidates = [near.shared_pairs(np.concatenate(keys), np.concatenate(telling))]
    candidates.append(rich[near.close_pairs(np.concatenate(points)[rich])])
    every = near.distinct_pairs(np.concatenate(candidates))
    yield Progress(1, 3, "comparing")
    found = [np.zeros((0, 2), np.int64)]
    step = max(1, near.CHUNK * 1024 // max(1, pictures[0].size))
    for start in range(0, len(every), step):
        ctx.check_cancelled()
        some = every[start : start + step]
        same = near.same_picture(pictures[rows[some[:, 0]]], pictures[rows[some[:, 1]]])
        found.append(some[same])
    return np.concatenate(found)


def _scores(
    equal: NDArray[np.int64], labels: NDArray[np.int32], pairs: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return 1 plus the share of each sample's twins under other labels, 0 without; and who has.

    Twins are equal or directly alike: in a chain of pictures that resemble each other, the ends
    need not.
    """
    from scipy.sparse import coo_matrix, identity

    if not len(labels):
        return np.zeros(0), np.zeros(0, np.bool_)
    kinds, codes = np.unique(labels, return_inverse=True)
    count, codes = int(equal.max()) + 1, codes.reshape(-1)
    ones = np.ones(len(labels), np.int64)
    of_label = coo_matrix((ones, (equal, codes)), shape=(count, len(kinds))).tocsr()
    links = coo_matrix(
        (np.ones(len(pairs), np.int64), (pairs[:, 0], pairs[:, 1])), shape=(count, count)
    ).tocsr()
    twins = (links + links.T + identity(count, np.int64, "csr")) @ of_label
    members = np.asarray(twins.sum(axis=1)).reshape(-1)[equal]
    alike = np.asarray(twins[equal, codes]).reshape(-1)
    others = members - alike
    conflicting = (others > 0) & (labels >= 0)
    return np.where(conflicting, 1 + others / np.maximum(members - 1, 1), 0.0), conflicting


def _add_disagreement(
    scores: NDArray[np.float64],
    groups: NDArray[np.int64],
    conflicting: NDArray[np.bool_],
    ctx: Context,
) -> None:
    """Raise scores by up to 0.25 for samples whose activations point away from their twins'."""
    rows = np.flatnonzero(conflicting)
    if not len(rows) or not ctx.has("activations"):
        return
    values = np.asarray(ctx.signal("activations"))[rows].reshape(len(rows), -1).astype(np.float64)
    values[~np.isfinite(values).all(axis=1)] = 0
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-300)
    _, place = np.unique(groups[rows], return_inverse=True)
    sums = np.zeros((place.max() + 1, values.shape[1]))
    np.add.at(sums, place, values)
    count = np.bincount(place)[place]
    others = (sums[place] - values) / np.maximum(count - 1, 1)[:, None]
    scores[rows] += 0.25 * np.clip(1 - (values * others).sum(axis=1), 0, 1)


def _classes(
    labels: NDArray[np.int32], conflicting: NDArray[np.bool_], count: int
) -> tuple[ClassResult, ...]:
    found = []
    for index in range(count):
        mine = labels == index
        if not mine.any():
            continue
        number = int(conflicting[mine].sum())
        share = number / int(mine.sum())
        verdict: Verdict = "none"
        if number:
            verdict = "medium" if number >= _FEWEST and share >= _MANY else "low"
        found.append(ClassResult(index, share, None, verdict))
    return tuple(found)


def _worst(classes: tuple[ClassResult, ...]) -> Verdict:
    verdicts = {result.verdict for result in classes}
    return "medium" if "medium" in verdicts else "low" if "low" in verdicts else "none"


def _say(
    ctx: Context,
    groups: NDArray[np.int64],
    equal: NDArray[np.int64],
    conflicting: NDArray[np.bool_],
) -> None:
    rows = np.flatnonzero(conflicting)
    if not len(rows):
        ctx.log("No picture is there under two labels.")
        return
    exact = int((np.bincount(equal)[equal[rows]] > 1).sum())
    ctx.log(
        f"{len(rows):,} samples in {len(np.unique(groups[rows])):,} groups have twins under other "
        f"labels; {exact:,} of them have twins with equal pixels."
    )


DETECTORS = [Duplicates]
