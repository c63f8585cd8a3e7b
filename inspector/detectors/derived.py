"""Signals that follow from others by arithmetic, computed only when a detector asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Signals = dict[str, NDArray[Any] | Callable[[], NDArray[Any]]]


def with_derived(
    signals: Mapping[str, NDArray[Any] | Callable[[], NDArray[Any]]], labels: NDArray[np.int32]
) -> Signals:
    """Return the signals with labels and whatever the logits yield.

    Parameters
    ----------
    signals : mapping
        Arrays, or callables that return them, with n rows.
    labels : ndarray, shape (n,), int32
        All within the columns of the logits.

    Returns
    -------
    dict
        Adds "labels", and from "logits": "residuals", "loss", "predicted"; what is there stays.
    """
    complete: Signals = {**signals, "labels": labels}
    if "logits" not in complete:
        return complete
    source = complete["logits"]

    def logits() -> NDArray[Any]:
        return np.asarray(source() if callable(source) else source)

    complete.setdefault("residuals", lambda: residuals_of(logits(), labels))
    complete.setdefault("loss", lambda: loss_of(logits(), labels))
    complete.setdefault("predicted", lambda: logits().argmax(axis=1).astype(np.int32))
    return complete


def residuals_of(logits: NDArray[Any], labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return softmax(logits) − one-hot label, shape (n, C), float32.

    The entry of the label is minus the sum of the others: 1 − p would be rounding where p is near 1.
    """
    with np.errstate(all="ignore"):
        found = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float32)
        found /= found.sum(axis=1, keepdims=True)
        here = np.arange(len(labels)), labels
        found[here] = 0
        found[here] = -found.sum(axis=1)
    return found


def loss_of(logits: NDArray[Any], labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the cross-entropy at the given labels in nats, shape (n,), float32."""
    with np.errstate(all="ignore"):
        shifted = (logits - logits.max(axis=1, keepdims=True)).astype(np.float64)
        total = np.log(np.exp(shifted).sum(axis=1))
        return (total - shifted[np.arange(len(labels)), labels]).astype(np.float32)
