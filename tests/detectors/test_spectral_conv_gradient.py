"""The gradient spectral score on sketched gradients at convolutions."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.api import Context
from inspector.detectors import discover, run_detectors
from inspector.detectors.execution import run_detector
from inspector.detectors.spectral_conv_gradient import ConvolutionGradientSpectrum


def _rows(n=4000, planted=10, width=48):
    """Directions of four classes; a few samples of the second hang on something else."""
    random = np.random.default_rng(0)
    labels = (np.arange(n) % 4).astype(np.int32)
    truth = np.zeros(n, np.bool_)
    truth[np.flatnonzero(labels == 1)[:planted]] = True
    rows = 3 * np.eye(width)[labels] + random.standard_normal((n, width)) / 2
    rows[truth] += 6 * np.eye(width)[40]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return labels, truth, rows.astype(np.float32)


def test_a_group_of_half_a_percent_that_pulls_elsewhere_comes_first_in_its_class():
    labels, truth, rows = _rows()
    ctx = Context({"labels": labels, "conv_gradients": rows}, list("abcd"))
    finding = run_detector(ConvolutionGradientSpectrum(), ctx)
    inside = np.flatnonzero(labels == 1)
    first = inside[np.argsort(-finding.scores[inside])[: truth.sum()]]
    assert truth[first].all()
    assert max(finding.classes, key=lambda result: result.statistic).index == 1


@pytest.mark.parametrize("there", [True, False])
def test_it_enters_the_ranking_where_the_signal_was_computed_and_only_there(there):
    labels, truth, rows = _rows()
    random = np.random.default_rng(1)
    signals = {"activations": random.standard_normal((len(labels), 8)).astype(np.float32)}
    if there:
        signals["conv_gradients"] = rows
    entries = [e for e in discover([], False) if e.id == "spectral-conv-gradient"]
    outcome = run_detectors(
        signals, labels, np.ones(len(labels), np.bool_), list("abcd"), entries=entries
    )
    assert ("spectral-conv-gradient" in outcome.columns) == there
    if there:
        assert truth[np.argsort(-outcome.combined)[:10]].mean() > 0.8
    else:
        finding = outcome.findings["spectral-conv-gradient"]
        assert finding["status"] == "skipped"
        assert "conv_gradients" in finding["reason"]
