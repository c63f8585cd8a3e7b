"""What the case keeps of every run, beside its results: by what, with what, on what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from inspector.case import Case
from inspector.case.canonical import canonical, digest

ENVIRONMENT = "environment"
RUN = "run"


def keep_environment(case: Case, environment: Mapping[str, Any]) -> str:
    """Keep what a run is computed with, once for all runs of this kind; return its key."""
    key = digest(canonical(environment))[:16]
    case.keep(ENVIRONMENT, key, dict(environment), packages=environment.get("packages", {}))
    return key


def keep_run(
    case: Case,
    job: str,
    environment: str,
    arrays: Sequence[str],
    **settings: Any,
) -> None:
    """Record a run in the journal.

    Parameters
    ----------
    case : Case
        Open for writing.
    job : str
        "signals", "pca", "trigger", "map" or "detect".
    environment : str
        From `keep_environment`.
    arrays : sequence of str
        Names of the arrays that it yielded; their SHA-256 are the digest of the result.
    **settings
        Device, seed, parameters: what it was asked to do.
    """
    known = case.arrays()
    results = {name: known[name].sha256 for name in arrays if name in known}
    said = {
        "environment": environment,
        "sandbox": case.get("sandbox") or [],
        "results": digest(canonical(results)),
        **settings,
    }
    case.keep(RUN, job, {**said, "arrays": results}, **said)
