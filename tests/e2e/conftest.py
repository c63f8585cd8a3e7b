"""One demonstration case for all workflows, made once, copied for those that change it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Completed = subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def command() -> Callable[..., Completed]:
    """Run ``inspector …`` as a person would: another process, no screen."""

    def run(*arguments: str | Path, timeout: float = 300) -> Completed:
        environment = {
            k: v for k, v in os.environ.items() if k not in ("DISPLAY", "QT_QPA_PLATFORM")
        }
        return subprocess.run(
            [sys.executable, "-m", "inspector", *(str(argument) for argument in arguments)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def demo(command: Callable[..., Completed], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished demonstration, only read from; what it printed lies in ``said.txt``.

    The workers of one run share it: whoever comes first makes it, the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "demo"
    with open(folder.with_name("demo.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "said.txt").exists():
            done = command("demo", "--out", folder, "--no-window")
            assert done.returncode == 0, done.stderr
            (folder / "said.txt").write_text(done.stdout)
    return folder


@pytest.fixture
def case(demo: Path, tmp_path: Path) -> Path:
    """A copy of the demonstration's case that a test may change."""
    return Path(shutil.copytree(demo / "demo.case", tmp_path / "copy.case"))


@pytest.fixture(scope="session")
def document() -> Callable[[Completed], dict[str, Any]]:
    """Parse what a ``--json`` command printed: one document and nothing else."""

    def parse(done: Completed) -> dict[str, Any]:
        assert done.returncode == 0, done.stderr
        parsed: dict[str, Any] = json.loads(done.stdout)
        return parsed

    return parse
