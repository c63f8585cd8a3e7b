"""Universal perturbations: one faint noise per class and budget that turns as many pictures as it can.

Moosavi-Dezfooli, Fawzi, Fawzi, Frossard: Universal Adversarial Perturbations, CVPR 2017, here
towards a class and bounded in every pixel. To every class leads some noise; to the target of a
backdoor, above all a blended one, leads one that works far better at the same budget. All classes and
budgets share each pass, and the whole costs a fraction of a search for the smallest trigger: it is
the screen that says where to search. Classes are compared by the log odds of success, the mean of all
budgets: one comparison, where the best of four would be four chances of a false alarm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
import torch.nn.functional as F

from inspector.triggers.anomaly import FEWEST_CLASSES
from inspector.triggers.descent import finite_slope
from inspector.triggers.kept_screens import Counts, Course, Screen, ScreenKeeper
from inspector.triggers.measuring import (
    NO_SLOPE,
    as_history,
    conclude,
    count_answers,
    measuring_rows,
    none_to_turn,
    skipped,
)
from inspector.triggers.method import MethodInfo
from inspector.triggers.preview import Preview, Standing
from inspector.triggers.result import TriggerResult, wilson_interval
from inspector.triggers.search import Search
from inspector.triggers.stamp import Stamp

METHOD = "universal-perturbation"
BUDGETS = (4, 8, 16, 24)
"""Largest change of a pixel, grey levels."""

STEPS, QUICK_STEPS = 30, 15
_BATCH, _QUICK_BATCH = 16, 12
_SEARCHED, _QUICK_SEARCHED = (0, 1, 2, 3), (1, 3)
"""Which budgets: noise of the others is scaled from that of the next larger one. On 33 networks with
and without a backdoor the classes stood out as with four: of 20 targets 7 by two deviations."""

_SHOWN = 1
"""Budget that previews show."""

_SHARE = 1 / 6
"""Of the budget, per step."""

_WORKS = 0.8
_WORKING = float(np.log(_WORKS / (1 - _WORKS)))
"""The same as a logit."""

_EARLY = (
    "Stopped early, after {} of {} steps: the noise works and might get fainter. It is not compared "
    "with those of other classes."
)


class UniversalPerturbation:
    """The method behind ``--method universal-perturbation``."""

    info = MethodInfo(
        id=METHOD,
        title="Universal perturbation (screen)",
        summary="One faint noise per class at four budgets: cheap, and it catches blends.",
        version="1.1",
        reference="Moosavi-Dezfooli et al. 2017, CVPR",
        pictures=STEPS * _BATCH * len(BUDGETS),
    )

    def run(self, search: Search) -> Iterator[TriggerResult]:
        """Search all classes and budgets in the same passes.

        When it ends early, only classes are concluded for which a noise works already. With a folder
        it goes on where an earlier search was left, and leaves where it was itself.
        """
        pictures = search.pictures
        searched = [c for c in search.classes if len(pictures.turnable(pictures.search, c))]
        keeper = ScreenKeeper(search, METHOD, searched)
        try:
            yield from self._results(search, searched, keeper)
        finally:
            keeper.write()

    def _results(
        self, search: Search, searched: list[int], keeper: ScreenKeeper
    ) -> Iterator[TriggerResult]:
        steps = _steps_of(search)
        deltas, courses, made, measured = _descend(search, searched, keeper)
        early = made < steps
        # A perturbation that never left zero met no slope to follow.
        moved = [target for at, target in enumerate(searched) if bool(deltas[at].any())]
        rows = {target: measuring_rows(search, target) for target in moved}
        counts: dict[int, Counts] = {}
        for target in moved:
            known = None if early else measured.get(target)
            counts[target] = known or [
                count_answers(search, Stamp.added(delta).whole_levels(), rows[target], target)
                for delta in deltas[searched.index(target)]
            ]
            if not early:
                measured[target] = counts[target]
        rates = {
            target: [(turned, len(rows[target])) for turned, _ in made_of]
            for target, made_of in counts.items()
        }
        odds = {target: tuple(_logit(*pair) for pair in pairs) for target, pairs in rates.items()}
        noise = _noise(list(rates.values()))
        chosen = _most_telling(odds, noise)
        for target in search.classes:
            if target not in searched:
                yield none_to_turn(search, target, METHOD)
                continue
            if target not in rates:
                if not early:
                    yield skipped(search, target, METHOD, (NO_SLOPE,), steps=made)
                continue
            at = searched.index(target)
            budget = _least_working(odds[target]) if early else chosen[target]
            if early and odds[target][budget] < _WORKING:
                continue
            yield conclude(
                search,
                target,
                METHOD,
                Stamp.added(deltas[at, budget]),
                reached=True,
                counted=counts[target][budget],
                looks=(float(np.mean(odds[target])),),
                noise=(float(np.mean(noise)),),  # of the same pictures at all budgets
                steps=made,
                stopped_early=early,
                notes=(_EARLY.format(made, steps),) if early else (),
                history=as_history(courses[at][budget]),
                details={"budgets": _told(rates[target]), "budget": BUDGETS[budget]},
            )
        if not early:
            keeper.forget()


def _steps_of(search: Search) -> int:
    return search.steps or (QUICK_STEPS if search.quick else STEPS)


def _descend(
    search: Search, searched: list[int], keeper: ScreenKeeper
) -> tuple[torch.Tensor, list[list[Course]], int, dict[int, Counts]]:
    """Return perturbations (k, budgets, C, H, W), the course of each, the steps made, and counts.

    The course of one that is scaled is that of the one it comes from. The counts are those of classes
    that an earlier search measured after the last step; what is added to them is kept with the rest.
    """
    steps, pictures = _steps_of(search), search.pictures
    drawn = _QUICK_BATCH if search.quick else _BATCH
    own = _QUICK_SEARCHED if search.quick else _SEARCHED
    count, shown = len(own), own.index(_SHOWN)
    every = torch.tensor(BUDGETS, device=search.device).view(1, -1, 1, 1, 1) / 255
    bounds = every[:, own]
    deltas = torch.zeros(len(searched), count, *search.shape, device=search.device)
    flat = deltas.view(-1, *search.shape)
    courses: list[list[Course]] = [[[] for _ in own] for _ in searched]
    preview = Preview(search.control)
    shuffle = torch.Generator().manual_seed(search.seed)
    targets = torch.tensor(searched, device=search.device)
    turnable = (pictures.labels[None] != targets[:, None]) & (
        pictures.answers[None] != targets[:, None]
    )
    made, measured = 0, dict[int, Counts]()
    stood = keeper.stood({"deltas": tuple(deltas.shape)}, len(flat), steps)
    if stood is not None:
        deltas.copy_(torch.from_numpy(stood.arrays["deltas"]))
        courses = [list(stood.courses[at : at + count]) for at in range(0, len(flat), count)]
        made = stood.steps
        measured |= _fitting(stood.counts) if made == steps else {}
        for _ in range(made):  # the batches to come are those that would have come
            torch.randperm(len(pictures.search), generator=shuffle)

    def here() -> Screen:
        flattened = [course for of in courses for course in of]
        return Screen(made, {"deltas": deltas.cpu().numpy()}, flattened, measured)

    for number in range(made + 1, steps + 1):
        if not searched or search.control.ends_early():
            break
        order = torch.randperm(len(pictures.search), generator=shuffle)[:drawn]
        batch = pictures.search[order.to(search.device)]
        which, picture = torch.nonzero(turnable[:, batch], as_tuple=True)
        # Every budget of a class sees the same pictures.
        each = torch.arange(count, device=search.device)
        row = (which[:, None] * count + each).flatten()
        index = batch[picture].repeat_interleave(count)
        slopes = torch.zeros_like(flat)
        seen, turned, loss = torch.zeros(3, len(flat), device=search.device)
        for some, of in zip(row.split(search.portion), index.split(search.portion)):
            search.control.check()
            pixels = torch.div(pictures.pixels.index_select(0, of), 255)
            stamped = pixels.add_(flat.index_select(0, some)).clamp_(0, 1).requires_grad_()
            answers = search.answers(stamped)
            target = targets[some // count]
            losses = F.cross_entropy(answers, target, reduction="none")
            (slope,) = torch.autograd.grad(losses.sum(), stamped)
            slopes.index_add_(0, some, finite_slope(slope)[0])
            seen.index_add_(0, some, torch.ones_like(losses))
            loss.index_add_(0, some, losses.detach())
            turned.index_add_(0, some, (answers.argmax(1) == target).to(loss.dtype))
        seen = seen.clamp(min=1)
        for place, values in enumerate(zip((loss / seen).tolist(), (turned / seen).tolist())):
            size = float(flat[place].abs().amax(0).sum())
            courses[place // count][place % count].append((number, *values, size, 0.0))
        pace = _SHARE * (1 - 0.8 * number / steps)  # large steps first, then settling
        deltas -= pace * bounds * slopes.view_as(deltas).sign()
        deltas.clamp_(-bounds, bounds)
        made = number
        keeper.note(here)
        preview.tell([_standing(one, of[shown], number) for one, of in zip(searched, courses)])
        at = preview.choose(list(range(len(searched))))
        if at is not None:
            _show(
                preview,
                search,
                searched[at],
                number,
                steps,
                deltas[at, shown],
                courses[at][shown][-1],
            )
        search.control.progress("triggers", number, steps, f"screening, step {number} of {steps}")
    source = [next(at for at, one in enumerate(own) if one >= to) for to in range(len(BUDGETS))]
    scaled = deltas[:, source] * (every / bounds[:, source])
    if made:
        keeper.note(here)
    return (
        scaled,
        [[of[at] for at in source] for of in courses],
        made if searched else steps,
        measured,
    )


def _fitting(counts: Mapping[int, Counts]) -> dict[int, Counts]:
    return {target: pairs for target, pairs in counts.items() if len(pairs) == len(BUDGETS)}


def _standing(target: int, course: Course, number: int) -> Standing:
    """Return where a class stands at the budget that previews show."""
    _, _, success, size, _ = course[-1]
    word = "found" if success >= _WORKS else "searching"
    return Standing(target, word, True, number, success, size)


def _show(
    preview: Preview,
    search: Search,
    target: int,
    number: int,
    steps: int,
    delta: torch.Tensor,
    last: tuple[float, ...],
) -> None:
    _, loss, success, size, _ = last
    numbers = {"loss": round(loss, 5), "success": round(success, 4), "mask_l1": round(size, 2)}
    stamp = Stamp.added(delta)
    preview.send(
        {"class": target, "step": number, "steps": steps, **numbers}, stamp.mask, stamp.pattern
    )


def _logit(successes: int, trials: int) -> float:
    return float(np.log((successes + 0.5) / (trials - successes + 0.5)))


def _noise(rates: list[list[tuple[int, int]]]) -> tuple[float, ...]:
    """Return for each budget the standard error of the logit of the median class."""
    found = []
    for pairs in zip(*rates):
        successes, trials = sorted(pairs)[len(pairs) // 2]
        found.append(float(np.sqrt(1 / (successes + 0.5) + 1 / (trials - successes + 0.5))))
    return tuple(found)


def _most_telling(odds: dict[int, tuple[float, ...]], noise: tuple[float, ...]) -> dict[int, int]:
    """Return for each class the budget at which it stands out most among the classes."""
    if len(odds) < FEWEST_CLASSES:
        return {target: _least_working(values) for target, values in odds.items()}
    table = np.array(list(odds.values()))
    middle = np.median(table, axis=0)
    spread = 1.4826 * np.median(np.abs(table - middle), axis=0)
    telling = (table - middle) / np.maximum(spread, noise)
    return dict(zip(odds, telling.argmax(axis=1).tolist()))


def _least_working(odds: tuple[float, ...]) -> int:
    """Return the smallest budget whose noise works, or else the one that works best."""
    works = (at for at, value in enumerate(odds) if value >= _WORKING)
    return next(works, int(np.argmax(odds)))


def _told(rates: list[tuple[int, int]]) -> list[dict[str, object]]:
    return [
        {
            "budget": budget,
            "success_rate": successes / trials if trials else None,
            "success_interval": list(wilson_interval(successes, trials)) if trials else None,
        }
        for budget, (successes, trials) in zip(BUDGETS, rates)
    ]


METHODS = [UniversalPerturbation]
