"""What can be named with ``--arch`` or in a spec is listed, and what is listed can be named."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch

from inspector.errors import BadInput
from inspector.intake.models.nameable import nameable
from inspector.intake.models.recognition import recognise
from inspector.places import resources

Command = Callable[..., subprocess.CompletedProcess[str]]
Document = Callable[[subprocess.CompletedProcess[str]], dict[str, Any]]

BUILDER = """
from torch import nn


def mine(num_classes, in_channels):
    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * 64, num_classes))


ARCHITECTURES = {"mine": mine, "broken": 5}
"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The analyst's plugin folder, with a network that works and one that does not."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "mine.py").write_text(BUILDER)
    monkeypatch.setenv("INSPECTOR_PLUGINS", str(folder))
    return folder


def test_every_family_is_listed(command: Command, document: Document, plugins: Path) -> None:
    found = document(command("architectures", "--json"))
    schema = json.loads((resources() / "schema" / "architectures.schema.json").read_text())
    jsonschema.validate(found, schema)
    rows = {(row["family"], row["name"]): row for row in found["architectures"]}
    assert len(rows) == len(found["architectures"])
    for one in (
        ("builtin", "resnet20"),
        ("builtin", "vgg6_bn_small"),
        ("torchvision", "resnet18"),
        ("plugin", "resnet9"),
        ("plugin", "mine"),
        ("timm", "resnet10t"),
    ):
        assert rows[one]["cause"] == ""
    assert rows["plugin", "mine"]["file"] == str(plugins / "mine.py")
    assert "no builder" in rows["plugin", "broken"]["cause"]


def test_one_family_in_plain_lines(command: Command, plugins: Path) -> None:
    said = command("architectures", "--family", "plugin").stdout.splitlines()
    assert [line.split()[0] for line in said[:-1]] == ["resnet9", "mine", "broken"]
    assert "BROKEN" in said[2]
    assert str(plugins) in said[-1]


def test_what_is_listed_is_taken_as_a_name() -> None:
    # The weights are another network's, whatever is named; only a name that is none is refused.
    weights = {"strange.weight": torch.zeros(2, 2, 2, 2, 2)}
    names = [row.name for row in nameable() if row.family == "builtin"]
    for name in (*names, "vit_b_16"):
        with pytest.raises(BadInput, match="belong to no network"):
            recognise(weights, name)
    with pytest.raises(BadInput, match="No network is called"):
        recognise(weights, "no such network")
