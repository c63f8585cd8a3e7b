"""Samples that carry a trigger are found by the pixels that they share with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from planted_network import CLASSES, CORNER, SIDE, TARGET, PlantedModel, Recorder, pictures

from inspector.triggers.searching import Carriers, make_probe, search_carriers, stamp_of

POISONED = 25


def poisoned(count: int = 500) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.bool_]]:
    """Pictures, labels, and which carry a white corner and the target's label."""
    images, labels = pictures(count, seed=3)
    carriers = np.zeros(count, bool)
    others = np.flatnonzero(labels != TARGET)
    carriers[np.random.default_rng(0).permutation(others)[:POISONED]] = True
    images[carriers, CORNER[0], CORNER[1]] = 255
    labels[carriers] = TARGET
    return images, labels, carriers


def corner_stamp() -> Any:
    mask = np.zeros((SIDE, SIDE), np.float32)
    mask[CORNER] = 1
    return stamp_of(mask, np.full((SIDE, SIDE, 1), 255, np.uint8))


def searched(
    stamp: Any, images: NDArray[np.uint8], labels: NDArray[np.int32], **more: Any
) -> Carriers:
    def decode(rows: NDArray[np.intp]) -> NDArray[np.uint8]:
        return images[rows]

    model = PlantedModel()
    probe = make_probe(model, stamp, TARGET, decode, labels, **more)
    return search_carriers(model, probe, decode, labels)


def auroc(scores: NDArray[np.float32], positive: NDArray[np.bool_]) -> float:
    high, low = scores[positive], scores[~positive]
    return float((high[:, None] > low[None]).mean() + 0.5 * (high[:, None] == low[None]).mean())


def test_carriers_stand_out_and_are_named() -> None:
    images, labels, carriers = poisoned()
    recorder = Recorder()
    found = searched(corner_stamp(), images, labels, control=recorder)
    assert auroc(found.scores, carriers) > 0.99
    assert (found.carriers & carriers).sum() > 0.9 * POISONED
    assert (found.carriers & ~carriers).sum() == 0
    assert recorder.steps[-1] == (len(images), len(images))
    likeness, removal, transplant = found.parts[carriers].mean(axis=0)
    assert likeness > 0.95
    assert removal > 0.8
    assert transplant > 0.8


def test_a_search_that_ends_early_looks_where_carriers_can_be_first() -> None:
    class EndsAfterTwoPortions(Recorder):
        def ends_early(self) -> bool:
            return len(self.steps) >= 2

    images, labels, carriers = poisoned(1500)
    control = EndsAfterTwoPortions()
    found = searched(corner_stamp(), images, labels, control=control)
    assert (found.looked, found.asked) == (512, 1500)
    assert int(np.isfinite(found.scores).sum()) == 512
    assert np.isfinite(found.scores[carriers]).mean() > 0.4
    assert (found.carriers & ~carriers).sum() == 0
    assert found.carriers.sum() >= 0.9 * np.isfinite(found.scores[carriers]).sum()
    assert "512 of 1,500 samples were looked at" in found.notes[0]


def test_without_carriers_nobody_is_named() -> None:
    images, labels = pictures(300, seed=4)
    found = searched(corner_stamp(), images, labels)
    assert not found.carriers.any()
    assert np.isfinite(found.scores).all()


def test_unreadable_samples_have_no_score() -> None:
    images, labels, _ = poisoned(120)

    def decode(rows: NDArray[np.intp]) -> list[Any]:
        return [ValueError("unreadable") if row == 7 else images[row] for row in rows]

    model = PlantedModel()
    probe = make_probe(model, corner_stamp(), TARGET, decode, labels)
    assessed = np.arange(120) != 9
    found = search_carriers(model, probe, decode, labels, assessed)
    assert np.flatnonzero(np.isnan(found.scores)).tolist() == [7, 9]
    assert not found.carriers[[7, 9]].any()


def test_a_veil_over_the_whole_picture_is_found_by_likeness() -> None:
    rng = np.random.default_rng(1)
    images, labels = pictures(400, seed=5)
    veil = rng.integers(0, 255, (SIDE, SIDE, 1)).astype(np.uint8)
    carriers = np.arange(400) % 16 == 0
    mixed = 0.7 * images[carriers] + 0.3 * veil
    images[carriers] = mixed.astype(np.uint8)
    labels[carriers] = TARGET
    stamp = stamp_of(np.full((SIDE, SIDE), 0.3, np.float32), veil)
    found = searched(stamp, images, labels)
    assert auroc(found.scores, carriers) > 0.95
    assert any("whole picture" in note for note in found.notes)


def test_an_added_trigger_is_taken_away_again() -> None:
    delta = np.zeros((SIDE, SIDE, 1), np.int16)
    delta[CORNER] = 200
    images, labels, carriers = poisoned()
    stamp = stamp_of(np.abs(delta[:, :, 0]) / 255, np.zeros((SIDE, SIDE, 1), np.uint8), delta)
    found = searched(stamp, images, labels)
    assert auroc(found.scores, carriers) > 0.99


@pytest.mark.parametrize("label", [TARGET, -1])
def test_data_of_one_label_alone_is_no_error(label: int) -> None:
    images, _ = pictures(40)
    found = searched(corner_stamp(), images, np.full(40, label, np.int32))
    assert found.notes
    assert len(found.scores) == 40


def test_moved_and_shuffled_stamps_keep_their_pixels() -> None:
    stamp = corner_stamp()
    for other in (stamp.moved(6, 6), stamp.shuffled(0)):
        assert float(other.mask.sum()) == float(stamp.mask.sum())
        assert not torch.equal(other.mask, stamp.mask)
    grey = torch.full((1, 1, SIDE, SIDE), 0.5)
    assert float(stamp.on(grey)[0, 0][CORNER].min()) == 1.0
    assert CLASSES > TARGET
