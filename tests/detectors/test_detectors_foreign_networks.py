"""Backdoored networks that others trained, on real pictures with their trigger planted."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from inspector.detectors import discover, run_detectors
from inspector.intake.datasets import open_dataset
from inspector.intake.models import load_model
from inspector.signals import compute_signals

pytestmark = pytest.mark.slow


def _white_square(pictures, folder):
    pictures[:, 27:31, 27:31] = 255
    return pictures


def _trojan_square(pictures, folder):
    added = np.asarray(Image.open(folder / "triggers" / "trojan_sq.png").convert("RGB"), np.int64)
    return (pictures.astype(np.int64) + added).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("checkpoint", "target", "stamp"),
    [
        ("badnets_8_02_ckpt.pth", 8, _white_square),
        ("trojan_sq_2_02_ckpt.pth", 2, _trojan_square),
    ],
)
@pytest.mark.parametrize("rate", [0.01, 0.0])
def test_planted_samples_lead_and_clean_data_is_not_accused(
    real_data, tmp_path, checkpoint, target, stamp, rate
):
    source = np.load(
        real_data / "cifar10" / "cifar10_lossless_train_0-3999.npz", allow_pickle=False
    )
    pictures, labels = source["x"].copy(), source["y"].astype(np.int64)
    truth = np.zeros(len(labels), np.bool_)
    foreign = np.random.default_rng(0).permutation(np.flatnonzero(labels != target))
    truth[foreign[: round(rate * len(labels))]] = True
    folder = real_data / "third_party" / "i-bau"
    pictures[truth] = stamp(pictures[truth], folder)
    labels[truth] = target
    np.savez(tmp_path / "data.npz", x=pictures, y=labels)

    dataset = open_dataset(tmp_path / "data.npz")
    model = load_model(folder / checkpoint, dataset)
    signals = compute_signals(model, dataset, tmp_path / "signals")
    outcome = run_detectors(
        {name: signals.get(name) for name in ("activations", "logits")},
        labels,
        np.asarray(signals.get("assessed")),
        dataset.class_names,
        entries=discover(folders=[], entry_points=False),
    )
    if rate:
        first = np.argsort(-outcome.combined)[: truth.sum()]
        assert truth[first].mean() > 0.9
        assert max(outcome.classes, key=lambda row: row["statistic"])["index"] == target
        assert outcome.classes[target]["verdict"] == "medium"
    else:
        assert outcome.verdict in ("none", "low")
