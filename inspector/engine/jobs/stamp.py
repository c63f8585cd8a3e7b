"""Put a reconstructed trigger on some samples and ask the network before and after."""

from __future__ import annotations

from typing import Any

import numpy as np

from inspector.api import Control
from inspector.engine.arrays import write_array
from inspector.engine.jobs.carriers import recorded_stamp
from inspector.engine.jobs.evidence import dataset_of, model_of
from inspector.engine.session import Session
from inspector.errors import BadInput


def run(
    session: Session,
    control: Control,
    *,
    model: str,
    data: str,
    choice: dict[str, Any],
    target: int,
    trigger: dict[str, str],
    rows: list[int],
    folder: str,
    split: str | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Return one row per readable sample, and the pictures before and after, at the network's size.

    A row has ``index``, ``before`` and ``after`` (class and probability of the answer), ``belief``
    (probability of the trigger's class before and after), and what becomes of that when the region
    is taken out (``without``) or pasted on pictures of other classes (``transplant``, the mean gain,
    None where the trigger has no region).
    """
    import torch

    from inspector.triggers.searching import make_probe

    suspect = model_of(session, control, model, data, choice, split)
    dataset = dataset_of(session, data, split=split)
    stamp = recorded_stamp(session, trigger, suspect.preprocess)
    wanted = np.asarray(rows, np.intp)
    decoded = dataset.decode_batch(wanted)
    kept = [at for at, image in enumerate(decoded) if isinstance(image, np.ndarray)]
    images = [image for image in decoded if isinstance(image, np.ndarray)]
    if not images:
        raise BadInput(
            "None of these samples can be read.", "A trigger goes onto a picture.", "Choose others."
        )
    probe = make_probe(
        suspect, stamp, target, dataset.decode_batch, dataset.labels, seed=seed, control=control
    )
    with torch.no_grad():
        plain = torch.from_numpy(suspect.preprocess.undo(suspect.preprocess(images)))
        before = plain.permute(0, 3, 1, 2).float() / 255
        after = (probe.stamp.on(before) * 255).round() / 255
        answers = [
            torch.cat(
                [
                    probe.network(suspect.preprocess.normalise(some)).softmax(1)
                    for some in pictures.split(probe.portion)
                ]
            )
            for pictures in (before, after)
        ]
    removed = probe.belief(probe.without(before)).tolist()
    region = probe.region is not None and len(probe.hosts) > 0
    pasted = probe.transplant(before).tolist()
    described = []
    for at, place in enumerate(kept):
        first, then = answers[0][at], answers[1][at]
        described.append(
            {
                "index": int(wanted[place]),
                "before": [int(first.argmax()), round(float(first.max()), 4)],
                "after": [int(then.argmax()), round(float(then.max()), 4)],
                "belief": [round(float(first[target]), 4), round(float(then[target]), 4)],
                "without": round(removed[at], 4),
                "transplant": round(pasted[at], 4) if region else None,
            }
        )
    place_of = session.folder(folder)
    stamped = (after * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    return {
        "rows": described,
        "arrays": [
            write_array(session, "stamp:before", place_of / "before.npy", plain.numpy()),
            write_array(session, "stamp:after", place_of / "after.npy", stamped),
        ],
    }
