"""A cleaned copy of a dataset in the format of its source, proved by reading it back.

Two sides. `inspector.export.dataset` reads the evidence: ``plan_export`` says what would be written
and refuses what must not, ``fill`` writes it into a hidden folder and compares it with the source,
sample by sample. It runs in an engine that may write nowhere else. The rest belongs to the app:
`cleaned.write_set` makes that folder beside its final place, has it filled, looks through what lies
there (`sealing`), and gives it its name. An export that fails leaves nothing under that name; one
that was killed leaves a folder ``.NAME.partial-…``, which `leftovers` finds. `collateral_preview`
says before all that what else an export would take along. No image of the evidence is ever decoded
or encoded again: that could destroy a trigger, or make one. Reports (`inspector.export.report`) show
derived arrays, encoded anew. Nothing here imports torch.
"""

from inspector.export.cleaned import ExportResult, ExportTask, write_set
from inspector.export.collateral import ERROR_RATE, collateral_preview
from inspector.export.filled import ClassCount, Filled
from inspector.export.target import leftovers, remove_leftovers

__all__ = [
    "ERROR_RATE",
    "ClassCount",
    "ExportResult",
    "ExportTask",
    "Filled",
    "collateral_preview",
    "leftovers",
    "remove_leftovers",
    "write_set",
]
