"""IBD-PSC on a network whose backdoor is planted by hand, so that the right answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.api import Context, Module
from inspector.detectors.execution import run_detector
from inspector.detectors.ibd_psc import ParameterScaling, fewest_layers, scalable


class Amplified:
    """Amplifying drives all logits to the first class, but those of the trigger grow faster."""

    modules = tuple(Module(name, "norm", 4) for name in ("a", "b", "c", "d"))

    def __init__(self) -> None:
        self.calls = 0

    def scaled(self, images, names, factor):
        self.calls += len(images)
        stack = np.stack(images).astype(np.float32)
        marked = stack[:, -1, -1, 0] > 250
        kind = stack[:, 0, 0, 0].astype(int)
        logits = 3.0 * np.eye(3, dtype=np.float32)[kind]
        logits[:, 0] += 3.0 * (factor ** len(names) - 1)
        logits[marked, 2] += 20 * factor ** len(names)
        return logits


def _planted(n=600):
    random = np.random.default_rng(0)
    kind = np.arange(n) % 3
    pictures = random.integers(0, 200, (n, 4, 4, 1)).astype(np.uint8)
    pictures[:, 0, 0, 0] = kind
    truth = np.zeros(n, np.bool_)
    truth[np.flatnonzero(kind == 1)[:20]] = True
    pictures[truth, -1, -1] = 255
    labels = np.where(truth, 2, kind).astype(np.int32)
    network = Amplified()
    logits = network.scaled(list(pictures), [], 1.0)
    network.calls = 0
    wrong = np.flatnonzero((kind == 2) & ~truth)[:30]
    labels[wrong] = 1  # samples that the model answers against their label
    signals = {
        "labels": labels,
        "logits": logits,
        "activations": logits,
        "predicted": logits.argmax(axis=1).astype(np.int32),
    }
    ctx = Context(
        signals,
        list("abc"),
        images=lambda rows: [pictures[int(row)] for row in rows],
        forward=lambda images: network.scaled(images, [], 1.0),
        network=lambda: network,
    )
    return ctx, truth, wrong, network


def test_the_planted_backdoor_stays_sure_and_what_it_is_not_does_not():
    ctx, truth, _, network = _planted()
    scores = run_detector(ParameterScaling(), ctx).scores
    inside = (ctx.labels == 2) & ~truth
    assert scores[truth].min() > 0.99
    assert scores[inside].max() < 0.5
    assert network.calls <= 5 * ctx.n + 4 * 256


def test_samples_that_the_model_answers_against_their_label_are_scored_too():
    """A common implementation looks only at what is answered as labelled."""
    ctx, _, wrong, _ = _planted()
    assert np.isfinite(run_detector(ParameterScaling(), ctx).scores[wrong]).all()


def test_there_is_a_number_of_layers_even_when_no_answer_changes():
    """A common implementation returns nothing then and fails later."""
    assert fewest_layers([0.1, 0.7, 0.9], 0.6) == 2
    assert fewest_layers([0.1, 0.3, 0.2], 0.6) == 2
    assert fewest_layers([0.0], 0.6) == 1
    ctx, _, _, _ = _planted()
    finding = run_detector(ParameterScaling(), ctx, {"changed": 1.0})
    assert np.isfinite(finding.scores).all()
    assert any("changes 100% of the answers" in caveat for caveat in finding.caveats)


def test_networks_without_normalisation_have_their_hidden_layers_amplified_and_that_is_said():
    class Plain(Amplified):
        modules = (Module("conv", "convolution", 4), Module("head", "linear", 3))

    assert scalable(Plain()) == (["conv"], False)
    assert scalable(Amplified()) == (["a", "b", "c", "d"], True)


@pytest.mark.parametrize("factor", [1.01, 3.0])
def test_scores_are_probabilities(factor):
    ctx, _, _, _ = _planted(120)
    scores = run_detector(ParameterScaling(), ctx, {"factor": factor}).scores
    assert scores.min() >= 0
    assert scores.max() <= 1
