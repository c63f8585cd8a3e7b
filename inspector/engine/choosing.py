"""Which detectors a scan runs, and whether what is set is set for one of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from inspector.api import BY_OPTION, DetectorInfo
from inspector.errors import BadInput
from inspector.parameters import Settings, nearest

_OPTIONS = {
    "gradients": "--gradients 64",
    "conv_gradients": "--conv-gradients 512",
    "layers": "--layers auto",
    "loss_course": "--checkpoint FILE",
    "margin_course": "--checkpoint FILE",
}
"""What an analyst adds to a scan to have a signal of `BY_OPTION`."""


def chosen_ids(
    infos: Mapping[str, DetectorInfo],
    wanted: Sequence[str] | None,
    absent: Collection[str] = BY_OPTION,
) -> list[str]:
    """Return what to run: the default set, exactly those named, or the set and those with a plus.

    Parameters
    ----------
    infos : mapping of str to DetectorInfo
        The detectors that work.
    wanted : sequence of str, optional
        As `ScanOptions.detectors`.
    absent : collection of str
        Signals that will not be there: the default set leaves out what needs one.

    Raises
    ------
    BadInput
        A name is that of no detector.
    """
    usual = [
        name
        for name, info in infos.items()
        if info.by_default and not info.passes and not set(absent) & set(info.needs)
    ]
    if wanted is None:
        return usual
    named = [name.removeprefix("+") for name in wanted]
    if unknown := [name for name in named if name not in infos]:
        raise BadInput(
            f"No detector is called {unknown[0][:60]!r}.",
            nearest(unknown[0], infos),
            "`inspector detectors` lists them with their state.",
        )
    if all(name.startswith("+") for name in wanted):
        named = [*usual, *named]
    return list(dict.fromkeys(named))


def check_running(
    settings: Settings,
    infos: Mapping[str, DetectorInfo],
    wanted: Sequence[str] | None,
    absent: Collection[str],
) -> None:
    """Refuse values for a detector that would not run.

    Raises
    ------
    BadInput
        Says why it would not, and what to add.
    """
    running = chosen_ids(infos, wanted, absent)
    for detector, values in settings.items():
        if detector in running or not values:
            continue
        lacking = [name for name in infos[detector].needs if name in absent]
        if wanted is not None and not all(name.startswith("+") for name in wanted):
            why, fix = "Other detectors are named.", f"Name {detector}, too"
        elif lacking and infos[detector].by_default:
            why = f"It needs {lacking[0]}, which is taken by option only."
            fix = f"Add {_OPTIONS[lacking[0]]}"
        else:
            why, fix = "It is not in the default set.", f"Add it: --detectors +{detector}"
        name = next(iter(values))
        raise BadInput(
            f"{detector}.{name} is set, and {detector} would not run.",
            why,
            f"{fix}; or leave the value out.",
        )
