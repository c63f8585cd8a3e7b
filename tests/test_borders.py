"""What each process may import, asked of a fresh interpreter."""

from __future__ import annotations

import ast
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


FORBIDDEN = {
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "torch.jit.load", "torch.export.load"),
    *("torch.hub.load", "torch.serialization.add_safe_globals", "eval", "exec"),
}


def test_the_source_never_unpickles_or_runs_evidence() -> None:
    loads = []
    for file in [*ROOT.glob("inspector/**/*.py"), *ROOT.glob("plugins/**/*.py")]:
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            name, where = ast.unparse(call.func), f"{file.relative_to(ROOT)}:{call.lineno}"
            # A plugin is code that the user installed; there alone a file is run.
            if not (name == "exec" and where.startswith("inspector/dropins.py")):
                assert name not in FORBIDDEN, where
            given = {word.arg: ast.unparse(word.value) for word in call.keywords}
            assert given.get("allow_pickle", "False") == "False", where
            assert given.get("weights_only", "True") == "True", where
            if name in ("np.load", "numpy.load"):
                assert "allow_pickle" in given, where
            if name == "torch.load":
                loads.append((where, given.get("weights_only")))
    assert [said for _, said in loads] == ["True"], loads
