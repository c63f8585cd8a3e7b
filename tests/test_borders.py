"""What each process may import, asked of a fresh interpreter."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
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


# Calls that unpickle, run, compile or fetch what they are given.
FORBIDDEN = {
    "safetensors.torch.load_file",  # maps the file, so that tensors change with it
    *("eval", "exec", "compile", "__import__", "execfile"),
    *("torch.hub.load", "torch.hub.load_state_dict_from_url", "torch.utils.model_dump"),
    *("torch.jit.load", "torch.export.load", "torch.jit.script", "torch.compile"),
    *("torch.serialization.add_safe_globals", "torch.serialization.safe_globals"),
    *("torch.serialization.load", "torch.storage._load_from_bytes", "torch.ops.load_library"),
    *("yaml.load", "yaml.unsafe_load", "shelve.open", "marshal.load", "marshal.loads"),
}
# By their last part alone: these have no honest namesake.
FORBIDDEN_NAMES = {
    "Unpickler",
    "add_safe_globals",
    "safe_globals",
    "PackageImporter",
    "read_pickle",
}
UNPICKLING = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
# A plugin is code that the user installed; there alone a file is run.
RUNS_PLUGINS = ("inspector/dropins.py",)


def _calls() -> Iterator[tuple[str, str, dict[str | None, str]]]:
    """Yield every call in the source: its full name, where, and what it is given by name."""
    for file in [*ROOT.glob("inspector/**/*.py"), *ROOT.glob("plugins/**/*.py")]:
        tree = ast.parse(file.read_text("utf-8"))
        renamed: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                renamed |= {name.asname: name.name for name in node.names if name.asname}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                renamed |= {
                    name.asname or name.name: f"{node.module}.{name.name}" for name in node.names
                }
        for call in ast.walk(tree):
            if isinstance(call, ast.Call):
                first, dot, rest = ast.unparse(call.func).partition(".")
                name = renamed.get(first, first) + dot + rest
                given = {word.arg: ast.unparse(word.value) for word in call.keywords}
                yield name, f"{file.relative_to(ROOT)}:{call.lineno}", given


def test_the_source_never_unpickles_or_runs_evidence() -> None:
    loads = []
    for name, where, given in _calls():
        if not (name in ("exec", "compile") and where.startswith(RUNS_PLUGINS)):
            assert name not in FORBIDDEN, where
        assert name.rpartition(".")[2] not in FORBIDDEN_NAMES, where
        assert name.partition(".")[0] not in UNPICKLING, where
        assert not name.startswith(("torch.hub.", "torch.package.", "torch.export.")), where
        assert given.get("allow_pickle", "False") == "False", where
        assert given.get("weights_only", "True") == "True", where
        if name in ("np.load", "numpy.load"):
            assert "allow_pickle" in given, where
        if name == "torch.load":
            loads.append((where, given.get("weights_only")))
    assert [said for _, said in loads] == ["True"], loads


def test_the_search_for_unsafe_loads_sees_through_other_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inspector").mkdir()
    source = tmp_path / "inspector" / "x.py"
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    for text in (
        "from pickle import loads as harmless\nharmless(b'')",
        "import torch as t\nt.jit.load('x')",
        "from torch import load\nload('x')",
        "import numpy\nnumpy.load('x')",
        "from torch.serialization import add_safe_globals\nadd_safe_globals([])",
        "import pickle\nclass U(pickle.Unpickler): pass\npickle.Unpickler(f)",
        "import torch\ntorch.load(f, weights_only=True)\ntorch.load(g, weights_only=True)",
    ):
        source.write_text(text)
        with pytest.raises(AssertionError):
            test_the_source_never_unpickles_or_runs_evidence()
