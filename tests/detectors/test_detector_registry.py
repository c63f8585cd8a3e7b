"""Discovery: every file is a row, whatever it does while it is imported."""

from __future__ import annotations

import hashlib
import importlib.metadata
import sys
from pathlib import Path

import pytest

from inspector.detectors import discover
from inspector.detectors.registry import load_file
from inspector.places import bundled_plugins, user_plugins

GOOD = """
from inspector.api import DetectorInfo, Finding, Progress
class {name}:
    info = DetectorInfo(id="{id}", title="T", summary="S.", version="1")
    def run(self, ctx):
        yield Progress(0, 1)
        return Finding(ctx.signal("activations")[:, 0], caveats=("c",))
DETECTORS = [{name}]
"""

KNOWN = len(discover(folders=[], entry_points=False))
"""Bundled detectors come before all others."""


def _good(identity="mine", name="Mine"):
    return GOOD.format(id=identity, name=name)


def _found(folder):
    return discover([folder], entry_points=False)[KNOWN:]


BROKEN = {
    "syntax error": ("def f(:\n", "Line 1 is not valid Python"),
    "null byte": ("x = '\0'", "null bytes"),
    "not text": ("\udcff\udcfe", "not valid Python"),
    "missing package": ("import no_such_package", "'no_such_package', which is not installed"),
    "raises": ("raise RuntimeError('boom')", "RuntimeError: boom"),
    "sys.exit": ("import sys; sys.exit(0)", "sys.exit()"),
    "base exception": ("class X(BaseException): pass\nraise X('x')", "X: x"),
    "exception without text": (
        "class X(Exception):\n    def __str__(self): raise ValueError\nraise X",
        "X",
    ),
    "endless recursion": ("def f(): f()\nf()", "RecursionError"),
    "no list": ("x = 1", "no DETECTORS list"),
    "empty list": ("DETECTORS = []", "empty"),
    "no list but a class": ("class D: pass\nDETECTORS = D", "must be a list"),
    "no info": ("class D:\n    def run(self, ctx): yield\nDETECTORS = [D]", "D has no `info`"),
    "info of another kind": ("class D:\n    info = {}\nDETECTORS = [D]", "dict instead of a Detec"),
    "info that raises": (
        "class M(type):\n    @property\n    def info(c): raise KeyError('k')\n"
        "class D(metaclass=M): pass\nDETECTORS = [D]",
        "KeyError",
    ),
    "newer api": (
        _good().replace('version="1"', 'version="1", api=2'),
        "needs version 2 of the detector API; this is 1",
    ),
    "no run": (_good().replace("def run", "def walk"), "no `run` method"),
    "bad id": (_good("Not An Id"), "lower case words with hyphens"),
    "empty title": (_good().replace('title="T"', 'title=" "'), "title is empty"),
    "unknown signal": (
        _good().replace('version="1"', 'version="1", needs=("smell",)'),
        "needs smell; signals are: labels",
    ),
    "needs a text": (
        _good().replace('version="1"', 'version="1", needs="logits"'),
        "signals are",
    ),
    "parameter without type": (
        _good()
        .replace("Finding, ", "Finding, Parameter, ")
        .replace('version="1"', 'version="1", parameters=(Parameter("a", None, "h"),)'),
        "the default of 'a'",
    ),
}


@pytest.mark.parametrize("text, cause", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_a_row_with_its_cause_and_stops_nothing(tmp_path, text, cause):
    (tmp_path / "a_broken.py").write_bytes(text.encode("utf-8", "surrogateescape"))
    (tmp_path / "b_good.py").write_text(_good())
    before = set(sys.modules)
    broken, good = _found(tmp_path)
    assert broken.status == "broken"
    assert cause in broken.cause
    assert "\n" not in broken.cause
    assert broken.file == tmp_path / "a_broken.py"
    assert broken.id == "a_broken"
    assert broken.factory is None
    assert good.status == "ready"
    left = {name for name in set(sys.modules) - before if "a_broken" in name}
    assert not left or "DETECTORS" in text


def test_a_good_file_is_ready_and_its_bytes_are_recorded(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(_good())
    (entry,) = _found(tmp_path)
    assert (entry.id, entry.status, entry.origin) == ("mine", "ready", "plugin folder")
    assert entry.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert entry.factory().info is entry.info
    assert not list(tmp_path.glob("__pycache__"))


def test_an_instance_is_as_good_as_a_class(tmp_path):
    (tmp_path / "mine.py").write_text(_good().replace("[Mine]", "(Mine(),)"))
    (entry,) = _found(tmp_path)
    assert entry.status == "ready"
    assert entry.factory().info.id == "mine"


def test_equal_file_names_do_not_replace_each_other(tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, name in zip(folders, ("first", "second")):
        folder.mkdir()
        text = (
            _good(name) + f"\nfrom dataclasses import dataclass\n@dataclass\nclass {name}: x: int"
        )
        (folder / "same.py").write_text(text)
    found = discover(folders, entry_points=False)[KNOWN:]
    assert [entry.id for entry in found] == ["first", "second"]
    assert found[0].factory.__module__ != found[1].factory.__module__


def test_of_two_equal_ids_the_first_keeps_it(tmp_path):
    (tmp_path / "a.py").write_text(_good("spectral"))
    (tmp_path / "b.py").write_text(_good("mine"))
    (tmp_path / "c.py").write_text(_good("mine", "Other"))
    bundled, mine, other = _found(tmp_path)
    assert bundled.status == "broken"
    assert "'spectral' is taken by" in bundled.cause
    assert "spectral.py" in bundled.cause
    assert mine.status == "ready"
    assert str(tmp_path / "b.py") in other.cause


def test_one_file_may_hold_a_good_and_a_bad_detector(tmp_path):
    (tmp_path / "two.py").write_text(_good() + "\nclass Bad: pass\nDETECTORS = [Mine, Bad]")
    good, bad = _found(tmp_path)
    assert good.status == "ready"
    assert bad.cause == "Bad has no `info`; it needs a DetectorInfo."


def test_a_folder_with_several_files_is_one_plugin(tmp_path):
    package = tmp_path / "kit"
    package.mkdir()
    (package / "__init__.py").write_text("from .inner import DETECTORS")
    (package / "inner.py").write_text(_good("kit"))
    (entry,) = _found(tmp_path)
    assert entry.id == "kit"
    before = entry.sha256
    (package / "inner.py").write_text(_good("kit") + "\n# changed")
    assert _found(tmp_path)[0].sha256 != before


def test_tests_and_hidden_files_are_not_detectors(tmp_path):
    for name in ("test_mine.py", "_part.py", ".hidden.py", "conftest.py", "notes.txt"):
        (tmp_path / name).write_text("raise RuntimeError")
    (tmp_path / "data").mkdir()
    assert _found(tmp_path) == []


def test_folders_that_are_missing_or_no_folders(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    assert discover([tmp_path / "absent"], entry_points=False)[KNOWN:] == []
    (row,) = discover([file], entry_points=False)[KNOWN:]
    assert row.status == "broken"
    assert "NotADirectory" in row.cause


def test_a_dangling_link_is_a_row(tmp_path):
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere.py")
    (row,) = _found(tmp_path)
    assert row.status == "broken"
    assert row.sha256 == ""


def test_the_users_folder_and_the_shipped_one_are_looked_into():
    folder = user_plugins()
    folder.mkdir(parents=True)
    (folder / "own.py").write_text(_good("own"))
    found = {entry.id: entry for entry in discover(entry_points=False)}
    assert found["own"].origin == "user folder"
    assert found["frequency"].origin == "plugin folder"
    assert found["frequency"].file == bundled_plugins() / "frequency.py"


class _Point:
    def __init__(self, name, target):
        self.name, self.value, self.dist = name, f"{name}.module:thing", None
        self._target = target

    def load(self):
        if isinstance(self._target, BaseException):
            raise self._target
        return self._target


def test_installed_packages_offer_detectors_and_may_be_broken(monkeypatch, tmp_path):
    (tmp_path / "mine.py").write_text(_good("packaged"))
    good = load_file(tmp_path / "mine.py")[0].factory
    points = [
        _Point("a_bad", ImportError("gone")),
        _Point("b_exit", SystemExit(1)),
        _Point("c_good", good),
        _Point("d_list", [good]),
    ]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points)
    rows = discover(folders=[], entry_points=True)[KNOWN:]
    assert [row.status for row in rows] == ["broken", "broken", "ready", "broken"]
    assert rows[0].cause == "ImportError: gone"
    assert rows[2].origin == "package c_good"
    assert "is taken by" in rows[3].cause
    assert len(rows[2].sha256) == 64


def test_broken_package_metadata_is_a_row(monkeypatch):
    def fail(group):
        raise ValueError("bad metadata")

    monkeypatch.setattr(importlib.metadata, "entry_points", fail)
    (row,) = discover(folders=[])[KNOWN:]
    assert row.cause == "ValueError: bad metadata"


def test_a_traceback_shows_the_line_of_the_plugin(tmp_path):
    file = Path(tmp_path / "deep.py")
    file.write_text("def f():\n    return 1 / 0\nf()\n")
    (row,) = load_file(file)
    assert "return 1 / 0" in row.traceback
    assert "deep.py" in row.traceback
