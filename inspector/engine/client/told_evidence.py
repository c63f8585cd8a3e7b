"""Whether the evidence that an engine says it read is the evidence that it was asked to read.

What the case records as evidence is what later engines may read and what exports copy. An engine
that hostile bytes took over must not be able to name other files for that.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inspector.engine.client.options import ScanOptions
from inspector.errors import InspectorError
from inspector.intake.datasets.beside import to_be_read


def check_told(items: Sequence[Mapping[str, Any]], options: ScanOptions) -> None:
    """Refuse evidence of another role or place than the analyst gave.

    Parameters
    ----------
    items : sequence of mapping
        What the engine says: ``role``, ``path``, and ``files`` that belong to a dataset.
    options : ScanOptions
        What it was asked for.

    Raises
    ------
    InspectorError
        It names something else; nothing was recorded.
    """
    asked: dict[str, Sequence[Path | None]] = {
        "model": [options.model],
        "data": [options.data],
        "reference": [options.reference],
        "checkpoint": options.checkpoints,
    }
    for item in items:
        role = str(item["role"])
        given = next((one for one in asked.get(role, ()) if str(one) == item["path"]), None)
        if given is None:
            raise _elsewhere(item["path"])
        if role in ("model", "checkpoint"):
            known = {Path(given).name}
        else:
            known = {path.name for path in to_be_read(given)}
        for file in item.get("files") or ():
            if os.path.basename(str(file)) not in known:
                raise _elsewhere(file)


def _elsewhere(place: object) -> InspectorError:
    return InspectorError(
        f"The engine says that it read {str(place)[:300]!r}, which it was not asked to read.",
        "Code in the evidence may have taken it over; nothing of what it said was recorded.",
        "Treat the evidence as hostile.",
    )
