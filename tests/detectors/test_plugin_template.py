"""``inspector plugin new`` writes what works; ``inspector plugin check`` finds what does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from inspector.detectors import discover
from inspector.detectors.template import check_plugin, write_plugin
from inspector.errors import BadInput


def test_a_new_detector_keeps_the_contract_and_is_found(tmp_path):
    file = write_plugin("colour-cast", tmp_path / "plugins")
    assert file.name == "colour_cast.py"
    results = check_plugin(file)
    assert [result for result in results if not result.passed] == []
    assert len(results) > 15
    (entry,) = [e for e in discover([file.parent], entry_points=False) if e.origin != "bundled"]
    assert (entry.id, entry.status) == ("colour-cast", "ready")


@pytest.mark.slow
def test_the_test_that_comes_with_it_passes(tmp_path):
    write_plugin("colour cast", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n0", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "2 passed" in done.stdout


def test_what_is_written_is_well_formed_by_our_own_rules(tmp_path):
    write_plugin("colour cast", tmp_path)
    root = Path(__file__).resolve().parents[2]
    # Which imports are first-party depends on where ruff is started.
    for command in (["check", "--ignore", "I001"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--config", str(root / "pyproject.toml"), "."],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        if "No module named" in done.stderr:
            pytest.skip("ruff is not installed")
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "name", ["", "../escape", "9lives", "a/b", "test me", "ß", "x" * 70, "class", "json", "a--b"]
)
def test_names_that_cannot_be_names_are_refused(tmp_path, name):
    with pytest.raises(BadInput, match="cannot name a detector"):
        write_plugin(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_ever_replaced(tmp_path):
    file = write_plugin("mine", tmp_path)
    file.write_text("changed")
    with pytest.raises(BadInput, match="exists already"):
        write_plugin("mine", tmp_path)
    assert file.read_text() == "changed"
    (tmp_path / "test_yours.py").write_text("kept")
    with pytest.raises(BadInput, match="exists already"):
        write_plugin("yours", tmp_path)
    assert not (tmp_path / "yours.py").exists()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="Cannot write a detector into"):
        write_plugin("mine", tmp_path / "file" / "folder")


def test_checking_a_file_that_is_not_there_or_not_loadable(tmp_path):
    with pytest.raises(BadInput, match="There is no file"):
        check_plugin(tmp_path / "absent.py")
    file = tmp_path / "bad.py"
    file.write_text("import no_such_package")
    (result,) = check_plugin(file)
    assert not result.passed
    assert "not installed" in result.cause


def test_an_id_of_a_bundled_detector_is_told(tmp_path):
    file = write_plugin("spectral", tmp_path)
    failed = [result for result in check_plugin(file) if not result.passed]
    assert [result.cause for result in failed] == [
        "The id 'spectral' is taken by a bundled detector."
    ]
