"""Neural Cleanse: for each class, the smallest patch that turns pictures of other classes into it.

Wang, Yao, Shan, Li, Viswanath, Zheng, Zhao: Neural Cleanse: Identifying and Mitigating Backdoor
Attacks in Neural Networks, IEEE S&P 2019, section IV. A picture x becomes (1 - m) x + m p with one
opacity m per pixel, shared by the channels, and a colour p. The search minimises cross-entropy at the
class plus a weight times the L1 norm of m, in plain pixels and through the network's own
preprocessing, and keeps the smallest mask that turns 99 of 100 pictures.

It differs from the authors' code in where it starts (see `lockstep`), in shorter rounds (`PUBLISHED`
has theirs), and in leaving out pictures that are of the class already: there is nothing to turn.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from inspector.api import Control
from inspector.errors import BadInput
from inspector.triggers.lockstep import ClassState, Lockstep
from inspector.triggers.penalty import Settings
from inspector.triggers.pictures import Pictures, Preprocessing, Suspect, prepare_pictures
from inspector.triggers.preview import Preview
from inspector.triggers.result import HISTORY, TriggerResult, wilson_interval
from inspector.triggers.workload import Workload, plan_workload

METHOD = "neural-cleanse"
STEPS = 200
_FEW_HELD_OUT = 100


def neural_cleanse(
    model: Suspect,
    images: NDArray[np.uint8] | Sequence[NDArray[np.uint8]],
    labels: ArrayLike,
    classes: Sequence[int],
    *,
    steps: int = STEPS,
    seed: int = 0,
    settings: Settings | None = None,
    control: Control | None = None,
) -> Iterator[TriggerResult]:
    """Search for a trigger to each of some classes.

    Parameters
    ----------
    model : SuspectModel
        The suspect network and its preprocessing. It is copied, never changed.
    images : ndarray, shape (m, H, W, C), uint8, or sequence of such pictures
        Pictures to put triggers on, see `sample_rows`. A random half searches, the other measures.
    labels : array_like, shape (m,), int
        Their labels, -1 where there is none.
    classes : sequence of int
        Classes to search. Compare at least three (`anomaly_index`), better all.
    steps : int
        Batches per class at most; a search that no longer gains stops earlier.
    seed : int
        Same seed, same triggers, whichever other classes are searched.
    settings : Settings, optional
        Constants; `PUBLISHED` has those of the authors' code.
    control : Control, optional
        Gets progress ("triggers") and previews ("trigger"), and can stop or pause the search.

    Returns
    -------
    iterator of TriggerResult
        In the order of ``classes``; classes of one group arrive together.

    Raises
    ------
    BadInput
        A class that the network does not have, a network with one class, too few pictures.
    """
    wanted = _checked_classes(model, classes)
    if steps < 1:
        raise BadInput(f"A search of {steps} steps finds nothing.", "", "Ask for 200 or more.")
    settings, control = settings or Settings(), control or Control()
    network = _frozen_copy(model.network)
    device = next(network.parameters()).device
    if len(images) == 0:
        raise BadInput("A trigger search needs pictures.", "None were given.", "Give at least 50.")
    example = model.preprocess(images[:1]).to(device)
    workload = plan_workload(network, example, settings.batch)
    pictures = prepare_pictures(
        model,
        images,
        labels,
        network,
        seed=seed,
        portion=workload.pictures_at_once,
        control=control,
    )
    return _search(
        network, model.preprocess, pictures, wanted, workload, steps, seed, settings, control
    )


def _search(
    network: nn.Module,
    preprocess: Preprocessing,
    pictures: Pictures,
    wanted: list[int],
    workload: Workload,
    steps: int,
    seed: int,
    settings: Settings,
    control: Control,
) -> Iterator[TriggerResult]:
    preview = Preview(control)
    total = len(wanted) * steps
    for start in range(0, len(wanted), workload.classes_together):
        group = wanted[start : start + workload.classes_together]
        searched = [c for c in group if len(pictures.turnable(pictures.search, c))]
        lockstep = Lockstep(
            network,
            preprocess,
            pictures,
            searched,
            settings=settings,
            seed=seed,
            portion=workload.pictures_at_once,
            control=control,
        )
        for number in range(1, steps + 1):
            running = sum(state.running for state in lockstep.states)
            if not running:
                break
            lockstep.step(preview, number, steps)
            done = start * steps + (len(group) - running) * steps + running * number
            text = f"step {number} of {steps}, {running} of {len(group)} classes searching"
            control.progress("triggers", done, total, text)
        control.progress("triggers", (start + len(group)) * steps, total)
        states = {state.target: state for state in lockstep.states}
        for target in group:
            if target in states:
                yield _conclude(
                    network, preprocess, pictures, states[target], workload, seed, control
                )
            else:
                reason = (
                    "Every picture of the search carries the label of this class or is answered "
                    "with it already; there is none to turn."
                )
                yield _skipped(pictures, target, seed, (reason,))


def _conclude(
    network: nn.Module,
    preprocess: Preprocessing,
    pictures: Pictures,
    state: ClassState,
    workload: Workload,
    seed: int,
    control: Control,
) -> TriggerResult:
    target = state.target
    notes = []
    if not bool((pictures.labels == target).any()):
        notes.append("No picture of the search carries the label of this class.")
    if state.stuck or state.mask is None or state.pattern is None:
        notes.append(
            "The network's answer for this class does not react to small changes of the pictures "
            "(its gradient is zero or not a number, as in a saturated network), so a search that "
            "follows gradients says nothing about it."
        )
        return _skipped(pictures, target, seed, tuple(notes), state)
    # Measured as the analyst sees it: in whole grey levels, through the real preprocessing.
    mask = (state.mask * 255).round() / 255
    pattern = (state.pattern * 255).round() / 255
    rows = pictures.turnable(pictures.held_out, target)
    turned = _count_turned(
        network, preprocess, pictures, rows, target, mask, pattern, workload, control
    )
    reached = bool(np.isfinite(state.penalty.best_l1))
    if not reached:
        notes.append(
            f"No trigger turned {state.penalty.settings.success:.0%} of the pictures; kept is the "
            f"most successful one, with {state.best_success:.0%}."
        )
    if len(rows) < _FEW_HELD_OUT:
        notes.append(f"Only {len(rows)} held-out pictures measured the success rate.")
    return TriggerResult(
        class_index=target,
        method=METHOD,
        status="done",
        mask=mask[0].cpu().numpy(),
        pattern=(pattern * 255).round().byte().permute(1, 2, 0).contiguous().cpu().numpy(),
        reached=reached,
        mask_l1=float(mask.sum()),
        success_rate=turned / len(rows) if len(rows) else float("nan"),
        success_interval=wilson_interval(turned, len(rows)),
        held_out=len(rows),
        steps=state.steps,
        seed=seed,
        history=_history(state),
        notes=tuple(notes),
    )


@torch.no_grad()
def _count_turned(
    network: nn.Module,
    preprocess: Preprocessing,
    pictures: Pictures,
    rows: torch.Tensor,
    target: int,
    mask: torch.Tensor,
    pattern: torch.Tensor,
    workload: Workload,
    control: Control,
) -> int:
    turned = 0
    for some in rows.split(workload.pictures_at_once):
        control.check()
        stamped = (1 - mask) * pictures.pixels[some].float() + mask * pattern * 255
        answers = network(preprocess.normalise(stamped.round() / 255))
        turned += int((answers.argmax(dim=1) == target).sum())
    return turned


def _skipped(
    pictures: Pictures,
    target: int,
    seed: int,
    notes: tuple[str, ...],
    state: ClassState | None = None,
) -> TriggerResult:
    channels, height, width = pictures.pixels.shape[1:]
    return TriggerResult(
        class_index=target,
        method=METHOD,
        status="skipped",
        mask=np.zeros((height, width), np.float32),
        pattern=np.zeros((height, width, channels), np.uint8),
        steps=state.steps if state else 0,
        seed=seed,
        history=_history(state) if state else np.zeros((0, len(HISTORY)), np.float32),
        notes=notes,
    )


def _history(state: ClassState) -> NDArray[np.float32]:
    return np.array(state.history, dtype=np.float32).reshape(-1, len(HISTORY))


def _frozen_copy(network: nn.Module) -> nn.Module:
    # A copy, since eval mode, frozen weights and the memory layout must not reach the original.
    # Channels-last convolutions of small networks take half the time on a CPU.
    frozen = copy.deepcopy(network).eval().requires_grad_(False)
    return frozen.to(memory_format=torch.channels_last)


def _checked_classes(model: Suspect, classes: Sequence[int]) -> list[int]:
    if model.num_classes < 2:
        raise BadInput(
            "The model has a single class.",
            "A trigger turns pictures of one class into another, so there is none to look for.",
            "Use a model with at least two classes.",
        )
    wanted = list(dict.fromkeys(int(value) for value in classes))
    wrong = [value for value in wanted if not 0 <= value < model.num_classes]
    if wrong or not wanted:
        raise BadInput(
            f"Class {wrong[0]} cannot be searched." if wrong else "No class was named to search.",
            f"The model has the classes 0 to {model.num_classes - 1}.",
            "Name some of them.",
        )
    return wanted
