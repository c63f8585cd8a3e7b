"""What a run was computed with, so that somebody else can judge whether it must come out equal."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import inspector
from inspector.api import Control
from inspector.engine.session import Session

PACKAGES = (
    "numpy",
    "torch",
    "torchvision",
    "scipy",
    "scikit-learn",
    "umap-learn",
    "numba",
    "safetensors",
    "pillow",
)
"""Packages whose arithmetic or decoding goes into results."""


def run(session: Session, control: Control) -> dict[str, Any]:
    """Return versions, machine and threads; of torch itself only if a job has imported it."""
    return {
        "inspector": inspector.__version__,
        "python": platform.python_version(),
        "os": platform.platform(),
        "machine": platform.machine(),
        "cpu": cpu_model(),
        "packages": versions(),
        **_torch(),
    }


def versions() -> dict[str, str]:
    """Return the versions of `PACKAGES` that are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def cpu_model() -> str:
    """Return the processor's name; the kind of machine where the sandbox hides it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _torch() -> dict[str, Any]:
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    from inspector.signals.machine import cores

    return {
        "torch_config_sha256": hashlib.sha256(torch.__config__.show().encode()).hexdigest(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "mkldnn": torch.backends.mkldnn.is_available(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
    }
