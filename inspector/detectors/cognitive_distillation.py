"""Cognitive Distillation: how much of a picture the network's answer needs; a trigger is little."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import numpy as np
from numpy.typing import NDArray

from inspector.api import (
    LARGEST_MAP,
    Context,
    DetectorInfo,
    Finding,
    Network,
    Parameter,
    Pictures,
    Progress,
)
from inspector.statistics.rows import as_scores

SUSPECTS = 150
"""Samples from the top of the ranking that are looked at."""
OTHERS = 50
"""Samples drawn from the rest: without them nobody can tell whether a mask is small."""
STEPS = 100
KEEP = ("answers", "logits")
_RATE = 0.1
_DECAYS = 0.5, 0.9
"""Of Adam's two averages; short ones, since the fill changes in every step."""
_START = 1.0
"""Where the mask begins before it is squashed: at 0.88 everywhere."""
_VALUES = 1 << 19
"""Pixel values in one batch at most."""
_BATCH = 64


class CognitiveDistillation:
    """Minus the size of a small mask that keeps what the network answers to a picture.

    What the mask leaves out is filled with one random colour, another in every step. Minimised are
    a distance of the logits to those of the whole picture, plus ``sparsity`` times the mean of the
    mask, plus ``smoothness`` times its mean difference between neighbours.

    The published distance, that of all logits alike, is the choice "logits" (in standard deviations
    of a picture's own logits, so that one weight fits all networks). A small network's logits still
    tell what a poisoned picture shows beside its patch, and all of that has to be kept then. The
    default compares what the logits say once they are divided by that deviation and turned into
    probabilities: nearly all of it is the answer and its rivals.
    """

    info = DetectorInfo(
        id="cognitive-distillation",
        title="Cognitive Distillation",
        summary="Which pixels keep the answer? A trigger does it with few, and the mask shows it.",
        version="1.0",
        needs=("labels", "combined"),
        passes=3.0 * STEPS,
        at_most=SUSPECTS + OTHERS,
        by_default=False,
        parameters=(
            Parameter("suspects", SUSPECTS, "From the top of the ranking.", 1, SUSPECTS),
            Parameter("others", OTHERS, "Drawn from the rest, to compare with.", 0, OTHERS),
            Parameter(
                *("steps", STEPS, "Steps of the search for a mask.", 10, STEPS),
                scales_passes=True,
            ),
            Parameter("keep", KEEP[0], "What has to stay as it is.", choices=KEEP),
            Parameter("sparsity", 0.6, "Weight of the mask's size.", 0.001, 100),
            Parameter("smoothness", 0.1, "Weight of its unevenness.", 0.0, 100),
        ),
        reference="Huang and others 2023, Distilling Cognitive Backdoor Patterns within an Image "
        "(ICLR)",
    )

    def run(
        self,
        ctx: Context,
        suspects: int = SUSPECTS,
        others: int = OTHERS,
        steps: int = STEPS,
        keep: str = KEEP[0],
        sparsity: float = 0.6,
        smoothness: float = 0.1,
    ) -> Generator[Progress, None, Finding]:
        """Score the top of the combined ranking and some other samples; see the class."""
        first, rest = chosen(ctx.signal("combined"), suspects, others, ctx.rng)
        rows = np.concatenate([first, rest])
        total = len(rows) * steps
        yield Progress(0, total, f"{len(rows)} pictures, {steps} steps each")
        scores = np.full(ctx.n, np.nan)
        maps: list[NDArray[np.uint8]] = []
        for done, part, pixels in _portions(ctx, rows):
            search = MaskSearch(ctx.network, pixels, keep, sparsity, smoothness, ctx.rng)
            for step in range(steps):
                ctx.check_cancelled()
                search.step()
                yield Progress(done * steps + step * len(part), total, "distilling pictures")
            scores[part] = np.where(search.usable, -search.masks.sum(axis=(1, 2)), np.nan)
            maps.append(reduced(search.masks))
        yield Progress(total, total, "done")
        return Finding(
            scores=as_scores(scores),
            caveats=(
                *_compared(scores, first, rest),
                f"Only the {len(first)} first samples of the combined ranking and {len(rest)} others "
                "were looked at; its verdict stays at none, since the first were chosen for being "
                "odd.",
                "Simple genuine pictures need few pixels too, and a trigger that covers the whole "
                "picture (a blend, a wave) needs many: look at where the mask lies.",
            ),
            pictures=Pictures(rows, np.concatenate(maps), "pixels that keep the answer")
            if maps
            else None,
        )


class MaskSearch:
    """Searches one mask for each picture of a batch, step by step.

    Parameters
    ----------
    network : Network
    pixels : ndarray, shape (b, c, h, w), float32
        From `Network.pixels`.
    keep : str
        One of `KEEP`.
    sparsity, smoothness : float
        Weights of the mask's mean and of the mean difference between its neighbours.
    random : Generator
        Draws the fill.
    """

    def __init__(
        self,
        network: Network,
        pixels: NDArray[np.float32],
        keep: str,
        sparsity: float,
        smoothness: float,
        random: np.random.Generator,
    ) -> None:
        self._network, self._pixels, self._random = network, pixels, random
        self._sparsity, self._smoothness = sparsity, smoothness
        self._keep = keep
        self._wanted, _ = network.pixel_gradients(pixels, np.zeros_like)
        with np.errstate(all="ignore"):  # broken networks answer NaN and infinity
            self._unit = np.maximum(self._wanted.std(axis=1, keepdims=True), 1e-6)
        self.usable = np.isfinite(self._unit[:, 0])
        shape = len(pixels), *pixels.shape[2:]
        self._inner = np.full(shape, _START, np.float32)
        self._averages = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._steps = 0

    @property
    def masks(self) -> NDArray[np.float32]:
        """The masks as they are now, (b, h, w), 0 to 1."""
        return np.asarray((np.tanh(self._inner) + 1) / 2, np.float32)

    def step(self) -> None:
        """Go one step down: one pass forward and one back."""
        mask = self.masks
        fill = self._random.random((*self._pixels.shape[:2], 1, 1)).astype(np.float32)
        apart = self._pixels - fill
        _, gradient = self._network.pixel_gradients(fill + mask[:, None] * apart, self._slope)
        slope = (gradient * apart).sum(axis=1)
        places = mask.shape[1] * mask.shape[2]
        slope += (self._sparsity + self._smoothness * unevenness_slope(mask)) / places
        slope *= 2 * mask * (1 - mask)
        self._descend(np.nan_to_num(slope, posinf=0.0, neginf=0.0))

    def _slope(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the gradient of the distance of the logits to those of the whole picture."""
        with np.errstate(all="ignore"):
            if self._keep == "logits":
                return np.sign(logits - self._wanted) / self._unit / logits.shape[1]
            now = softmax(logits / self._unit)
            signs = np.sign(now - softmax(self._wanted / self._unit))
            return now * (signs - (now * signs).sum(axis=1, keepdims=True)) / self._unit

    def _descend(self, slope: NDArray[np.float32]) -> None:
        """Take a step of Adam (Kingma and Ba 2015)."""
        self._steps += 1
        for average, value, decay in zip(self._averages, (slope, slope**2), _DECAYS):
            average *= decay
            average += (1 - decay) * value
        mean, square = (
            average / (1 - decay**self._steps) for average, decay in zip(self._averages, _DECAYS)
        )
        self._inner -= _RATE * mean / (np.sqrt(square) + 1e-12)


def _portions(
    ctx: Context, rows: NDArray[np.intp]
) -> Iterator[tuple[int, NDArray[np.intp], NDArray[np.float32]]]:
    """Yield how many are done, rows, and their pictures as the network sees them."""
    count = 1
    if len(rows):
        size = ctx.network.pixels(ctx.images(rows[:1].tolist())).size
        count = max(1, min(_BATCH, _VALUES // size))
    for done in range(0, len(rows), count):
        part = rows[done : done + count]
        yield done, part, ctx.network.pixels(ctx.images(part.tolist()))


def chosen(
    combined: NDArray[np.floating], suspects: int, others: int, random: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows that rank first, the most suspicious first, and some of the lower half."""
    ranked = np.flatnonzero(np.isfinite(combined))
    ranked = ranked[np.argsort(-combined[ranked], kind="stable")]
    first = ranked[:suspects]
    lower = ranked[max(len(first), len(ranked) // 2) :]
    return first, np.sort(random.permutation(lower)[:others])


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return probabilities, (b, C)."""
    odds: NDArray[np.float32] = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def unevenness_slope(mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the gradient of the sum of differences between neighbours, (b, h, w)."""
    slope = np.zeros_like(mask)
    for axis in (1, 2):
        signs = np.sign(np.diff(mask, axis=axis))
        ends = [(0, 0)] * 3
        ends[axis] = (1, 0)
        slope += np.pad(signs, ends)
        ends[axis] = (0, 1)
        slope -= np.pad(signs, ends)
    return slope


def reduced(masks: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return masks as bytes, averaged over blocks down to the size that a case keeps."""
    for axis in (1, 2):
        length = masks.shape[axis]
        if length > LARGEST_MAP:
            edges = np.arange(LARGEST_MAP) * length // LARGEST_MAP
            widths = np.diff(np.append(edges, length))
            shape = [1, 1, 1]
            shape[axis] = LARGEST_MAP
            sums = np.add.reduceat(masks, edges, axis=axis)
            masks = np.asarray(sums / widths.reshape(shape), np.float32)
    return np.round(255 * masks).astype(np.uint8)


def _compared(
    scores: NDArray[np.float64], first: NDArray[np.intp], rest: NDArray[np.intp]
) -> tuple[str, ...]:
    """Say how large the masks of the suspects are beside those of the others."""
    if not (np.isfinite(scores[first]).any() and np.isfinite(scores[rest]).any()):
        return ()
    small, usual = -np.nanmedian(scores[first]), -np.nanmedian(scores[rest])
    return (
        f"Half of the suspects keep their answer with {small:.0f} pixels or fewer, half of the "
        f"others with {usual:.0f}.",
    )


DETECTORS = [CognitiveDistillation]
