"""Search the smallest trigger of a form for each class; Neural Cleanse and its relatives share it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from inspector.triggers.forms import MakeForm
from inspector.triggers.lockstep import ClassState, Lockstep
from inspector.triggers.measuring import NO_SLOPE, as_history, conclude, none_to_turn, skipped
from inspector.triggers.penalty import Settings
from inspector.triggers.preview import Preview
from inspector.triggers.result import TriggerResult
from inspector.triggers.running import Keeper, Running, kept_running
from inspector.triggers.search import Search

STEPS = 200

_HANDED_ON = 2**24
"""Free numbers of all classes up to which a first look leaves on disk where its classes stand, 16
bytes each, so that a search to the end does not begin again."""


def smallest_triggers(
    search: Search, method: str, make_form: MakeForm, settings: Settings
) -> Iterator[TriggerResult]:
    """Minimise cross-entropy at each class plus a weight times the size of its trigger.

    Parameters
    ----------
    search : Search
    method : str
        Name for the results.
    make_form : callable
        Makes the triggers of some classes.
    settings : Settings

    Returns
    -------
    iterator of TriggerResult
        Each class as soon as its search is through. When the search ends early, of the classes that
        are left those whose trigger works so far, marked as stopped early. With a folder it goes on
        with classes where an earlier search was left, and leaves where it was itself; a first look
        (``quick``) also where the classes are that its steps did not suffice for.
    """
    control, steps, wanted = search.control, search.steps or STEPS, search.classes
    preview = Preview(control)
    workload = search.workload(settings.batch)
    made, total = 0, len(wanted) * steps
    keeper = Keeper(search.folder, method, control)
    stood = _stood(search, method, make_form, settings)
    if stood:
        control.log(f"{len(stood)} of {len(wanted)} classes go on where they stood.")
    hands_on = search.quick and _numbers(search, make_form) * len(wanted) <= _HANDED_ON
    for group, begun in _groups(wanted, stood, workload.classes_together):
        if control.ends_early():
            return
        pictures = search.pictures
        searched = [c for c in group if len(pictures.turnable(pictures.search, c))]
        for target in group:
            if target not in searched:
                total -= steps
                yield none_to_turn(search, target, method)
        form = make_form(len(searched), search.shape, search.device)
        lockstep = Lockstep(search, searched, form, settings, workload.pictures_at_once)
        if begun and searched:
            lockstep.resume([stood[target] for target in searched])
            made += begun * len(searched)
        waiting = list(lockstep.states)
        try:
            for number in range(begun + 1, steps + 1):
                running = sum(state.running for state in lockstep.states)
                if not running or control.ends_early():
                    break
                lockstep.step(preview, number, steps)
                made += running
                through = [s for s in waiting if not s.running]
                # Steps that nobody will make count neither as made nor as left: the time left holds.
                total -= len(through) * (steps - number)
                for state in through:
                    waiting.remove(state)
                    yield _concluded(search, method, state)
                    keeper.through(state.target)
                if number % settings.round_steps == 0:
                    keeper.note(lockstep.running)
                    preview.tell([s.standing() for s in lockstep.states], final=bool(through))
                text = f"step {number} of {steps}, {running} of {len(group)} classes searching"
                control.progress("triggers", made, total, text)
            for state in waiting:
                if not control.ends_early() or state.steps == steps:
                    yield _concluded(search, method, state)
                    if not hands_on:
                        keeper.through(state.target)
                elif state.works:
                    yield _concluded(search, method, state, stopped_early=True)
        finally:
            keeper.write()
    if not control.ends_early():
        control.progress("triggers", total, total)


def _stood(
    search: Search, method: str, make_form: MakeForm, settings: Settings
) -> dict[int, Running]:
    """Return where an earlier search was stopped in the middle of classes."""
    if search.folder is None:
        return {}
    count, most = _numbers(search, make_form), search.steps or STEPS
    stood = {
        target: kept_running(search.folder, target, method, count, most, settings)
        for target in search.classes
    }
    return {target: running for target, running in stood.items() if running is not None}


def _numbers(search: Search, make_form: MakeForm) -> int:
    """Count the free numbers of one class."""
    return sum(theta.numel() for theta in make_form(1, search.shape, search.device).thetas)


def _groups(
    wanted: Sequence[int], stood: Mapping[int, Running], together: int
) -> Iterator[tuple[Sequence[int], int]]:
    """Part the classes into groups that go on together, each with the steps that it has made."""
    made = {target: stood[target].steps if target in stood else 0 for target in wanted}
    for steps in sorted(set(made.values()), reverse=True):
        alike = [target for target in wanted if made[target] == steps]
        for start in range(0, len(alike), together):
            yield alike[start : start + together], steps


def _concluded(
    search: Search, method: str, state: ClassState, *, stopped_early: bool = False
) -> TriggerResult:
    history = as_history(state.history)
    if state.stuck or state.kept is None:
        return skipped(
            search, state.target, method, (NO_SLOPE,), steps=state.steps, history=history
        )
    reached = bool(np.isfinite(state.penalty.best_l1))
    notes: tuple[str, ...] = ()
    if not reached:
        notes = (
            f"No trigger turned {state.penalty.settings.success:.0%} of the pictures; kept is the "
            f"most successful one, with {state.best_success:.0%}.",
        )
    if stopped_early:
        notes = (
            f"Stopped early, after {state.steps} steps: the trigger works and might still shrink. It "
            "is not compared with those of other classes.",
        )
    return conclude(
        search,
        state.target,
        method,
        state.kept,
        reached=reached,
        size=state.penalty.best_l1,
        steps=state.steps,
        history=history,
        notes=notes,
        stopped_early=stopped_early,
    )
