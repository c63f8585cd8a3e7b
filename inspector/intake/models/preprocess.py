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
FITS = ("stretch", "crop", "stretch-crop", "none")
INTERPOLATIONS = ("bilinear", "bicubic", "nearest")
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
        Height and width of the network's input.
    mean, std : tuple of float
        One per channel, in the order of ``mode``.
    scale : float
        What pixel values are divided by.
    fit : str
        How images of another size are brought to it: "stretch"; "crop", the shorter side to
        ``side``, then the middle; "stretch-crop", both sides to ``side``, then the middle; "none",
        the middle as it is, black where the image is smaller.
    side : int
        Pixels before the crop; 0 stands for 8/7 of the size (256 for 224).
    interpolation : str
        "bilinear", "bicubic" or "nearest".
    antialias : bool
        Whether shrinking averages over what it leaves out, as Pillow does.
    """

    mode: str
    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float = 255.0
    fit: str = "stretch"
    side: int = 0
    interpolation: str = "bilinear"
    antialias: bool = True

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
            side, antialias = int(values.get("side", 0)), bool(values.get("antialias", True))
            interpolation = str(values.get("interpolation", "bilinear"))
            count = 1 if mode == "L" else 3
            if (
                mode not in MODES
                or fit not in FITS
                or interpolation not in INTERPOLATIONS
                or not 0 <= side <= 4096
                or not 1 <= min(height, width) <= max(height, width) <= 4096
                or (len(mean), len(std)) != (count, count)
                or not (scale > 0 and min(std) > 0)
            ):
                raise ValueError
        except (KeyError, TypeError, ValueError):
            raise BadInput(
                "The recorded preprocessing is not valid.", fix="Scan the evidence again."
            ) from None
        return cls(mode, (height, width), mean, std, scale, fit, side, interpolation, antialias)

    def _resized(self, batch: Tensor) -> Tensor:
        if tuple(batch.shape[-2:]) == self.size and self.fit in ("stretch", "none"):
            return batch
        if self.fit == "none":
            return self._middle(batch)
        batch = batch.float()
        if self.fit == "stretch":
            return self._scaled(batch, self.size)
        return self._middle(self._scaled(batch, self._before_crop(batch.shape[-2:])))

    def _before_crop(self, there: Sequence[int]) -> tuple[int, int]:
        """Return the size to which an image is resized before its middle is taken."""
        wanted = [float(self.side or side * 8 / 7) for side in self.size]
        if self.fit == "stretch-crop":
            return round(wanted[0]), round(wanted[1])
        factor = max(want / side for want, side in zip(wanted, there))
        return max(round(there[0] * factor), 1), max(round(there[1] * factor), 1)

    def _scaled(self, batch: Tensor, size: tuple[int, int]) -> Tensor:
        if tuple(batch.shape[-2:]) == size:
            return batch
        if self.interpolation == "nearest":
            return F.interpolate(batch, size, mode="nearest-exact")
        out = F.interpolate(batch, size, mode=self.interpolation, antialias=self.antialias)
        # Bicubic curves overshoot; an image that is stored as bytes cannot.
        return out.clamp_(0, 255) if self.interpolation == "bicubic" else out

    def _middle(self, batch: Tensor) -> Tensor:
        for axis, wanted in ((-2, self.size[0]), (-1, self.size[1])):
            there = batch.shape[axis]
            if there >= wanted:
                # Rounded as torchvision does, half to even.
                batch = batch.narrow(axis, round((there - wanted) / 2), wanted)
            else:
                before = (wanted - there) // 2
                after = wanted - there - before
                batch = F.pad(batch, (0, 0, before, after) if axis == -2 else (before, after))
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
