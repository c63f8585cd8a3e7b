"""From one wrongly answered picture to the samples that planted it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from inspector import places

pytestmark = pytest.mark.slow

Command = Callable[..., Any]


def test_a_picture_with_the_trigger_leads_to_planted_samples_and_unlearning_confirms_it(
    demo: Path, case: Path, command: Command, document: Command
) -> None:
    with (demo / "truth.csv").open() as file:
        planted = [row["uri"] for row in csv.DictReader(file) if row["poisoned"] == "1"]
    picture = demo / "evidence" / "data" / planted[7]
    found = document(command("trace", case, "--image", picture, "--top", "20", "--json"))
    schema = json.loads((places.resources() / "schema" / "trace.schema.json").read_text())
    jsonschema.validate(found, schema)
    rows = document(command("ranking", case, "--top", "2000", "--json"))["samples"]
    uris = {row["index"]: row["uri"] for row in rows}
    hits = [uris[sample["index"]] in planted for sample in found["samples"]]
    assert sum(hits) >= 18
    assert (found["outcome"], found["verdict"]) == ("confirmed", "medium")
    assert document(command("trace", case, "--json")) == found
    acts = json.loads(command("history", case, "--json").stdout)["entries"]
    assert any(act["act"] == "run" and "incident" in json.dumps(act) for act in acts)
    refused = command("trace", case, "--image", demo / "none.png")
    assert refused.returncode != 0
    assert "There is no file" in refused.stderr
