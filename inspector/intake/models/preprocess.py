"""From decoded images to what a network takes: size, channels, and an affine map of the values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from inspector.errors import BadInput

MODES = ("RGB", "L", "BGR")
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's convert("L")


@dataclass(frozen=True)
class Preprocess:
    """How images become the input of a network: ``(x / scale - mean) / std``.

    Attributes
    ----------
    mode : str
        "RGB", "BGR" (three channels) or "L" (one). Grey images are repeated, colour is reduced to
        luma, as needed.
    size : (int, int)
        Height and width of the network's input. Images of another size are resized, bilinear and
        with antialiasing.
    mean, std : tuple of float
        One per channel, in the order of ``mode``.
    scale : float
        What pixel values are divided by.
    fit : str
        "stretch" to the size, or "crop": the shorter side to 8/7 of it, then the middle (256, 224).
    """

    mode: str
    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float = 255.0
    fit: str = "stretch"

    @property
    def channels(self) -> int:
        """Channels of the network's input."""
        return 1 if self.mode == "L" else 3

    def __call__(self, images: NDArray[np.uint8] | Sequence[NDArray[np.uint8]]) -> Tensor:
        """Turn decoded images into a batch.

        Parameters
        ----------
        images : ndarray (b, H, W, C) uint8, or sequence of ndarray (H, W, C) uint8
            C is 1 or 3. One array is the fast path; a sequence may hold different sizes.

        Returns
        -------
        Tensor, shape (b, channels, height, width), float32
        """
        if isinstance(images, np.ndarray):
            batch = self._resized(_tensor(images))
        elif len({image.shape for image in images}) == 1:
            batch = self._resized(_tensor(np.stack(list(images))))
        else:
            parts = [self._channelled(self._resized(_tensor(image[None]))) for image in images]
            batch = torch.cat(parts) if parts else torch.empty(0, self.channels, *self.size)
        return self._affine(self._channelled(batch), self.scale)

    def normalise(self, x01: Tensor) -> Tensor:
        """Turn pixel space into the network's input; differentiable.

        Parameters
        ----------
        x01 : Tensor, shape (b, c, height, width)
            Values from 0 to 1, RGB or grey (c is 3 or 1), already of the network's size.
        """
        return self._affine(self._channelled(x01), self.scale / 255.0)

    def undo(self, batch: Tensor) -> NDArray[np.uint8]:
        """Turn a batch (b, channels, h, w) back into pictures (b, h, w, channels) uint8, RGB."""
        mean, std = self._columns(batch)
        pixels = (batch.detach() * std + mean) * self.scale
        if self.mode == "BGR":
            pixels = pixels.flip(1)
        pixels = pixels.round().clamp(0, 255).to(torch.uint8)
        return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()

    def pixel_range(self) -> tuple[Tensor, Tensor]:
        """Return the network's input for black and for white, each (channels,) float32."""
        ends = torch.tensor([0.0, 255.0]).view(2, 1, 1, 1).expand(2, self.channels, 1, 1)
        black, white = self._affine(ends.clone(), self.scale).flatten(1)
        return black, white

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able form that `from_dict` takes."""
        return asdict(self) | {
            "size": list(self.size),
            "mean": list(self.mean),
            "std": list(self.std),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocess:
        """Rebuild from `as_dict`.

        Raises
        ------
        BadInput
            The values describe no preprocessing.
        """
        try:
            mode, fit = str(values["mode"]), str(values.get("fit", "stretch"))
            height, width = (int(side) for side in values["size"])
            mean = tuple(float(value) for value in values["mean"])
            std = tuple(float(value) for value in values["std"])
            scale = float(values.get("scale", 255.0))
            count = 1 if mode == "L" else 3
            if (
                mode not in MODES
                or fit not in ("stretch", "crop")
                or not 1 <= min(height, width) <= max(height, width) <= 4096
                or (len(mean), len(std)) != (count, count)
                or not (scale > 0 and min(std) > 0)
            ):
                raise ValueError
        except (KeyError, TypeError, ValueError):
            raise BadInput(
                "The recorded preprocessing is not valid.", fix="Scan the evidence again."
            ) from None
        return cls(mode, (height, width), mean, std, scale, fit)

    def _resized(self, batch: Tensor) -> Tensor:
        if tuple(batch.shape[-2:]) == self.size:
            return batch
        batch = batch.float()
        height, width = self.size
        if self.fit == "crop":
            factor = max(height * 8 / 7 / batch.shape[-2], width * 8 / 7 / batch.shape[-1])
            sides = [max(round(side * factor), 1) for side in batch.shape[-2:]]
            batch = F.interpolate(batch, sides, mode="bilinear", antialias=True)
            top, left = (sides[0] - height) // 2, (sides[1] - width) // 2
            batch = batch[..., top : top + height, left : left + width]
        else:
            batch = F.interpolate(batch, self.size, mode="bilinear", antialias=True)
        return batch

    def _channelled(self, batch: Tensor) -> Tensor:
        channels = batch.shape[1]
        if self.mode == "L" and channels == 3:
            weights = torch.tensor(_LUMA, device=batch.device).view(1, 3, 1, 1)
            return (batch * weights).sum(1, keepdim=True)
        if self.mode != "L" and channels == 1:
            return batch.expand(-1, 3, -1, -1)
        return batch.flip(1) if self.mode == "BGR" else batch

    def _affine(self, batch: Tensor, scale: float) -> Tensor:
        mean, std = self._columns(batch)
        # One multiplication and one addition instead of divide, subtract, divide. Addition is left
        # out where it adds nothing, since it would read and write the whole batch once more.
        out = batch * (1.0 / (scale * std))
        return out.sub_(mean / std) if any(self.mean) else out

    def _columns(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        shape = (1, len(self.mean), 1, 1)
        mean = torch.tensor(self.mean, dtype=torch.float32, device=batch.device).view(shape)
        return mean, torch.tensor(self.std, dtype=torch.float32, device=batch.device).view(shape)


def _tensor(images: NDArray[np.uint8]) -> Tensor:
    # Channels first, as the network wants them; the copy is made while the values are still bytes.
    # Read-only arrays (memory maps of evidence) are copied too: torch cannot hold them.
    moved = np.moveaxis(images, -1, 1)
    if not (moved.flags.c_contiguous and moved.flags.writeable):
        moved = moved.copy()
    return torch.from_numpy(moved)
