"""The wheel carries what it needs: built, installed into a clean environment, run from there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.mark.slow
def test_the_wheel_runs_the_demo_from_a_clean_environment(tmp_path: Path) -> None:
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not on the path; it builds and installs the wheel")
    _run(uv, "build", "--wheel", "--out-dir", tmp_path / "dist", ROOT, cwd=tmp_path)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    venv = tmp_path / "venv"
    _run(uv, "venv", "--python", sys.executable, venv, cwd=tmp_path)
    constraints = ["--constraint", ROOT / ".ci" / "constraints.txt"]
    _run(
        uv, "pip", "install", "--python", venv / "bin" / "python", *constraints, wheel, cwd=tmp_path
    )
    inspector = venv / "bin" / "inspector"
    listing = _run(inspector, "detectors", cwd=tmp_path)
    assert "frequency" in listing  # The example plugin came along.
    said = _run(
        inspector, "demo", "--out", tmp_path / "demo", "--no-window", cwd=tmp_path, DISPLAY=""
    )
    assert "inspector open" in said
    assert (tmp_path / "demo" / "demo.case" / "case.db").exists()
    found = _run(
        venv / "bin" / "python",
        "-c",
        "from inspector.places import resources, bundled_plugins; "
        "print((resources() / 'help' / 'manual.md').exists(), resources(), bundled_plugins())",
        cwd=tmp_path,
    )
    assert found.startswith("True")
    assert str(venv) in found
