"""Tags: what an analyst decides, takes back, and finds again."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from case_makers import describe

from inspector.case import Case
from inspector.errors import BadInput, CaseError


def test_a_new_case_has_the_four_usual_tags(case: Case) -> None:
    assert [(kind.key, kind.name) for kind in case.tags.kinds] == [
        ("1", "poison"),
        ("2", "suspect"),
        ("3", "mislabelled"),
        ("4", "clean"),
    ]
    assert len({kind.colour for kind in case.tags.kinds}) == 4


def test_tagging_says_who_when_and_why(tagged_case: Case) -> None:
    tags = tagged_case.tags
    entry = tags.apply([5, 3, 5], "suspect", source="threshold", note="corner patch")
    assert entry is not None
    assert entry == tagged_case.journal.entries()[-1]
    assert (entry.act, entry.details["count"], entry.details["rows"]) == ("tag", 2, [3, 5])
    assert np.flatnonzero(tags.mask("suspect")).tolist() == [3, 5]
    assert tags.of(3) == ["suspect"]
    assert tags.of(4) == []
    assert tags.counts() == {"poison": 0, "suspect": 2, "mislabelled": 0, "clean": 0}
    (reason,) = tags.reasons([3, 4])[3]
    assert (reason.tag, reason.source, reason.note) == ("suspect", "threshold", "corner patch")
    assert (reason.user, reason.time, reason.seq) == (entry.user, entry.time, entry.seq)
    assert 4 not in tags.reasons([3, 4])


def test_a_mask_or_numbers_name_samples(tagged_case: Case) -> None:
    tags = tagged_case.tags
    mask = np.zeros(100, bool)
    mask[[7, 9]] = True
    tags.apply(mask, "clean")
    tags.apply(np.array([9, 10], np.uint64), "clean")
    tags.apply(11, "clean")
    assert np.flatnonzero(tags.mask("clean")).tolist() == [7, 9, 10, 11]


@pytest.mark.parametrize(
    "rows", [[100], [-1], [1.5], ["a"], [[1, 2]], np.zeros(99, bool), [2**40], {1, 2}]
)
def test_rows_that_are_none_are_refused(tagged_case: Case, rows: object) -> None:
    before = tagged_case.journal.head
    with pytest.raises(BadInput):
        tagged_case.tags.apply(rows, "poison")  # type: ignore[arg-type]
    assert tagged_case.journal.head == before
    assert not tagged_case.tags.can_undo


def test_a_case_without_samples_has_none_to_tag(case: Case) -> None:
    with pytest.raises(BadInput, match="no samples yet"):
        case.tags.apply([0], "poison")
    assert case.tags.apply([], "poison") is None


def test_an_unknown_tag_names_the_nearest(tagged_case: Case) -> None:
    with pytest.raises(BadInput, match="Did you mean 'suspect'"):
        tagged_case.tags.apply([1], "suspekt")
    with pytest.raises(BadInput, match="Tags of this case: poison, suspect"):
        tagged_case.tags.mask("x")


def test_what_changes_nothing_is_no_act(tagged_case: Case) -> None:
    tags = tagged_case.tags
    first = tags.apply([1, 2], "poison")
    assert tags.apply([2, 1], "poison", note="again") is None
    assert tags.remove([7], "poison") is None
    assert tags.clear([7, 8]) is None
    assert tags.apply([], "poison") is None
    assert tagged_case.journal.entries()[-1] == first


def test_tagging_again_keeps_the_first_reason(tagged_case: Case) -> None:
    tags = tagged_case.tags
    tags.apply([1], "poison", note="first")
    entry = tags.apply([1, 2], "poison", note="second")
    assert entry is not None
    assert entry.details["count"] == 1
    assert [tags.reasons([row])[row][0].note for row in (1, 2)] == ["first", "second"]


def test_undo_and_redo_step_through_everything(tagged_case: Case) -> None:
    tags = tagged_case.tags
    tags.apply([1, 2], "poison")
    tags.apply([2, 3], "suspect")
    tags.remove([1], "poison")
    tags.clear([2])
    states = [{1: [], 2: [], 3: ["suspect"]}]

    def now() -> dict[int, list[str]]:
        return {row: tags.of(row) for row in (1, 2, 3)}

    assert now() == states[0]
    for expected in (
        {1: [], 2: ["poison", "suspect"], 3: ["suspect"]},
        {1: ["poison"], 2: ["poison", "suspect"], 3: ["suspect"]},
        {1: ["poison"], 2: ["poison"], 3: []},
        {1: [], 2: [], 3: []},
    ):
        states.append(expected)
        entry = tags.undo()
        assert entry is not None
        assert entry.act == "undo"
        assert now() == expected
    assert tags.undo() is None
    assert not tags.can_undo
    for expected in reversed(states[:-1]):
        assert tags.can_redo
        entry = tags.redo()
        assert entry is not None
        assert entry.act == "redo"
        assert now() == expected
    assert tags.redo() is None
    assert tagged_case.verify() == []


def test_undoing_a_removal_brings_back_the_first_reason(tagged_case: Case) -> None:
    tags = tagged_case.tags
    first = tags.apply([1, 2], "poison", note="patch seen")
    tags.clear([1, 2])
    tags.undo()
    (reason,) = tags.reasons([2])[2]
    assert first is not None
    assert (reason.note, reason.seq) == ("patch seen", first.seq)


def test_a_new_act_ends_what_could_be_redone(tagged_case: Case) -> None:
    tags = tagged_case.tags
    tags.apply([1], "poison")
    tags.undo()
    tags.apply([2], "clean")
    assert not tags.can_redo
    assert tags.redo() is None


def test_undo_and_redo_survive_reopening(folder: Path) -> None:
    with Case.create(folder) as case:
        describe(case, 10)
        case.tags.apply([1], "poison")
        case.tags.apply([2], "poison")
        case.tags.undo()
    with Case.open(folder) as case:
        assert (case.tags.of(1), case.tags.of(2)) == (["poison"], [])
        undo, redo = case.tags.next_undo(), case.tags.next_redo()
        assert undo is not None
        assert redo is not None
        assert (undo.details["rows"], redo.details["rows"]) == ([1], [2])
        case.tags.redo()
    with Case.open(folder) as case:
        assert case.tags.of(2) == ["poison"]
        case.tags.undo()
        case.tags.undo()
        assert case.tags.next_undo() is None
    with Case.open(folder) as case:
        assert not case.tags.tagged().any()
        assert case.tags.can_redo
        assert case.verify() == []


def test_an_act_tells_which_rows_it_changed(tagged_case: Case) -> None:
    tags = tagged_case.tags
    tags.apply([4], "poison")
    entry = tags.apply([9, 4, 2], "poison")
    undone = tags.undo()
    assert entry is not None
    assert undone is not None
    assert tags.changed_rows(entry).tolist() == [2, 9] == tags.changed_rows(undone).tolist()
    assert (undone.details["of"], undone.details["what"]) == (entry.seq, "tag")


def test_own_tags_get_a_free_key_and_a_colour(folder: Path) -> None:
    with Case.create(folder) as case:
        describe(case, 10)
        case.tags.apply([1], "clean")
        kind = case.tags.add_kind("watermark")
        assert (kind.key, kind.name, kind.id) == ("5", "watermark", 5)
        case.tags.add_kind("later", key="9", colour="#ABCDEF")
        case.tags.add_kind("quiet", key="")
        case.tags.apply([1, 2], "watermark")
    with Case.open(folder) as case:
        assert [kind.name for kind in case.tags.kinds][4:] == ["watermark", "later", "quiet"]
        assert case.tags.kinds[5].colour == "#abcdef"
        assert case.tags.of(1) == ["clean", "watermark"]
        case.tags.undo()
        assert case.tags.of(1) == ["clean"]
        for key in "678":
            assert case.tags.add_kind(f"own {key}").key == key
        assert case.tags.add_kind("one too many").key == ""
        assert case.verify() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("poison",), "There is a tag 'poison' already"),
        (("",), "cannot be the name"),
        (("a\nb",), "cannot be the name"),
        (("x" * 41,), "cannot be the name"),
        (("own", "1"), "It is taken"),
        (("own", "10"), "Choose a free digit"),
        (("own", "a"), "Choose a free digit"),
        (("own", None, "red"), "not a colour"),
    ],
)
def test_kinds_that_cannot_be_are_refused(case: Case, arguments: tuple, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        case.tags.add_kind(*arguments)
    assert len(case.tags.kinds) == 4


def test_a_hundred_thousand_at_once_are_one_act(case: Case) -> None:
    describe(case, 1_000_000)
    case.tags.apply([0], "poison")
    rows = np.random.default_rng(0).permutation(1_000_000)[:100_000]
    case.tags.apply(rows, "suspect")
    case.tags.undo()
    assert case.tags.counts()["suspect"] == 0
    case.tags.redo()
    assert case.tags.counts()["suspect"] == 100_000


def test_two_threads_may_act_on_one_case(tagged_case: Case) -> None:
    errors: list[BaseException] = []

    def act(offset: int) -> None:
        try:
            for row in range(20):
                tagged_case.tags.apply([row + offset], "poison")
                tagged_case.set(f"key {offset}", row)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=act, args=(offset,)) for offset in (0, 20, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert tagged_case.tags.counts()["poison"] == 60
    assert tagged_case.verify() == []


def test_a_change_that_cannot_be_is_refused_not_followed(tagged_case: Case) -> None:
    """A case from elsewhere may hold anything: no crash, no wrong tags."""
    from inspector.case import tag_changes
    from inspector.case.tag_kinds import DEFAULTS
    from inspector.case.tag_state import TagState

    for kind, row in ((9, 1), (0, 1), (-1, 1), (1, 100), (1, -1)):
        state = TagState(DEFAULTS, 100)
        with pytest.raises(CaseError, match="does not have"):
            state.replay(tag_changes.cells(kind, np.array([row]), 0, 5))
    with pytest.raises(CaseError, match="not the last act"):
        TagState(DEFAULTS, 100).file(3, "undo", 2)
    bomb = tag_changes.packed(np.zeros(401, tag_changes.CELL))
    for blob in (b"", b"x", bomb, bomb[:-1], None):
        with pytest.raises(ValueError):
            tag_changes.unpacked([blob], 400)  # type: ignore[list-item]
    assert len(tag_changes.unpacked([bomb, bomb], 401)) == 802
