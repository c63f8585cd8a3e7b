"""Proves that a detector keeps the contract of `inspector.api`, case by nasty case."""

from __future__ import annotations

import inspect
import math
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Detector, Finding, Progress
from inspector.detectors.execution import cause_of, checked_finding, parameter_values
from inspector.detectors.loading import checked_info, factory_of
from inspector.errors import Cancelled
from inspector.testing.contexts import context_of, planted_signals

CANCEL_SECONDS = 0.5
"""How long a detector may go on after a cancel."""

_TRIES = 3

_OTHERS_SECONDS = 5.0
"""How long a detector may wait for a processor that other programs use, or for anything else."""

_CLASSES = 4

Signals = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class CheckResult:
    """One check: its name, whether it passed, and the cause in one line when it did not."""

    name: str
    passed: bool
    cause: str = ""


def check_detector(detector: type[Any] | Detector) -> list[CheckResult]:
    """Run every check and fail with all broken ones at once; for use in a test.

    Parameters
    ----------
    detector : class or instance
        What a plugin lists under ``DETECTORS``.

    Returns
    -------
    list of CheckResult

    Raises
    ------
    AssertionError
        One line for each check that failed.
    """
    results = contract_results(detector)
    broken = [f"{result.name}: {result.cause}" for result in results if not result.passed]
    if broken:
        raise AssertionError("The detector breaks its contract:\n  " + "\n  ".join(broken))
    return results


def contract_results(detector: Any, file: Path | None = None) -> list[CheckResult]:
    """Run every check on a detector class or instance and return what came out.

    Parameters
    ----------
    detector : class or instance
    file : Path, optional
        Where it was loaded from, when Python cannot tell by itself.

    Returns
    -------
    list of CheckResult
        Only the first when the metadata is unusable.
    """
    first = _outcome("metadata is valid", lambda: _valid(detector))
    if not first.passed:
        return [first]
    make = factory_of(detector)
    checks: list[tuple[str, Callable[[], None]]] = [
        ("an ordinary case gives one finite or NaN score per sample", lambda: _ordinary(make)),
        ("progress never falls", lambda: _progress(make)),
        ("signals are left untouched", lambda: _untouched(make)),
        ("the same seed gives the same bytes", lambda: _repeatable(make)),
        (f"a cancel ends it within {CANCEL_SECONDS} s", lambda: _cancelled(make)),
        ("it imports no Qt", lambda: _no_qt(file or _file_of(detector))),
    ]
    results = [_outcome(name, check) for name, check in checks]
    hard = [
        _outcome(f"it copes with {name}", partial(_finish, make, signals))
        for name, signals in _hard_cases().items()
    ]
    return [first, *results, *hard]


def _require(holds: bool, otherwise: str) -> None:
    """Raise an assertion that `python -O` does not take out."""
    if not holds:
        raise AssertionError(otherwise)


def _outcome(name: str, check: Callable[[], object]) -> CheckResult:
    try:
        check()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # An assertion of ours is a sentence already; what a detector raises needs its type told.
        plain = isinstance(error, AssertionError) and error.args
        return CheckResult(name, False, str(error) if plain else cause_of(error))
    return CheckResult(name, True)


def _valid(detector: Any) -> None:
    info = checked_info(detector)
    for parameter in info.parameters:
        _require(
            bool(str(parameter.help).strip()), f"parameter {parameter.name!r} has no help text"
        )


def _hard_cases() -> dict[str, Signals]:
    base, _ = planted_signals(120, _CLASSES)
    alone, _ = planted_signals(1, 1, rate=0)
    pair, _ = planted_signals(2, 2, rate=0)
    wide, _ = planted_signals(30, 3, width=200)
    same = {name: np.repeat(values[:1], 60, axis=0) for name, values in base.items()}
    same["labels"] = (np.arange(60) % _CLASSES).astype(np.int32)
    missing = {name: values.copy() for name, values in base.items()}
    huge = {name: values.copy() for name, values in base.items()}
    for name in ("activations", "logits", "residuals", "loss", "gradients"):
        missing[name][::7] = np.nan
        missing[name][3] = np.inf
        huge[name] = huge[name] * np.float32(1e30)
    gone = {**missing, "activations": np.full_like(base["activations"], np.nan)}
    rare = {**base, "labels": base["labels"].copy()}
    rare["labels"][rare["labels"] == 1] = 2
    rare["labels"][:2] = 1
    return {
        "a single sample": alone,
        "two classes of one sample": pair,
        "one class only": {**base, "labels": np.zeros(120, np.int32)},
        "a class of two samples": rare,
        "samples that are all the same": same,
        "activations that are NaN or infinite": missing,
        "activations that are all NaN": gone,
        "values near the end of float32": huge,
        "more columns than samples": wide,
    }


def _finish(make: Callable[[], Detector], signals: Signals, seed: int = 0) -> Finding:
    """Run to the end and return the finding, held to the contract."""
    ctx = context_of(signals, _CLASSES, seed)
    run: Any = _start(make, ctx)
    try:
        while True:
            next(run)
    except StopIteration as end:
        return checked_finding(end.value, ctx.n, _CLASSES)


def _start(make: Callable[[], Detector], ctx: Any) -> Any:
    detector = make()
    run = detector.run(ctx, **parameter_values(detector.info, {}))
    _require(inspect.isgenerator(run), "`run` has no `yield`; it must be a generator")
    return run


def _ordinary(make: Callable[[], Detector]) -> None:
    signals, _ = planted_signals(n=200, classes=_CLASSES)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        finding = _finish(make, signals)
    _require(not np.isnan(finding.scores).all(), "not one sample of an ordinary case got a score")
    _require(not heard, f"it warns: {heard[0].message}" if heard else "")


def _progress(make: Callable[[], Detector]) -> None:
    signals, _ = planted_signals(n=200, classes=_CLASSES)
    steps = []
    for step in _start(make, context_of(signals, _CLASSES)):
        _require(
            isinstance(step, Progress), f"it yielded {type(step).__name__} instead of Progress"
        )
        steps.append(step)
    _require(bool(steps), "it never yields Progress, so it cannot be paused or cancelled")
    for before, after in pairwise(steps):
        _require(after.done >= before.done, f"progress fell from {before.done} to {after.done}")
    for step in steps:
        _require(step.done >= 0, f"progress is negative: {step.done}")
        _require(not step.total or step.done <= step.total, f"{step.done} of {step.total} is done")


def _untouched(make: Callable[[], Detector]) -> None:
    signals, _ = planted_signals(n=200, classes=_CLASSES)
    before = {name: values.tobytes() for name, values in signals.items()}
    _finish(make, signals)
    changed = [name for name, values in signals.items() if values.tobytes() != before[name]]
    _require(not changed, f"it changed {', '.join(changed)}")


def _repeatable(make: Callable[[], Detector]) -> None:
    signals, _ = planted_signals(n=200, classes=_CLASSES)
    once, twice = (_finish(make, signals, seed=5).scores.tobytes() for _ in range(2))
    _require(once == twice, "two runs with the same seed differ; draw from ctx.rng")


def _cancelled(make: Callable[[], Detector]) -> None:
    signals, _ = planted_signals(n=4000, classes=_CLASSES)
    # Other programs take processor time too: a detector is slow when it is so every time.
    longest = math.inf
    for _ in range(_TRIES):
        longest = min(longest, _longest_silence(make, signals))
        if longest <= CANCEL_SECONDS:
            break
    _require(
        longest <= CANCEL_SECONDS,
        f"it computed for {longest:.1f} s without a yield or ctx.check_cancelled()",
    )
    _stops(make, signals)


def _longest_silence(make: Callable[[], Detector], signals: Signals) -> float:
    """Return the most seconds between two points where a run can be cancelled.

    Seconds of processors, as far as other programs may be what it waited for.
    """
    asked, worked, longest = time.perf_counter(), time.process_time(), 0.0

    def note() -> None:
        nonlocal asked, worked, longest
        now, done = time.perf_counter(), time.process_time()
        waited = now - asked
        longest = max(longest, min(waited, max(done - worked, waited - _OTHERS_SECONDS)))
        asked, worked = now, done

    for _ in _start(make, context_of(signals, _CLASSES, cancelled=note)):
        note()
    note()
    return longest


def _stops(make: Callable[[], Detector], signals: Signals) -> None:
    def stop() -> None:
        raise Cancelled()

    try:
        for _ in _start(make, context_of(signals, _CLASSES, cancelled=stop)):
            return  # the runner would have stopped it at this yield
    except Cancelled:
        return
    raise AssertionError("it swallowed the cancel and ran to its end")


def _file_of(detector: Any) -> Path | None:
    try:
        found = inspect.getsourcefile(detector if isinstance(detector, type) else type(detector))
    except (TypeError, OSError):
        return None
    return Path(found) if found else None


_LOAD = """
import sys
from pathlib import Path
from inspector.detectors.registry import load_file
load_file(Path(sys.argv[1]))
loaded = {name.split(".")[0] for name in sys.modules}
print(*sorted(loaded & {"PySide6", "PyQt6", "PyQt5", "PySide2"}))
"""


def _no_qt(file: Path | None) -> None:
    """Load the file in a fresh interpreter: this one may have Qt for other reasons."""
    if file is None or not file.exists():
        return  # typed into a test or a shell: there is no file to load
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, str(file)], capture_output=True, text=True, timeout=120
    )
    _require(
        done.returncode == 0,
        f"loading it in a fresh Python failed: {done.stderr.strip()[-300:]}",
    )
    found = " and ".join(done.stdout.split())
    _require(not found, f"it imports {found}; detectors run where there is no screen")
