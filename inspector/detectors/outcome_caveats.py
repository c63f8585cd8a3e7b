"""What has to be said of a run of all detectors, beside what each of them says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import VERDICTS
from inspector.detectors.calibration import FEWEST_VERIFIED, Calibration
from inspector.detectors.standing import FEWEST_CLASSES
from inspector.parameters import settings_said


def outcome_caveats(
    columns: Mapping[str, Any],
    findings: Mapping[str, Mapping[str, Any]],
    statistics: NDArray[np.float64],
    calibration: Calibration | None,
    classes: Sequence[Mapping[str, Any]],
    left_out: int,
) -> list[str]:
    """Return what must be said of all detectors together.

    Parameters
    ----------
    columns : mapping
        Scores of the detectors that made the combined ranking, by id.
    findings : mapping
        Records of all detectors, by id.
    statistics : ndarray, shape (C,), float64
    calibration : Calibration or None
    classes : sequence of mapping
        See `runner.Outcome`.
    left_out : int
        Samples that are not assessed.
    """
    caveats = list(calibration.caveats) if calibration is not None else []
    open_rows = [row for row in classes if row["p_value"] is None and row["statistic"] is not None]
    first = max(open_rows, key=lambda row: row["statistic"], default=None)
    advice = f" An audit of class {first['name']} would decide most." if first else ""
    if calibration is None or not calibration.tested:
        caveats.insert(
            0,
            "The ranking is uncalibrated: it orders samples but carries no error rate, and "
            f'verdicts stop at "medium". Verify at least {FEWEST_VERIFIED} random samples of a '
            f"class to get p-values.{advice}",
        )
    elif first and VERDICTS.index(first["verdict"]) >= VERDICTS.index("low"):
        caveats.insert(0, f"Class {first['name']} stands out and was not audited.{advice}")
    if not columns:
        caveats.append("No detector that enters the combined ranking has run; there is no ranking.")
    elif np.isfinite(statistics).sum() < FEWEST_CLASSES:
        caveats.append("Too few classes are assessed to compare them with each other.")
    if left_out:
        caveats.append(f"{left_out} samples are not assessed: unreadable, unlabelled or left out.")
    stopped = [record["title"] for record in findings.values() if record["status"] == "failed"]
    if stopped:
        caveats.append(f"Detectors that failed and say nothing: {', '.join(stopped)}.")
    return caveats + _changed(columns, findings, calibration)


def _changed(
    columns: Mapping[str, Any],
    findings: Mapping[str, Mapping[str, Any]],
    calibration: Calibration | None,
) -> list[str]:
    """Say what other values than the defaults mean for the ranking and for p-values."""
    told = [
        f"{record['title']} {settings_said(record)}"
        for name, record in findings.items()
        if name in columns and record["in_place_of"]
    ]
    if not told:
        return []
    caveats = [
        f"The combined ranking rests on {'; '.join(told)}. How well it finds poison, and from where on "
        "a class stands out, was measured with the defaults only."
    ]
    if calibration is not None and calibration.tested:
        caveats.append(
            "p-values hold for values that were chosen before the results were seen: those of "
            "values that were tried until a class became significant are too small."
        )
    return caveats
