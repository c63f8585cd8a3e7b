"""Which detectors are ticked and with what values: the state behind the dialog, without widgets."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace

from inspector.api import DetectorInfo
from inspector.engine.choosing import chosen_ids
from inspector.engine.client import ScanOptions
from inspector.errors import BadInput
from inspector.parameters import Value, checked_value, passes_of


class DetectorsChoice:
    """Ticks and values, from the options of a scan and back.

    Parameters
    ----------
    infos : mapping of str to DetectorInfo
        The detectors that work, by id.
    options : ScanOptions
        What was asked for so far; names of detectors that are gone are left out.
    """

    def __init__(self, infos: Mapping[str, DetectorInfo], options: ScanOptions) -> None:
        self.infos, self._options = infos, options
        self.absent: Collection[str] = options.absent
        self.usual = chosen_ids(infos, None, self.absent)
        wanted = options.detectors
        if wanted is not None:
            wanted = tuple(name for name in wanted if name.removeprefix("+") in infos) or None
        self.ticked = set(chosen_ids(infos, wanted, self.absent))
        self.values: dict[str, dict[str, Value]] = {
            name: _possible(infos[name], own)
            for name, own in options.parameters.items()
            if name in infos
        }

    def lacking(self, detector: str) -> str:
        """Return the signal that a detector needs and this scan does not take; "" for none."""
        return next((need for need in self.infos[detector].needs if need in self.absent), "")

    def passes(self, detector: str) -> float:
        """Return the extra passes of a detector with its values."""
        return passes_of(self.infos[detector], self.values.get(detector, {}))

    def share_of_data(self, detector: str, count: int) -> float:
        """Return what a detector costs, in passes over all ``count`` samples."""
        most = self.infos[detector].at_most
        return self.passes(detector) * (min(1.0, most / count) if most and count else 1.0)

    def options(self) -> ScanOptions:
        """Return the options with these detectors and values.

        Raises
        ------
        BadInput
            No detector is ticked.
        """
        if not self.ticked:
            raise BadInput("No detector is ticked.", "", "Tick one or more.")
        chosen = [name for name in self.infos if name in self.ticked]
        more = [name for name in chosen if name not in self.usual]
        wanted: tuple[str, ...] | None = tuple(chosen)
        if len(chosen) - len(more) == len(self.usual):
            # The default set is not spelt out: what a later scan takes by option joins it.
            wanted = tuple(f"+{name}" for name in more) or None
        settings = {
            name: dict(own) for name, own in self.values.items() if own and name in self.ticked
        }
        return replace(self._options, detectors=wanted, parameters=settings)


def _possible(info: DetectorInfo, values: Mapping[str, Value]) -> dict[str, Value]:
    """Return those values that the detector's parameters can have, other than their defaults.

    They may come from somebody else's case, or from before a plugin was changed.
    """
    found = {}
    for one in info.parameters:
        with suppress(ValueError):
            value = checked_value(one, values.get(one.name, one.default))
            if value != one.default:
                found[one.name] = value
    return found
