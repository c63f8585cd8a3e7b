"""Maps that detectors kept with single samples: where in its picture a score comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.case.folder import Case
from inspector.errors import CaseError

_LARGEST = 64
"""Pixels on a side at most, as `inspector.api.LARGEST_MAP`."""


@dataclass(frozen=True, eq=False)
class SampleMaps:
    """The maps of one detector.

    Attributes
    ----------
    detector, title, shows : str
        Id and title of the detector, and what its maps show. Text of a plugin: not to be trusted.
    rows : ndarray, shape (m,), int32
        Samples, ascending.
    maps : ndarray, shape (m, h, w), uint8
        0 = nothing, 255 = most.
    """

    detector: str
    title: str
    shows: str
    rows: NDArray[np.int32]
    maps: NDArray[np.uint8]

    def of(self, row: int) -> NDArray[np.uint8] | None:
        """Return the map of a sample, (h, w), or None where it has none."""
        at = int(np.searchsorted(self.rows, row))
        return self.maps[at] if at < len(self.rows) and self.rows[at] == row else None


def sample_maps(case: Case) -> list[SampleMaps]:
    """Return what is kept, in the order in which the findings were recorded.

    The case may be somebody else's: maps that do not fit together are left out.
    """
    found = []
    for detector, finding in case.findings().items():
        shows = finding.get("pictures")
        if finding.get("status") != "done" or not isinstance(shows, str):
            continue
        try:
            rows = case.array(f"sample_map_rows:{detector}")
            maps = case.array(f"sample_maps:{detector}")
        except CaseError:
            continue
        if _fit(rows, maps, case.n):
            title = str(finding.get("title") or detector)
            found.append(SampleMaps(detector, title, shows, rows, maps))
    return found


def _fit(rows: NDArray[Any], maps: NDArray[Any], n: int) -> bool:
    return (
        len(rows) == len(maps) > 0
        and 0 < min(maps.shape[1:]) <= max(maps.shape[1:]) <= _LARGEST
        and bool((np.diff(rows) > 0).all())
        and 0 <= rows[0] <= rows[-1] < n
    )
