"""A small case with everything that a report shows, and names that try to break out of it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from inspector.case import Case
from inspector.case.shadow_document import NETWORKS
from inspector.engine.client.audit_files import audit_document
from inspector.export.report import report_document

HOSTILE = (
    "<script>alert(1)</script>",
    "'\"><img src=x onerror=alert(2)>",
    "safe\u202egnp.exe",
    "</style><style>body{display:none}</style>{{ 7*7 }}{% raw %}",
    "ordinary",
)
TARGET = 4
N = 60


def document_of(case: Case) -> dict[str, Any]:
    """Return the report of a case as the command line and the window make it."""
    return report_document(case, audit_document(case)["audits"])


def put(case: Case, name: str, values: Any) -> None:
    """Write an array into the case as the engine does."""
    array = np.ascontiguousarray(values)
    path = case.derive("made") / f"{name.replace(':', '-')}.npy"
    np.save(path, array, allow_pickle=False)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    relative = path.relative_to(case.derived).as_posix()
    case.set_array(name, relative, array.dtype.str, array.shape, digest)


def make_case(path: Path, names: tuple[str, ...] = HOSTILE, n: int = N) -> Case:
    """Return an open case of n samples: the last class poisoned, tagged, with a trigger."""
    rng = np.random.default_rng(0)
    case = Case.create(path)
    case.set(
        "dataset",
        {
            "format": "image-folder",
            "n": n,
            "class_names": list(names),
            "notes": ["2 links were not followed."],
        },
    )
    case.set("model", {"architecture": names[0], "num_classes": len(names), "accuracy": 0.98})
    case.set("scan", {"seed": 3, "device": "cpu"})
    case.add_evidence("model", "/evidence/<b>model</b>.pt", "ab" * 32, 1000)
    case.add_evidence("data", "/evidence/data", "cd" * 32, 2000)
    labels = (np.arange(n) % len(names)).astype(np.int32)
    poison = np.flatnonzero(labels == len(names) - 1)[::2]
    combined = rng.random(n).astype(np.float32)
    combined[poison] += 5
    pictures = rng.integers(0, 90, (n, 8, 8, 3)).astype(np.uint8)
    pictures[poison, 5:, 5:] = 255
    locators = [f"{names[label]}/{row}.png".encode() for row, label in enumerate(labels)]
    offsets = np.zeros(n + 1, np.int64)
    np.cumsum([len(text) for text in locators], out=offsets[1:])
    put(case, "labels", labels)
    put(case, "predicted", labels)
    put(case, "assessed", np.ones(n, bool))
    put(case, "combined", combined)
    put(case, "score:spectral", combined)
    put(case, "thumbnails", pictures)
    put(case, "locator_bytes", np.frombuffer(b"".join(locators), np.uint8))
    put(case, "locator_offsets", offsets)
    classes = [
        {
            "index": at,
            "name": name,
            "count": int((labels == at).sum()),
            "statistic": 40.0 if at == len(names) - 1 else 1.5,
            "p_value": None,
            "verdict": "medium" if at == len(names) - 1 else "none",
        }
        for at, name in enumerate(names)
    ]
    case.record_finding(
        "spectral",
        {
            "title": "Spectral signatures",
            "version": "1.0",
            "origin": "bundled",
            "parameters": {"directions": 2},
            "seed": 3,
            "status": "done",
            "seconds": 0.5,
            "verdict": "medium",
            "caveats": ["Rare kinds look the same."],
            "classes": classes,
        },
    )
    case.set(
        "outcome",
        {
            "classes": classes,
            "verdict": "medium",
            "caveats": ["Uncalibrated."],
            "calibrated": False,
        },
    )
    mask = np.zeros((8, 8), np.float32)
    mask[5:, 5:] = 1
    put(case, "trigger:4-neural-cleanse:mask", mask)
    put(case, "trigger:4-neural-cleanse:pattern", np.full((8, 8, 3), 255, np.uint8))
    case.record_trigger(
        len(names) - 1,
        "neural-cleanse",
        {
            "mask_array": "trigger:4-neural-cleanse:mask",
            "pattern_array": "trigger:4-neural-cleanse:pattern",
            "success_rate": 0.99,
            "success_interval": [0.96, 1.0],
            "mask_l1": 9.0,
            "anomaly": 6.0,
            "threshold": 3.0,
            "p_value": 0.001,
            "significant": True,
        },
    )
    case.tags.apply(poison, "poison", source="manual", note="white square <i>again</i>")
    return case


def compare_with_shadows(case: Case, count: int, whole: float | None = None) -> None:
    """Record what so many shadow networks say: the last class is far from all of them."""
    enough = count >= 19
    for at in range(len(case.class_names)):
        own = 1.5 if at == TARGET else 0.1 * at
        said = {
            "deviation": own,
            "threshold": 0.75 if enough else None,
            "p_value": 1 / (1 + 5 * count) if at == TARGET else 0.5,
            "family_p_value": 1 / (1 + count) if at == TARGET else 1.0,
            "others": [round(0.7 * (k + 1) / count - 0.2, 4) for k in range(count)],
        }
        before = next((row for row in case.triggers() if row["index"] == at), {})
        row = {**before, "significant": at == TARGET, "shadows": said}
        case.record_trigger(at, "neural-cleanse", row)
    told: dict[str, Any] = {
        "count": count, "accuracy": [0.9 + 0.01 * (k % 5) for k in range(count)], "train": 1352,
        "left_out": 148, "role": "data", "architecture": HOSTILE[0], "why": "",
    }  # fmt: skip
    if whole is not None:
        told |= {"p_value": whole, "verdict": "medium"}
    case.set(NETWORKS, told)


def measure_limits(case: Case, label: int, *, intervals: bool = True) -> None:
    """Keep a power map of one class as the engine returns it."""
    cells = [
        {"share": share, "distance": distance, "runs": 4, "hits": hits, "interval": interval,
         "found": hits / 4}
        for share, distance, hits, interval in (
            (0.01, 2.0, 0, [0.0, 0.6]),
            (0.01, 4.0, 2, [0.05, 0.95]),
            (0.1, 2.0, 0, [0.0, 0.6]),
            (0.1, 6.0, 4, [0.4, 1.0]),
        )
    ]  # fmt: skip
    by_share = [
        {"share": 0.01, "d50": 4.0, "d80": None, "impossible": 1.4, "spectral": 2.0},
        {"share": 0.1, "d50": 4.0, "d80": 5.0, "impossible": 0.4, "spectral": 1.0},
    ]
    if intervals:
        by_share[0] |= {"d50_interval": [2.9, None], "d80_interval": [None, None]}
        by_share[1] |= {"d50_interval": [3.1, 4.8], "d80_interval": [3.1, 6.2]}
    kept = {
        "label": label, "members": 12, "verified": 6, "cells": cells, "by_share": by_share,
        "smallest_group": 4, "width": 10,
    }  # fmt: skip
    case.keep("limits", str(label), kept)


def keep_drill(case: Case, key: str, target: int, *, size: int, **measured: Any) -> None:
    """Keep a drill as the client does when the engine has answered."""
    settings = {
        "target": target, "attack": "patch", "size": size, "opacity": 0.5, "place": "upper-left",
        "rate": 0.025, "architecture": "own", "epochs": 5, "learning_rate": 3e-3, "images": 2000,
        "seed": 7,
    }  # fmt: skip
    kept = {
        "attack": "patch", "clean_label": False, "parameters": {"size": size},
        "budget": {"images": 1600, "epochs": 5, "seconds": 2.0}, "success": 0.96,
        "accuracy": 0.975, "accuracy_before": 0.98, "tpr_at_1": 0.8, "target_rank": 1,
        "planted": 40, "covers": 0, "trials": 350, "held_out": 400, "seconds": 3.5,
        "settings": settings, "left_out": [], **measured,
    }  # fmt: skip
    case.keep("drill", key, kept, settings=settings)
