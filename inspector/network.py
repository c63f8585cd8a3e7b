"""What a detector may ask of the network itself: the half of `inspector.api` that looks inside.

Detectors import these names from `inspector.api`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Forward = Callable[[Sequence[NDArray[np.uint8]]], NDArray[np.float32]]
"""Pictures in, logits out."""

Reduce = Callable[[str, NDArray[np.float32]], NDArray[Any]]
"""Name of a module and its output for a batch, (b, c, places); what is kept of it, (b, ...)."""


Slope = Callable[[NDArray[np.float32]], NDArray[np.floating]]
"""Logits in, (b, C); the gradient at them of what is asked about out, (b, C)."""


@dataclass(frozen=True)
class Module:
    """A part of the network that a detector may look at, in the order of computing."""

    name: str
    kind: Literal["convolution", "norm", "linear"]
    width: int


class Network(Protocol):
    """The network opened: what lies between pictures and logits. See `inspector.api.Context.network`.

    Weights are never changed for longer than a call.
    """

    @property
    def modules(self) -> Sequence[Module]:
        """Convolutions, normalisations and linear layers in the order of computing."""
        ...

    def outputs(
        self, images: Sequence[NDArray[np.uint8]], names: Sequence[str], reduce: Reduce
    ) -> dict[str, NDArray[Any]]:
        """Run pictures and return what ``reduce`` keeps of each module's output, by name."""
        ...

    def gradients(
        self,
        images: Sequence[NDArray[np.uint8]],
        targets: NDArray[np.integer],
        names: Sequence[str],
    ) -> dict[str, NDArray[np.float32]]:
        """Return the gradient of each picture's logit ``targets`` at module outputs, (b, c).

        Averaged over places.
        """
        ...

    def pixels(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return pictures as the network sees them, (b, c, h, w), 0 to 1.

        At its size and cut as it wants them, before values are scaled; c is 1 or 3 (red, green,
        blue).
        """
        ...

    def pixel_gradients(
        self, pixels: NDArray[np.floating], slope: Slope
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return logits, (b, C), and the gradient of a function of them at pixels, (b, c, h, w).

        One pass forward and one back, in one batch: give as many as fit into memory. ``slope`` is
        called with the logits and returns the gradient of the function at them.
        """
        ...

    def scaled(
        self, images: Sequence[NDArray[np.uint8]], names: Sequence[str], factor: float
    ) -> NDArray[np.float32]:
        """Return the logits, (b, C), with weight and bias of some modules times a factor."""
        ...
