"""Searches of several classes that advance side by side, step by step."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F

from inspector.triggers.descent import Adam, finite_slope
from inspector.triggers.forms import Form
from inspector.triggers.penalty import Penalty, Settings
from inspector.triggers.preview import Preview, Standing
from inspector.triggers.running import Running
from inspector.triggers.search import Search
from inspector.triggers.stamp import Stamp
from inspector.triggers.stamping import Stamping


@dataclass
class ClassState:
    """Where the search for one class stands.

    Attributes
    ----------
    kept : Stamp or None
        The trigger to keep: the smallest one that works, or the most successful one while none
        works.
    best : list of Tensor
        The free numbers that stand for it.
    """

    target: int
    penalty: Penalty
    kept: Stamp | None = None
    best: list[torch.Tensor] = field(default_factory=list)
    best_success: float = -1.0
    stuck: bool = False
    steps: int = 0
    history: list[tuple[float, ...]] = field(default_factory=list)

    @property
    def running(self) -> bool:
        """Whether the class takes part in the next step."""
        return not (self.stuck or self.penalty.finished)

    @property
    def works(self) -> bool:
        """Whether a trigger was found that turns as many pictures as it must."""
        return not self.stuck and bool(np.isfinite(self.penalty.best_l1))

    def standing(self) -> Standing:
        """Return where the class stands, with the smallest trigger that works once there is one."""
        word = "found" if self.works else "searching" if self.running else "none"
        success, size = self.history[-1][2:4] if self.history else (None, None)
        if self.works:
            success, size = self.best_success, self.penalty.best_l1
        return Standing(self.target, word, self.running, self.steps, success, size)


class Lockstep:
    """Optimises one trigger per class with Adam, in tanh space.

    Slopes are handed on as sums of products: given on their own, they have torch import sympy first,
    which takes longer than the search of a small network's class (seen in torch 2.15).

    The pairs (class, picture) of a step form one list that is cut into portions for the network, so
    that many small networks and one large one run through the same code.

    Parameters
    ----------
    search : Search
    targets : list of int
        Classes; each must have pictures to turn.
    form : Form
        What a trigger consists of, one for each of the targets.
    settings : Settings
    portion : int
        Pairs per forward and backward pass.
    """

    def __init__(
        self, search: Search, targets: list[int], form: Form, settings: Settings, portion: int
    ) -> None:
        self._answers = search.answers
        self._pictures, self._control = search.pictures, search.control
        self._settings, self._portion, self._form = settings, portion, form
        self.states = [ClassState(target, Penalty(settings)) for target in targets]
        pictures = self._pictures
        device = pictures.pixels.device
        self._targets = torch.tensor(targets, device=device)
        self._turnable = (pictures.labels[None] != self._targets[:, None]) & (
            pictures.answers[None] != self._targets[:, None]
        )
        self._descents = [Adam(theta, settings.rate) for theta in form.thetas]
        # Every group draws the same batches: a trigger must not depend on its class's neighbours.
        self._shuffle = torch.Generator().manual_seed(search.seed)
        self._queue = torch.empty(0, dtype=torch.int64, device=device)
        self._clear_round()

    def running(self) -> dict[int, Running]:
        """Return where the running classes stand, by class; call it at the end of a round."""
        thetas = self._form.thetas
        parts = [thetas, *zip(*(descent.moments for descent in self._descents))]
        found = {}
        for row, state in enumerate(self.states):
            if state.running:
                own = [[part[row] for part in of] for of in parts]
                own.append(state.best or [torch.zeros_like(theta[row]) for theta in thetas])
                flat = torch.stack([torch.cat([part.flatten() for part in of]) for of in own])
                found[state.target] = Running(
                    state.steps,
                    flat.cpu().numpy(),
                    state.kept is not None,
                    state.best_success,
                    state.penalty.told(),
                    tuple(state.history),
                )
        return found

    def resume(self, standing: list[Running]) -> None:
        """Go on where the classes stood, in their order; all after the same number of steps."""
        steps, thetas = standing[0].steps, self._form.thetas
        numbers = torch.stack([torch.from_numpy(one.numbers) for one in standing], dim=1)
        parts = numbers.to(self._targets.device).split([theta[0].numel() for theta in thetas], -1)
        best = []
        for theta, descent, part in zip(thetas, self._descents, parts):
            free, mean, square, kept = (some.reshape(theta.shape) for some in part)
            theta.copy_(free)
            descent.resume(steps, mean, square)
            best.append(kept)
        for row, (state, one) in enumerate(zip(self.states, standing)):
            state.penalty = Penalty.resumed(self._settings, one.penalty)
            state.steps, state.best_success = steps, one.best_success
            state.history = list(one.history)
            if one.works:
                state.best = [kept[row].clone() for kept in best]
                values = self._form.values(*(kept[None] for kept in state.best))
                state.kept = self._form.trigger(*(value[0] for value in values))
        for _ in range(steps):
            self._next_batch()  # The batches to come are those that would have come.

    def step(self, preview: Preview, number: int, total: int) -> None:
        """Advance every running class by one batch."""
        running = [row for row, state in enumerate(self.states) if state.running]
        thetas = [theta.detach().requires_grad_() for theta in self._form.thetas]
        values = self._form.values(*thetas)
        sizes = self._form.sizes(*values)
        fixed = [value.detach() for value in values]
        slopes = self._slopes(fixed, running)
        weights = torch.tensor([state.penalty.weight for state in self.states])
        worth = sum((value * slope).sum() for value, slope in zip(values, slopes))
        downhill = torch.autograd.grad(worth + (sizes * weights.to(sizes.device)).sum(), thetas)
        for row in running:
            self.states[row].steps += 1
        if number % self._settings.round_steps == 0 or number == total:
            self._end_round(number, fixed, sizes.tolist(), running)
        chosen = preview.choose(running)
        if chosen is not None:
            self._show(preview, chosen, number, total, fixed, float(sizes[chosen].detach()))
        for descent, slope in zip(self._descents, downhill):
            descent.step(slope)

    def _slopes(self, values: list[torch.Tensor], running: list[int]) -> list[torch.Tensor]:
        """Cross-entropy's slope at the triggers over the next batch, averaged per class."""
        batch = self._next_batch()
        rows = torch.tensor(running, device=batch.device)
        which, picture = torch.nonzero(self._turnable[rows][:, batch], as_tuple=True)
        which, picture = rows[which], batch[picture]
        share = torch.bincount(which, minlength=len(self.states)).clamp(min=1).reciprocal()
        slopes = [torch.zeros_like(value) for value in values]
        for row, index in zip(which.split(self._portion), picture.split(self._portion)):
            self._control.check()
            if not len(row):
                continue
            # The pictures of a class stand together: its trigger is broadcast, not repeated.
            classes, counts = (part.tolist() for part in row.unique_consecutive(return_counts=True))
            pixels = torch.div(self._pictures.pixels.index_select(0, index), 255).split(counts)
            triggers = [[value[at, None] for value in values] for at in classes]
            stamping = Stamping(self._form, triggers, pixels)
            stamped = stamping.pictures().requires_grad_()
            answers = self._answers(stamped)
            target = self._targets[row]
            losses = F.cross_entropy(answers, target, reduction="none")
            if self._settings.keep:
                others = answers.scatter(1, target[:, None], -torch.inf)
                before = self._pictures.answers[index]
                kept = F.cross_entropy(others, before, reduction="none")
                losses = losses + self._settings.keep * kept
            (slope,) = torch.autograd.grad((losses * share[row]).sum(), stamped)
            slope, steepness = finite_slope(slope)
            for at, found in zip(classes, stamping.slopes(slope)):
                for total, part in zip(slopes, found):
                    total[at] += part[0]
            self._tally(row, losses.detach(), answers.detach().argmax(dim=1) == target, steepness)
        return slopes

    def _tally(
        self, row: torch.Tensor, losses: torch.Tensor, turned: torch.Tensor, steepness: torch.Tensor
    ) -> None:
        self._seen.index_add_(0, row, torch.ones_like(losses))
        self._turned.index_add_(0, row, turned.to(losses.dtype))
        self._loss.index_add_(0, row, losses)
        self._slope.index_add_(0, row, steepness)

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
        self, number: int, values: list[torch.Tensor], sizes: list[float], running: list[int]
    ) -> None:
        seen, turned, loss, slope = (
            tally.tolist() for tally in (self._seen, self._turned, self._loss, self._slope)
        )
        for row in running:
            if seen[row] == 0:  # none of the round's pictures could be turned into this class
                continue
            state, size = self.states[row], sizes[row]
            success = turned[row] / seen[row]
            worth = loss[row] / seen[row] + state.penalty.weight * size
            state.history.append((number, worth, success, size, state.penalty.weight))
            state.stuck = slope[row] == 0 and success < self._settings.success
            found_before = np.isfinite(state.penalty.best_l1)
            smallest = state.penalty.update(success, size)
            if smallest or (not found_before and success > state.best_success):
                state.kept = self._form.trigger(*(value[row].clone() for value in values))
                state.best = [theta[row].clone() for theta in self._form.thetas]
                state.best_success = success
        self._clear_round()

    def _show(
        self,
        preview: Preview,
        row: int,
        number: int,
        total: int,
        values: list[torch.Tensor],
        size: float,
    ) -> None:
        state = self.states[row]
        _, loss, success, last, _ = state.history[-1] if state.history else (0.0, 0.0, 0.0, size, 0)
        trigger = self._form.trigger(*(value[row] for value in values))
        preview.send(
            {
                "class": state.target,
                "step": number,
                "steps": total,
                "loss": round(loss, 5) if np.isfinite(loss) else None,
                "success": round(success, 4),
                "mask_l1": round(last, 2),
                "transforms": trigger.transformation is not None,
            },
            trigger.mask,
            trigger.pattern,
        )
