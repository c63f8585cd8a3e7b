"""What a case knows of the earlier checkpoints of the training run, for documents and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inspector.case.folder import Case

CHECKPOINTS = "checkpoints"
"""The setting that lists them, oldest first."""

_PARTS = {"path", "sha256", "size", "mean_loss", "fitted", "contents", "key", "arrays", "seconds"}


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
    rows = case.get(CHECKPOINTS)
    # The case may be somebody else's: a row of another shape must not keep it from being shown.
    return [
        {**row, "path": places.get(str(row["sha256"]), str(row["path"]))}
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict) and row.keys() >= _PARTS
    ]
