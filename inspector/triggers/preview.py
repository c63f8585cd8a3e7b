"""What the analyst sees of a trigger while it forms: small, and at most four times a second."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from inspector.api import Control

SHORTEST_GAP = 0.25  # seconds
LARGEST_SIDE = 64  # pixels


class Standing(NamedTuple):
    """Where the search for one class stands.

    Attributes
    ----------
    class_index : int
    word : str
        "found" (a trigger works), "searching" (none does yet) or "none" (none did, and it is over).
    running : bool
        Whether the search goes on; a trigger that works may still shrink.
    steps : int
        Steps so far.
    success : float or None
        Share of the search's pictures that the trigger turns.
    mask_l1 : float or None
        Its size in pixels.
    """

    class_index: int
    word: str
    running: bool
    steps: int
    success: float | None
    mask_l1: float | None


class Preview:
    """Sends one class at a time through ``control.preview("trigger", ...)``, each in its turn."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._next = 0.0
        self._turn = 0

    def choose(self, classes: list[int]) -> int | None:
        """Return the class whose turn it is, or None while the last preview is too recent."""
        now = time.monotonic()
        if now < self._next or not classes:
            return None
        self._next = now + SHORTEST_GAP
        self._turn += 1
        return classes[self._turn % len(classes)]

    def tell(self, classes: Sequence[Standing], *, final: bool = False) -> None:
        """Send where the classes stand, as ``trigger-classes``; ``final`` is never held back."""
        rows = [one._asdict() for one in classes]
        self._control.preview("trigger-classes", {"classes": rows, "final": final})

    def send(self, values: dict[str, Any], mask: torch.Tensor, pattern: torch.Tensor) -> None:
        """Send numbers with the pictures.

        Parameters
        ----------
        values : dict
            ``class``, ``step``, ``steps``, ``loss``, ``success``, ``mask_l1``.
        mask : Tensor, shape (1, H, W), 0..1
            Sent as h rows of w integers 0..255, at most 64 on a side.
        pattern : Tensor, shape (C, H, W), 0..1
            Sent as h rows of w pixels of C integers 0..255.
        """
        small_mask, small_pattern = _shrink(mask)[0], _shrink(pattern).permute(1, 2, 0)
        pictures = {"mask": small_mask.tolist(), "pattern": small_pattern.tolist()}
        self._control.preview("trigger", {**values, **pictures})


def _shrink(picture: torch.Tensor) -> torch.Tensor:
    height, width = picture.shape[-2:]
    scale = max(1.0, max(height, width) / LARGEST_SIDE)
    size = (max(1, round(height / scale)), max(1, round(width / scale)))
    if size != (height, width):
        picture = F.adaptive_avg_pool2d(picture[None], size)[0]
    return (picture * 255).round().clamp(0, 255).to(torch.uint8).cpu()
