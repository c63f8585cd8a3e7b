"""The ways in which training scripts scale pixels, in the order in which they are preferred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Normalisation:
    """``(x / scale - mean) / std`` under a name; mean and std have one value per channel."""

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float = 255.0


# The simplest first: of several that the labels cannot tell apart, the first is taken.
_COLOUR = (
    Normalisation("0 to 1", (0.0,) * 3, (1.0,) * 3),
    Normalisation("-1 to 1", (0.5,) * 3, (0.5,) * 3),
    Normalisation("ImageNet", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    Normalisation("CIFAR-10", (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
    # The standard deviation averaged over images: a widespread slip.
    Normalisation("CIFAR-10 (per image)", (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.201)),
    Normalisation("CIFAR-100", (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    Normalisation("GTSRB", (0.3403, 0.3121, 0.3214), (0.2724, 0.2608, 0.2669)),
    Normalisation("SVHN", (0.4377, 0.4438, 0.4728), (0.198, 0.201, 0.197)),
)
_GREY = (
    Normalisation("0 to 1", (0.0,), (1.0,)),
    Normalisation("-1 to 1", (0.5,), (0.5,)),
    Normalisation("MNIST", (0.1307,), (0.3081,)),
    Normalisation("Fashion-MNIST", (0.286,), (0.353,)),
)
_NEAR = 0.012


def normalisations(channels: int, images: Sequence[NDArray[np.uint8]]) -> list[Normalisation]:
    """List what is worth trying for a network with 1 or 3 channels.

    Parameters
    ----------
    channels : int
        1 or 3.
    images : sequence of ndarray (H, W, C) uint8
        A sample, whose own mean and deviation are tried as well when no usual pair is near.
    """
    usual = _GREY if channels == 1 else _COLOUR
    own = _own(channels, images)
    near = own is None or any(
        np.abs(np.array(item.mean + item.std) - (own.mean + own.std)).max() < _NEAR
        for item in usual
    )
    raw = Normalisation("0 to 255", (0.0,) * channels, (1.0,) * channels, scale=1.0)
    return [*usual, *([] if near or own is None else [own]), raw]


def _own(channels: int, images: Sequence[NDArray[np.uint8]]) -> Normalisation | None:
    sums = np.zeros((2, channels))
    count = 0
    for image in images:
        values = image.reshape(-1, image.shape[-1]) / 255.0
        if values.shape[1] != channels:
            # Grey values stand in for every channel, luma is near enough to the mean of three.
            values = np.repeat(values.mean(1, keepdims=True), channels, axis=1)
        sums += values.sum(0), np.square(values).sum(0)
        count += len(values)
    if not count:
        return None
    mean, square = sums / count
    std = np.sqrt(np.maximum(square - mean**2, 0))
    if std.min() < 1e-3:
        return None
    rounded = [tuple(round(float(value), 4) for value in values) for values in (mean, std)]
    return Normalisation("mean and deviation of the data", rounded[0], rounded[1])
