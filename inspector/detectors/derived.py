"""Signals made ready for detectors: checked against labels, completed by what follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import BadInput

Signals = dict[str, NDArray[Any] | Callable[[], NDArray[Any]]]


def check_shapes(
    signals: Mapping[str, NDArray[Any] | Callable[[], NDArray[Any]]],
    labels: NDArray[np.int32],
    assessed: NDArray[np.bool_],
    verified: NDArray[Any] | None,
    rows: NDArray[np.intp],
) -> None:
    """Raise `BadInput` where signals and labels do not fit together; see `runner.run_detectors`."""
    lengths = {name: len(value) for name, value in signals.items() if not callable(value)}
    lengths["assessed"] = len(assessed)
    if verified is not None:
        lengths["verified"] = len(verified)
    for name, length in lengths.items():
        if length != len(labels):
            raise BadInput(
                f"The signal {name!r} has {length} rows for {len(labels)} labels.",
                "It was computed from another dataset or cut short.",
                "Compute the signals again.",
            )
    logits = signals.get("logits")
    if logits is not None and not callable(logits) and len(rows):
        highest = int(labels[rows].max())
        if highest >= logits.shape[1]:
            raise BadInput(
                f"The model answers for {logits.shape[1]} classes, but a label is {highest}.",
                "The dataset was not made for this model.",
                "Open the dataset that the model was trained on.",
            )


def with_layers(signals: Signals, names: Sequence[str]) -> Signals:
    """Return signals with the layers that were swept over under their names, and side by side.

    Parameters
    ----------
    signals : mapping
        "layer-0" and so on, as the pass wrote them, beside others.
    names : sequence of str
        Modules behind them.
    """
    found = {name: value for name, value in signals.items() if not name.startswith("layer-")}
    layers = {
        f"layer:{name}": signals[f"layer-{place}"]
        for place, name in enumerate(names)
        if f"layer-{place}" in signals
    }

    def side_by_side() -> NDArray[Any]:
        parts = [np.asarray(part() if callable(part) else part) for part in layers.values()]
        return np.concatenate(parts, axis=1)

    return {**found, **layers, "layers": side_by_side} if layers else found


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

    def residuals() -> NDArray[Any]:
        from inspector.signals.gradients import residuals as closed_form

        with np.errstate(all="ignore"):  # rows of NaN stay NaN
            return closed_form(logits(), labels)

    def loss() -> NDArray[Any]:
        from inspector.signals.gradients import cross_entropy

        with np.errstate(all="ignore"):
            return cross_entropy(logits(), labels).astype(np.float32)

    complete.setdefault("residuals", residuals)
    complete.setdefault("loss", loss)
    complete.setdefault("predicted", lambda: logits().argmax(axis=1).astype(np.int32))
    return complete
