"""Options of a scan: refused early, kept in the case, compared with what the case is about."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspector.case import Case
from inspector.engine.client import ScanOptions
from inspector.engine.client.steps import key_of
from inspector.engine.client.taking_in import check_same_investigation, warnings_of
from inspector.errors import BadInput


@pytest.fixture
def options(tmp_path: Path) -> ScanOptions:
    model, data = tmp_path / "model.pt", tmp_path / "data"
    model.write_bytes(b"x")
    data.mkdir()
    return ScanOptions(model=model, data=data, detectors=("spectral",), limit=10)


def test_options_survive_the_case(options: ScanOptions, tmp_path: Path) -> None:
    with Case.create(tmp_path / "a.case") as case:
        case.set("scan", options.as_record())
    with Case.open(tmp_path / "a.case") as case:
        assert ScanOptions.from_record(case.get("scan")) == options


@pytest.mark.parametrize(
    "change",
    [
        {"limit": 0},
        {"classes": 0},
        {"seed": -1},
        {"device": "tpu"},
        {"reference": Path("/nowhere/at/all")},
        {"verified": Path("/nowhere/at/all")},
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(
    options: ScanOptions, change: dict[str, object]
) -> None:
    record = {**options.as_record(), **change}
    with pytest.raises(BadInput) as refusal:
        ScanOptions.from_record(record).check(Path("/a.case"))
    assert next(iter(change)) in str(refusal.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [({"sketch": -1}, "--gradients"), ({"conv_sketch": 255}, "--conv-gradients is 255")],
)
def test_refusals_name_the_option_that_was_given(
    options: ScanOptions, change: dict[str, object], named: str
) -> None:
    with pytest.raises(BadInput, match=named):
        ScanOptions.from_record({**options.as_record(), **change}).check(Path("/a.case"))


def test_a_case_is_one_investigation(options: ScanOptions, tmp_path: Path) -> None:
    with Case.create(tmp_path / "b.case") as case:
        check_same_investigation(case, options)
        case.add_evidence("model", str(options.model), "0" * 64, 1)
        check_same_investigation(case, options)
        other = tmp_path / "other.pt"
        other.write_bytes(b"y")
        record = {**options.as_record(), "model": str(other)}
        with pytest.raises(BadInput, match="another model"):
            check_same_investigation(case, ScanOptions.from_record(record))


def test_keys_differ_by_what_they_depend_on() -> None:
    assert key_of(a=1, b=2) == key_of(b=2, a=1)
    assert key_of(a=1) != key_of(a=2)


def test_doubts_about_the_model_come_before_everything_else() -> None:
    model = {"num_classes": 10, "doubt": "Right on 9 % of the labels."}
    said = warnings_of(model, {"class_names": ["a"], "notes": ["A link was skipped."]}, None)
    assert said[0] == "Right on 9 % of the labels."
    assert any("one class" in text for text in said)
    assert said[-1] == "A link was skipped."
