"""What crosses the border between app and engine."""

from __future__ import annotations

import json

import numpy as np
import pytest

from inspector.engine.protocol import (
    MAX_LINE,
    ProtocolError,
    decode_command,
    decode_event,
    encode,
)


def test_numpy_values_and_infinities_become_plain_json() -> None:
    line = encode(
        {"event": "done", "id": np.int64(3), "result": {"x": np.float32("nan"), "y": np.arange(2)}}
    )
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"event": "done", "id": 3, "result": {"x": None, "y": [0, 1]}}


def test_a_name_with_a_newline_stays_on_one_line() -> None:
    line = encode({"event": "log", "text": "a\nb\u202e"})
    assert line.count(b"\n") == 1
    assert decode_event(line)["text"] == "a\nb\u202e"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b'{"event": "exec", "id": 1}',
        b'{"event": "done"}',
        b'{"event": "done", "id": "1"}',
        b"[" * 100_000,
        b'{"event": "log", "text": "' + b"x" * MAX_LINE + b'"}',
    ],
)
def test_a_line_that_is_no_event_is_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_event(line)


@pytest.mark.parametrize(
    "line",
    [b'{"do": "shell", "id": 1}', b'{"do": "run", "id": 1}', b'{"do": "cancel"}', b"\xff\xfe"],
)
def test_a_line_that_is_no_command_is_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_command(line)


def test_an_array_does_not_travel_in_a_line() -> None:
    with pytest.raises(ProtocolError, match="too long"):
        encode({"event": "preview", "id": 1, "values": {"x": "y" * MAX_LINE}})
