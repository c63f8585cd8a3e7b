"""Adam for tensors that are not parameters of a network."""

from __future__ import annotations

import torch

FIRST, SECOND = 0.5, 0.9  # decay of the moments, as in the code of Wang et al. 2019
_EPSILON = 1e-8


class Adam:
    """Descends in place along given slopes (Kingma and Ba 2015).

    torch.optim is left alone because the first optimiser of a process imports the compiler
    (torch._dynamo, seen in torch 2.15): three seconds during which nothing can be cancelled.

    Parameters
    ----------
    values : Tensor
        What to change.
    rate : float
        Step size.
    """

    def __init__(self, values: torch.Tensor, rate: float) -> None:
        self._values, self._rate, self._steps = values, rate, 0
        self._mean, self._square = torch.zeros_like(values), torch.zeros_like(values)

    @property
    def moments(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Running means of the slopes and of their squares."""
        return self._mean, self._square

    def resume(self, steps: int, mean: torch.Tensor, square: torch.Tensor) -> None:
        """Go on as after so many steps that left these moments."""
        self._steps = steps
        self._mean.copy_(mean)
        self._square.copy_(square)

    def step(self, slope: torch.Tensor) -> None:
        """Go one step down a slope of the shape of the values."""
        self._steps += 1
        self._mean.lerp_(slope, 1 - FIRST)
        self._square.lerp_(slope * slope, 1 - SECOND)
        mean = self._mean / (1 - FIRST**self._steps)
        spread = (self._square / (1 - SECOND**self._steps)).sqrt_().add_(_EPSILON)
        self._values.addcdiv_(mean, spread, value=-self._rate)


def finite_slope(slope: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return slopes (b, ...) with zero for what is no number, and the L1 norm of each, (b,)."""
    steepness = slope.abs().flatten(1).sum(dim=1)
    if not bool(steepness.isfinite().all()):
        slope = torch.nan_to_num(slope, nan=0.0, posinf=0.0, neginf=0.0)
        steepness = slope.abs().flatten(1).sum(dim=1)
    return slope, steepness
