"""What one pass left behind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SignalSet:
    """The arrays of one pass, each with a row for every sample of the dataset.

    Attributes
    ----------
    arrays : dict of str to Path
        ``.npy`` files by name:

        ==============  ===========================  ==========================================
        logits          (n, C) float32               what the network answers
        activations     (n, d) float32               input of the last linear layer, or the layer
        predicted       (n,) int32                   largest logit; -1 where not assessed
        confidence      (n,) float32                 its softmax; NaN where not assessed
        loss            (n,) float32                 cross-entropy at the label, nats; NaN where
                                                     not assessed or the label has no logit
        thumbnails      (n, h, w, 1 or 3) uint8      at most 64 pixels a side, see `Frame`
        pixel_sha256    (n, 32) uint8                of the decoded pixels
        assessed        (n,) bool                    whether the sample was read and answered
        gradients       (n, k) float32               with a sketch alone
        conv_gradients  (n, m) float32               with one of convolutions alone
        ==============  ===========================  ==========================================

        The wide ones read as 0 where a sample was not assessed.
    unreadable : list of (int, str)
        Row and reason of each sample that was asked for and could not be assessed.
    seconds : float
        Time of the pass, over all runs that it took.
    resumed_from : int
        Samples that a former run had finished; 0 for a pass in one go.
    layers : tuple of str
        Names of the layers behind "layer-0" and so on.
    """

    arrays: dict[str, Path]
    unreadable: list[tuple[int, str]]
    seconds: float
    resumed_from: int
    layers: tuple[str, ...] = ()

    def get(self, name: str) -> NDArray[Any]:
        """Return an array as a read-only memory map.

        Raises
        ------
        KeyError
            The pass did not compute it.
        """
        array: NDArray[Any] = np.load(self.arrays[name], mmap_mode="r", allow_pickle=False)
        return array
