"""A backdoored network that others trained, on real pictures stamped as its authors stamped theirs."""

from __future__ import annotations

from pathlib import Path

import cifar_evidence as evidence
import numpy as np
import pytest

from inspector.triggers.searching import make_probe, search_carriers, stamp_of

pytestmark = pytest.mark.slow

TARGET = 8


def test_carriers_of_a_white_square_come_first(real_data: Path, tmp_path: Path) -> None:
    images, labels = (part.copy() for part in evidence.decoded(real_data, "train", 30))
    weights = real_data / "third_party" / "i-bau" / "badnets_8_02_ckpt.pth"
    model = evidence.opened(weights, images, labels, tmp_path)
    carriers = np.zeros(len(labels), bool)
    others = np.flatnonzero(labels != TARGET)
    carriers[np.random.default_rng(0).permutation(others)[:15]] = True
    images[carriers], labels[carriers] = evidence.white_square(images[carriers]), TARGET
    # The middle of the square, as a search finds a part of a trigger.
    mask = np.zeros((32, 32), np.float32)
    mask[28:31, 28:31] = 1
    trigger = stamp_of(mask, np.full((32, 32, 3), 255, np.uint8))
    probe = make_probe(model, trigger, TARGET, lambda rows: images[rows], labels)
    found = search_carriers(model, probe, lambda rows: images[rows], labels)
    high, low = found.scores[carriers], found.scores[~carriers]
    assert (high[:, None] > low[None]).mean() >= 0.99
    assert found.carriers[carriers].mean() >= 0.9
    assert found.carriers[~carriers].mean() <= 0.02
