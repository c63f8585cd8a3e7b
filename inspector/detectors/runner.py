"""Runs the detectors over the signals of a case and draws the findings together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import (
    Context,
    Control,
    Forward,
    Network,
    Pictures,
    Progress,
    Verdict,
)
from inspector.detectors.calibration import calibrate
from inspector.detectors.class_table import add_calibration, class_table, contaminated
from inspector.detectors.combining import distances, ranked
from inspector.detectors.derived import Signals, check_shapes, with_derived
from inspector.detectors.execution import timed_run
from inspector.detectors.outcome_caveats import outcome_caveats
from inspector.detectors.records import new_record, outcome_of, settings_caveats
from inspector.detectors.registry import Entry
from inspector.detectors.standing import class_standing, worst
from inspector.errors import BadInput
from inspector.parameters import cost

STAGE = "detectors"

_TESTED_TOO = ("low-loss",)
"""Columns beside those of the ranking that verified samples are compared in, by both tails.

Poison is often the best-fitted part of its class and wrong labels the worst; by itself neither tail
says enough for the ranking.
"""

COMBINED = "combined"

Images = Callable[[Sequence[int]], list[NDArray[np.uint8]]]


@dataclass
class Outcome:
    """What all detectors together concluded.

    Attributes
    ----------
    findings : dict of str to dict
        By detector id, ready to be recorded: id, title, version, origin, plugin_sha256, parameters,
        in_place_of (defaults of what has another value), seed, classes, verdict, caveats, seconds,
        status ("done", "failed", "skipped"), reason, details (a traceback or ""), and "scores":
        (n,) float32, NaN where not assessed.
    artifacts : dict of str to dict
        Named arrays by detector id.
    combined : ndarray, shape (n,), float32
        Combined ranking, higher = more suspicious, NaN = not assessed.
    p_value : ndarray, shape (n,), float32
        Conformal p-values, NaN where nothing was verified.
    q_value, false_bound : ndarray, shape (n,), float32
        See `Calibration`; NaN where nothing was verified.
    classes : list of dict
        index, name, count, statistic, p_value, p_value_holm, verified, selected, weights, verdict;
        one per class name. ``selected`` counts samples with a q-value up to 0.1; ``weights`` are
        those of the learned combination by detector: of the upper and of the lower tail.
    verdict : str
    calibrated : bool
        Whether any class had enough verified samples.
    caveats : list of str
    columns : list of str
        Ids of the detectors that made the combined ranking.
    pictures : dict of str to Pictures
        By detector id, with rows of the whole dataset.
    """

    findings: dict[str, dict[str, Any]]
    combined: NDArray[np.float32]
    p_value: NDArray[np.float32]
    q_value: NDArray[np.float32]
    false_bound: NDArray[np.float32]
    classes: list[dict[str, Any]]
    verdict: Verdict
    calibrated: bool
    caveats: list[str]
    artifacts: dict[str, Mapping[str, NDArray[Any]]] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    pictures: dict[str, Pictures] = field(default_factory=dict)

    def refuse_failed(self, told: Collection[str]) -> None:
        """Refuse what one of these detectors failed in: it would seem to have looked in vain.

        Raises
        ------
        BadInput
            Names it and the cause.
        """
        for name in told:
            found = self.findings.get(name, {})
            if found.get("status") == "failed":
                raise BadInput(
                    f"{name} fails with the values that it was given: {found['reason']}",
                    "Nothing can be said of what it would have seen.",
                    "Scan with other values for it, or without any.",
                )


def run_detectors(
    signals: Mapping[str, NDArray[Any] | Callable[[], NDArray[Any]]],
    labels: NDArray[Any],
    assessed: NDArray[np.bool_],
    class_names: Sequence[str],
    *,
    entries: Sequence[Entry],
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    kept: Mapping[str, NDArray[np.float32]] | None = None,
    seed: int = 0,
    verified: NDArray[Any] | None = None,
    images: Images | None = None,
    forward: Forward | None = None,
    network: Callable[[], Network] | None = None,
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
        What to run, in this order, those last that need the combined ranking; broken ones are
        skipped with their cause.
    parameters : mapping of str to mapping, optional
        Values by detector id.
    kept : mapping of str to ndarray, optional
        Scores, (n,) float32, of detectors that ran before on the same with the same values, by id:
        they are taken as they are, and their records say nothing but that they are done.
    seed : int
        Seed of every detector's generator and of the permutation test.
    verified : ndarray, shape (n,), bool or int8, optional
        Samples that a person verified, drawn at random; calibrates p-values. See `calibrate`.
    images : callable, optional
        ``images(rows)`` decodes rows of the full dataset.
    forward : callable, optional
        Runs pictures through the model, for detectors that declare extra passes.
    network : callable, optional
        Opens the model for those of them that look inside it.
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
    shown: dict[str, Pictures] = {}
    columns: dict[str, NDArray[np.float32]] = {}
    shared: dict[Hashable, Any] = {}
    tested: dict[str, NDArray[np.float32]] = {}
    for position, entry in enumerate(sorted(entries, key=_after_the_ranking)):
        control.check()
        if _after_the_ranking(entry) and columns and COMBINED not in ready:
            ready[COMBINED] = ranked(columns, here, len(class_names))[0]
        own = dict((parameters or {}).get(entry.id, {}))
        record = new_record(entry, own, seed)
        findings[entry.id] = record
        scores = np.full(len(labels), np.nan, np.float32)
        record["scores"] = scores
        if kept is not None and entry.id in kept and entry.info is not None:
            scores[rows] = kept[entry.id][rows]
            _take(entry, scores[rows], columns, tested)
            continue
        reason = _why_not(entry, ready, len(rows))
        if not reason and entry.info and entry.info.passes and not (forward and images):
            reason = "It runs pictures through the model, and model or data are not at hand."
        if reason or entry.info is None or entry.factory is None:
            record.update(status="skipped", reason=reason)
            continue
        pictures = _images_of(images, rows)
        ctx = Context(ready, class_names, seed, control.check, pictures, shared, forward, network)
        if entry.info.passes:
            control.log(f"{entry.info.title}: {cost(entry.info, own, len(rows))}.")

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
        record["caveats"] += settings_caveats(record)
        artifacts[entry.id] = finding.artifacts
        if finding.pictures is not None:
            record["pictures"] = finding.pictures.title
            whole = rows[finding.pictures.rows].astype(np.int32)
            shown[entry.id] = replace(finding.pictures, rows=whole)
        _take(entry, finding.scores, columns, tested)
    control.progress(STAGE, len(entries) * 1000, len(entries) * 1000, "done")
    combined, statistics, standing = ranked(columns, here, len(class_names))
    calibration = None
    if verified is not None and columns and verified[rows].any():
        calibration = calibrate(
            combined,
            np.stack(list(tested.values()), axis=1),
            here,
            verified[rows],
            class_names,
            seed=seed,
            check=control.check,
        )
    alone = class_standing(distances(columns, here, len(class_names)))
    classes = class_table(class_names, here, combined, statistics, standing, alone)
    doubts: list[str] = []
    if calibration is not None and verified is not None:
        doubts = contaminated(classes, calibration, here, verified[rows], combined)
        add_calibration(classes, calibration, here, verified[rows], list(tested))
    nothing = np.full(len(rows), np.nan, np.float32)
    return Outcome(
        findings=findings,
        artifacts=artifacts,
        columns=list(columns),
        pictures=shown,
        combined=_spread(combined, rows, len(labels)),
        p_value=_spread(calibration.sample_p if calibration else nothing, rows, len(labels)),
        q_value=_spread(calibration.q_value if calibration else nothing, rows, len(labels)),
        false_bound=_spread(calibration.false_bound if calibration else nothing, rows, len(labels)),
        classes=classes,
        verdict=worst([row["verdict"] for row in classes]),
        calibrated=calibration is not None and calibration.tested,
        caveats=[
            *doubts,
            *outcome_caveats(
                columns, findings, statistics, calibration, classes, len(labels) - len(rows)
            ),
        ],
    )


def _after_the_ranking(entry: Entry) -> bool:
    return entry.info is not None and COMBINED in entry.info.needs


def _take(
    entry: Entry,
    scores: NDArray[np.float32],
    columns: dict[str, NDArray[np.float32]],
    tested: dict[str, NDArray[np.float32]],
) -> None:
    """Enter the scores of a detector into the ranking, and into what verified samples test."""
    ranking = entry.info is not None and entry.info.in_ranking
    if ranking:
        columns[entry.id] = scores
    if ranking or entry.id in _TESTED_TOO:
        tested[entry.id] = scores


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
    if COMBINED in missing:
        return (
            "It looks at the top of the combined ranking, and no detector that makes one has run; "
            f"add it to the default set: --detectors +{entry.id}."
        )
    if missing:
        return f"It needs {', '.join(missing)}, which was not computed for this case."
    return "" if count else "No sample could be assessed."


def _spread(values: NDArray[np.float32], rows: NDArray[np.intp], n: int) -> NDArray[np.float32]:
    everywhere = np.full(n, np.nan, np.float32)
    everywhere[rows] = values
    return everywhere
