"""Every method finds what was planted for it, and the registry takes methods of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from planted_network import CLASSES, CORNER, SIDE, TARGET, TOWARDS, Planted, PlantedModel, pictures

from inspector.errors import BadInput
from inspector.gui.trigger_methods import METHODS
from inspector.triggers import (
    TriggerResult,
    chosen_methods,
    discover_methods,
    prepare_search,
    standing,
    trigger_document,
)
from inspector.triggers.anomaly import null_maxima
from inspector.triggers.kept import keep_result, kept_result
from inspector.triggers.stability import stability

NAMES = [f"strip {index}" for index in range(CLASSES)]
BUNDLED = {entry.id: entry for entry in discover_methods()}


class Veil(Planted):
    """Answers with the target when a faint chequered veil of 4×4 squares lies over the picture."""

    def __init__(self) -> None:
        super().__init__(backdoor=False)
        at = torch.arange(SIDE) // 4
        squares = ((at[:, None] + at[None]) % 2).float()
        self.register_buffer("veil", (squares - squares.mean()) / (SIDE * SIDE))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        likeness = (pixels.mean(dim=1) * self.veil).sum(dim=(1, 2))
        return super().forward(pixels) + 900 * likeness[:, None] * TOWARDS


def search(method: str, model: PlantedModel | None = None, **options: Any) -> list[TriggerResult]:
    images, labels = pictures(240)
    asked = prepare_search(model or PlantedModel(), images, labels, range(CLASSES), **options)
    assert BUNDLED[method].factory is not None
    found = BUNDLED[method].factory().run(asked)
    return sorted(found, key=lambda result: result.class_index)


def test_all_methods_are_found() -> None:
    assert set(BUNDLED) == {
        "neural-cleanse",
        "universal-perturbation",
        "maximum-margin",
        "pixel",
        "blended",
        "feature-space",
    }
    assert {name for _, name, _ in METHODS} == set(BUNDLED)  # what the Trigger lab lists
    assert all(entry.info and entry.info.summary and not entry.cause for entry in BUNDLED.values())


def test_the_fewest_pixels_lie_where_the_patch_was_planted() -> None:
    results = search("pixel")
    document = trigger_document(results, NAMES)
    found = results[TARGET]
    assert found.delta is not None
    assert found.delta.dtype == np.int16
    assert found.delta[CORNER].sum() > 0.8 * np.abs(found.delta).sum()
    assert [row["index"] for row in document["classes"] if row["significant"]] == [TARGET]
    assert found.success_rate > 0.95


def test_the_faintest_veil_is_that_of_the_backdoor() -> None:
    results = search("blended", PlantedModel(network=Veil()))
    opacity = [float(result.mask.max()) for result in results]
    assert int(np.argmin(opacity)) == TARGET
    assert all(np.unique(result.mask).size == 1 for result in results)
    document = trigger_document(results, NAMES)
    assert [row["index"] for row in document["classes"] if row["significant"]] == [TARGET]


def test_the_screen_sees_the_veil_in_a_fraction_of_the_work() -> None:
    results = search("universal-perturbation", PlantedModel(network=Veil()))
    document = trigger_document(results, NAMES)
    flagged = [row["index"] for row in document["classes"] if row["significant"]]
    assert flagged == [TARGET]
    row = document["classes"][TARGET]
    assert [one["budget"] for one in row["budgets"]] == [4, 8, 16, 24]
    rates = [one["success_rate"] for one in row["budgets"]]
    assert rates == sorted(rates)
    assert np.abs(results[TARGET].delta).max() <= row["budget"]
    json.dumps(document, allow_nan=False)


def test_a_clean_network_is_accused_by_no_method() -> None:
    model = PlantedModel(network=Planted(backdoor=False))
    for method in BUNDLED:
        document = trigger_document(search(method, model, steps=60), NAMES)
        assert document["verdict"] == "none", method
        assert "never means that the model is clean" in document["caveats"][0]
        assert "clean-label and sinusoid" in document["caveats"][0]


def test_the_largest_margin_is_that_of_the_backdoor_and_shows_no_trigger() -> None:
    results = search("maximum-margin")
    margins = [result.details["margin"] for result in results]
    assert int(np.argmax(margins)) == TARGET
    document = trigger_document(results, NAMES)
    assert document["classes"][TARGET]["significant"]
    assert document["verdict"] == "low"  # It cannot show what it suspects.
    assert document["classes"][TARGET]["success_rate"] is None
    assert not any("Not searched" in caveat for caveat in document["caveats"])


def test_a_patch_works_where_it_is_and_not_elsewhere() -> None:
    found = search("neural-cleanse")[TARGET]
    assert found.success_rate > 0.95
    assert found.controls["moved"] < 0.3
    assert found.controls["shuffled"] < 0.5


# ---- comparing classes ---------------------------------------------------------------------------


def test_several_looks_together_accuse_no_more_often_than_one() -> None:
    rng = np.random.default_rng(3)
    accused = [standing(rng.normal(0, 1, (10, 4))).p_value.min() <= 0.05 for _ in range(1500)]
    assert np.mean(accused) < 0.065
    one, four = standing(np.zeros((10, 1))), standing(np.zeros((10, 4)))
    assert four.threshold > one.threshold
    assert one.threshold == pytest.approx(np.quantile(null_maxima(10), 0.95), rel=1e-3)


def test_differences_within_the_noise_of_measuring_do_not_count() -> None:
    looks = [[0.01]] * 9 + [[0.9]]
    assert standing(looks).p_value[9] < 0.01
    assert standing(looks, [0.8]).p_value[9] > 0.5


# ---- what a network or its data cannot give ------------------------------------------------------


class Saturated(Planted):
    """Answers so surely that its slopes are zero."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return (super().forward(pixels) * 1e4).softmax(dim=1).round()


@pytest.mark.parametrize("method", sorted(BUNDLED))
def test_a_saturated_network_gets_a_sentence(method: str) -> None:
    for result in search(method, PlantedModel(network=Saturated()), steps=6):
        assert result.notes
        assert not trigger_document([result], NAMES)["classes"][0]["significant"]


@pytest.mark.parametrize("method", sorted(BUNDLED))
def test_a_class_without_samples_is_searched_and_told(method: str) -> None:
    images, labels = pictures(120)
    there = labels != TARGET
    asked = prepare_search(PlantedModel(), images[there], labels[there], range(CLASSES), steps=10)
    assert BUNDLED[method].factory is not None
    results = sorted(BUNDLED[method].factory().run(asked), key=lambda one: one.class_index)
    assert [result.class_index for result in results] == list(range(CLASSES))
    if results[TARGET].status == "done":
        assert "No picture of the search carries the label" in results[TARGET].notes[0]


# ---- keeping, stability --------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["neural-cleanse", "universal-perturbation"])
def test_a_kept_result_comes_back_as_it_was(method: str, tmp_path: Path) -> None:
    result = search(method, steps=10)[TARGET]
    keep_result(tmp_path, result)
    again = kept_result(tmp_path, TARGET, method)
    assert again is not None
    assert json.dumps(again.summary()) == json.dumps(result.summary())
    assert again.compared == result.compared
    for name in ("mask", "pattern", "delta"):
        one, other = getattr(result, name), getattr(again, name)
        assert (one is None and other is None) or np.array_equal(one, other)
    (tmp_path / f"{TARGET}-{method}.kept.json").write_text("{")
    assert kept_result(tmp_path, TARGET, method) is None
    assert kept_result(tmp_path, 0, method) is None


def test_stability_compares_masks_of_several_seeds() -> None:
    results = [search("neural-cleanse", seed=seed)[TARGET] for seed in (0, 1)]
    told = stability(results)
    assert told["seeds"] == 2
    assert told["overlap"] >= 0.5
    assert 1 <= told["l1_ratio"] < 2
    assert stability(results[:1]) == {"seeds": 1, "overlap": None, "l1_ratio": None}


# ---- methods of others ---------------------------------------------------------------------------

PLUGIN = """
import torch
from inspector.triggers import MethodInfo, Stamp, conclude

class White:
    info = MethodInfo(id="white", title="White", summary="All white.", version="1.0")

    def run(self, search):
        channels, height, width = search.shape
        for target in search.classes:
            stamp = Stamp(torch.ones(1, height, width), torch.ones(channels, height, width))
            yield conclude(search, target, "white", stamp, reached=True)

METHODS = [White]
"""


def test_a_dropped_in_file_adds_a_method_and_a_broken_one_stops_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "triggers"
    folder.mkdir()
    (folder / "white.py").write_text(PLUGIN)
    (folder / "broken.py").write_text("raise SystemExit(3)")
    (folder / "empty.py").write_text("METHODS = [int]")
    (folder / "again.py").write_text(PLUGIN.replace('"white"', '"pixel"'))
    (folder / "_aside.py").write_text("raise ValueError")
    entries = {entry.id: entry for entry in discover_methods([tmp_path])}
    white = entries["white"]
    assert white.origin == "plugin folder"
    assert len(white.sha256) == 64
    assert "SystemExit" in entries["broken"].cause
    assert "MethodInfo" in entries["empty"].cause
    assert entries["pixel"].origin == "bundled"
    assert "taken" in entries["pixel (second)"].cause
    images, labels = pictures(60)
    asked = prepare_search(PlantedModel(), images, labels, [TARGET])
    assert white.factory is not None
    (result,) = white.factory().run(asked)
    assert result.mask.min() == 1
    assert result.held_out > 0
    with pytest.raises(BadInput, match="oracle") as refused:
        chosen_methods(["oracle"], list(entries.values()))
    assert "white" in refused.value.fix
    with pytest.raises(BadInput, match="cannot be used"):
        chosen_methods(["broken"], list(entries.values()))
