"""How well a reconstructed trigger works on pictures that its search never had."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inspector.triggers.result import HISTORY, TriggerResult, wilson_interval
from inspector.triggers.search import Search
from inspector.triggers.stamp import Stamp

FEW_HELD_OUT = 100
NO_SLOPE = (
    "The network's answer for this class does not react to small changes of the pictures "
    "(its gradient is zero or not a number, as in a saturated network), so a search that "
    "follows gradients says nothing about it."
)
_CONTROLS = 200
_EXAMPLES = 4
_QUICK, _QUICK_CONTROLS = 200, 50
"""Held-out pictures that measure a first look, and its controls."""


def conclude(
    search: Search,
    target: int,
    method: str,
    stamp: Stamp,
    *,
    reached: bool,
    counted: tuple[int, int] | None = None,
    notes: tuple[str, ...] = (),
    **rest: Any,
) -> TriggerResult:
    """Measure a trigger on the held-out pictures and return the result.

    Parameters
    ----------
    search : Search
    target : int
        The class that it leads to.
    method : str
        Name of the search.
    stamp : Stamp
    reached : bool
        Whether the search reached its own success rate.
    counted : tuple of int, optional
        What `count_answers` said of the trigger in whole levels on all rows, if it was asked already.
    notes : tuple of str
        What the reader must know.
    **rest
        Further fields of `TriggerResult`.

    Notes
    -----
    Measured as the analyst sees it: in whole grey levels, through the real preprocessing. The
    controls are the same pixels in the other half of the picture ("moved") and at random places
    ("shuffled"), on up to 200 of the held-out pictures; of a transformation the same changes there.
    A quick search measures on fewer. ``details`` gets "retained", see `count_answers`.
    """
    stamp = stamp.whole_levels()
    rows = measuring_rows(search, target)
    turned, retained = counted or count_answers(search, stamp, rows, target)
    few = rows[: _QUICK_CONTROLS if search.quick else _CONTROLS]
    if stamp.transformation is not None and len(few):
        stamp = Stamp.changing(stamp.transformation, search.pictures.pixels[few].float() / 255)
    height, width = search.shape[1:]
    controls: dict[str, float | None] = {}
    for name, other in (
        ("moved", stamp.moved(height // 2, width // 2)),
        ("shuffled", stamp.shuffled(search.seed)),
    ):
        controls[name] = count_turned(search, other, few, target) / len(few) if len(few) else None
    said = [*search.notes, *notes]
    if not bool((search.pictures.labels == target).any()):
        said.insert(0, "No picture of the search carries the label of this class.")
    if len(rows) < FEW_HELD_OUT:
        said.append(f"Only {len(rows)} held-out pictures measured the success rate.")
    return TriggerResult(
        class_index=target,
        method=method,
        status="done",
        mask=stamp.mask[0].cpu().numpy(),
        pattern=(stamp.pattern * 255).round().byte().permute(1, 2, 0).contiguous().cpu().numpy(),
        delta=None if stamp.delta is None else _levels(stamp.delta),
        weights=None if stamp.transformation is None else stamp.transformation.arrays(),
        examples=None if stamp.transformation is None else _examples(search, stamp, rows),
        reached=reached,
        mask_l1=float(stamp.mask.sum()),
        success_rate=turned / len(rows) if len(rows) else float("nan"),
        success_interval=wilson_interval(turned, len(rows)),
        held_out=len(rows),
        controls=controls,
        seed=search.seed,
        notes=tuple(said),
        **{**rest, "details": {**_retained(retained, len(rows)), **rest.get("details", {})}},
    )


def _retained(retained: int, rows: int) -> dict[str, Any]:
    if not rows:
        return {}
    return {
        "retained": {"rate": retained / rows, "interval": list(wilson_interval(retained, rows))}
    }


@torch.no_grad()
def _examples(search: Search, stamp: Stamp, rows: torch.Tensor) -> NDArray[np.uint8]:
    before = search.pictures.pixels[rows[:_EXAMPLES]]
    after = (stamp.on(before.float() / 255) * 255).round().byte()
    pair = torch.stack([before, after]).permute(0, 1, 3, 4, 2).contiguous()
    found: NDArray[np.uint8] = pair.cpu().numpy()
    return found


def measuring_rows(search: Search, target: int) -> torch.Tensor:
    """Return the held-out pictures that measure how well triggers of a class work."""
    rows = search.pictures.turnable(search.pictures.held_out, target)
    return rows[:_QUICK] if search.quick else rows


def _levels(delta: torch.Tensor) -> NDArray[np.int16]:
    levels = (delta * 255).round().to(torch.int16).permute(1, 2, 0).contiguous()
    found: NDArray[np.int16] = levels.cpu().numpy()
    return found


def count_turned(search: Search, stamp: Stamp, rows: torch.Tensor, target: int) -> int:
    """Return how many of some pictures a trigger turns into a class."""
    return count_answers(search, stamp, rows, target)[0]


@torch.no_grad()
def count_answers(search: Search, stamp: Stamp, rows: torch.Tensor, target: int) -> tuple[int, int]:
    """Return how many of some pictures a trigger turns, and how many the network still knows.

    It knows a picture when, leaving the target out, it gives the answer that it gave without the
    trigger: a backdoor overrules what is seen, a natural change replaces it.
    """
    turned = retained = 0
    for some in rows.split(search.portion):
        search.control.check()
        stamped = stamp.on(torch.div(search.pictures.pixels.index_select(0, some), 255))
        answers = search.answers((stamped * 255).round() / 255)
        turned += int((answers.argmax(dim=1) == target).sum())
        answers[:, target] = -torch.inf
        retained += int((answers.argmax(dim=1) == search.pictures.answers[some]).sum())
    return turned, retained


def skipped(
    search: Search, target: int, method: str, notes: tuple[str, ...], **rest: Any
) -> TriggerResult:
    """Return the result for a class in which nothing could be searched."""
    channels, height, width = search.shape
    return TriggerResult(
        class_index=target,
        method=method,
        status="skipped",
        mask=np.zeros((height, width), np.float32),
        pattern=np.zeros((height, width, channels), np.uint8),
        seed=search.seed,
        notes=(*search.notes, *notes),
        **rest,
    )


def none_to_turn(search: Search, target: int, method: str) -> TriggerResult:
    """Return the result for a class to which every picture belongs already."""
    reason = (
        "Every picture of the search carries the label of this class or is answered "
        "with it already; there is none to turn."
    )
    return skipped(search, target, method, (reason,))


def as_history(rows: list[tuple[float, ...]]) -> NDArray[np.float32]:
    """Return rounds as an array (t, 5)."""
    return np.array(rows, dtype=np.float32).reshape(-1, len(HISTORY))
