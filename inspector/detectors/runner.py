"""Runs the detectors over the signals of a case and draws the findings together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Context, Control, Progress, Verdict
from inspector.detectors.calibration import FEWEST_VERIFIED, LEVEL, Calibration, calibrate
from inspector.detectors.derived import Signals, check_shapes, with_derived
from inspector.detectors.execution import timed_run
from inspector.detectors.records import new_record, number_or_none, outcome_of
from inspector.detectors.registry import Entry
from inspector.detectors.standing import FEWEST_CLASSES, class_standing, verdicts_of, worst
from inspector.statistics.ranking import lifted, tail_ranking
from inspector.statistics.rows import as_scores

STAGE = "detectors"

Images = Callable[[Sequence[int]], list[NDArray[np.uint8]]]


@dataclass
class Outcome:
    """What all detectors together concluded.

    Attributes
    ----------
    findings : dict of str to dict
        By detector id, ready to be recorded: id, title, version, origin, plugin_sha256, parameters,
        seed, classes, verdict, caveats, seconds, status ("done", "failed", "skipped"), reason,
        details (a traceback or ""), and "scores": (n,) float32, NaN where not assessed.
    artifacts : dict of str to dict
        Named arrays by detector id.
    combined : ndarray, shape (n,), float32
        Combined ranking, higher = more suspicious, NaN = not assessed.
    p_value : ndarray, shape (n,), float32
        Conformal p-values, NaN where nothing was verified.
    classes : list of dict
        index, name, count, statistic, p_value, verdict; one per class name.
    verdict : str
    calibrated : bool
        Whether any class had enough verified samples.
    caveats : list of str
    """

    findings: dict[str, dict[str, Any]]
    combined: NDArray[np.float32]
    p_value: NDArray[np.float32]
    classes: list[dict[str, Any]]
    verdict: Verdict
    calibrated: bool
    caveats: list[str]
    artifacts: dict[str, Mapping[str, NDArray[Any]]] = field(default_factory=dict)


def run_detectors(
    signals: Mapping[str, NDArray[Any] | Callable[[], NDArray[Any]]],
    labels: NDArray[Any],
    assessed: NDArray[np.bool_],
    class_names: Sequence[str],
    *,
    entries: Sequence[Entry],
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    seed: int = 0,
    verified: NDArray[np.bool_] | None = None,
    images: Images | None = None,
    control: Control | None = None,
) -> Outcome:
    """Run detectors one after another and combine what they found.

    A detector that raises becomes a finding with status "failed" and its cause; one whose needs are
    not there, "skipped". Neither stops the others.

    Parameters
    ----------
    signals : mapping of str to ndarray or callable
        Arrays with n rows, see `inspector.api.SIGNALS`; a callable is evaluated when asked for.
        Residuals, loss and predictions are derived from logits where missing.
    labels : ndarray, shape (n,), integer
        Class of each sample, negative = none.
    assessed : ndarray, shape (n,), bool
        Samples that signals exist for.
    class_names : sequence of str
    entries : sequence of Entry
        What to run, in this order; broken ones are skipped with their cause.
    parameters : mapping of str to mapping, optional
        Values by detector id.
    seed : int
        Seed of every detector's generator and of the permutation test.
    verified : ndarray, shape (n,), bool, optional
        Samples that a person verified, drawn at random; calibrates p-values.
    images : callable, optional
        ``images(rows)`` decodes rows of the full dataset.
    control : Control, optional

    Returns
    -------
    Outcome

    Raises
    ------
    BadInput
        Signals and labels do not fit together.
    Cancelled
        The analyst stopped the run.
    """
    control = control or Control()
    labels = np.asarray(labels).astype(np.int32)
    known = (labels >= 0) & (labels < len(class_names))
    rows = np.flatnonzero(np.asarray(assessed, np.bool_) & known)
    check_shapes(signals, labels, assessed, verified, rows)
    full = len(rows) == len(labels)
    chosen = _rows_of(signals, rows, full)
    here = labels if full else labels[rows]
    ready = with_derived(chosen, here)

    findings: dict[str, dict[str, Any]] = {}
    artifacts: dict[str, Mapping[str, NDArray[Any]]] = {}
    columns: dict[str, NDArray[np.float32]] = {}
    shared: dict[Hashable, Any] = {}
    for position, entry in enumerate(entries):
        control.check()
        own = dict((parameters or {}).get(entry.id, {}))
        record = new_record(entry, own, seed)
        findings[entry.id] = record
        scores = np.full(len(labels), np.nan, np.float32)
        record["scores"] = scores
        reason = _why_not(entry, ready, len(rows))
        if reason or entry.info is None or entry.factory is None:
            record.update(status="skipped", reason=reason)
            continue
        decode = _images_of(images, rows)
        ctx = Context(ready, class_names, seed, control.check, decode, shared)

        def report(step: Progress, title: str = entry.info.title, at: int = position) -> None:
            text = f"{title}: {step.text}" if step.text else title
            control.progress(STAGE, at * 1000 + step.done, len(entries) * 1000, text)

        finding, cause, details, seconds = timed_run(entry.factory, ctx, own, report)
        for message in ctx.messages:
            control.log(f"{entry.info.title}: {message}")
        record["seconds"] = seconds
        if finding is None:
            record.update(status="failed", reason=cause, details=details)
            continue
        scores[rows] = finding.scores
        record.update(status="done", **outcome_of(finding))
        artifacts[entry.id] = finding.artifacts
        if entry.info.in_ranking:
            columns[entry.id] = finding.scores
    control.progress(STAGE, len(entries) * 1000, len(entries) * 1000, "done")
    ranking = tail_ranking(columns, here, len(class_names))
    standing = class_standing(ranking.statistics)
    combined = as_scores(lifted(ranking.tails, here, standing))
    calibration = None
    if verified is not None and columns and verified[rows].any():
        calibration = calibrate(
            combined,
            np.stack(list(columns.values()), axis=1),
            here,
            verified[rows],
            class_names,
            seed=seed,
            check=control.check,
        )
    classes = _class_table(class_names, here, combined, ranking.statistics, standing, calibration)
    return Outcome(
        findings=findings,
        artifacts=artifacts,
        combined=_spread(combined, rows, len(labels)),
        p_value=_spread(
            calibration.sample_p if calibration else np.full(len(rows), np.nan, np.float32),
            rows,
            len(labels),
        ),
        classes=classes,
        verdict=worst([row["verdict"] for row in classes]),
        calibrated=calibration is not None and calibration.tested,
        caveats=_caveats(
            columns, findings, ranking.statistics, calibration, len(labels) - len(rows)
        ),
    )


def _rows_of(
    signals: Mapping[str, NDArray[Any] | Callable[[], NDArray[Any]]],
    rows: NDArray[np.intp],
    full: bool,
) -> Signals:
    """Return the signals of the assessed rows; nothing is copied while all are assessed."""
    if full:
        return dict(signals)

    def taken(value: NDArray[Any] | Callable[[], NDArray[Any]]) -> Callable[[], NDArray[Any]]:
        return lambda: np.asarray(value() if callable(value) else value)[rows]

    return {name: taken(value) for name, value in signals.items()}


def _images_of(images: Images | None, rows: NDArray[np.intp]) -> Images | None:
    if images is None:
        return None
    return lambda wanted: images(rows[np.asarray(wanted, np.intp)].tolist())


def _why_not(entry: Entry, ready: Signals, count: int) -> str:
    """Return why a detector cannot run, in one line, or nothing."""
    if entry.status != "ready" or entry.info is None:
        return entry.cause
    missing = [name for name in entry.info.needs if name not in ready]
    if missing:
        return f"It needs {', '.join(missing)}, which was not computed for this case."
    return "" if count else "No sample could be assessed."


def _class_table(
    class_names: Sequence[str],
    labels: NDArray[np.int32],
    combined: NDArray[np.float32],
    statistics: NDArray[np.float64],
    standing: NDArray[np.float64],
    calibration: Calibration | None,
) -> list[dict[str, Any]]:
    counts = np.bincount(labels[~np.isnan(combined)], minlength=len(class_names))
    verdicts = verdicts_of(standing, int(np.isfinite(statistics).sum()))
    table = []
    for index, (name, verdict) in enumerate(zip(class_names, verdicts)):
        p_value = None
        if calibration is not None:
            p_value = number_or_none(float(calibration.class_p[index]))
            if calibration.class_p_holm[index] <= LEVEL:
                verdict = "high"
        table.append(
            {
                "index": index,
                "name": name,
                "count": int(counts[index]),
                "statistic": number_or_none(float(statistics[index])),
                "p_value": p_value,
                "verdict": verdict,
            }
        )
    return table


def _caveats(
    columns: Mapping[str, Any],
    findings: Mapping[str, Mapping[str, Any]],
    statistics: NDArray[np.float64],
    calibration: Calibration | None,
    left_out: int,
) -> list[str]:
    caveats = list(calibration.caveats) if calibration is not None else []
    if calibration is None or not calibration.tested:
        caveats.insert(
            0,
            "The ranking is uncalibrated: it orders samples but carries no error rate, and "
            f'verdicts stop at "medium". Verify at least {FEWEST_VERIFIED} random samples of a '
            "class to get p-values.",
        )
    if not columns:
        caveats.append("No detector that enters the combined ranking has run; there is no ranking.")
    elif np.isfinite(statistics).sum() < FEWEST_CLASSES:
        caveats.append("Too few classes are assessed to compare them with each other.")
    if left_out:
        caveats.append(f"{left_out} samples are not assessed: unreadable, unlabelled or left out.")
    stopped = [record["title"] for record in findings.values() if record["status"] == "failed"]
    if stopped:
        caveats.append(f"Detectors that failed and say nothing: {', '.join(stopped)}.")
    return caveats


def _spread(values: NDArray[np.float32], rows: NDArray[np.intp], n: int) -> NDArray[np.float32]:
    everywhere = np.full(n, np.nan, np.float32)
    everywhere[rows] = values
    return everywhere
