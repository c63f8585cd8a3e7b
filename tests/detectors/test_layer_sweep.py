"""Earlier layers: a group that only one of them shows is found, by the layer that shows it."""

from __future__ import annotations

import numpy as np

from inspector.api import Context
from inspector.detectors import discover, run_detectors
from inspector.detectors.derived import with_layers
from inspector.detectors.execution import run_detector
from inspector.detectors.spectral_layers import LayerSweep
from inspector.detectors.standing import agreement, class_standing

CLASSES, TARGET = 8, 3


def planted(seed: int = 0):
    """Eight classes of 400; 40 of the fourth lie apart in the second earlier layer and nowhere else."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(CLASSES), 400).astype(np.int32)
    truth = np.zeros(len(labels), bool)
    truth[TARGET * 400 : TARGET * 400 + 40] = True
    centres = 3 * random.standard_normal((CLASSES, 12))
    last, early, late = (
        centres[labels] + random.standard_normal((len(labels), 12)) for _ in range(3)
    )
    late[truth] += 6 * np.eye(12)[0]
    logits = -((last[:, None] - centres[None]) ** 2).sum(2)
    signals = {
        "activations": last.astype(np.float32),
        "logits": logits.astype(np.float32),
        "layer-0": early.astype(np.float32),
        "layer-1": late.astype(np.float32),
    }
    return with_layers(signals, ["early", "late"]), labels, truth


def test_the_layer_that_shows_a_class_is_chosen_and_named() -> None:
    signals, labels, truth = planted()
    names = [f"class {index}" for index in range(CLASSES)]
    ctx = Context({**signals, "labels": labels}, names)
    assert ctx.layers == ("layer:early", "layer:late")
    np.testing.assert_array_equal(
        ctx.signal("layers"), np.hstack([ctx.signal(name) for name in ctx.layers])
    )
    finding = run_detector(LayerSweep(), ctx, {}, lambda step: None)
    assert finding.artifacts["layer"][TARGET] == 1
    assert max(finding.classes, key=lambda row: row.statistic).index == TARGET
    assert "class 3 in late" in finding.caveats[0]
    assert truth[np.argsort(-finding.scores)[:40]].mean() > 0.9


def test_the_combined_ranking_follows_a_layer_that_alone_sees_something() -> None:
    signals, labels, truth = planted()
    entries = [e for e in discover([], False) if e.info.in_ranking and e.id != "loss-trajectory"]
    names = [str(index) for index in range(CLASSES)]
    everything = np.ones(len(labels), bool)
    found = run_detectors(signals, labels, everything, names, entries=entries)
    assert truth[np.argsort(-found.combined)[:40]].mean() > 0.8
    assert max(found.classes, key=lambda row: row["statistic"])["index"] == TARGET
    without = {name: value for name, value in signals.items() if not name.startswith("layer")}
    blind = run_detectors(without, labels, everything, names, entries=entries)
    assert truth[np.argsort(-blind.combined)[:40]].mean() < 0.2
    assert blind.findings["spectral-layers"]["status"] == "skipped"


def test_looks_that_agree_stand_out_further_than_one_alone() -> None:
    random = np.random.default_rng(1)
    ordinary = [np.exp(0.3 * random.standard_normal(10)) for _ in range(4)]
    for column in ordinary[:3]:
        column[2] = column[5] = 30.0  # two classes stand out in the last layer
    ordinary[3][5] = 30.0  # one of them elsewhere, too
    standing = class_standing(agreement(ordinary[:3], ordinary[3:]))
    assert standing.argmax() == 5
    assert standing[5] > 1.5 * standing[2] > 0
    gone = [np.where(np.arange(10) == 7, np.nan, column) for column in ordinary]
    assert np.flatnonzero(np.isnan(agreement(gone[:3], gone[3:]))).tolist() == [7]
