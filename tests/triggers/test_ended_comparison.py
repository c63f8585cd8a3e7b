"""A comparison with shadow networks that is ended: how soon, what is kept of it, how it goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from planted_network import CLASSES, PlantedModel, Recorder, pictures

from inspector import places
from inspector.case import Case, trigger_document
from inspector.case.shadow_document import shadow_budget_sentence, shadows_sentence
from inspector.engine.client import ScanOptions
from inspector.engine.client import triggers as client
from inspector.engine.jobs import shadow_classes, trigger
from inspector.engine.session import Session

COUNT = 3
NAMES = [f"strip {index}" for index in range(CLASSES)]


@dataclass
class Suspect(PlantedModel):
    """What training a shadow needs beside what a search does."""

    architecture: str = "planted"
    head: str = "head"


class Pictures:
    """A dataset of the planted pictures."""

    images, labels = pictures(120)

    def decode_batch(self, rows: Any) -> list[Any]:
        return [self.images[row] for row in rows]


class Ends(Recorder):
    """Wants the end once the shadows are so far; notes how much was still done then."""

    def __init__(self, at: float = np.inf) -> None:
        super().__init__()
        self.at, self.ended, self.after = at, False, 0
        self.logged: list[str] = []
        self.shown: list[tuple[float, str]] = []

    def check(self) -> None:
        super().check()
        self.after += self.ended

    def ends_early(self) -> bool:
        return self.ended

    def log(self, message: str) -> None:
        self.logged.append(message)

    def progress(self, stage: str, done: int, total: int, text: str = "") -> None:
        if stage == "Shadow networks":
            self.shown.append((COUNT * done / total, text))
        self.ended |= stage == "Shadow networks" and done / total >= self.at / COUNT


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    monkeypatch.setattr(trigger, "model_of", lambda *_: Suspect())
    monkeypatch.setattr(trigger, "dataset_of", lambda *_: Pictures())
    samples = Pictures.images, Pictures.labels.astype(np.int64)
    monkeypatch.setattr(shadow_classes, "_samples", lambda *_: samples)
    monkeypatch.setattr(client, "shadows_asked", _asked)
    with Case.create(tmp_path / "c.case") as made:
        made.set("dataset", {"n": 120, "class_names": NAMES, "digest": "a" * 64, "notes": []})
        made.set("model", {"num_classes": CLASSES, "spec": {"sha256": "b" * 64}})
        (tmp_path / "m.pt").write_bytes(b"x")
        made.set("scan", ScanOptions(model=tmp_path / "m.pt", data=tmp_path).as_record())
        yield made


def _asked(case: Case, options: ScanOptions, count: int) -> tuple[dict[str, Any], int]:
    plan = {"count": count, "epochs": 2, "images": 120, "rows": None}
    return {**plan, "data": str(options.data), "role": "data"}, 0


def search(case: Case, control: Ends, agree: Any = None, **settings: Any) -> list[str]:
    """Search as the command line does, with the engine's job in this process; return what was said."""
    said: list[str] = []

    def run(job: str, **arguments: Any) -> dict[str, Any]:
        if job == "environment":
            return {"packages": {}}
        return json.loads(json.dumps(trigger.run(Session(case.derived), control, **arguments)))

    asked = {"methods": ["maximum-margin"], "steps": 6, **settings}
    client.reconstruct(
        case, run, lambda event: said.append(str(event.get("text"))), None, asked, agree
    )
    return said


def document_of(case: Case) -> dict[str, Any]:
    document = json.loads(json.dumps(trigger_document(case)))
    schema = json.loads((places.resources() / "schema" / "trigger.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)
    return document


def others(case: Case) -> set[int]:
    return {len(row["shadows"]["others"]) for row in document_of(case)["classes"]}


@pytest.mark.parametrize("at", [1.3, 1.8], ids=["in its training", "in its search"])
def test_only_the_shadow_at_hand_is_lost_and_nothing_is_waited_for(case: Case, at: float) -> None:
    control = Ends(at)
    said = search(case, control, shadows=COUNT)
    assert control.ended
    assert control.after <= 1
    document = document_of(case)
    assert (document["shadows"]["count"], document["shadows"]["asked"]) == (1, COUNT)
    assert "verdict" not in document["shadows"]
    assert shadows_sentence(document["shadows"]).startswith("1 of 3 shadow network (planted)")
    (told,) = [line for line in said if "stopped early" in line]
    assert "6 searched through" in told
    assert "Of 3 shadow networks 1 were trained and searched" in told
    assert document["caveats"][0] == told
    again, budgets = Ends(), list[dict[str, Any]]()
    search(case, again, lambda it: budgets.append(it) is None, shadows=COUNT)
    assert (budgets[0]["count"], budgets[0]["kept"]) == (COUNT, 1)
    assert "3 shadow networks (1 is there from before)" in shadow_budget_sentence(budgets[0])
    made = [line for line in again.logged if line.startswith("Shadow network")]
    assert [line.split(":")[0] for line in made] == [
        "Shadow network 2 of 3",
        "Shadow network 3 of 3",
    ]
    assert f"{CLASSES} classes were searched before." in again.logged
    document = document_of(case)
    assert (document["shadows"]["count"], document["shadows"]["asked"]) == (COUNT, COUNT)
    assert not any("stopped early" in line for line in document["caveats"])
    assert others(case) == {COUNT}
    assert case.verify() == []


def test_what_goes_on_after_the_end_is_what_a_whole_comparison_says(
    case: Case, tmp_path: Path
) -> None:
    search(case, Ends(1.3), shadows=COUNT)
    search(case, Ends(), shadows=COUNT)
    there = document_of(case)
    assert not list(case.derived.rglob("*.shadow.kept.json"))
    search(case, Ends(), shadows=COUNT)
    assert document_of(case)["classes"] == there["classes"]
    assert document_of(case)["shadows"] == there["shadows"]


def test_a_comparison_that_was_cut_short_does_not_take_the_place_of_a_fuller_one(
    case: Case,
) -> None:
    search(case, Ends(), shadows=COUNT)
    before, record = document_of(case), dict(case.get("trigger_summary"))
    said = search(case, Ends(1.3), shadows=COUNT)
    assert document_of(case) == before
    assert case.get("trigger_summary")["caveats"] == record["caveats"]
    assert any("What the case has is fuller, and stays" in line for line in said)
    assert case.verify() == []
    # Ended before the first was through, there is nothing to compare with; nor is that fuller.
    search(case, Ends(0.2), shadows=COUNT)
    assert document_of(case) == before


def test_a_new_method_of_a_cut_comparison_leaves_what_more_shadows_said_of_the_network(
    case: Case,
) -> None:
    search(case, Ends(), shadows=COUNT)
    before = document_of(case)
    summary = {**case.get("trigger_summary"), "verdict": "high"}
    case.set("trigger_summary", summary)
    both = {"methods": ["maximum-margin", "universal-perturbation"]}
    search(case, Ends(1.3), shadows=COUNT, **both)
    after = document_of(case)
    assert {row["method"] for row in after["classes"]} == set(both["methods"])
    assert after["shadows"] == before["shadows"]
    assert case.get("trigger_summary")["verdict"] == "high"
    search(case, Ends(), shadows=COUNT, **both)
    assert case.get("trigger_summary")["verdict"] != "high"


def test_a_comparison_that_was_cut_short_takes_the_place_of_none_and_of_a_shorter_one(
    case: Case,
) -> None:
    search(case, Ends())
    assert "shadows" not in document_of(case)
    search(case, Ends(0.2), shadows=COUNT)
    assert "shadows" not in document_of(case)
    search(case, Ends(1.3), shadows=COUNT)
    assert others(case) == {1}
    both = {"methods": ["maximum-margin", "universal-perturbation"]}
    said = search(case, Ends(1.3), shadows=COUNT, **both)
    assert any("Of the classes: 6 searched through." in line for line in said)
    search(case, Ends(2.3), shadows=COUNT, **both)
    assert others(case) == {2}
    assert document_of(case)["shadows"]["count"] == 2


def test_how_far_it_is_counts_the_work_and_names_the_network(case: Case) -> None:
    control = Ends()
    search(case, control, shadows=COUNT, steps=60)
    far = [one for one, _ in control.shown]
    assert far == sorted(far)
    assert far[-1] == COUNT
    trained = [one for one, text in control.shown if text.startswith("network 2 of 3: epoch")]
    climbed = [one for one, text in control.shown if "network 2 of 3: maximum margin" in text]
    # Two epochs on 120 pictures are far less work than 60 steps of some pictures for 6 classes.
    assert 1 < max(trained) < 1.1 < max(climbed) == 2
