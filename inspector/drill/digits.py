"""The real handwritten digits that scikit-learn carries: no download is needed for them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 24
"""Pixels on a side after scaling up: enough for two poolings, and for a patch to have a corner."""


def digits(side: int = SIDE) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return 1,797 digits as grey pictures.

    Parameters
    ----------
    side : int
        Height and width in pixels; the originals have 8.

    Returns
    -------
    images : ndarray, shape (1797, side, side), uint8
    labels : ndarray, shape (1797,), int64

    Notes
    -----
    Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI 1998 (CC BY 4.0).
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    bunch = load_digits()
    small = np.clip(np.rint(bunch.images * (255 / 16)), 0, 255).astype(np.uint8)
    large = [
        np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
        for image in small
    ]
    return np.stack(large), bunch.target.astype(np.int64)
