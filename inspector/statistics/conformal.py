"""p-values of single samples against verified ones, exact without any assumption on the scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def conformal_p_values(scores: NDArray[Any], reference: NDArray[Any]) -> NDArray[np.float64]:
    """Return p = (1 + #{reference ≥ score}) / (m + 1) for every score.

    Under the null (the sample is exchangeable with the reference) P(p ≤ t) ≤ t for every t,
    whatever the score is, as long as it was computed without knowing which samples are the
    reference. A member of the reference may be passed too; it counts itself, which errs on the safe
    side. Source: Bates, Candès, Lei, Romano, Sesia 2023, "Testing for outliers with conformal
    p-values", eq. 2.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Higher = more suspicious; NaN yields NaN.
    reference : ndarray, shape (m,)
        Scores of verified samples, finite.

    Returns
    -------
    ndarray, shape (n,), float64
        The smallest possible value is 1 / (m + 1).
    """
    ordered = np.sort(reference)
    at_least = len(ordered) - np.searchsorted(ordered, scores, side="left")
    found = (1.0 + at_least) / (len(ordered) + 1.0)
    return np.where(np.isnan(scores), np.nan, found)
