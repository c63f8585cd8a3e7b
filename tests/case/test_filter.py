"""The filter language: what it finds, and how it refuses."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from case_makers import describe, locate, store
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.case import Case, SampleTable, parse_filter
from inspector.case.filter import filter_names
from inspector.errors import BadInput


@pytest.fixture
def table(scanned: Case) -> SampleTable:
    """Samples 0 to 5; see `case_makers.fill`. 1 is poison and suspect, 2 is clean."""
    scanned.tags.apply([1], "poison")
    scanned.tags.apply([1], "suspect")
    scanned.tags.apply([2], "clean")
    return SampleTable(scanned)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("spectral > 0.25", [1, 3]),
        ("spectral > 0.15 and label == 'ship' and not tagged", [3]),
        ("spectral_whitened >= 5", [1, 3, 5]),
        ("0.15 < spectral <= 0.3", [0, 3]),
        ("0.9 == spectral", [1]),
        ("combined == 0.7", [3, 5]),
        ("combined != 0.7", [0, 1, 2]),
        ("not combined == 0.7", [0, 1, 2, 4]),
        ("combined < 100", [0, 1, 2, 3, 5]),
        ("label == 1", [2, 3]),
        ("label == 'ship'", [2, 3]),
        ("'ship' == label", [2, 3]),
        ("label != 'ship'", [0, 1, 4, 5]),
        ("label in ('cat', 'truck')", [0, 1, 4, 5]),
        ("label in ['cat', 1]", [0, 1, 2, 3]),
        ("label not in {'cat'}", [2, 3, 4, 5]),
        ("label in ()", []),
        ("label != predicted", [1, 4]),
        ("predicted == 'ship'", [1, 2, 3]),
        ("predicted == -1", [4]),
        ("predicted < 0", [4]),
        ("label < predicted", [1]),
        ("tagged", [1, 2]),
        ("not tagged", [0, 3, 4, 5]),
        ("tagged == False", [0, 3, 4, 5]),
        ("tag == 'suspect'", [1]),
        ("'suspect' == tag", [1]),
        ("tag != 'suspect'", [0, 2, 3, 4, 5]),
        ("tag in ('suspect', 'clean')", [1, 2]),
        ("tag not in ('poison',)", [0, 2, 3, 4, 5]),
        ("'clean' in tag", [2]),
        ("'ship' in uri", [2, 3]),
        ("'.png' in uri", [0, 1, 2, 3, 5]),
        ("'' in uri", [0, 1, 2, 3, 4, 5]),
        ("'nothing' not in uri", [0, 1, 2, 3, 4, 5]),
        ("uri == 'x'", [4]),
        ("uri != 'x'", [0, 1, 2, 3, 5]),
        ("uri in ('x', 'cat/0.png')", [0, 4]),
        ("'g' in uri and 'gc' in uri", []),
        ("index in (0, 5)", [0, 5]),
        ("index % 2 == 1", [1, 3, 5]),
        ("index / 2 > 2", [5]),
        ("abs(confidence - 0.8) < 0.15", [0, 2, 3]),
        ("abs(-1) == 1", [0, 1, 2, 3, 4, 5]),
        ("-loss > -0.15", [0, 3]),
        ("+loss < 2 * 0.06", [0, 3]),
        ("loss * 2 > confidence + 1", [1]),
        ("rank(combined) <= 2", [1, 3]),
        ("rank(combined) <= 100", [0, 1, 2, 3, 5]),
        ("rank(spectral_whitened) == 1", [1]),
        ("rank(p_value) <= 2", [1, 3]),
        ("assessed", [0, 1, 2, 3, 5]),
        ("not assessed", [4]),
        ("unreadable", [4]),
        ("label == 'cat' or unreadable", [0, 1, 4]),
        ("True", [0, 1, 2, 3, 4, 5]),
        ("False", []),
        ("  (spectral > 0.8)\n  or spectral < 0.15 ", [1, 2]),
        ("loss / 0 > 0", [0, 1, 2, 3, 5]),
        ("tagged or " * 150 + "index == 0", [0, 1, 2]),
        ("loss" + " + 1" * 90 + " >= 93", [1]),
        ("'\\d' in uri", []),
        ("index == 99999999999999999999999", []),
        ("index < 100000000000000000000", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_what_a_filter_lets_through(table: SampleTable, text: str, rows: list[int]) -> None:
    mask = parse_filter(text)(table)
    assert mask.dtype == bool
    assert mask.shape == (6,)
    assert np.flatnonzero(mask).tolist() == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The filter is empty"),
        ("   ", "The filter is empty"),
        ("spectral >", "at its end|cannot be read"),
        ("label = 'ship'", "Compare with `==`"),
        ("spectral > 0.9 und label == 1", "at character 16"),
        ("spectral > 0.9)", "at character 15"),
        ("x" * 3000, "too long"),
        ("(" * 500 + "1" + ")" * 500, "cannot be read"),
        ("label == 'a\0b'", "cannot be read"),
        ("not " * 400 + "tagged", "nested too deep"),
        ("-" * 1900 + "1 > 0", "nested too deep"),
        ("loss" + "+1" * 900 + "> 0", "nested too deep"),
        ("__import__('os').system('x')", "Only `abs\\(x\\)` and `rank\\(column\\)` can be called"),
        ("label.__class__ == 1", "A dot is not part"),
        ("label[0] == 1", "A bracket after a name"),
        ("[x for x in label]", "not part of the filter language"),
        ("lambda: 1", "not part of the filter language"),
        ("label if 1 else 2", "not part of the filter language"),
        ("f'{label}' == 'a'", "not part of the filter language"),
        ("(spectral > 1) & (loss > 1)", "write `and`"),
        ("(spectral > 1) | (loss > 1)", "write `or`"),
        ("~tagged", "write `not`"),
        ("label is None", "write `==`"),
        ("2 ** 99 > loss", r"`\*\*` is not part"),
        ("loss == None", "None is not part"),
        ("uri == b'x'", "b'x' is not part"),
        ("loss > 1e999", "too large"),
        ("loss > 1" + "0" * 400, "too large"),
        ("loss == 1j", "1j is not part"),
        ("(x := 1) > 0", "not part of the filter language"),
        ("abs(loss, 1) > 1", "Give one value"),
        ("abs() > 1", "Give one value"),
        ("abs(x=loss) > 1", "Give one value"),
        ("print(1)", "can be called"),
    ],
)
def test_what_cannot_be_read_is_refused_at_once(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parse_filter(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "spectrol > 1",
            "character 1, “spectrol > 1”.*no column `spectrol`. Did you mean `spectral`",
        ),
        ("label == 1 and spectrall > 1", "at character 16"),
        ("'é' in uri and spectrall > 1", "at character 16"),
        ("nothing_like_it > 1", "Known columns: index, label, predicted"),
        (
            "label == 'shop'",
            "no class 'shop'. Did you mean 'ship'.*Classes: 'cat', 'ship', 'truck'",
        ),
        ("tag == 'suspekt'", "Did you mean 'suspect'"),
        ("tag == 1", "A tag is named in quotes"),
        ("tag > 'a'", "cannot be compared"),
        ("uri > 'a'", "cannot be compared"),
        ("uri == 1", "`uri` is text"),
        ("1 in uri", "Only text in quotes"),
        ("spectral", "neither true nor false"),
        ("label", "neither true nor false"),
        ("'text'", "neither true nor false"),
        ("spectral and tagged", "neither true nor false"),
        ("not loss", "neither true nor false"),
        ("spectral > 'a'", "The text 'a' cannot be compared"),
        ("label < 'ship'", "The text 'ship' cannot be compared"),
        ("spectral > tagged", "True or false cannot be compared"),
        ("spectral > (1, 2)", "A list cannot be compared"),
        ("label in 'ship'", "`in` needs a list"),
        ("label in spectral", "`in` needs a list"),
        ("abs('a') > 1", "A number is needed"),
        ("-tagged > 1", "A number is needed"),
        ("uri + 1 > 1", "A number is needed"),
        ("True + 1 > 1", "A number is needed"),
        ("rank(1) < 3", "`rank` takes a column"),
        ("rank(abs(loss)) < 3", "`rank` takes a column"),
        ("rank(uri) < 3", "A number is needed"),
        ("rank(nothing) < 3", "no column `nothing`"),
    ],
)
def test_what_makes_no_sense_is_said_where_it_stands(
    table: SampleTable, text: str, message: str
) -> None:
    wanted = parse_filter(text)
    with pytest.raises(BadInput, match=message) as caught:
        wanted(table)
    assert caught.value.what.startswith("The filter is wrong at")


def test_a_missing_column_before_the_scan_is_named(case: Case) -> None:
    describe(case, 2)
    with pytest.raises(BadInput, match="no column `loss`"):
        parse_filter("loss > 1")(SampleTable(case))


def test_names_for_completion(table: SampleTable) -> None:
    names = filter_names(table)
    assert {"spectral_whitened", "tagged", "uri", "rank", "and", "label"} <= set(names)
    assert names == sorted(names)


def test_text_is_found_across_no_border_of_names(case: Case) -> None:
    names = [b"xaa", b"aab", b"", b"aaaa", b"a", b"a"]
    describe(case, len(names))
    locate(case, names)
    table = SampleTable(case)
    for part in ("a", "aa", "aab", "aaa", "ab", "b", "x"):
        expected = [part.encode() in name for name in names]
        assert parse_filter(f"'{part}' in uri")(table).tolist() == expected
        equal = [part.encode() == name for name in names]
        assert parse_filter(f"uri == '{part}'")(table).tolist() == equal


def test_a_million_samples_are_filtered_while_typing(case: Case) -> None:
    n = 1_000_000
    describe(case, n)
    names = np.char.mod("class/%07d.png", np.arange(n)).astype("S")
    store(case, "locator_bytes", np.frombuffer(names.tobytes(), np.uint8))
    store(case, "locator_offsets", np.arange(n + 1) * names.dtype.itemsize)
    store(case, "labels", (np.arange(n) % 3).astype(np.int32))
    store(case, "combined", np.random.default_rng(0).random(n, np.float32))
    table = SampleTable(case)
    mask = parse_filter("0.2 < combined <= 0.9 and label == 'ship' and not tagged")(table)
    assert 0.2 < mask.mean() < 0.25
    assert parse_filter("'99.png' in uri")(table).sum() == n // 100


@given(
    st.text(
        alphabet="abc ()'<>=!+-*/%.,019[]{}:@~&|\\\"\nlabelspectraltagnotandorinrankuri",
        max_size=40,
    )
)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_no_text_gets_further_than_a_clear_refusal(text: str) -> None:
    with contextlib.suppress(BadInput):
        parse_filter(text)
