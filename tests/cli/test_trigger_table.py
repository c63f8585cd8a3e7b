"""The table of ``inspector trigger`` is whole on a terminal of 80 columns."""

from __future__ import annotations

from typing import Any

import pytest

from inspector.cli.trigger_table import print_triggers

HEADINGS = ("class", "mask L1", "success", "anomaly", "p-value", "moved", "shuffled", "noise ±8",
            "others")  # fmt: skip


def row(name: str, method: str = "neural-cleanse", **more: Any) -> dict[str, Any]:
    return {
        "index": 0,
        "name": name,
        "method": method,
        "mask_l1": 1234.5,
        "success_rate": 1.0,
        "anomaly": -12.34,
        "threshold": 3.84,
        "p_value": 0.00012,
        "significant": False,
        "controls": {"moved": 1.0, "shuffled": 1.0},
        "baseline": {"success_rate": 1.0, "others": 1.0},
        **more,
    }


def printed(
    rows: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> list[str]:
    monkeypatch.setenv("COLUMNS", "80")
    print_triggers({"classes": rows, "verdict": "none"}, "")
    return capsys.readouterr().out.splitlines()


def test_every_heading_and_number_is_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(
        [row("aeroplane"), row("a class with a rather long name"), row("[red]x")],
        monkeypatch, capsys,
    )  # fmt: skip
    assert lines[0] == "neural-cleanse, significant from anomaly 3.84"
    assert all(heading in lines[1] for heading in HEADINGS)
    assert max(map(len, lines[:5])) <= 80
    for line in lines[2:5]:
        assert "1234.5" in line
        assert "-12.34" in line
        assert "0.00012" in line
        assert line.count("100%") == 5
    assert lines[4].startswith("[red]x")


def test_a_significant_trigger_is_said_to_lie_somewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    region = {"pixels": 9, "rows": [26, 30], "columns": [27, 31]}
    rows = [row("ship", significant=True, region=region), row("cat", region=region)]
    said = [line for line in printed(rows, monkeypatch, capsys) if "rows" in line]
    assert said == ["ship: the trigger lies on 9 px in rows 26–30, columns 27–31, counted from 0"]


def test_what_was_stopped_is_marked_and_empty_columns_are_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    none = {"anomaly": None, "p_value": None, "threshold": None, "baseline": {}}
    margin = {"mask_l1": None, "success_rate": None, "controls": {}, "baseline": {}}
    rows = [
        row("ship", stopped_early=True, **none),
        row("frog", "blended", **margin),
    ]
    lines = printed(rows, monkeypatch, capsys)
    assert lines[0] == "neural-cleanse"
    assert lines[1].split() == ["class", "mask", "L1", "success", "moved", "shuffled"]
    assert "1234.5*" in lines[2]
    assert lines[3].startswith("* stopped early")
    assert lines[4].startswith("blended, significant from")
    assert lines[5].split() == ["class", "anomaly", "p-value"]


def test_beside_shadow_networks_the_last_columns_give_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    beside = {"deviation": 1.234, "family_p_value": 0.05, "threshold": 0.6}
    lines = printed([row("aeroplane", shadows=beside)], monkeypatch, capsys)
    assert "0.60 beside shadow networks" in lines[0]
    assert all(heading in lines[1] for heading in ("anomaly", "deviation", "p beside"))
    assert "others" not in lines[1]
    assert "…" not in lines[1]
    assert "1.23" in lines[2]
