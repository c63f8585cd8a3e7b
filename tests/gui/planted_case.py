"""A real case with planted arrays, as the engine would have left it; no torch needed."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from inspector.case import Case

TARGET = 3
NAMES = ("plane", "car", "bird", "ship", "<b>frog</b>\u202e")


def put_array(case: Case, name: str, values: np.ndarray) -> None:
    """Write an array into the case as the engine does."""
    folder = case.derive("planted")
    path = folder / f"{name.replace(':', '-')}.npy"
    np.save(path, values, allow_pickle=False)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    relative = path.relative_to(case.derived).as_posix()
    case.set_array(name, relative, values.dtype.str, values.shape, digest)


def plant(
    path: Path, n: int = 1000, seed: int = 0, names: tuple[str, ...] = NAMES
) -> tuple[Case, np.ndarray]:
    """Return an open case of ``n`` samples and the mask of planted poison (2 %, class `TARGET`)."""
    rng = np.random.default_rng(seed)
    case = Case.create(path)
    case.set(
        "dataset",
        {
            "format": "image-folder",
            "n": n,
            "class_names": list(names),
            "digest": "ab" * 32,
            "notes": [],
            "image_shape": [28, 28, 1],
        },
    )
    labels = rng.integers(0, len(names), n).astype(np.int32)
    poison = np.zeros(n, bool)
    poison[rng.permutation(n)[: max(2, n // 50)]] = True
    labels[poison] = TARGET
    locators = [f"{names[label]}/{row:05d}.png".encode() for row, label in enumerate(labels)]
    offsets = np.zeros(n + 1, np.int64)
    np.cumsum([len(text) for text in locators], out=offsets[1:])
    score = rng.normal(0, 1, n).astype(np.float32)
    score[poison] += 6
    whitened = np.abs(rng.normal(1, 0.3, n)).astype(np.float32)
    whitened[poison] *= 40
    pictures = rng.integers(0, 90, (n, 28, 28, 1)).astype(np.uint8)
    pictures[poison, 24:27, 24:27] = 255
    predicted = labels.copy()
    wrong = rng.permutation(n)[: n // 20]
    predicted[wrong] = rng.integers(0, len(names), wrong.size)
    loss = rng.exponential(0.1, n).astype(np.float32)
    combined = (score + np.log(whitened)).astype(np.float32)
    combined[5] = score[5] = whitened[5] = np.nan
    arrays: dict[str, Any] = {
        "labels": labels,
        "locator_bytes": np.frombuffer(b"".join(locators), np.uint8),
        "locator_offsets": offsets,
        "stored_sha256": rng.integers(0, 256, (n, 32)).astype(np.uint8),
        "assessed": np.isfinite(combined),
        "thumbnails": pictures,
        "predicted": predicted,
        "confidence": rng.uniform(0.6, 1, n).astype(np.float32),
        "loss": loss,
        "score:spectral": score,
        "score:spectral-whitened": whitened,
        "combined": combined,
        "p_value": np.full(n, np.nan, np.float32),
        "neighbours": rng.integers(0, n, (n, 15)).astype(np.int32),
    }
    for name, values in arrays.items():
        put_array(case, name, values)
    case.set_unreadable([(5, "the PNG ends after 12 bytes")])
    classes = [
        {
            "index": at,
            "name": name,
            "count": int((labels == at).sum()),
            "statistic": 9.4 if at == TARGET else 1.0 + 0.1 * at,
            "p_value": None,
            "verdict": "medium" if at == TARGET else "none",
        }
        for at, name in enumerate(names)
    ]
    case.record_finding(
        "spectral",
        {
            "id": "spectral",
            "title": "Spectral signatures",
            "version": "1.0",
            "origin": "bundled",
            "classes": classes,
            "verdict": "medium",
            "caveats": ["A natural sub-population looks the same."],
            "status": "done",
            "seconds": 0.1,
        },
    )
    case.record_finding(
        "frequency",
        {
            "id": "frequency",
            "title": "Frequency artefacts",
            "version": "1.0",
            "origin": "plugin folder",
            "verdict": "none",
            "caveats": [],
            "status": "failed",
            "reason": "ValueError: pictures of one pixel",
        },
    )
    case.set(
        "outcome",
        {
            "classes": classes,
            "verdict": "medium",
            "caveats": ["The ranking is not calibrated: no audit of verified samples."],
            "calibrated": False,
        },
    )
    return case, poison


_kept = tempfile.TemporaryDirectory(prefix="planted-")


@cache
def _made(n: int, triggers: bool) -> tuple[Path, np.ndarray]:
    folder = Path(_kept.name) / f"{n}-{triggers}.case"
    case, poison = plant(folder, n)
    if triggers:
        plant_trigger(case)
    case.close()
    return folder, poison


def copy_planted(path: Path, n: int = 1000, *, triggers: bool = False) -> np.ndarray:
    """Put a copy of a planted case at a path, made once for all tests; return who is poison."""
    folder, poison = _made(n, triggers)
    shutil.copytree(folder, path)
    return poison


def plant_trigger(case: Case) -> None:
    """Record triggers of every class; that of `TARGET` is small and works."""
    case.set("model", {"architecture": "plain_cnn", "num_classes": len(case.class_names)})
    for at in range(len(case.class_names)):
        mask = np.zeros((28, 28), np.float64)
        side = 3 if at == TARGET else 14
        mask[24 : 24 + side, 24 : 24 + side] = 1.0
        if at != TARGET:
            mask[4:20, 4:20] = 0.7
        case.record_trigger(
            at,
            "neural-cleanse",
            {
                "mask": np.round(mask * 255).astype(int).tolist(),
                "pattern": np.full((28, 28, 1), 255).tolist(),
                "success_rate": 0.998 if at == TARGET else 0.91,
                "success_interval": [0.97, 1.0],
                "mask_l1": float(mask.sum()),
                "anomaly": 5.1 if at == TARGET else 0.3,
                "threshold": 3.2,
                "significant": at == TARGET,
                "history": [
                    [25 * at, 2 * 0.9**at, min(1.0, at / 30), float(mask.sum()), 1e-3]
                    for at in range(40)
                ],
            },
        )
