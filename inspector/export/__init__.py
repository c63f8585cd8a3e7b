"""A cleaned copy of a dataset in the format of its source, proved by reading it back.

``plan_export`` says what would happen and refuses what must not; ``export_cleaned`` does it. The
copy is built under a hidden name beside its final place, read back with the readers of
`inspector.intake.datasets`, compared with the source sample by sample, and only then renamed. An
export that fails leaves nothing under the final name; one that was killed leaves a folder
``.NAME.partial-…``, which `leftovers` finds. Nothing here imports torch, and no image of
the evidence is ever decoded or encoded again: that could destroy a trigger, or make one. Reports
(`inspector.export.report`) show derived arrays, encoded anew.
"""

from inspector.export.cleaned import ExportResult, export_cleaned
from inspector.export.from_case import export_case, plan_for_case
from inspector.export.plan import ClassCount, ExportPlan, leftovers, plan_export

__all__ = [
    "ClassCount",
    "ExportPlan",
    "ExportResult",
    "export_case",
    "export_cleaned",
    "leftovers",
    "plan_export",
    "plan_for_case",
]
