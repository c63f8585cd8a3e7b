"""Search the suspect data for samples that carry a reconstructed trigger."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from inspector.api import Control
from inspector.engine.arrays import write_array
from inspector.engine.jobs.evidence import dataset_of, model_of
from inspector.engine.session import Session
from inspector.errors import BadInput

if TYPE_CHECKING:
    from inspector.triggers import Stamp

VERSION = "1.1"


def run(
    session: Session,
    control: Control,
    *,
    model: str,
    data: str,
    choice: dict[str, Any],
    target: int,
    trigger: dict[str, str],
    folder: str,
    assessed: str | None = None,
    split: str | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Return how many carriers there are and the written arrays ``score:trigger-search`` and parts.

    ``trigger`` maps "mask", "pattern" and what else the trigger has to files under ``derived/``;
    ``assessed`` is the file of the samples that the scan looked at.
    """
    from inspector.triggers.searching import make_probe, search_carriers

    started = time.perf_counter()
    suspect = model_of(session, control, model, data, choice, split)
    dataset = dataset_of(session, data, split=split)
    stamp = recorded_stamp(session, trigger, suspect.preprocess)
    looked = None
    if assessed is not None:
        looked = np.load(session.derived / assessed, allow_pickle=False)
    probe = make_probe(
        suspect, stamp, target, dataset.decode_batch, dataset.labels, seed=seed, control=control
    )
    found = search_carriers(suspect, probe, dataset.decode_batch, dataset.labels, looked, seed=seed)
    place = session.folder(folder)
    written = [
        write_array(session, "score:trigger-search", place / "score.npy", found.scores),
        write_array(session, "trigger-search:parts", place / "parts.npy", found.parts),
        write_array(session, "trigger-search:carriers", place / "carriers.npy", found.carriers),
    ]
    return {
        "carriers": int(found.carriers.sum()),
        "among_target": int((found.carriers & (dataset.labels == target)).sum()),
        "threshold": round(found.threshold, 4),
        "notes": list(found.notes),
        "looked": found.looked,
        "asked": found.asked,
        "seconds": time.perf_counter() - started,
        "version": VERSION,
        "arrays": written,
    }


def recorded_stamp(session: Session, trigger: dict[str, str], preprocess: Any) -> Stamp:
    """Return the trigger that the named files hold.

    Raises
    ------
    BadInput
        It has another size than what the network takes, or is no transformation for its pictures.
    """
    from inspector.triggers.searching import stamp_of
    from inspector.triggers.transformation import PARTS

    parts = {
        name: np.load(session.derived / path, allow_pickle=False) for name, path in trigger.items()
    }
    weights = {name: parts[name] for name in PARTS if name in parts}
    stamp = stamp_of(parts["mask"], parts["pattern"], parts.get("delta"), weights)
    size = (preprocess.channels, *preprocess.size)
    if tuple(stamp.pattern.shape) != size or tuple(stamp.mask.shape[1:]) != size[1:]:
        raise BadInput(
            "The trigger does not fit the network.",
            f"It has the shape {tuple(stamp.pattern.shape)}, the input {size}.",
            "Reconstruct it anew.",
        )
    return stamp
