"""Search the smallest trigger of a form for each class; Neural Cleanse and its relatives share it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from inspector.triggers.forms import MakeForm
from inspector.triggers.lockstep import ClassState, Lockstep
from inspector.triggers.measuring import NO_SLOPE, as_history, conclude, none_to_turn, skipped
from inspector.triggers.penalty import Settings
from inspector.triggers.preview import Preview
from inspector.triggers.result import TriggerResult
from inspector.triggers.search import Search

STEPS = 200


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
        In the order of the asked classes; classes of one group arrive together.
    """
    control, steps, wanted = search.control, search.steps or STEPS, search.classes
    preview = Preview(control)
    workload = search.workload(settings.batch)
    total = len(wanted) * steps
    for start in range(0, len(wanted), workload.classes_together):
        group = wanted[start : start + workload.classes_together]
        pictures = search.pictures
        searched = [c for c in group if len(pictures.turnable(pictures.search, c))]
        form = make_form(len(searched), search.shape, search.device)
        lockstep = Lockstep(search, searched, form, settings, workload.pictures_at_once)
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
                yield _concluded(search, method, states[target])
            else:
                yield none_to_turn(search, target, method)


def _concluded(search: Search, method: str, state: ClassState) -> TriggerResult:
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
    )
