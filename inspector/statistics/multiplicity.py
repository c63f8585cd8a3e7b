"""Many tests at once: family-wise error (Holm) and false discovery rate (Benjamini and Hochberg).

Missing p-values are NaN: they are not tested, count for nothing, and stay NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def holm(p_values: NDArray[Any]) -> NDArray[np.float64]:
    """Return p-values adjusted so that rejecting at level a errs anywhere with probability ≤ a.

    Valid under any dependence. Source: Holm 1979, "A simple sequentially rejective multiple test
    procedure".

    Parameters
    ----------
    p_values : ndarray, shape (m,)

    Returns
    -------
    ndarray, shape (m,), float64
    """

    def step_down(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.maximum.accumulate(ordered * np.arange(len(ordered), 0, -1))

    return _adjusted(p_values, step_down)


def benjamini_hochberg(p_values: NDArray[Any]) -> NDArray[np.float64]:
    """Return adjusted p-values; those ≤ q hold at most a share q of false ones on average.

    Valid for independent and for conformal p-values with a shared reference. Source: Benjamini and
    Hochberg 1995; Bates and others 2023, theorem 2.

    Parameters
    ----------
    p_values : ndarray, shape (m,)

    Returns
    -------
    ndarray, shape (m,), float64
    """

    def step_up(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
        scaled = ordered * len(ordered) / np.arange(1, len(ordered) + 1)
        return np.minimum.accumulate(scaled[::-1])[::-1]

    return _adjusted(p_values, step_up)


def _adjusted(p_values: NDArray[Any], step: Any) -> NDArray[np.float64]:
    adjusted = np.full(len(p_values), np.nan)
    tested = np.flatnonzero(~np.isnan(np.asarray(p_values, np.float64)))
    if len(tested):
        order = tested[np.argsort(np.asarray(p_values)[tested], kind="stable")]
        adjusted[order] = np.minimum(step(np.asarray(p_values, np.float64)[order]), 1.0)
    return adjusted
