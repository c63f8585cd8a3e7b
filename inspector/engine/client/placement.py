"""Which engine a job runs in: the strict one, or the one that a CUDA driver can live with.

A CUDA driver reserves an address space that no memory limit allows, and talks to device files by
ioctl. The engine that holds it is therefore less confined, and must not be the one that parses a
suspect model file: that is done by the strict engine, which writes the weights into the case as a
plain safetensors file of its own making, the only model file that the other one may read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inspector.engine.client.options import ScanOptions
from inspector.intake.datasets.beside import to_be_read
from inspector.intake.signature import signature_beside

GPU_JOBS = frozenset({"signals"})
"""Jobs that can use a GPU; all the others belong into the strict engine."""


def on_gpu(job: str, arguments: Mapping[str, Any]) -> bool:
    """Whether a job goes to the engine with the GPU."""
    return job in GPU_JOBS and arguments.get("device") == "cuda"


def readable(options: ScanOptions, *, cuda: bool) -> tuple[Path, ...]:
    """Return what an engine may read: all evidence, or with a GPU all but the model file."""
    sets = [path for path in (options.data, options.reference) if path is not None]
    models = () if cuda else (*_with_signature(Path(options.model)), *options.checkpoints)
    return (*models, *(part for path in sets for part in to_be_read(path)))


def _with_signature(model: Path) -> tuple[Path, ...]:
    """Return a model and, where one lies beside it, its detached signature."""
    signature = signature_beside(model)
    return (model,) if signature is None else (model, signature)


def device_of(asked: str) -> str:
    """Choose without importing torch: an NVIDIA device node stands for a usable GPU."""
    if asked != "auto":
        return asked
    return "cuda" if Path("/dev/nvidiactl").exists() else "cpu"
