"""Lists of ids in the forms that people have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspector.engine.client.verified import read_ids, rows_of
from inspector.errors import BadInput


@pytest.mark.parametrize(
    "text",
    ["2\n0\n", "# checked by A.N.\n2\n0\n", "[2, 0]", '{"samples": [{"index": 0}, {"index": 2}]}',
     "index,uri\n0,a/0.png\n2,b/2.png\n", "uri\na/0.png\nb/2.png\n", "\ufeff0\r\n2\r\n"],
)  # fmt: skip
def test_every_form_names_the_same_rows(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ids.txt"
    file.write_text(text, "utf-8")
    names = ["a/0.png", "a/1.png", "b/2.png"]
    assert rows_of(read_ids(file), 3, names.__getitem__).tolist() == [0, 2]


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "names no samples"), ("7\n", "Sample 7"), ("c/9.png\n", "c/9.png"), ("[1,", "JSON")],
)
def test_a_list_that_fits_nothing_is_refused_in_one_line(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "ids.txt"
    file.write_text(text)
    with pytest.raises(BadInput, match=said) as refusal:
        rows_of(read_ids(file), 3, lambda row: f"a/{row}.png")
    assert "\n" not in str(refusal.value)


def test_a_binary_file_is_not_a_list(tmp_path: Path) -> None:
    file = tmp_path / "ids.bin"
    file.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(BadInput, match="not text"):
        read_ids(file)
