"""Maximum margin: how sure of a class can the network be made by any picture at all?

Wang, Xiang, Miller, Kesidis: MM-BD: Post-Training Detection of Backdoor Attacks with Arbitrary
Backdoor Pattern Types Using a Maximum Margin Statistic, IEEE S&P 2024. It needs no pictures and finds
no trigger: for each class the largest lead of its logit over all others, climbed to from random
pictures. A backdoor has taught the network to overrule everything else.

The p-value of the paper (a gamma law fitted to the other maxima) accuses 14 to 36 of 100 clean
networks with 10 classes at a nominal 5. Here classes are compared as everywhere else (`standing`), by
the square roots of their margins, those of a network relative to its median class: raw margins spread
to the upper side with no backdoor (8 of 103 small networks would be accused, of square roots 5), and
logarithms hide what they should show (three of seven targets).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch

from inspector.triggers.descent import Adam, finite_slope
from inspector.triggers.forms import to_unit
from inspector.triggers.kept_screens import Course, Screen, ScreenKeeper
from inspector.triggers.measuring import NO_SLOPE, as_history, skipped
from inspector.triggers.method import MethodInfo
from inspector.triggers.preview import Preview
from inspector.triggers.result import TriggerResult
from inspector.triggers.search import Search

METHOD = "maximum-margin"
STEPS, QUICK_STEPS = 100, 50
_STARTS, _QUICK_STARTS = 6, 3
_RATE = 0.1
_RISE = 1e-4
"""Least gain of a climb, as a share of where it began: a few times the rounding of float32."""

_NOTE = "Maximum margin finds no trigger; it says which class to search with another method."


class MaximumMargin:
    """The method behind ``--method maximum-margin``."""

    info = MethodInfo(
        id=METHOD,
        title="Maximum margin (screen)",
        summary="How sure of each class the network can be made; no trigger, no pictures needed.",
        version="1.1",
        reference="Wang et al. 2024, IEEE S&P (MM-BD)",
        pictures=STEPS * _STARTS,
    )

    def run(self, search: Search) -> Iterator[TriggerResult]:
        """Climb for all classes side by side; a climb that ends early says nothing yet.

        With a folder it goes on where an earlier search was left, and leaves where it was itself.
        """
        keeper = ScreenKeeper(search, METHOD, search.classes)
        try:
            yield from self._results(search, keeper)
        finally:
            keeper.write()

    def _results(self, search: Search, keeper: ScreenKeeper) -> Iterator[TriggerResult]:
        first, margins, courses = _climb(search, keeper)
        usual = float(margins.median()) if courses else 1.0
        for at, target in enumerate(search.classes if courses else ()):
            start, best = float(first[at]), float(margins[at])
            # A margin that random pictures have already and that no climb raises is no maximum.
            risen = np.isfinite(best) and best - start > _RISE * max(abs(start), 1.0)
            yield skipped(
                search,
                target,
                METHOD,
                (_NOTE,) if risen else (NO_SLOPE,),
                looks=(math.sqrt(max(best, 0.0) / usual) if risen and usual > 0 else math.nan,),
                steps=_steps_of(search),
                history=as_history(courses[at]),
                details={"margin": round(best * search.temperature, 4) if risen else None},
            )
        if courses:
            keeper.forget()


def _steps_of(search: Search) -> int:
    return search.steps or (QUICK_STEPS if search.quick else STEPS)


def _climb(search: Search, keeper: ScreenKeeper) -> tuple[torch.Tensor, torch.Tensor, list[Course]]:
    """Return the largest margin by class (k,) at the start and at all, and the courses.

    No courses when it ends early.
    """
    steps, classes = _steps_of(search), list(search.classes)
    starts = _QUICK_STARTS if search.quick else _STARTS
    random = torch.Generator().manual_seed(search.seed)
    # Every class starts from the same pictures, or the starts would tell the classes apart.
    first = torch.rand(starts, *search.shape, generator=random)
    theta = torch.atanh((first * 2 - 1) * 0.98).repeat(len(classes), 1, 1, 1).to(search.device)
    targets = torch.tensor(classes, device=search.device).repeat_interleave(starts)
    descent, preview = Adam(theta, _RATE), Preview(search.control)
    highest = torch.full((len(classes),), -torch.inf, device=search.device)
    start = highest
    courses: list[Course] = [[] for _ in classes]
    made = 0
    shapes = {name: tuple(theta.shape) for name in ("theta", "mean", "square")}
    shapes |= dict.fromkeys(("highest", "start"), (len(classes),))
    stood = keeper.stood(shapes, len(classes), steps)
    if stood is not None:
        made, courses = stood.steps, list(stood.courses)
        there = {
            name: torch.from_numpy(values).to(theta.device) for name, values in stood.arrays.items()
        }
        theta.copy_(there["theta"])
        descent.resume(made, there["mean"], there["square"])
        highest, start = there["highest"], there["start"]

    def here() -> Screen:
        mean, square = descent.moments
        parts = {"theta": theta, "mean": mean, "square": square, "highest": highest, "start": start}
        return Screen(made, {name: part.cpu().numpy() for name, part in parts.items()}, courses)

    for number in range(made + 1, steps + 1):
        if search.control.ends_early():
            return start, highest, []
        slopes, margins = torch.zeros_like(theta), []
        for rows in torch.arange(len(theta), device=search.device).split(search.portion):
            search.control.check()
            free = theta[rows].requires_grad_()
            logits = search.answers(to_unit(free))
            own = logits.gather(1, targets[rows, None])[:, 0]
            others = logits.scatter(1, targets[rows, None], -torch.inf).amax(dim=1)
            margin = own - others
            (slope,) = torch.autograd.grad(margin.sum(), free)
            slopes[rows] = -finite_slope(slope)[0]
            margins.append(margin.detach())
        reached = torch.cat(margins).view(len(classes), starts)
        highest = torch.maximum(highest, torch.nan_to_num(reached, nan=-torch.inf).amax(dim=1))
        start = highest if number == 1 else start
        descent.step(slopes)
        if number % 5 == 0 or number == steps:
            for at, value in enumerate(reached.mean(dim=1).tolist()):
                courses[at].append((number, float("nan"), float("nan"), value, 0.0))
        made = number
        keeper.note(here)
        shown = preview.choose(list(range(len(classes))))
        if shown is not None:
            picture = to_unit(theta[shown * starts])
            numbers = {"class": classes[shown], "step": number, "steps": steps}
            told = {"loss": None, "success": None, "mask_l1": None}
            preview.send({**numbers, **told}, torch.ones_like(picture[:1]), picture)
        search.control.progress("triggers", number, steps, f"maximum margin, step {number}")
    if made:
        keeper.note(here)
    return start, highest, courses


METHODS = [MaximumMargin]
