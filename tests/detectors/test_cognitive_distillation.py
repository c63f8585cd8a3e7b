"""Cognitive Distillation on a network whose answers hang on pixels that are known."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.api import Context
from inspector.detectors import discover, run_detectors
from inspector.detectors.cognitive_distillation import CognitiveDistillation as Distillation
from inspector.detectors.cognitive_distillation import (
    MaskSearch,
    chosen,
    reduced,
    unevenness_slope,
)
from inspector.detectors.execution import run_detector
from inspector.detectors.registry import Entry

SIDE = 12


class Corner:
    """The first class is light in the upper half, or a red corner; the second, in the lower."""

    def __init__(self):
        self.calls = 0

    def pixels(self, images):
        return np.stack(images).transpose(0, 3, 1, 2).astype(np.float32) / 255

    def pixel_gradients(self, pixels, slope):
        self.calls += len(pixels)
        halves = np.zeros((3, SIDE, SIDE), np.float32)
        halves[0, : SIDE // 2], halves[1, SIDE // 2 :] = 0.2, 0.2
        red = np.zeros((3, SIDE, SIDE), np.float32)
        red[:, -2:, -2:] = np.array([1, -1, -1])[:, None, None] / 4
        logits = np.einsum("bhw,khw->bk", pixels.mean(axis=1), halves)
        redness = (pixels * red).sum(axis=(1, 2, 3)) - 0.4
        logits[:, 0] += 40 * np.maximum(redness, 0)
        down = slope(logits)
        back = np.repeat(np.einsum("bk,khw->bhw", down, halves)[:, None] / 3, 3, axis=1)
        back += (40 * down[:, 0] * (redness > 0))[:, None, None, None] * red
        return logits, back


def _planted(n=60, planted=12):
    random = np.random.default_rng(0)
    labels = (np.arange(n) % 2).astype(np.int32)
    pictures = np.zeros((n, SIDE, SIDE, 3), np.uint8)
    half = SIDE // 2
    pictures[labels == 0, :half] = 200
    pictures[labels == 1, half:] = 200
    truth = np.zeros(n, np.bool_)
    truth[np.flatnonzero(labels == 1)[:planted]] = True
    pictures[:, -2:, -2:] = 0
    pictures[truth, -2:, -2:, 0] = 255
    labels[truth] = 0
    combined = (truth + 0.5 * random.random(n)).astype(np.float32)
    network = Corner()
    ctx = Context(
        {"labels": labels, "combined": combined},
        ["upper", "lower", "none"],
        images=lambda rows: [pictures[int(row)] for row in rows],
        forward=lambda images: network.pixel_gradients(network.pixels(images), np.zeros_like)[0],
        network=lambda: network,
    )
    return ctx, truth, network


@pytest.mark.parametrize("keep", ["answers", "logits"])
def test_the_mask_of_a_planted_sample_is_small_and_lies_on_its_trigger(keep):
    ctx, truth, network = _planted()
    finding = run_detector(Distillation(), ctx, {"keep": keep, "suspects": 20, "others": 30})
    scored = np.isfinite(finding.scores)
    assert scored.sum() == 50
    assert finding.scores[truth].min() > finding.scores[scored & ~truth].max()
    maps = {int(r): m for r, m in zip(finding.pictures.rows, finding.pictures.maps / 255)}
    for row in np.flatnonzero(truth):
        assert maps[row][-2:, -2:].sum() > 0.6 * maps[row].sum()
        assert maps[row].sum() < 12
    # One pass for the logits that are to stay, and one a step: what it says that it costs.
    assert network.calls == 50 * 101
    info = Distillation.info
    assert (info.passes, info.at_most) == (3 * 100, 200)


def test_the_score_is_minus_the_size_of_the_map():
    ctx, _, _ = _planted()
    finding = run_detector(Distillation(), ctx, {"suspects": 5, "others": 3})
    sizes = finding.pictures.maps.sum(axis=(1, 2)) / 255
    np.testing.assert_allclose(finding.scores[finding.pictures.rows], -sizes, atol=0.4)


def _between_logits(now, then, unit):
    return np.abs((now - then) / unit).mean(axis=1).sum()


def _between_answers(now, then, unit):
    odds = [np.exp(values / unit) for values in (now, then)]
    one, other = (values / values.sum(axis=1, keepdims=True) for values in odds)
    return np.abs(one - other).sum()


def test_the_slope_is_that_of_the_loss():
    """Against differences of the loss itself, with the fill held still."""
    random = np.random.default_rng(0)
    pixels = random.random((2, 3, SIDE, SIDE)).astype(np.float32)
    for keep, distance in (("answers", _between_answers), ("logits", _between_logits)):
        search = MaskSearch(Corner(), pixels, keep, 1.0, 0.0, random)
        wanted, unit = search._wanted, search._unit
        logits = wanted + np.array([[0.3, -0.2, 0.1]], np.float32)
        slope = search._slope(logits)
        for place in np.ndindex(logits.shape):
            moved = np.zeros_like(logits, np.float64)
            moved[place] = 1e-4
            above, below = (distance(logits + way, wanted, unit) for way in (moved, -moved))
            assert slope[place] == pytest.approx((above - below) / 2e-4, abs=1e-3)
    mask = random.random((1, 4, 5)).astype(np.float64)

    def unevenness(values):
        return sum(np.abs(np.diff(values, axis=axis)).sum() for axis in (1, 2))

    for place in np.ndindex(mask.shape):
        moved = np.zeros_like(mask)
        moved[place] = 1e-6
        found = (unevenness(mask + moved) - unevenness(mask - moved)) / 2e-6
        assert unevenness_slope(mask)[place] == pytest.approx(found, abs=1e-6)


def test_suspects_are_the_top_of_the_ranking_and_others_come_from_its_lower_half():
    combined = np.array([5, np.nan, 9, 1, 2, 3, 4, 0], np.float32)
    first, rest = chosen(combined, 2, 50, np.random.default_rng(0))
    assert first.tolist() == [2, 0]
    assert set(rest) == {3, 4, 5, 7}
    first, rest = chosen(np.full(3, np.nan), 2, 2, np.random.default_rng(0))
    assert len(first) == len(rest) == 0


def test_maps_of_large_pictures_are_kept_small_and_where_they_were():
    masks = np.zeros((1, 150, 40), np.float32)
    masks[0, 75:, 20:] = 1
    small = reduced(masks)
    assert small.shape == (1, 64, 40)
    assert small[0, :31].max() == 0
    assert small[0, 33:, 20:].min() == 255


def test_it_runs_last_and_only_where_there_is_a_ranking():
    entries = {e.id: e for e in discover(folders=[], entry_points=False)}
    random = np.random.default_rng(0)
    labels = (np.arange(80) % 4).astype(np.int32)
    signals = {
        "activations": random.standard_normal((80, 6)).astype(np.float32),
        "logits": random.standard_normal((80, 4)).astype(np.float32),
    }
    seen: list[str] = []

    class Watched(Distillation):
        def run(self, ctx, **parameters):
            seen.append(ctx.signal("combined"))
            return (yield from super().run(ctx, suspects=3, others=2, steps=10))

    watched = Entry(Watched.info, Watched, "test", None, "0" * 64, "ready")
    network = Corner()

    def run(names):
        chosen_entries = [watched if n == watched.id else entries[n] for n in names]
        return run_detectors(
            signals,
            labels,
            np.ones(80, np.bool_),
            list("abcd"),
            entries=chosen_entries,
            images=lambda rows: [np.zeros((SIDE, SIDE, 3), np.uint8) for _ in rows],
            forward=lambda images: np.zeros((len(images), 3), np.float32),
            network=lambda: network,
        )

    outcome = run(["cognitive-distillation", "spectral"])
    assert outcome.findings["cognitive-distillation"]["status"] == "done"
    np.testing.assert_array_equal(seen[0], outcome.combined)
    assert outcome.columns == ["spectral"]
    alone = run(["cognitive-distillation"]).findings["cognitive-distillation"]
    assert alone["status"] == "skipped"
    assert "--detectors +cognitive-distillation" in alone["reason"]
