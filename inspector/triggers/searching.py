"""Search a whole dataset for the carriers of one trigger, portion by portion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from inspector.api import Control
from inspector.triggers.carriers import HOSTS, PARTS, Probe, assess, scores_of
from inspector.triggers.frozen import frozen_copy
from inspector.triggers.pictures import Suspect, sample_rows
from inspector.triggers.search import BATCH
from inspector.triggers.stamp import Stamp
from inspector.triggers.transformation import Transformation
from inspector.triggers.workload import plan_workload

STAGE = "carriers"
_AT_ONCE = 256
_REFERENCE = 300
_FEWEST_REFERENCE = 50
_LEAST = 0.5
_LEAST_SHARE = 2 / 3
"""Of the score that a carrier can have at most, for triggers of which little can be asked."""

_NO_PATTERN = (
    "The trigger changes every picture in its own way: there is no pattern that a sample could be "
    "like, and no region to transplant. The scores rest on undoing the change, as far as that is "
    "possible; they find fewer carriers than with a pattern."
)

Decode = Callable[[NDArray[np.intp]], Any]
"""Gives (H, W, C) uint8 pictures for rows; whatever else it gives stands for an unreadable one."""


@dataclass(frozen=True)
class Carriers:
    """What a search of the data found.

    Attributes
    ----------
    scores : ndarray, shape (n,), float32
        Higher = more like a carrier; NaN = unreadable.
    parts : ndarray, shape (n, 3), float32
        Likeness, removal, transplant; see `carriers`.
    carriers : ndarray, shape (n,), bool
        Beyond everything that samples which cannot be carriers scored.
    threshold : float
        That score.
    notes : tuple of str
    looked, asked : int
        How many samples were looked at, and how many should have been: fewer when it ended early.
    """

    scores: NDArray[np.float32]
    parts: NDArray[np.float32]
    carriers: NDArray[np.bool_]
    threshold: float
    notes: tuple[str, ...]
    looked: int
    asked: int


def stamp_of(
    mask: NDArray[Any],
    pattern: NDArray[Any],
    delta: NDArray[Any] | None = None,
    weights: Mapping[str, NDArray[Any]] | None = None,
) -> Stamp:
    """Return a recorded trigger as a stamp.

    Parameters
    ----------
    mask : ndarray, shape (H, W), float32
    pattern : ndarray, shape (H, W, C), uint8
    delta : ndarray, shape (H, W, C), int16, optional
    weights : mapping of str to ndarray, float32, optional
        Of a transformation.

    Raises
    ------
    BadInput
        Weights that are no transformation for pictures of so many channels.
    """
    if delta is not None:
        return Stamp.added(torch.tensor(np.asarray(delta, np.float32) / 255).permute(2, 0, 1))
    colours = torch.tensor(np.asarray(pattern, np.float32) / 255).permute(2, 0, 1)
    opacity = torch.tensor(np.asarray(mask, np.float32))[None]
    made = Transformation.from_arrays(weights, colours.shape[0]) if weights else None
    return Stamp(opacity, colours, None, made)


def make_probe(
    model: Suspect,
    stamp: Stamp,
    target: int,
    decode: Decode,
    labels: ArrayLike,
    *,
    seed: int = 0,
    control: Control | None = None,
) -> Probe:
    """Copy the network and choose pictures of other classes to paste regions on."""
    control = control or Control()
    device = next(model.network.parameters()).device
    blank = torch.zeros(1, *stamp.pattern.shape, device=device)
    example = model.preprocess.normalise(blank)
    network = frozen_copy(model.network, example)
    portion = plan_workload(network, example, BATCH).pictures_at_once
    stamp = replace(
        stamp,
        mask=stamp.mask.to(device),
        pattern=stamp.pattern.to(device),
        delta=None if stamp.delta is None else stamp.delta.to(device),
    )
    bare = Probe(network, model.preprocess, stamp, target, blank[:0], max(portion, 16), control)
    known = np.asarray(labels)
    others = np.flatnonzero(known != target)
    rows = others[sample_rows(known[others], 8 * HOSTS, seed)]
    pixels, answers, _ = _looked_at(model, bare, decode, rows)
    hosts = pixels[answers != target].float() / 255
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(hosts)))
    return replace(bare, hosts=hosts[order.to(device)][:HOSTS])


def search_carriers(
    model: Suspect,
    probe: Probe,
    decode: Decode,
    labels: ArrayLike,
    assessed: ArrayLike | None = None,
    *,
    seed: int = 0,
) -> Carriers:
    """Score every sample of a dataset.

    Parameters
    ----------
    model : SuspectModel
    probe : Probe
        From `make_probe`.
    decode : callable
    labels : array_like, shape (n,), int
    assessed : array_like, shape (n,), bool, optional
        Samples to look at; all by default.
    seed : int
        Seed of the draw of samples that serve as reference.

    Notes
    -----
    Samples that neither carry the label of the class nor are answered with it cannot be carriers of
    this trigger. Some of them are assessed like the others, and the highest of their scores is the
    threshold: by chance one clean sample in ``m + 1`` passes it, with m of them. They come first, then
    the samples with the label of the class, so that a search that ends early says as much as it can.
    """
    known = np.asarray(labels).astype(np.int64)
    wanted = np.ones(len(known), bool) if assessed is None else np.asarray(assessed, bool)
    rows = np.flatnonzero(wanted)
    parts = np.full((len(known), len(PARTS)), np.nan, np.float32)
    reference: list[torch.Tensor] = []
    others = rows[known[rows] != probe.target]
    spare = np.sort(np.random.default_rng(seed).permutation(others)[:_REFERENCE])
    rows = np.concatenate([spare, rows[known[rows] == probe.target], np.setdiff1d(others, spare)])
    held = looked = 0
    for start in range(0, len(rows), _AT_ONCE):
        if probe.control.ends_early():
            break
        some = rows[start : start + _AT_ONCE]
        looked += len(some)
        pixels, answers, readable = _looked_at(model, probe, decode, some)
        some = some[readable]
        own = torch.from_numpy(known[some]).to(answers.device)
        suspected = (own == probe.target) | (answers == probe.target)
        parts[some] = assess(probe, pixels, suspected).cpu().numpy()
        drawn = torch.from_numpy(np.isin(some, spare)).to(answers.device)
        drawn = drawn.bool() & ~suspected if len(some) else suspected
        if bool(drawn.any()):
            reference.append(scores_of(assess(probe, pixels[drawn], torch.ones_like(drawn[drawn]))))
            held += int(drawn.sum())
        probe.control.progress(STAGE, min(start + _AT_ONCE, len(rows)), len(rows))
    scores = scores_of(torch.from_numpy(parts)).numpy().astype(np.float32)
    least = min(_LEAST, _LEAST_SHARE * probe.attainable)
    threshold = max(least, float(torch.cat(reference).max()) if reference else least)
    with np.errstate(invalid="ignore"):
        carriers = scores > threshold
    notes = _notes(probe, held)
    if looked < len(rows):
        said = (
            f"Stopped early: {looked:,} of {len(rows):,} samples were looked at, those with the label "
            "of the trigger's class before others."
        )
        notes = (said, *notes)
    return Carriers(scores, parts, carriers, threshold, notes, looked, len(rows))


def _looked_at(
    model: Suspect, probe: Probe, decode: Decode, rows: NDArray[np.intp]
) -> tuple[torch.Tensor, torch.Tensor, NDArray[np.bool_]]:
    """Return pixels at the network's size, its answers, and which rows could be read."""
    device = probe.hosts.device
    decoded = decode(rows) if len(rows) else []
    readable = np.array([isinstance(image, np.ndarray) for image in decoded], bool)
    images = [image for image in decoded if isinstance(image, np.ndarray)]
    pixels = [torch.zeros(0, *probe.stamp.pattern.shape, dtype=torch.uint8, device=device)]
    answers = [torch.zeros(0, dtype=torch.int64, device=device)]
    with torch.no_grad():
        for start in range(0, len(images), probe.portion):
            probe.control.check()
            prepared = model.preprocess(images[start : start + probe.portion]).to(device)
            plain = torch.from_numpy(model.preprocess.undo(prepared)).permute(0, 3, 1, 2)
            pixels.append(plain.to(device))
            answers.append(probe.network(prepared).argmax(dim=1))
    return torch.cat(pixels), torch.cat(answers), readable


def _notes(probe: Probe, held: int) -> tuple[str, ...]:
    notes = []
    if probe.stamp.transformation is not None:
        notes.append(_NO_PATTERN)
    elif probe.region is None:
        notes.append(
            "The trigger lies over the whole picture: no region could be transplanted, so the "
            "scores rest on likeness and on taking it away."
        )
    elif not len(probe.hosts):
        notes.append("There was no picture of another class to paste regions on.")
    if held < _FEWEST_REFERENCE:
        notes.append(f"Only {held} samples that cannot be carriers set the threshold.")
    return tuple(notes)
