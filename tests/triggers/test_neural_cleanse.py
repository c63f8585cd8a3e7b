"""The search finds what was planted, in the pixels of the evidence, and says what it cannot say."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from planted_network import (
    CLASSES,
    CORNER,
    SIDE,
    TARGET,
    TOWARDS,
    Normalised,
    Planted,
    PlantedModel,
    Recorder,
    pictures,
)
from torch import nn

from inspector.api import Control
from inspector.errors import BadInput, Cancelled
from inspector.intake.models.preprocess import Preprocess
from inspector.triggers import TriggerResult, anomaly_index, neural_cleanse, preview


def search(model: PlantedModel | None = None, **options: Any) -> list[TriggerResult]:
    images, labels = pictures(channels=options.pop("channels", 1))
    classes = options.pop("classes", range(CLASSES))
    return neural_cleanse(model or PlantedModel(), images, labels, classes, **options)


def in_corner(trigger: TriggerResult) -> float:
    """Share of the mask that lies where the backdoor is."""
    return float(trigger.mask[CORNER].sum() / trigger.mask.sum())


@pytest.fixture(scope="module")
def found() -> list[TriggerResult]:
    return search()


def test_the_planted_trigger_is_the_smallest_and_stands_out(found: list[TriggerResult]) -> None:
    sizes = [result.mask_l1 for result in found]
    assert int(np.argmin(sizes)) == TARGET
    anomaly = anomaly_index([result.comparable_l1 for result in found])
    assert anomaly.index[TARGET] > anomaly.threshold
    assert anomaly.p_value[TARGET] < 0.05
    assert (np.delete(anomaly.p_value, TARGET) > 0.05).all()


def test_the_planted_trigger_lies_where_it_was_planted(found: list[TriggerResult]) -> None:
    trigger = found[TARGET]
    assert in_corner(trigger) > 0.9
    assert trigger.pattern[CORNER].min() > 200
    assert 1.0 < trigger.mask_l1 < 2.0
    assert trigger.reached
    assert trigger.success_rate > 0.95


def test_a_result_is_a_picture_and_a_mask_of_one_channel(found: list[TriggerResult]) -> None:
    for result in found:
        assert result.mask.shape == (SIDE, SIDE)
        assert result.mask.dtype == np.float32
        assert 0 <= result.mask.min() <= result.mask.max() <= 1
        np.testing.assert_allclose(result.mask * 255, np.rint(result.mask * 255), atol=1e-4)
        assert result.pattern.shape == (SIDE, SIDE, 1)
        assert result.pattern.dtype == np.uint8
        assert result.mask_l1 == pytest.approx(float(result.mask.sum()), rel=1e-5)
        low, high = result.success_interval
        assert low <= result.success_rate <= high
        assert result.history.shape[1] == 5
        json.dumps(result.summary(), allow_nan=False)


def test_the_success_rate_is_what_stamping_whole_pixels_gives(found: list[TriggerResult]) -> None:
    # On pictures that the search never had: about the rate that it promised for those.
    images, labels = pictures(seed=99)
    model, trigger = PlantedModel(), found[0]
    others = images[labels != 0].astype(np.float64)
    mask = trigger.mask[:, :, None].astype(np.float64)
    stamped = np.rint((1 - mask) * others + mask * trigger.pattern).astype(np.uint8)
    with torch.no_grad():
        turned = model.network(model.preprocess(stamped)).argmax(1).numpy() == 0
    assert abs(turned.mean() - trigger.success_rate) < 0.1
    assert trigger.success_interval[0] - 0.05 <= turned.mean()


@pytest.mark.parametrize(
    ("mean", "std"), [(0.485, 0.229), (0.0, 1 / 255)], ids=["imagenet", "raw 0..255"]
)
def test_the_trigger_is_in_pixels_whatever_the_network_is_fed(mean: float, std: float) -> None:
    model = PlantedModel(
        network=Normalised(Planted(), mean, std),
        preprocess=Preprocess("L", (SIDE, SIDE), (mean,), (std,)),
    )
    (trigger,) = search(model, classes=[TARGET])
    assert trigger.pattern[CORNER].min() > 200
    assert in_corner(trigger) > 0.9
    assert trigger.success_rate > 0.95


def test_colour_shares_one_mask_and_comes_out_as_rgb() -> None:
    class RedCorner(Planted):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            logits = super().forward(pixels)
            # The network is fed BGR: red comes last.
            red = pixels[:, 2] - pixels[:, :2].mean(dim=1)
            return logits + 15 * (red * self.corner).sum(dim=(1, 2))[:, None] * TOWARDS

    model = PlantedModel(
        network=RedCorner(channels=3, backdoor=False),
        preprocess=Preprocess("BGR", (SIDE, SIDE), (0.0,) * 3, (1.0,) * 3),
    )
    (trigger,) = search(model, classes=[TARGET], channels=3)
    assert trigger.mask.shape == (SIDE, SIDE)
    red, green, blue = trigger.pattern[CORNER].reshape(-1, 3).mean(axis=0)
    assert red > 200
    assert max(green, blue) < 60


def test_same_seed_same_trigger_in_any_company(found: list[TriggerResult]) -> None:
    again, other = search(classes=[TARGET, 4]), search(classes=[4], seed=1)
    np.testing.assert_allclose(again[0].mask, found[TARGET].mask, atol=2 / 255)
    assert [result.class_index for result in again] == [TARGET, 4]
    assert (other[0].mask != again[1].mask).any()


def test_the_suspect_network_is_left_as_it_was() -> None:
    model = PlantedModel()
    model.network.train()
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    search(model, classes=[0], steps=5)
    assert model.network.training
    assert model.network.head.weight.requires_grad
    assert model.network.head.weight.grad is None
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, before[name])


def test_progress_never_falls_and_ends_at_the_total() -> None:
    recorder = Recorder()
    search(control=recorder, classes=[0, TARGET], steps=60)
    done = [step for step, _ in recorder.steps]
    assert done == sorted(done)
    assert recorder.steps[-1][0] == recorder.steps[-1][1] <= 120
    assert recorder.checks >= 60


def test_previews_show_the_forming_trigger(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(np.arange(0, 1e6, 0.1))
    monkeypatch.setattr(preview.time, "monotonic", lambda: float(next(now)))
    recorder = Recorder()
    search(control=recorder, classes=[0, TARGET], steps=60)
    assert 15 <= len(recorder.previews) <= 25  # 6 seconds on that clock, at most 4 a second
    assert {sent["class"] for sent in recorder.previews} == {0, TARGET}
    for sent in recorder.previews:
        assert sent["steps"] == 60
        assert 1 <= sent["step"] <= 60
        assert 0 <= sent["success"] <= 1
        assert np.shape(sent["mask"]) == (SIDE, SIDE)
        assert np.shape(sent["pattern"]) == (SIDE, SIDE, 1)
        json.dumps(sent, allow_nan=False)


def test_a_large_preview_is_made_small() -> None:
    recorder = Recorder()
    preview.Preview(recorder).send({}, torch.ones(1, 224, 112), torch.zeros(3, 224, 112))
    (sent,) = recorder.previews
    assert np.shape(sent["mask"]) == (64, 32)
    assert np.shape(sent["pattern"]) == (64, 32, 3)
    assert np.unique(sent["mask"]).tolist() == [255]


def test_a_search_can_be_cancelled_in_the_middle() -> None:
    class Stop(Recorder):
        def check(self) -> None:
            super().check()
            if self.checks > 30:
                raise Cancelled()

    stop = Stop()
    with pytest.raises(Cancelled):
        search(control=stop)
    assert stop.checks == 31


class Constant(nn.Module):
    """Answers with class 1, whatever it sees."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.new_zeros(len(pixels), CLASSES) + torch.eye(CLASSES)[1] + 0 * pixels.sum()

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class Saturated(Planted):
    """Hard steps: the slope is zero everywhere."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        answers = nn.functional.one_hot(super().forward(pixels).argmax(1), CLASSES)
        return answers.float() + 0 * pixels.sum()


class NotANumber(Planted):
    """Weights that overflow."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return super().forward(pixels) * float("inf") * 0


@pytest.mark.parametrize("network", [Saturated(), NotANumber(), Constant()])
def test_a_network_without_a_slope_gets_a_sentence(network: nn.Module) -> None:
    results = search(PlantedModel(network=network))
    assert {result.status for result in results} == {"skipped"}
    for result in results:
        assert result.notes
        assert np.isnan(result.comparable_l1)
        assert result.summary()["mask_l1"] is None
        assert result.summary()["success_interval"] is None
        json.dumps(result.summary(), allow_nan=False)
    slopes = [note for result in results for note in result.notes if "gradient" in note]
    assert slopes


def test_a_class_that_every_picture_has_is_skipped_with_a_sentence() -> None:
    images, _ = pictures(60)
    (result,) = neural_cleanse(PlantedModel(), images, np.full(60, 3), [3])
    assert result.status == "skipped"
    assert "none to turn" in result.notes[0]


def test_a_class_without_pictures_is_searched_and_named() -> None:
    images, labels = pictures()
    rest = labels != TARGET
    (result,) = neural_cleanse(PlantedModel(), images[rest], labels[rest], [TARGET])
    assert result.status == "done"
    assert result.success_rate > 0.95
    assert "No picture of the search carries the label" in result.notes[0]


def test_pictures_without_labels_do_too() -> None:
    images, _ = pictures(120)
    (result,) = neural_cleanse(PlantedModel(), images, np.full(120, -1), [TARGET])
    assert result.reached
    assert in_corner(result) > 0.9


def test_a_class_that_cannot_be_reached_keeps_its_best_trigger() -> None:
    class Unreachable(Planted):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            logits = super().forward(pixels)
            return torch.cat([logits[:, :5], logits[:, 5:] - 1000], dim=1)

    (result,) = search(PlantedModel(network=Unreachable()), classes=[5], steps=40)
    assert result.status == "done"
    assert not result.reached
    assert result.comparable_l1 == float("inf")
    assert any("No trigger turned 99%" in note for note in result.notes)


def _one_class() -> Any:
    return search(PlantedModel(num_classes=1), classes=[0])


def _no_such_class() -> Any:
    return search(classes=[CLASSES])


def _no_class() -> Any:
    return search(classes=[])


def _no_pictures() -> Any:
    return neural_cleanse(PlantedModel(), np.zeros((0, SIDE, SIDE, 1), np.uint8), [], [0])


def _one_picture() -> Any:
    images, labels = pictures(1)
    return neural_cleanse(PlantedModel(), images, labels, [0])


def _labels_of_another_length() -> Any:
    images, labels = pictures(20)
    return neural_cleanse(PlantedModel(), images, labels[:10], [0])


def _no_steps() -> Any:
    return search(steps=0)


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (_one_class, "single class"),
        (_no_such_class, "Class 6 cannot be searched"),
        (_no_class, "No class was named"),
        (_no_pictures, "needs pictures"),
        (_one_picture, "got 1"),
        (_labels_of_another_length, "20 pictures came with 10 labels"),
        (_no_steps, "0 steps"),
    ],
)
def test_what_cannot_be_searched_is_one_clear_line(attempt: Callable[[], Any], words: str) -> None:
    with pytest.raises(BadInput, match=words) as refused:
        attempt()
    assert refused.value.fix


def test_pictures_of_many_sizes_are_brought_to_the_networks() -> None:
    images, labels = pictures(60)
    mixed = [
        np.kron(image, np.ones((1 + n % 2,) * 2 + (1,), np.uint8)) for n, image in enumerate(images)
    ]
    (result,) = neural_cleanse(PlantedModel(), mixed, labels, [TARGET], control=Control())
    assert result.mask.shape == (SIDE, SIDE)
    assert result.success_rate > 0.9
