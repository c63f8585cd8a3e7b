"""A cleaned copy of a dataset in the format of its source, proved by reading it back.

``plan_export`` says what would happen and refuses what must not; ``export_cleaned`` does it. The
copy is built under a hidden name beside its final place, read back with the readers of
`inspector.intake.datasets`, compared with the source sample by sample, and only then renamed. An
export that fails leaves nothing under the final name; one that was killed leaves a folder
``.NAME.partial-…``, which `leftovers` finds. `collateral_preview` says before all that what else
an export would take along; ``plan_quarantine`` puts what was left out into a folder of its own, and
`export_lists` writes lists without data. Nothing here imports torch, and no image of
the evidence is ever decoded or encoded again: that could destroy a trigger, or make one. Reports
(`inspector.export.report`) show derived arrays, encoded anew.
"""

from inspector.export.cleaned import ExportResult, export_cleaned
from inspector.export.collateral import ERROR_RATE, collateral_preview
from inspector.export.from_case import export_case, export_lists_of_case, plan_for_case
from inspector.export.lists import export_lists
from inspector.export.plan import (
    ClassCount,
    ExportPlan,
    leftovers,
    plan_export,
    plan_quarantine,
    remove_leftovers,
)

__all__ = [
    "ERROR_RATE",
    "ClassCount",
    "ExportPlan",
    "ExportResult",
    "collateral_preview",
    "export_case",
    "export_cleaned",
    "export_lists",
    "export_lists_of_case",
    "leftovers",
    "plan_export",
    "plan_for_case",
    "plan_quarantine",
    "remove_leftovers",
]
