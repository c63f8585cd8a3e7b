"""Fixtures that every room shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# A worker for each core: further threads of torch and numpy would only wait for each other, spinning.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# The window reads what was chosen for its look when it is imported: never the developer's own.
os.environ["INSPECTOR_STATE"] = os.devnull
# Other processes may have the cores: how long an example takes says nothing.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real datasets; a test that needs it skips visibly where it is missing."""
    folder = Path(os.environ.get("INSPECTOR_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real datasets not found at {folder}; set INSPECTOR_DATA to their folder")
    return folder


@pytest.fixture(autouse=True)
def _isolated_state(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep recent cases, window layout and the user's own plugins out of the tests."""
    state = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("INSPECTOR_STATE", str(state))
    monkeypatch.setenv("INSPECTOR_PLUGINS", str(state / "plugins"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table of hostile files; here, since with workers only this file is sure to load."""
    from hostile.hostile_table import print_table

    print_table(terminalreporter)
