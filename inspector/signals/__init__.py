"""Signals: what the network makes of every sample, measured in one pass over the data."""

from inspector.signals.gradients import (
    GradientSketch,
    last_layer_gradient_norms,
    last_layer_gradients,
    last_layer_gram,
    residuals,
)
from inspector.signals.one_pass import compute_signals
from inspector.signals.signal_set import SignalSet

__all__ = [
    "GradientSketch",
    "SignalSet",
    "compute_signals",
    "last_layer_gradient_norms",
    "last_layer_gradients",
    "last_layer_gram",
    "residuals",
]
