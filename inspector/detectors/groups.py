"""The samples of a context by class, without those that cannot be computed with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Context
from inspector.statistics.moments import Moments, moments
from inspector.statistics.rows import at_unit_scale, finite_rows
from inspector.statistics.whitening import LeaveOneOutWhitening

FEWEST = 4
"""Members that a class needs before one of them can be called different from the others."""


@dataclass(frozen=True)
class Group:
    """One class: its index, its name, and the rows of the context that are assessed."""

    label: int
    name: str
    rows: NDArray[np.intp]


class ClassGroups:
    """Activations of the classes that have enough usable samples, of the last layer or another.

    Parameters
    ----------
    ctx : Context
    also : sequence of str
        Further signals that must be finite for a sample to be assessed.
    signal : str
        Name of the activations.

    Attributes
    ----------
    groups : list of Group
        In class order.
    factor : float
        What the activations were divided by to be computed with in float32; nearly always 1.
    caveats : list of str
        What was left out, for the finding.
    """

    def __init__(
        self, ctx: Context, also: tuple[str, ...] = (), signal: str = "activations"
    ) -> None:
        activations = _as_matrix(ctx.signal(signal))
        usable = finite_rows(activations)
        for name in also:
            usable &= finite_rows(_as_matrix(ctx.signal(name)))
        everything = bool(usable.all())
        with np.errstate(invalid="ignore", over="ignore"):
            clean = activations if everything else np.where(usable[:, None], activations, 0)
        self._values, self.factor = at_unit_scale(clean)
        self._ctx = ctx
        # Detectors leave out different samples when not all signals of one are finite.
        self._assessed = signal, hash(usable.tobytes())
        self.groups: list[Group] = []
        small: list[str] = []
        for label, members in ctx.by_class():
            rows = members if everything else members[usable[members]]
            name = ctx.class_names[label] if label < len(ctx.class_names) else str(label)
            if len(rows) >= FEWEST:
                self.groups.append(Group(label, name, rows))
            elif len(members):
                small.append(name)
        self.caveats: list[str] = []
        lost = int(np.count_nonzero(~usable & (ctx.labels >= 0)))
        if lost:
            self.caveats.append(
                f"{lost} samples are not assessed: the model answers NaN or infinity for them."
            )
        if small:
            self.caveats.append(
                f"{len(small)} classes have fewer than {FEWEST} usable samples and are not "
                f"assessed: {_listed(small)}."
            )

    def __iter__(self) -> Iterator[tuple[Group, NDArray[np.float32]]]:
        for group in self.groups:
            yield group, self._values[group.rows]

    def __len__(self) -> int:
        return len(self.groups)

    def whitening(self) -> LeaveOneOutWhitening:
        """Return the classes ready to be whitened by each other, made once for all detectors."""
        key = ("leave-one-out whitening", self._assessed)
        return self._ctx.shared(
            key,
            lambda: LeaveOneOutWhitening(self.blocks(), self._ctx.check_cancelled, self.moments),
        )

    def moments(self, position: int) -> Moments:
        """Return mean and scatter of one group, computed once for all detectors."""
        rows = self.groups[position].rows
        key = ("class moments", self._assessed, position)
        return self._ctx.shared(key, lambda: moments(self._values[rows]))

    @property
    def rows(self) -> NDArray[np.intp]:
        """All assessed rows of the context, ascending."""
        parts = [group.rows for group in self.groups]
        return np.sort(np.concatenate(parts)) if parts else np.empty(0, np.intp)

    def rows_of(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the activations of some rows of the context, at the same scale as the groups."""
        return self._values[rows]

    def blocks(self) -> list[Callable[[], NDArray[np.float32]]]:
        """Return, for each group, a callable that gathers its rows anew."""
        values = self._values

        def gather(rows: NDArray[np.intp]) -> Callable[[], NDArray[np.float32]]:
            return lambda: values[rows]

        return [gather(group.rows) for group in self.groups]


def _as_matrix(values: NDArray[Any]) -> NDArray[Any]:
    return values.reshape(len(values), -1)


def _listed(names: list[str], most: int = 5) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
