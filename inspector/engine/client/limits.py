"""Ask the engine what a scan would have seen in a class, and keep it in the case."""

from __future__ import annotations

from typing import Any

from inspector.case import Case
from inspector.engine.client.options import ScanOptions, as_looked
from inspector.engine.client.steps import RunJob
from inspector.errors import BadInput

_SIGNALS = ("labels", "assessed", "activations", "logits")


def planting(case: Case, label: int) -> ScanOptions:
    """Return the options of the scan whose activations groups are planted in.

    Raises
    ------
    BadInput
        No scan yet, or no such class.
    """
    if not case.has_array("activations"):
        raise BadInput(
            "There is nothing to plant groups in.", "The case holds no activations.", "Scan first."
        )
    if not 0 <= label < len(case.class_names):
        raise BadInput(
            f"There is no class {label}.", f"There are {len(case.class_names)}.", "Count from 0."
        )
    return as_looked(case)


def measure(
    case: Case,
    run: RunJob,
    options: ScanOptions,
    label: int,
    verified: int,
    runs: int,
    canary: str = "features",
) -> dict[str, Any]:
    """Run the job, keep its power map under "limits" and return it.

    Parameters
    ----------
    case : Case
    run : RunJob
    options : ScanOptions
        From `planting`: the seed, and what the scan's detectors were told.
    label : int
        Index of the class.
    verified : int
        Size of the audit that is assumed.
    runs : int
        Planted groups for each share and distance.
    canary : str
        What stands for poison: "features", "others" or "gradients".
    """
    known = case.arrays()
    result = run(
        "limits",
        arrays={name: known[name].path for name in _SIGNALS if name in known},
        class_names=list(case.class_names),
        label=label,
        verified=verified,
        runs=runs,
        canary=canary,
        seed=options.seed,
        parameters={name: dict(values) for name, values in options.parameters.items()},
    )
    said = {"verified": result["verified"], "smallest_group": result["smallest_group"]}
    if canary == "features":
        case.keep("limits", str(label), result, **said)
    else:
        case.keep("canaries", f"{label}/{canary}", result, canary=canary, **said)
    return result
