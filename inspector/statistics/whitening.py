"""Each class seen in units of how the *other* classes spread, so that what it hides stands out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from inspector.statistics.covariance import covariance_of_others, pooled_covariance, whitener
from inspector.statistics.moments import Moments, moments
from inspector.statistics.spectra import block_krylov, leading_eigenpairs

_WIDEST = 192
"""Columns kept for whitening: one covariance of that size per class is 0.3 MB."""

_READY = 32
"""Leading directions of each group that are kept once found: 32 × d numbers."""

Block = Callable[[], NDArray[np.float32]]


class LeaveOneOutWhitening:
    """Within-class covariances of all groups, ready to whiten any of them by the others.

    Whitening with the covariance of the group itself, or with one that contains it, would hide a
    planted cluster inside what counts as ordinary spread. With more than 192 columns the rows are
    first rotated into the 192 directions of largest within-class variance, the group's own
    included.

    Parameters
    ----------
    blocks : sequence of callable
        One per group; each returns the same (n_g, d) float32 rows whenever it is called.
    check : callable
        Called before each group; may raise to cancel.
    known : callable, optional
        ``known(g)`` returns the moments of the rows of group g, where they serve others too.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        check: Callable[[], None] = lambda: None,
        known: Callable[[int], Moments] | None = None,
    ) -> None:
        self._blocks = blocks
        self._check = check
        self._basis: NDArray[np.float64] | None = None
        columns = blocks[0]().shape[1] if blocks else 0
        if columns <= _WIDEST:
            known = known or (lambda position: moments(blocks[position]()))
            self._groups = [self._checked(known, position) for position in range(len(blocks))]
            self._means = [group.mean for group in self._groups]
        else:
            self._means = [block().mean(axis=0, dtype=np.float64) for block in blocks]
            self._basis = self._widest_directions(columns)
            basis = self._basis.astype(np.float32)
            self._groups = [
                self._checked(lambda at: moments(self._centred(at) @ basis), position)
                for position in range(len(blocks))
            ]
        self._total = pooled_covariance(self._groups) if blocks else np.zeros((0, 0))
        self._leading: dict[int, tuple[NDArray[np.float64], NDArray[np.float32]]] = {}

    def _checked(self, find: Callable[[int], Moments], position: int) -> Moments:
        self._check()
        return find(position)

    def _widest_directions(self, columns: int) -> NDArray[np.float64]:
        """Return the directions of largest pooled variance, without a d × d matrix."""

        def scatter_times(block: NDArray[np.float64]) -> NDArray[np.float64]:
            narrow = block.astype(np.float32)
            image = np.zeros(block.shape)
            for position in range(len(self._blocks)):
                self._check()
                rows = self._centred(position)
                image += rows.T @ (rows @ narrow)
            return image

        # Only the space matters, not its last digits: two products, no restart.
        return block_krylov(scatter_times, columns, _WIDEST, depth=2, rounds=1)[1]

    def _centred(self, position: int) -> NDArray[np.float32]:
        return self._blocks[position]() - self._means[position].astype(np.float32)

    def leading_coordinates(
        self, position: int, count: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Return the largest whitened variances of one group and its rows along those directions.

        Parameters
        ----------
        position : int
            Which group.
        count : int
            Directions wanted; capped at the number of columns.

        Returns
        -------
        variances : ndarray, shape (count,), float64
            Descending; 1 is the spread that the other groups have in that direction.
        coordinates : ndarray, shape (n_g, count), float32
            Centred on the mean of the group.
        """
        if position not in self._leading or count > _READY:
            self._leading[position] = self._leading_directions(position, max(count, _READY))
        variances, directions = self._leading[position]
        return variances[:count], self._centred(position) @ directions[:, :count]

    def _leading_directions(
        self, position: int, count: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        turn = whitener(covariance_of_others(self._groups, self._total, position))
        own = self._groups[position].covariance
        variances, directions = leading_eigenpairs(turn.T @ own @ turn, count)
        turn = turn @ directions
        if self._basis is not None:
            turn = self._basis @ turn
        return variances, turn.astype(np.float32)
