"""What each process may import, asked of a fresh interpreter."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

HEAVY = ("torch", "torchvision", "umap", "sklearn", "scipy", "numba")


def _modules_after(code: str) -> set[str]:
    listing = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(listing.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import inspector.gui.app, inspector.gui.main_window",
        "import inspector.cli.scan, inspector.cli.results, inspector.cli.export",
        "import inspector.engine.client",
        "import inspector.engine.runner, inspector.engine.jobs, inspector.intake.sandbox",
        "import inspector.api, inspector.case, inspector.export",
    ],
)
def test_the_light_side_imports_nothing_heavy(code: str) -> None:
    assert not _modules_after(code) & set(HEAVY)


def test_the_engine_side_imports_no_qt() -> None:
    loaded = _modules_after(
        "import inspector.intake.models, inspector.intake.datasets, inspector.signals, "
        "inspector.statistics, inspector.detectors, inspector.triggers, inspector.projection, "
        "inspector.drill, inspector.engine.jobs.intake, inspector.engine.jobs.signals, "
        "inspector.engine.jobs.detect, inspector.engine.jobs.umap, inspector.engine.jobs.trigger"
    )
    assert not {name for name in loaded if name.startswith(("PySide6", "pyqtgraph"))}


def test_the_source_never_unpickles_or_runs_evidence() -> None:
    forbidden = re.compile(
        r"\bpickle\.(load|loads|Unpickler)\(|allow_pickle=True|add_safe_globals|jit\.load\("
        r"|export\.load\(|weights_only=False|torch\.hub\.load|(?<![.\w])(eval|exec)\("
    )
    loads = []
    for file in [*ROOT.glob("inspector/**/*.py"), *ROOT.glob("plugins/**/*.py")]:
        for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
            code = line.split("#")[0]
            if file.name == "loading.py" and file.parent.name == "detectors":
                code = code.replace(
                    "exec(compile(", ""
                )  # A plugin is code that the user installed.
            assert not forbidden.search(code), f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
            if re.search(r"\btorch\.load\(", code):
                loads.append((file, number))
    assert len(loads) == 1
    file, number = loads[0]
    call = " ".join(file.read_text("utf-8").splitlines()[number - 1 : number + 4])
    assert "weights_only=True" in call
