"""Triggers of some classes on their pictures, and back: what slopes at these say of the triggers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch

from inspector.triggers.forms import Form


@runtime_checkable
class Differentiated(Protocol):
    """A form that knows its own slopes, which costs a fraction of having autograd trace it."""

    def slopes(
        self, pixels: torch.Tensor, slope: torch.Tensor, *values: torch.Tensor
    ) -> list[torch.Tensor]:
        """Return slopes at one trigger, (1, ...), for slopes at pictures (b, C, H, W) with it."""
        ...


class Stamping:
    """One trigger for each of several classes, on pictures of each.

    Parameters
    ----------
    form : Form
    triggers : sequence of list of Tensor, shape (1, ...)
        Values of the form's triggers, by class.
    pixels : sequence of Tensor, shape (b, C, H, W), 0..1
        Pictures, by class.
    """

    def __init__(
        self,
        form: Form,
        triggers: Sequence[list[torch.Tensor]],
        pixels: Sequence[torch.Tensor],
    ) -> None:
        self._form, self._triggers, self._pixels = form, triggers, pixels
        traced = not isinstance(form, Differentiated)
        self._traced = torch.cat(
            [
                form.stamp(
                    some,
                    *(
                        part.requires_grad_(traced).expand(len(some), *part.shape[1:])
                        for part in trigger
                    ),
                )
                for some, trigger in zip(pixels, triggers)
            ]
        )

    def pictures(self) -> torch.Tensor:
        """Return all pictures with their triggers, (b, C, H, W), 0..1, with nothing behind them."""
        return self._traced.detach()

    def slopes(self, slope: torch.Tensor) -> list[list[torch.Tensor]]:
        """Return slopes at the triggers, by class, for slopes at the pictures."""
        if isinstance(self._form, Differentiated):
            return [
                self._form.slopes(some, of, *trigger)
                for some, of, trigger in zip(
                    self._pixels, slope.split([len(some) for some in self._pixels]), self._triggers
                )
            ]
        # Handed on as a sum of products; see `Lockstep`.
        found = iter(
            torch.autograd.grad(
                (self._traced * slope).sum(), [part for of in self._triggers for part in of]
            )
        )
        return [[next(found) for _ in of] for of in self._triggers]
