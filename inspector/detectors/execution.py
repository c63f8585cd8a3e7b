"""Runs one detector and holds it to the contract; whatever goes wrong gets a cause."""

from __future__ import annotations

import inspect
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import (
    LARGEST_MAP,
    VERDICTS,
    Context,
    Detector,
    DetectorInfo,
    Finding,
    Pictures,
    Progress,
)
from inspector.errors import Cancelled
from inspector.parameters import checked_value

MOST_MAPS = 4096
"""Maps of one finding: 16 MiB at their largest."""

Report = Callable[[Progress], None]


class ContractBroken(Exception):
    """A detector returned something that `inspector.api` does not allow."""


def run_detector(
    detector: Detector,
    ctx: Context,
    parameters: Mapping[str, Any] | None = None,
    report: Report = lambda progress: None,
) -> Finding:
    """Drive a detector to its end and return a finding that keeps the contract.

    Parameters
    ----------
    detector : Detector
    ctx : Context
        Its `check_cancelled` is called after every step.
    parameters : mapping, optional
        Values for some of the detector's parameters; the others take their defaults.
    report : callable
        Receives every `Progress`, made monotonic.

    Returns
    -------
    Finding
        Scores are (n,) float32; the verdict is at most "medium".

    Raises
    ------
    ContractBroken
        The detector returned something else than a valid finding.
    Cancelled
        The analyst stopped it; the detector is closed.
    Exception
        Whatever the detector raised.
    """
    run: Any = detector.run(ctx, **parameter_values(detector.info, parameters or {}))
    if not inspect.isgenerator(run):
        raise ContractBroken("`run` has no `yield`; it must be a generator that yields Progress")
    return checked_finding(_drive(run, ctx, report), ctx.n, len(ctx.class_names))


def _drive(run: Any, ctx: Context, report: Report) -> Any:
    reached = 0.0
    try:
        while True:
            step = next(run)
            ctx.check_cancelled()
            if not isinstance(step, Progress):
                raise ContractBroken(f"`run` yielded {type(step).__name__} instead of Progress")
            share = step.done / step.total if step.total else 0.0
            reached = max(reached, min(share, 1.0))
            report(Progress(round(reached * 1000), 1000, str(step.text)))
    except StopIteration as end:
        return end.value
    finally:
        run.close()


def parameter_values(info: DetectorInfo, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value for every parameter of a detector, checked against its type and limits.

    Raises
    ------
    ContractBroken
        A name that the detector does not have, or a value out of its limits.
    """
    known = {parameter.name: parameter for parameter in info.parameters}
    strange = sorted(set(given) - set(known))
    if strange:
        names = ", ".join(known) or "none"
        raise ContractBroken(f"{info.id} has no parameter {strange[0]!r}; it has: {names}")
    try:
        return {
            name: checked_value(parameter, given.get(name, parameter.default))
            for name, parameter in known.items()
        }
    except ValueError as error:
        raise ContractBroken(str(error)) from None


def checked_finding(finding: Any, n: int, classes: int) -> Finding:
    """Return the finding with scores as float32, or raise `ContractBroken` with what is wrong."""
    if not isinstance(finding, Finding):
        raise ContractBroken(f"`run` returned {type(finding).__name__} instead of a Finding")
    finding.scores = checked_scores(finding.scores, n)
    if finding.verdict not in VERDICTS:
        raise ContractBroken(f"verdict {finding.verdict!r} is none of {', '.join(VERDICTS)}")
    for result in finding.classes:
        if not 0 <= result.index < classes:
            raise ContractBroken(f"class {result.index!r} does not exist; there are {classes}")
        if result.verdict not in VERDICTS:
            raise ContractBroken(f"verdict {result.verdict!r} is none of {', '.join(VERDICTS)}")
        if result.p_value is not None and not 0 <= result.p_value <= 1:
            raise ContractBroken(f"p-value {result.p_value!r} is not between 0 and 1")
    if finding.pictures is not None:
        finding.pictures = checked_pictures(finding.pictures, n)
    if isinstance(finding.caveats, str) or not [text for text in finding.caveats if str(text)]:
        raise ContractBroken("caveats must be a sequence of sentences, at least one")
    return finding


def checked_scores(scores: Any, n: int) -> NDArray[np.float32]:
    """Return scores as an own (n,) float32 array; infinity and other shapes are refused."""
    found = np.asarray(scores)
    if found.shape != (n,):
        raise ContractBroken(f"scores have shape {found.shape} instead of ({n},)")
    if found.dtype.kind not in "fiub":
        raise ContractBroken(f"scores have type {found.dtype} instead of float32")
    with np.errstate(over="ignore"):
        found = found.astype(np.float32)
    if np.isinf(found).any():
        raise ContractBroken("scores hold infinity; use NaN for samples that are not assessed")
    return found


def checked_pictures(pictures: Any, n: int) -> Pictures:
    """Return pictures as own arrays in the order of their rows, or raise what is wrong with them.

    At most `MOST_MAPS` of them: the case keeps each.
    """
    if not isinstance(pictures, Pictures):
        raise ContractBroken(f"pictures are {type(pictures).__name__} instead of Pictures")
    rows, maps = np.asarray(pictures.rows), np.asarray(pictures.maps)
    if rows.ndim != 1 or rows.dtype.kind not in "iu" or len(set(rows.tolist())) != len(rows):
        raise ContractBroken("rows of pictures must be whole numbers, each once")
    if len(rows) and not 0 <= rows.min() <= rows.max() < n:
        raise ContractBroken(f"rows of pictures must lie in 0 … {n - 1}")
    if maps.dtype != np.uint8 or maps.ndim != 3 or len(maps) != len(rows):
        raise ContractBroken(
            f"maps are {maps.dtype} {maps.shape} instead of uint8 ({len(rows)}, h, w)"
        )
    if not 0 < min(maps.shape[1:]) <= max(maps.shape[1:]) <= LARGEST_MAP or len(rows) > MOST_MAPS:
        raise ContractBroken(
            f"{len(rows):,} maps of {maps.shape[1]} × {maps.shape[2]} pixels are too many or too "
            f"large: at most {MOST_MAPS:,} of {LARGEST_MAP} × {LARGEST_MAP}"
        )
    if not isinstance(pictures.title, str) or not pictures.title.strip():
        raise ContractBroken("pictures need a title that says what they show")
    order = np.argsort(rows)
    return Pictures(rows[order].astype(np.int32), maps[order].copy(), pictures.title.strip()[:80])


def cause_of(error: BaseException) -> str:
    """Return one line that tells a person why something third-party failed."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # an exception class may break its own __str__
        text = ""
    if isinstance(error, ContractBroken):
        return text
    if isinstance(error, SystemExit):
        return "It called sys.exit() instead of returning."
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"It needs the Python package {error.name!r}, which is not installed."
    if isinstance(error, SyntaxError) and error.lineno:
        return f"Line {error.lineno} is not valid Python: {error.msg}."
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__


def traceback_of(error: BaseException) -> str:
    """Return the traceback for the details view; never raises."""
    try:
        return "".join(traceback.format_exception(error))
    except Exception:
        return type(error).__name__


def timed_run(
    factory: Callable[[], Detector],
    ctx: Context,
    parameters: Mapping[str, Any],
    report: Report,
) -> tuple[Finding | None, str, str, float]:
    """Run a detector and catch everything but a cancel.

    Returns
    -------
    finding : Finding or None
    cause : str
        Why there is none, in one line.
    details : str
        Traceback.
    seconds : float
    """
    started = time.perf_counter()
    finding, cause, details = None, "", ""
    try:
        finding = run_detector(factory(), ctx, parameters, report)
    except (Cancelled, KeyboardInterrupt):
        raise
    # SystemExit included: a plugin must not be able to end the engine.
    except BaseException as error:
        cause, details = cause_of(error), traceback_of(error)
    return finding, cause, details, time.perf_counter() - started
