"""Making, opening, moving and refusing cases, as an analyst meets them."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from case_makers import describe, fill, store

from inspector.case import Case
from inspector.case.array_files import write_array
from inspector.errors import BadInput, CaseError


def test_a_new_case_is_a_folder_that_says_what_it_is(folder: Path) -> None:
    with Case.create(folder) as case:
        assert case.path == folder.resolve()
        assert case.name == "suspects"
        assert case.derived.is_dir()
        assert case.exports.is_dir()
        assert (case.n, case.class_names, case.read_only, case.problems) == (0, (), False, [])
        assert [entry.act for entry in case.journal.entries()] == ["created"]
    raw = (folder / "case.db").read_bytes()
    assert raw[:16] == b"SQLite format 3\0"
    assert raw[68:72] == b"INSP"
    assert sorted(os.listdir(folder)) == ["case.db", "case.lock", "derived", "exports"]
    assert os.listdir(folder.parent) == [folder.name]


def test_what_was_kept_is_there_after_reopening(folder: Path) -> None:
    with Case.create(folder) as case:
        case.set("scan", {"seed": 3, "model": Path("/a/b")})
        describe(case, 7)
    with Case.open(folder) as case:
        assert case.get("scan") == {"seed": 3, "model": "/a/b"}
        assert case.get("nothing", "default") == "default"
        assert case.n == 7
        assert case.class_names == ("cat", "ship", "truck")
        assert case.journal.entries()[-1].act == "opened"


def test_an_equal_value_is_no_act(case: Case) -> None:
    case.set("scan", {"seed": 3})
    before = case.journal.head
    case.set("scan", {"seed": 3})
    assert case.journal.head == before


def test_a_folder_in_use_is_never_made_a_case(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"1")
    with pytest.raises(CaseError, match="Something else is there already"):
        Case.create(tmp_path)
    with pytest.raises(CaseError, match="A file is there already"):
        Case.create(tmp_path / "holiday.jpg")
    with pytest.raises(CaseError, match="was not made"):
        Case.create(tmp_path / "holiday.jpg" / "below")
    assert os.listdir(tmp_path) == ["holiday.jpg"]


def test_a_place_that_cannot_be_looked_at_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("inspector.case.layout.is_case", refuse)
    with pytest.raises(CaseError, match=r"was not made\. Permission denied"):
        Case.create(tmp_path / "x")


def test_an_existing_case_is_not_replaced(case: Case) -> None:
    with pytest.raises(CaseError, match="is a case already"):
        Case.create(case.path)


def test_an_empty_folder_and_missing_parents_will_do(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    Case.create(tmp_path / "empty").close()
    Case.create(tmp_path / "not" / "yet" / "here.case").close()


def test_a_failed_making_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(CaseError, match="No space left on device"):
        Case.create(folder)
    assert os.listdir(folder.parent) == []


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda path: None, "There is no case at .* does not exist"),
        (lambda path: path.mkdir(), "is not a case. A case is a folder with a case.db"),
        (lambda path: path.write_text("x"), "is not a case. It is a file"),
    ],
)
def test_what_is_no_case_is_refused(folder: Path, prepare: object, message: str) -> None:
    prepare(folder)  # type: ignore[operator]
    with pytest.raises(CaseError, match=message) as caught:
        Case.open(folder)
    assert caught.value.exit_code == 2
    assert caught.value.fix


def test_an_impossible_path_is_one_clear_error() -> None:
    with pytest.raises(CaseError):
        Case.open("/tmp/" + "x" * 5000)
    with pytest.raises(CaseError):
        Case.open("nul\0byte")


def _closed_case(folder: Path) -> Path:
    Case.create(folder).close()
    return folder / "case.db"


def test_another_programs_database_is_refused(folder: Path) -> None:
    folder.mkdir()
    with closing(sqlite3.connect(folder / "case.db")) as other:
        other.execute("CREATE TABLE bookmarks (url)")
        other.commit()
    before = (folder / "case.db").read_bytes()
    for read_only in (False, True):
        with pytest.raises(CaseError, match="belongs to another program"):
            Case.open(folder, read_only=read_only)
    assert (folder / "case.db").read_bytes() == before


def test_a_newer_case_is_refused_with_its_version(folder: Path) -> None:
    database = _closed_case(folder)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("PRAGMA user_version = 9")
    before = database.read_bytes()
    for read_only in (False, True):
        with pytest.raises(CaseError, match=r"newer Inspector.* case format 9, .* up to 2"):
            Case.open(folder, read_only=read_only)
    assert database.read_bytes() == before


@pytest.mark.parametrize("read_only", [False, True])
def test_a_damaged_database_is_said_to_be_so(folder: Path, read_only: bool) -> None:
    database = _closed_case(folder)
    whole = database.read_bytes()
    broken = bytearray(whole)
    # Every page but the first one overwritten, as a bad disk does.
    broken[4096:] = b"\xa5" * (len(broken) - 4096)
    for content in (b"", whole[:100], b"x" * len(whole), bytes(broken), whole[:5000]):
        database.write_bytes(content)
        with pytest.raises(CaseError, match="is damaged"):
            Case.open(folder, read_only=read_only)
        assert database.read_bytes() == content
    database.write_bytes(whole)
    Case.open(folder).close()


def test_links_and_pipes_in_a_foreign_case_are_not_followed(folder: Path, tmp_path: Path) -> None:
    database = _closed_case(folder)
    elsewhere = tmp_path / "elsewhere.db"
    database.rename(elsewhere)
    database.symlink_to(elsewhere)
    with pytest.raises(CaseError, match="is not a case"):
        Case.open(folder)
    database.unlink()
    elsewhere.rename(database)
    (folder / "case.lock").unlink()
    (folder / "case.lock").symlink_to(tmp_path / "written.by.us")
    with pytest.raises(CaseError, match="was not opened"):
        Case.open(folder)
    assert not (tmp_path / "written.by.us").exists()
    (folder / "case.lock").unlink()
    os.mkfifo(folder / "case.lock")
    with pytest.raises(CaseError, match="not an ordinary file"):
        Case.open(folder)


_HOLDER = """
    import sys, time
    from inspector.case import Case
    with Case.open(sys.argv[1]):
        print("open", flush=True)
        time.sleep(60)
"""


def test_a_case_open_elsewhere_names_its_holder(folder: Path) -> None:
    _closed_case(folder)
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_HOLDER), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        try:
            for read_only in (False, True):
                with pytest.raises(CaseError) as caught:
                    Case.open(folder, read_only=read_only)
                said = str(caught.value)
                assert f"Process {holder.pid} on {os.uname().nodename}, since 20" in said
                assert "Close it there first" in said
        finally:
            holder.kill()
    # The lock dies with its holder.
    Case.open(folder).close()


@pytest.mark.parametrize(
    "note", [b"", b"{", b'{"pid": "\\u001b[31m"}', b'{"pid":1,"host":"\\u202e","time":""}']
)
def test_a_hostile_lock_note_is_not_shown(folder: Path, note: bytes) -> None:
    with Case.create(folder):
        (folder / "case.lock").write_bytes(note)
        with pytest.raises(CaseError, match="Another process holds it"):
            Case.open(folder)


def test_another_program_in_the_database_is_named_as_such(folder: Path) -> None:
    database = _closed_case(folder)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(CaseError, match="Another program holds its database"):
            Case.open(folder)


def test_two_readers_stand_side_by_side(folder: Path) -> None:
    _closed_case(folder)
    with Case.open(folder, read_only=True) as one, Case.open(folder, read_only=True) as two:
        assert one.read_only
        assert two.journal.head == one.journal.head
        with pytest.raises(CaseError, match="already open"):
            Case.open(folder)
        for act in (
            lambda: one.set("a", 1),
            lambda: one.journal.append("x"),
            lambda: one.tags.apply([], "poison"),
            lambda: one.tags.undo(),
            lambda: one.tags.add_kind("own"),
        ):
            with pytest.raises(CaseError, match="for reading only"):
                act()


def test_reading_writes_not_one_byte(folder: Path) -> None:
    with Case.create(folder) as case:
        fill(case)
        case.tags.apply([1], "poison")
    before = {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}
    with Case.open(folder, read_only=True) as case:
        assert case.tags.of(1) == ["poison"]
        assert case.array("labels").tolist() == [0, 0, 1, 1, 2, 2]
        assert case.verify() == []
    assert {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))} == before


def test_a_crashed_case_can_be_read_without_repairing_it(folder: Path, tmp_path: Path) -> None:
    crashed = tmp_path / "crashed.case"
    with Case.create(folder) as case:
        describe(case, 10)
        case.tags.apply([3], "suspect")
        shutil.copytree(folder, crashed)
    assert (crashed / "case.db-wal").stat().st_size > 0
    before = {path.name: path.read_bytes() for path in crashed.glob("case.*")}
    with Case.open(crashed, read_only=True) as case:
        assert case.tags.of(3) == ["suspect"]
    assert {path.name: path.read_bytes() for path in crashed.glob("case.*")} == before


def _without_rights(act: str) -> str:
    """Run Python as somebody who owns nothing here, whoever runs the tests."""
    code = f"""
        import os, sys
        from pathlib import Path
        from inspector.case import Case
        from inspector.errors import CaseError
        if os.geteuid() == 0:
            os.setgid(65534); os.setuid(65534)
        folder = Path(sys.argv[1])
        {act}
    """
    return textwrap.dedent(code)


@pytest.fixture
def guarded(tmp_path: Path) -> Path:
    """A closed case in a folder that nobody may write to."""
    for above in (tmp_path, *tmp_path.parents):
        if above.stat().st_uid == os.getuid() and len(above.parts) > 2:
            above.chmod(0o755)
    folder = tmp_path / "guarded.case"
    with Case.create(folder) as case:
        describe(case, 10)
        case.tags.apply([3], "suspect")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    return folder


def _run(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_folder_that_cannot_be_written_to_opens_for_reading(guarded: Path) -> None:
    act = "with Case.open(folder) as case: print(case.read_only, case.tags.of(3))"
    assert _run(_without_rights(act), guarded) == "True ['suspect']\n"
    guarded.chmod(0o755)


def test_a_folder_that_cannot_be_read_is_one_clear_error(guarded: Path) -> None:
    guarded.chmod(0o755)
    (guarded / "case.db").chmod(0)
    act = """
        try: Case.open(folder)
        except CaseError as error: print(error)
    """
    said = _run(_without_rights(textwrap.dedent(act).replace("\n", "\n        ")), guarded)
    assert "was not opened. case.db cannot be read: Permission denied." in said
    guarded.chmod(0)
    said = _run(_without_rights(textwrap.dedent(act).replace("\n", "\n        ")), guarded)
    assert "Permission denied" in said
    guarded.chmod(0o755)


def test_a_case_can_be_moved(folder: Path, tmp_path: Path) -> None:
    with Case.create(folder) as case:
        fill(case)
        case.add_evidence("data", tmp_path / "data", "ab" * 32, 7)
    moved = tmp_path / "elsewhere" / "renamed.case"
    moved.parent.mkdir()
    folder.rename(moved)
    with Case.open(moved) as case:
        assert case.name == "renamed"
        assert case.array("labels").tolist() == [0, 0, 1, 1, 2, 2]
        assert case.locator(2) == "ship/2.png"
        assert case.evidence()[0].path == str(tmp_path / "data")
        assert case.verify() == []


def test_folders_lost_on_the_way_are_made_again(folder: Path) -> None:
    Case.create(folder).close()
    (folder / "derived").rmdir()
    with Case.open(folder) as case:
        assert case.derive("signals-1").is_dir()
        assert case.derive("signals-1").parent == case.derived


@pytest.mark.parametrize("key", ["", "..", "a/b", "/tmp/x", ".hidden", "a\0", "x" * 200])
def test_derived_folders_have_plain_names(case: Case, key: str) -> None:
    with pytest.raises(CaseError):
        case.derive(key)


def test_a_linked_derived_folder_is_refused(case: Case, tmp_path: Path) -> None:
    (case.derived / "out").symlink_to(tmp_path)
    with pytest.raises(CaseError, match="link"):
        case.derive("out")
    (case.derived / "file").write_text("")
    with pytest.raises(CaseError, match="was not made"):
        case.derive("file")


def test_a_closed_case_says_so(folder: Path) -> None:
    case = Case.create(folder)
    case.close()
    case.close()
    with pytest.raises(CaseError, match="is closed"):
        case.get("scan")
    with pytest.raises(CaseError, match="is closed"):
        case.set("scan", 1)


def test_several_records_are_kept_together_or_not_at_all(case: Case) -> None:
    with case.transaction():
        case.set("a", 1)
        case.set("b", 2)

    def fail_late() -> None:
        with case.transaction():
            describe(case, 50)
            store(case, "labels", np.zeros(50, np.int32))
            case.tags.apply([1, 2], "poison")
            assert case.tags.of(1) == ["poison"]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_late()
    assert (case.get("a"), case.get("b")) == (1, 2)
    assert (case.n, case.has_array("labels"), case.tags.can_undo) == (0, False, False)
    assert case.verify() == []


def test_a_part_that_failed_is_not_kept_by_the_rest(tagged_case: Case) -> None:
    case = tagged_case

    def fail_in_the_middle() -> None:
        with case.transaction():
            case.set("a", 1)
            with pytest.raises(BadInput):
                case.tags.apply([1000], "poison")

    with pytest.raises(CaseError, match="was not saved"):
        fail_in_the_middle()
    assert case.get("a") is None
    case.set("a", 2)
    assert case.get("a") == 2


def test_tags_forbid_another_dataset(tagged_case: Case) -> None:
    describe(tagged_case, 120)
    tagged_case.tags.apply([110], "poison")
    with pytest.raises(CaseError, match="tags of this case belong to the former samples"):
        describe(tagged_case, 100)
    assert tagged_case.n == 120
    assert tagged_case.tags.of(110) == ["poison"]


def test_opening_a_million_samples_is_quick(folder: Path) -> None:
    n = 1_000_000
    with Case.create(folder) as case:
        describe(case, n)
        names = np.char.mod("class/%07d.png", np.arange(n)).astype("S")
        store(case, "locator_bytes", np.frombuffer(names.tobytes(), np.uint8))
        store(case, "locator_offsets", np.arange(n + 1) * names.dtype.itemsize)
        for name in ("labels", "predicted"):
            store(case, name, np.zeros(n, np.int32))
        with case.transaction():
            for row in range(1000):
                case.tags.apply([row], "poison")
        case.tags.apply(np.arange(100_000, 400_000), "clean")
    with Case.open(folder) as case:
        assert case.tags.counts() == {
            "poison": 1000,
            "suspect": 0,
            "mislabelled": 0,
            "clean": 300_000,
        }
        assert case.locator(123_456) == "class/0123456.png"


def test_what_a_crash_left_half_written_is_swept_and_nothing_else(folder: Path) -> None:
    with Case.create(folder) as case:
        fill(case)
        outside = folder.parent / "outside"
        outside.mkdir()
        (outside / "kept").write_bytes(b"x")
        (case.derived / "test" / ".loss.npy.partial").write_bytes(b"half")
        (case.derived / "test" / "partial.npy").write_bytes(b"whole")
        for name in (".cleaned.partial-0123abcd", ".mine", "cleaned.partial-0123abcd"):
            (case.exports / name).mkdir()
            (case.exports / name / "file").write_bytes(b"x")
        (case.exports / ".link.partial-0123abcd").symlink_to(outside)
    with Case.open(folder, read_only=True):
        assert (folder / "derived" / "test" / ".loss.npy.partial").exists()
    with Case.open(folder) as case:
        assert not (case.derived / "test" / ".loss.npy.partial").exists()
        assert (case.derived / "test" / "partial.npy").exists()
        assert sorted(path.name for path in case.exports.iterdir()) == [
            ".link.partial-0123abcd",
            ".mine",
            "cleaned.partial-0123abcd",
        ]
        assert case.verify() == []
    assert (outside / "kept").exists()


@pytest.mark.parametrize("name", ["derived", "exports"])
def test_a_foreign_case_cannot_have_us_write_elsewhere(
    folder: Path, tmp_path: Path, name: str
) -> None:
    _closed_case(folder)
    elsewhere = tmp_path / "home"
    elsewhere.mkdir()
    (elsewhere / ".work.partial").write_text("precious")
    (folder / name).rmdir()
    (folder / name).symlink_to(elsewhere)
    with pytest.raises(CaseError, match=f"{name} is a link"):
        Case.open(folder)
    assert (elsewhere / ".work.partial").read_text() == "precious"
    Case.open(folder, read_only=True).close()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_foreign_case_cannot_have_a_file_deleted(
    folder: Path, tmp_path: Path, read_only: bool
) -> None:
    """SQLite deletes the super-journal that a rollback journal names, wherever it lies."""
    database = _closed_case(folder)
    victim = tmp_path / "precious.txt"
    victim.write_text("precious")
    content = database.read_bytes()
    page = int.from_bytes(content[16:18], "big")
    magic, name = bytes.fromhex("d9d505f920a163d7"), os.fsencode(victim)
    numbers = (0, 0, len(content) // page, 512, page)
    header = magic + b"".join(number.to_bytes(4, "big") for number in numbers)
    ending = (len(name).to_bytes(4, "big"), sum(name).to_bytes(4, "big"), magic)
    start = ((1 << 30) // page + 1).to_bytes(4, "big")
    (folder / "case.db-journal").write_bytes(
        header.ljust(512, b"\0") + start + name + b"".join(ending)
    )
    with pytest.raises(CaseError, match="delete a file outside"):
        Case.open(folder, read_only=read_only)
    assert victim.read_text() == "precious"
    (folder / "case.db-journal").unlink()
    Case.open(folder, read_only=read_only).close()


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("CREATE VIEW more AS SELECT 1", "view"),
        (
            "CREATE TRIGGER more AFTER INSERT ON record BEGIN "
            "UPDATE record SET value = '[]' WHERE kind = 'finding'; END",
            "trigger",
        ),
        ("CREATE VIRTUAL TABLE more USING fts5(a)", "virtual table"),
    ],
)
def test_statements_of_a_foreign_database_never_run(
    folder: Path, statement: str, word: str, read_only: bool
) -> None:
    database = _closed_case(folder)
    with closing(sqlite3.connect(database)) as raw:
        raw.execute(statement)
        raw.commit()
    with pytest.raises(CaseError, match=f"given a {word}"):
        Case.open(folder, read_only=read_only)


def test_our_arrays_replace_a_planted_link(case: Case, tmp_path: Path) -> None:
    victim = tmp_path / "precious.txt"
    victim.write_text("precious")
    place = case.derive("verified") / "mask.npy"
    for name in (".mask.npy.partial", "mask.npy"):
        (place.parent / name).symlink_to(victim)
    item = write_array(place, np.ones(3, np.bool_), case.derived)
    assert victim.read_text() == "precious"
    assert not place.is_symlink()
    assert item["shape"] == [3]
