"""What a case knows of the earlier checkpoints of the training run, for documents and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inspector.case.folder import Case

CHECKPOINTS = "checkpoints"
"""The setting that lists them, oldest first."""


def checkpoint_rows(case: Case) -> list[dict[str, Any]]:
    """Return the checkpoints of the last scan, oldest first.

    Returns
    -------
    list of dict
        ``path`` where it lies now, ``sha256``, ``size`` in bytes, ``mean_loss`` in nats, ``fitted``
        (share of labels with more than half of the probability), ``contents`` of the file, and what
        the scan needs: ``key``, ``arrays``, ``seconds``.
    """
    places = {item.sha256: item.path for item in case.evidence() if item.role == "checkpoint"}
    rows = case.get(CHECKPOINTS) or []
    return [{**row, "path": places.get(row["sha256"], row["path"])} for row in rows]
