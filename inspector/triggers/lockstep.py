"""Searches of several classes that advance side by side, step by step."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from inspector.api import Control
from inspector.triggers.descent import Adam
from inspector.triggers.penalty import Penalty, Settings
from inspector.triggers.pictures import Pictures, Preprocessing
from inspector.triggers.preview import Preview

# The authors start from random noise. There tanh is saturated at many pixels, which then hardly move:
# with a 3×3 patch planted in Fashion-MNIST, one random start in eight never found it. From a faint
# even mask (opacity 0.12) over grey, twelve of twelve did.
_FAINT = -1.0


@dataclass
class ClassState:
    """Where the search for one class stands.

    Attributes
    ----------
    mask, pattern : Tensor or None
        The trigger to keep, shapes (1, H, W) and (C, H, W), 0..1: the smallest one that works, or
        the most successful one while none works.
    """

    target: int
    penalty: Penalty
    mask: torch.Tensor | None = None
    pattern: torch.Tensor | None = None
    best_success: float = -1.0
    stuck: bool = False
    steps: int = 0
    history: list[tuple[float, ...]] = field(default_factory=list)

    @property
    def running(self) -> bool:
        """Whether the class takes part in the next step."""
        return not (self.stuck or self.penalty.finished)


class Lockstep:
    """Optimises one mask and one pattern per class with Adam, in tanh space.

    The pairs (class, picture) of a step form one list that is cut into portions for the network, so
    that many small networks and one large one run through the same code.

    Parameters
    ----------
    network : Module
        Frozen, in eval mode.
    targets : list of int
        Classes; each must have pictures to turn.
    portion : int
        Pairs per forward and backward pass.
    """

    def __init__(
        self,
        network: nn.Module,
        preprocess: Preprocessing,
        pictures: Pictures,
        targets: list[int],
        *,
        settings: Settings,
        seed: int,
        portion: int,
        control: Control,
    ) -> None:
        self._network, self._preprocess, self._pictures = network, preprocess, pictures
        self._settings, self._portion, self._control = settings, portion, control
        self.states = [ClassState(target, Penalty(settings)) for target in targets]
        device = pictures.pixels.device
        self._targets = torch.tensor(targets, device=device)
        self._turnable = (pictures.labels[None] != self._targets[:, None]) & (
            pictures.answers[None] != self._targets[:, None]
        )
        channels, height, width = pictures.pixels.shape[1:]
        self._mask_theta = torch.full((len(targets), 1, height, width), _FAINT, device=device)
        self._pattern_theta = torch.zeros(len(targets), channels, height, width, device=device)
        self._mask_descent = Adam(self._mask_theta, settings.rate)
        self._pattern_descent = Adam(self._pattern_theta, settings.rate)
        # Every group draws the same batches: a trigger must not depend on its class's neighbours.
        self._shuffle = torch.Generator().manual_seed(seed)
        self._queue = torch.empty(0, dtype=torch.int64, device=device)
        self._clear_round()

    def step(self, preview: Preview, number: int, total: int) -> None:
        """Advance every running class by one batch."""
        running = [row for row, state in enumerate(self.states) if state.running]
        mask, pattern = _to_unit(self._mask_theta), _to_unit(self._pattern_theta)
        mask_l1 = mask.sum(dim=(1, 2, 3))
        mask_slope, pattern_slope = self._slopes(mask, pattern, running)
        weights = torch.tensor([state.penalty.weight for state in self.states])
        mask_slope += weights.to(mask.device).view(-1, 1, 1, 1)
        for row in running:
            self.states[row].steps += 1
        if number % self._settings.round_steps == 0 or number == total:
            self._end_round(number, mask, pattern, mask_l1, running)
        chosen = preview.choose(running)
        if chosen is not None:
            self._show(preview, chosen, number, total, mask, pattern)
        # With m = (tanh t + 1) / 2 the slope of m is 2 m (1 - m).
        self._mask_descent.step(mask_slope * 2 * mask * (1 - mask))
        self._pattern_descent.step(pattern_slope * 2 * pattern * (1 - pattern))

    def _slopes(
        self, mask: torch.Tensor, pattern: torch.Tensor, running: list[int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Cross-entropy's slope at masks and patterns over the next batch, averaged per class."""
        batch = self._next_batch()
        rows = torch.tensor(running, device=batch.device)
        which, picture = torch.nonzero(self._turnable[rows][:, batch], as_tuple=True)
        which, picture = rows[which], batch[picture]
        share = torch.bincount(which, minlength=len(self.states)).clamp(min=1).reciprocal()
        mask_slope, pattern_slope = torch.zeros_like(mask), torch.zeros_like(pattern)
        for row, index in zip(which.split(self._portion), picture.split(self._portion)):
            self._control.check()
            pixels = self._pictures.pixels[index].float() / 255
            stamped = ((1 - mask[row]) * pixels + mask[row] * pattern[row]).requires_grad_()
            answers = self._network(self._preprocess.normalise(stamped))
            target = self._targets[row]
            losses = F.cross_entropy(answers, target, reduction="none")
            (slope,) = torch.autograd.grad((losses * share[row]).sum(), stamped)
            slope = torch.nan_to_num(slope, nan=0.0, posinf=0.0, neginf=0.0)
            mask_slope.index_add_(0, row, ((pattern[row] - pixels) * slope).sum(1, keepdim=True))
            pattern_slope.index_add_(0, row, mask[row] * slope)
            self._tally(row, losses.detach(), answers.detach().argmax(dim=1) == target, slope)
        return mask_slope, pattern_slope

    def _tally(
        self, row: torch.Tensor, losses: torch.Tensor, turned: torch.Tensor, slope: torch.Tensor
    ) -> None:
        self._seen.index_add_(0, row, torch.ones_like(losses))
        self._turned.index_add_(0, row, turned.to(losses.dtype))
        self._loss.index_add_(0, row, losses)
        self._slope.index_add_(0, row, slope.abs().sum(dim=(1, 2, 3)))

    def _clear_round(self) -> None:
        count, device = len(self.states), self._targets.device
        self._seen, self._turned, self._loss, self._slope = torch.zeros(4, count, device=device)

    def _next_batch(self) -> torch.Tensor:
        search = self._pictures.search
        size = min(self._settings.batch, len(search))
        if len(self._queue) < size:
            order = torch.randperm(len(search), generator=self._shuffle)
            self._queue = search[order.to(search.device)]
        batch, self._queue = self._queue[:size], self._queue[size:]
        return batch

    def _end_round(
        self,
        number: int,
        mask: torch.Tensor,
        pattern: torch.Tensor,
        mask_l1: torch.Tensor,
        running: list[int],
    ) -> None:
        seen, turned, loss, slope = (
            values.tolist() for values in (self._seen, self._turned, self._loss, self._slope)
        )
        for row in running:
            if seen[row] == 0:  # none of the round's pictures could be turned into this class
                continue
            state, size = self.states[row], float(mask_l1[row])
            success = turned[row] / seen[row]
            worth = loss[row] / seen[row] + state.penalty.weight * size
            state.history.append((number, worth, success, size, state.penalty.weight))
            state.stuck = slope[row] == 0 and success < self._settings.success
            found_before = np.isfinite(state.penalty.best_l1)
            smallest = state.penalty.update(success, size)
            if smallest or (not found_before and success > state.best_success):
                state.mask, state.pattern = mask[row].clone(), pattern[row].clone()
                state.best_success = success
        self._clear_round()

    def _show(
        self,
        preview: Preview,
        row: int,
        number: int,
        total: int,
        mask: torch.Tensor,
        pattern: torch.Tensor,
    ) -> None:
        state = self.states[row]
        _, loss, success, size, _ = state.history[-1] if state.history else (0.0,) * 5
        if not state.history:
            size = float(mask[row].sum())
        preview.send(
            {
                "class": state.target,
                "step": number,
                "steps": total,
                "loss": round(loss, 5) if np.isfinite(loss) else None,
                "success": round(success, 4),
                "mask_l1": round(size, 2),
            },
            mask[row],
            pattern[row],
        )


def _to_unit(theta: torch.Tensor) -> torch.Tensor:
    return torch.tanh(theta) / 2 + 0.5
