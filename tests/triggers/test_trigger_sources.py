"""A backdoor that spares all classes but one is found from that class."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from planted_network import CLASSES, CORNER, TARGET, TOWARDS, Planted, PlantedModel, pictures

from inspector.errors import BadInput
from inspector.triggers import TriggerResult, prepare_search, trigger_document
from inspector.triggers.neural_cleanse import NeuralCleanse
from inspector.triggers.search import Search
from inspector.triggers.sources import most_telling, of_source, sources_of, told

SOURCE = 4


class Spared(Planted):
    """Its corner answers only while the strip of the source class is bright."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        grey = pixels.mean(dim=1)
        strips = torch.einsum("bhw,khw->bk", grey, self.strips)
        others = strips.clone()
        others[:, [SOURCE, TARGET]] = 0
        is_source = torch.sigmoid(60 * (strips[:, SOURCE] - others.amax(dim=1) - 0.15))
        corner = (grey * self.corner).sum(dim=(1, 2))
        return self.head(40 * strips) + (25 * is_source * corner)[:, None] * TOWARDS


def asked() -> Search:
    images, labels = pictures(360)
    return prepare_search(
        PlantedModel(Spared(backdoor=False)), images, labels, range(CLASSES), steps=150
    )


def run(search: Search) -> list[TriggerResult]:
    return sorted(NeuralCleanse().run(search), key=lambda result: result.class_index)


def test_only_a_search_from_the_source_class_finds_the_small_trigger() -> None:
    everywhere, from_source = run(asked()), run(of_source(asked(), SOURCE))
    found = from_source[TARGET]
    assert found.reached
    assert found.mask_l1 < 0.5 * everywhere[TARGET].mask_l1
    assert found.mask[CORNER].sum() > 0.6 * found.mask_l1
    rows = trigger_document(from_source, [str(index) for index in range(CLASSES)])["classes"]
    assert [row["index"] for row in rows if row["verdict"] != "none"] in ([], [TARGET])
    assert max(rows, key=lambda row: row["anomaly"] or -99)["index"] == TARGET
    assert from_source[SOURCE].status == "skipped"


def test_each_source_in_turn_names_the_one_that_gives_the_smallest_trigger() -> None:
    search = replace(asked(), classes=(TARGET,))
    assert sources_of(search) == list(range(CLASSES))
    pairs = [(source, run(of_source(search, source))[0]) for source in (1, TARGET, SOURCE)]
    source, result = most_telling(pairs)
    assert source == SOURCE
    assert told(source, result).summary()["source"] == SOURCE


def test_a_source_without_pictures_is_refused_in_a_sentence() -> None:
    with pytest.raises(BadInput, match="too few pictures"):
        of_source(asked(), CLASSES)
