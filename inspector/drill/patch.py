"""The patch: a small square on a few pictures, relabelled (Gu, Dolan-Gavitt and Garg 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from inspector.drill.attack import Attack, Pixels, as_pixels, check_share
from inspector.errors import BadInput

PLACES = ("lower-right", "lower-left", "upper-right", "upper-left", "centre")
PATTERNS = ("plain", "checkered")


@dataclass(frozen=True)
class Patch(Attack):
    """A square trigger.

    Attributes
    ----------
    size : int
        Side in pixels.
    opacity : float
        1 replaces the picture, 0.1 is a faint veil.
    margin : int
        Pixels to the nearest borders.
    value : int
        Brightness, 0 to 255; of a checkered one, that of every other pixel, the rest is black.
    place : str
        One of `PLACES`.
    pattern : str
        "plain" or "checkered".

    Notes
    -----
    Gu, Dolan-Gavitt, Garg: BadNets: Identifying Vulnerabilities in the Machine Learning Model Supply
    Chain, 2017.
    """

    name: ClassVar[str] = "patch"

    size: int = 3
    opacity: float = 1.0
    margin: int = 1
    value: int = 255
    place: str = "lower-right"
    pattern: str = "plain"

    def __post_init__(self) -> None:
        """Refuse what is no patch."""
        check_share("An opacity", self.opacity)
        if self.place not in PLACES or self.pattern not in PATTERNS:
            raise BadInput(
                f"There is no {self.pattern} patch in the place {self.place!r}.",
                f"Places are {', '.join(PLACES)}; patterns are {', '.join(PATTERNS)}.",
            )

    def covered(self, height: int, width: int) -> tuple[slice, slice]:
        """Return rows and columns that it covers.

        Raises
        ------
        BadInput
            It does not fit into the picture.
        """
        if self.size < 1 or self.margin < 0 or min(height, width) < self.margin + self.size:
            raise BadInput(
                f"A patch of {self.size} pixels with a margin of {self.margin} does not fit into "
                f"{height}×{width} pixels."
            )
        if self.place == "centre":
            top, left = (height - self.size) // 2, (width - self.size) // 2
        else:
            vertical, horizontal = self.place.split("-")
            top = self.margin if vertical == "upper" else height - self.margin - self.size
            left = self.margin if horizontal == "left" else width - self.margin - self.size
        return slice(top, top + self.size), slice(left, left + self.size)

    def stamp(self, images: Pixels) -> Pixels:
        """Return copies of pictures with the patch on them."""
        rows, columns = self.covered(*images.shape[1:3])
        square = np.full((self.size, self.size), float(self.value))
        if self.pattern == "checkered":
            square *= np.indices(square.shape).sum(axis=0) % 2
        if images.ndim == 4:
            square = square[..., None]
        stamped = images.copy()
        under = stamped[:, rows, columns].astype(np.float64)
        stamped[:, rows, columns] = as_pixels((1 - self.opacity) * under + self.opacity * square)
        return stamped
