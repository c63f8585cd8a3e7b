"""What no test can see, and what a spectral one can: curves of share against distance.

All are for a group of share ε whose mean lies δ standard deviations from its class, in k directions
in which the class is spherical. They are bounds to compare with, not predictions: real classes are
not spherical, and the measured power is what counts.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def spectral_frontier(share: float, members: int, width: int) -> float:
    """Return the distance from which a group shows in the largest eigenvalue of a known-white class.

    ε(1 − ε)δ² > √(k/n). Source: Baik, Ben Arous, Péché 2005.

    Parameters
    ----------
    share : float
        ε, between 0 and 1.
    members : int
        n.
    width : int
        k.
    """
    return math.sqrt(math.sqrt(width / members) / (share * (1 - share)))


def outlier_frontier(members: int, width: int, level: float = 0.05) -> float:
    """Return the distance from which a single sample is an outlier by its length, half of the time.

    The median of a non-central χ² with k degrees of freedom reaches the 1 − level / n quantile of
    the central one.
    """
    from scipy.stats import chi2, ncx2

    bar = chi2.isf(level / members, width)
    low, high = 0.0, 10 * math.sqrt(bar)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if ncx2.sf(bar, width, middle**2) >= 0.5 else (middle, high)
    return (low + high) / 2


def impossible_below(share: float, members: int, width: int, advantage: float = 0.1) -> float:
    """Return the distance below which no test, human or machine, gains more than ``advantage``.

    The group lies in a uniformly random direction. The power of any test at level α is at most
    α + ½√χ², with χ² = E[(1 + ε²(e^{δ²c} − 1))ⁿ] − 1 and c the cosine of two random directions
    (Ingster's second-moment method; see Le Cam 1986).
    """
    cosines = np.linspace(-1 + 1e-6, 1 - 1e-6, 4001)
    weights = (width - 3) / 2 * np.log1p(-(cosines**2))
    weights -= np.logaddexp.reduce(weights)

    def divergence(distance: float) -> float:
        gain = np.log1p(share**2 * np.expm1(np.minimum(distance**2 * cosines, 500.0)))
        return float(np.expm1(min(np.logaddexp.reduce(weights + members * gain), 500.0)))

    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        if 0.5 * math.sqrt(max(divergence(middle), 0.0)) <= advantage:
            low = middle
        else:
            high = middle
    return low


def half_power(
    distances: NDArray[np.float64], hits: NDArray[np.int64], runs: NDArray[np.int64], power: float
) -> float | None:
    """Return the distance at which a logistic curve in log distance reaches a power.

    Parameters
    ----------
    distances : ndarray, shape (m,), positive
    hits, runs : ndarray, shape (m,)
        How often the planted group was found in how many runs.
    power : float
        0.5 or 0.8.

    Returns
    -------
    float or None
        None where the curve does not reach it within the distances that were tried.
    """
    from scipy.optimize import minimize

    x = np.log(distances)
    centre, spread = x.mean(), max(float(x.std()), 1e-6)
    z = (x - centre) / spread

    def loss(values: NDArray[np.float64]) -> float:
        logits = values[0] + np.exp(values[1]) * z
        # A weak pull keeps the curve finite where all runs agree.
        likelihood = (
            hits * np.logaddexp(0, -logits) + (runs - hits) * np.logaddexp(0, logits)
        ).sum()
        return float(likelihood + 0.01 * (values[0] ** 2 + (values[1] - 1) ** 2))

    # The simplex that scipy chooses by itself is flat where a start is 0, and stops where it began.
    simplex = np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 2.0]])
    options = {"initial_simplex": simplex}
    found = minimize(loss, simplex[0], method="Nelder-Mead", options=options).x
    at = (math.log(power / (1 - power)) - found[0]) / math.exp(found[1])
    distance = math.exp(centre + spread * at)
    if not distances.min() * 0.8 <= distance <= distances.max() * 1.05:
        return None
    return distance


def distance_interval(
    distances: NDArray[np.float64],
    hits: NDArray[np.int64],
    runs: NDArray[np.int64],
    power: float,
    level: float = 0.95,
) -> tuple[float | None, float | None]:
    """Return between which distances the curve of `half_power` reaches a power.

    The same curve with the same weak pull, every pair of position and slope on a grid weighed by how
    well it explains the counts (a Bayesian credible interval). Ten runs at each distance place the
    power at one distance poorly, and the distance of one power much better.

    Parameters
    ----------
    distances, hits, runs, power
        As for `half_power`.
    level : float

    Returns
    -------
    low, high : float or None
        None for an end that lies beyond the distances that were tried, and for no distances.
    """
    if not len(distances):
        return None, None
    x = np.log(distances)
    centre, spread = x.mean(), max(float(x.std()), 1e-6)
    z = (x - centre) / spread
    middles, slopes = np.meshgrid(
        np.linspace(z.min() - 4, z.max() + 4, 241), np.linspace(-2, 5, 71)
    )
    steep = np.exp(slopes)
    logits = steep[..., None] * (z - middles[..., None])
    loss = (hits * np.logaddexp(0, -logits) + (runs - hits) * np.logaddexp(0, logits)).sum(axis=-1)
    loss += 0.01 * ((steep * middles) ** 2 + (slopes - 1) ** 2)
    # The pull is on intercept and slope; the grid is even in the middle, hence the factor.
    weights = np.exp(-(loss - loss.min())) * steep
    reached = middles + math.log(power / (1 - power)) / steep
    order = np.argsort(reached, axis=None)
    mass = np.cumsum(weights.ravel()[order])
    ends = np.searchsorted(mass, mass[-1] * np.array([(1 - level) / 2, (1 + level) / 2]))
    found = np.exp(centre + spread * np.minimum(reached.ravel()[order][ends], 50.0))
    low, high = (
        float(end) if distances.min() * 0.8 <= end <= distances.max() * 1.05 else None
        for end in found
    )
    return low, high
