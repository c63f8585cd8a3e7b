"""Checkpoints in the app: what the engine says of them is checked, keyed and recorded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inspector.case import Case
from inspector.engine.client import ScanOptions
from inspector.engine.client.checkpoints import course, spec_of, warnings_of
from inspector.engine.client.placement import readable
from inspector.errors import BadInput, InspectorError, RefusedFile

SPEC = {"sha256": "a" * 64, "stated": {"stated": {"weights": {"container": "x", "ignore": ["y"]}}}}


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    with Case.create(tmp_path / "c.case") as made:
        made.set("dataset", {"digest": "d"})
        yield made


@pytest.fixture
def options(tmp_path: Path) -> ScanOptions:
    for name in ("m.pt", "data.npz", "1.pt", "2.pt"):
        (tmp_path / name).write_bytes(b"x")
    return ScanOptions(
        model=tmp_path / "m.pt",
        data=tmp_path / "data.npz",
        checkpoints=(tmp_path / "1.pt", tmp_path / "2.pt"),
    )


def test_options_keep_them_in_order(options: ScanOptions, tmp_path: Path) -> None:
    with Case.create(tmp_path / "a.case") as made:
        made.set("scan", options.as_record())
        assert ScanOptions.from_record(made.get("scan")) == options
    assert set(options.checkpoints) <= set(readable(options, cuda=False))
    assert not set(options.checkpoints) & set(readable(options, cuda=True))
    first = options.checkpoints[0]
    for odd in ((first, first), (options.model,), (tmp_path / "none.pt",)):
        with pytest.raises(BadInput):
            replace(options, checkpoints=odd).check(tmp_path / "a.case")


@pytest.mark.parametrize(
    "changes", [{"path": "/etc/passwd"}, {"role": "model"}, {"role": "data"}, {"path": "2.pt"}]
)
def test_an_engine_cannot_name_other_evidence(
    case: Case, options: ScanOptions, changes: dict[str, Any]
) -> None:
    if changes.get("path") == "2.pt":  # evidence that was given, but not asked for now
        changes = {"path": str(options.checkpoints[1])}

    def run(job: str, **arguments: Any) -> dict[str, Any]:
        told = {"role": "checkpoint", "path": arguments["checkpoint"], "sha256": "b" * 64}
        return {"checkpoint": told | {"size": 1} | changes, "contents": {}}

    with pytest.raises(InspectorError, match="asked to read"):
        course(case, run, options, {"spec": SPEC}, lambda event: None, "cpu")
    assert case.evidence() == []


def test_a_refused_one_is_kept_with_the_case(case: Case, options: ScanOptions) -> None:
    seen = {"name": "1.pt", "sha256": "c" * 64, "size": 1, "container": "pickle"}

    def run(job: str, **arguments: Any) -> dict[str, Any]:
        raise RefusedFile("It names commands.", seen=seen)

    with pytest.raises(RefusedFile):
        course(case, run, options, {"spec": SPEC}, lambda event: None, "cpu")
    (kept,) = case.kept("model refused").values()
    assert kept["path"] == str(options.checkpoints[0])


def test_it_is_run_as_the_model_is() -> None:
    found = spec_of(SPEC, "b" * 64)
    assert found["sha256"] == "b" * 64
    assert found["stated"]["stated"]["weights"] == {"ignore": ["y"]}
    assert SPEC["sha256"] == "a" * 64


def test_an_odd_order_and_the_model_itself_are_said() -> None:
    rows = [
        {"path": "/late.pt", "sha256": "b", "mean_loss": 0.2},
        {"path": "/early.pt", "sha256": "c", "mean_loss": 0.9},
        {"path": "/same.pt", "sha256": "m", "mean_loss": 0.1},
    ]
    said = warnings_of(rows, "m")
    assert len(said) == 2
    assert "same.pt holds the same bytes as the model" in said[0]
    assert "worse at the checkpoint early.pt than at late.pt" in said[1]
    assert warnings_of(rows[1:2], "m") == []
