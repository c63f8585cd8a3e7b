"""The jobs that the engine can run, by name; each module is imported when first asked for.

A job is ``run(session, control, **arguments) -> dict``: plain values in, plain values out, arrays
written under ``derived/`` and named in the result.
"""

from __future__ import annotations

import importlib
from typing import Any

from inspector.engine.runner import Job


def _lazy(module: str) -> Job:
    def job(*positional: Any, **arguments: Any) -> dict[str, Any]:
        found = importlib.import_module(f"inspector.engine.jobs.{module}")
        result: dict[str, Any] = found.run(*positional, **arguments)
        return result

    return job


JOBS: dict[str, Job] = {
    name: _lazy(name)
    for name in (
        "intake",
        "signature",
        "clean",
        "signals",
        "checkpoint",
        "detect",
        "pca",
        "umap",
        "trigger",
        "limits",
        "carriers",
        "stamp",
        "trace",
        "drill",
        "cleaning",
        "catalogue",
        "architectures",
        "demo",
        "digests",
        "environment",
        "export",
    )
}
