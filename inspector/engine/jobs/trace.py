"""Trace one answer of the network to the training samples that taught it, and test the claim."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inspector.api import Control
from inspector.engine.arrays import write_array
from inspector.engine.jobs.evidence import dataset_of, model_of, orientation_of
from inspector.engine.session import Session
from inspector.errors import BadInput
from inspector.intake.limits import limit

VERSION = "1.0"
CONTROLS = 3
_KEPT = 1000
"""Samples that a copy keeps answering right while it unlearns others."""


def run(
    session: Session,
    control: Control,
    *,
    model: str,
    data: str,
    choice: dict[str, Any],
    arrays: dict[str, str],
    folder: str,
    index: int | None = None,
    image: str | None = None,
    top: int = 50,
    steps: int = 40,
    layer: str | None = None,
    split: str | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Return answer, responsible samples, the outcome of the test, and ``score:trace``.

    ``arrays`` maps labels, assessed and activations to files; ``index`` is the sample whose
    answer is traced, or ``image`` a file. ``after`` and ``controls`` are answer and probability of
    the traced answer once copies of the network unlearned the ``top`` samples, or as many random
    ones of the less alike half of the same label.
    """
    from inspector.drill.unlearning import unlearned
    from inspector.signals.hooks import ActivationTap
    from inspector.statistics.influence import influence

    started = time.perf_counter()
    suspect = model_of(session, control, model, data, choice, split)
    dataset = dataset_of(session, data, split=split, orientation=orientation_of(choice))
    loaded = {
        name: np.load(session.derived / path, mmap_mode="r", allow_pickle=False)
        for name, path in arrays.items()
    }
    labels = np.asarray(loaded["labels"])
    picture = dataset.decode(index) if index is not None else _picture(session, image, choice)
    x = suspect.preprocess([picture])
    with torch.inference_mode(), ActivationTap(suspect.network, suspect.head, layer) as tap:
        given, activation, *_ = tap.run(suspect.network, x)
    logits = given.float().reshape(1, -1).numpy()
    answer = int(logits.argmax())
    usable = np.asarray(loaded["assessed"], bool) & (labels >= 0) & (labels < logits.shape[1])
    if index is not None:
        usable[index] = False
    usable &= np.isfinite(loaded["activations"]).all(axis=1)
    rows = np.flatnonzero(usable)
    if not (labels[rows] == answer).any():
        raise BadInput(
            "No sample of the data carries the answer that is to be traced.",
            "Only samples of that label can have taught it.",
            "Trace another picture.",
        )
    scores = np.full(len(labels), np.nan, np.float32)
    found = influence(loaded["activations"][rows], activation[0].numpy())
    # Other labels pull other logits: they taught nothing of this answer.
    scores[rows] = np.where(labels[rows] == answer, found, 0)
    teachers = rows[labels[rows] == answer]
    chosen = teachers[np.argsort(-scores[teachers], kind="stable")][:top]

    random = np.random.default_rng(seed)
    # From the less alike half: there may be more responsible samples than were chosen.
    others = np.setdiff1d(teachers[np.argsort(scores[teachers])][: len(teachers) // 2], chosen)
    draws = [random.permutation(others)[: len(chosen)] for _ in range(CONTROLS)]
    draws = draws if len(others) >= len(chosen) else []
    outcomes = []
    for done, forget in enumerate([chosen, *draws]):
        control.progress("Unlearning", done, 1 + len(draws), "a copy of the network")
        keep = random.permutation(np.setdiff1d(rows, forget))[:_KEPT]
        if not len(keep):
            break
        copied = unlearned(
            suspect.network,
            _inputs(suspect, dataset, labels, forget),
            _inputs(suspect, dataset, labels, keep),
            steps=steps,
            seed=seed,
            check=control.check,
        )
        with torch.inference_mode():
            outcomes.append(_belief(copied(x), answer))
    place = session.folder(folder)
    return {
        "answer": answer,
        "probability": _belief(torch.from_numpy(logits), answer)[1],
        "label": int(labels[index]) if index is not None else None,
        "samples": [[int(row), round(float(scores[row]), 6)] for row in chosen],
        "after": outcomes[0] if outcomes else None,
        "controls": outcomes[1:],
        "seconds": time.perf_counter() - started,
        "version": VERSION,
        "arrays": [write_array(session, "score:trace", place / "score.npy", scores)],
    }


def _belief(given: torch.Tensor, answer: int) -> tuple[int, float]:
    """Return what is answered now, and the probability of the former answer."""
    shares = given.float().reshape(-1).softmax(0)
    return int(shares.argmax()), round(float(shares[answer]), 4)


def _inputs(
    suspect: Any, dataset: Any, labels: NDArray[Any], rows: NDArray[np.intp]
) -> tuple[torch.Tensor, NDArray[Any]]:
    """Return what the network gets of samples, and their labels; unreadable ones are left out."""
    parts = []
    kept: list[int] = []
    for start in range(0, len(rows), 64):
        some = rows[start : start + 64]
        decoded = dataset.decode_batch(some)
        good = [at for at, image in enumerate(decoded) if isinstance(image, np.ndarray)]
        if good:
            parts.append(suspect.preprocess([decoded[at] for at in good]))
            kept += [int(some[at]) for at in good]
    if not parts:
        raise BadInput("None of the samples can be read.", "", "Look at the case's list of them.")
    return torch.cat(parts), labels[kept]


def _picture(session: Session, image: str | None, choice: dict[str, Any]) -> NDArray[np.uint8]:
    """Decode the given file as the images of a dataset are."""
    from inspector.intake.datasets.decoding import decode_oriented

    path = Path(image or "")
    with session.reading(path):
        if not path.is_file():
            raise BadInput(f"There is no file {path.name}.", "", "Check the path.")
        if path.stat().st_size > limit("image-bytes"):
            raise BadInput(
                f"{path.name} is too large for a picture.",
                f"At most {limit('image-bytes'):,} bytes are read.",
                "Give a smaller file.",
            )
        return decode_oriented(path.read_bytes(), orientation_of(choice))[0]
