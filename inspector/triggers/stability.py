"""Does the same trigger come out again from other seeds?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from inspector.triggers.region import core, overlap
from inspector.triggers.result import TriggerResult


def stability(results: Sequence[TriggerResult]) -> dict[str, Any]:
    """Compare reconstructions of one class from several seeds.

    Returns
    -------
    dict
        ``seeds``, ``overlap`` (of their regions: mean intersection over union of all pairs) and
        ``l1_ratio`` (largest mask by smallest); None where there is nothing to compare.
    """
    found = [result for result in results if result.status == "done" and result.mask.any()]
    pairs = [
        overlap(core(one.mask), core(other.mask))
        for at, one in enumerate(found)
        for other in found[at + 1 :]
    ]
    sizes = [result.mask_l1 for result in found]
    return {
        "seeds": len(results),
        "overlap": round(float(np.mean(pairs)), 4) if pairs else None,
        "l1_ratio": round(max(sizes) / min(sizes), 4) if len(sizes) > 1 else None,
    }
