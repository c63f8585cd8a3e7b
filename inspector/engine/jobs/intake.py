"""Open and hash the evidence, rebuild the network, write the table of samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.engine.arrays import write_array
from inspector.engine.jobs.evidence import dataset_of, model_of, orientation_of
from inspector.engine.session import Session
from inspector.intake.datasets.given import shards_named


def run(
    session: Session,
    control: Control,
    *,
    model: str,
    data: str,
    choice: dict[str, Any],
    reference: str | None = None,
    split: str | None = None,
) -> dict[str, Any]:
    """Return evidence digests, the model's description, the dataset's and the written arrays."""
    stage = "Reading evidence"
    steps = 4 if reference else 3
    control.progress(stage, 0, steps, "Opening the dataset")
    turned = orientation_of(choice)
    dataset = dataset_of(session, data, split=split, orientation=turned)
    with session.reading(Path(data)):
        digest = dataset.digest(control)
    control.check()
    control.progress(stage, 1, steps, "Rebuilding the network")
    suspect = model_of(session, control, model, data, choice, split)
    # Later jobs of this engine ask by spec, as the case records it: hand them the same network.
    session.keep(
        "model",
        {"path": model, "data": data, "spec": suspect.spec()},
        lambda: suspect,
    )
    control.check()
    control.progress(stage, 2, steps, "Writing the table of samples")
    folder = session.folder(f"samples-{digest[:16]}")
    locators = [
        dataset.locator(row).encode("utf-8", "surrogateescape") for row in range(len(dataset))
    ]
    offsets = np.zeros(len(locators) + 1, np.int64)
    np.cumsum([len(text) for text in locators], out=offsets[1:])
    arrays: dict[str, NDArray[Any]] = {
        "labels": np.asarray(dataset.labels, np.int32),
        "locator_bytes": np.frombuffer(b"".join(locators), np.uint8),
        "locator_offsets": offsets,
    }
    with session.reading(Path(data)):
        arrays["stored_sha256"] = dataset.stored_sha256(control)
    described = [
        write_array(session, name, folder / f"{name}.npy", array) for name, array in arrays.items()
    ]
    control.progress(stage, 3, steps, "Table of samples written")
    evidence = [
        {
            "role": "model",
            "path": model,
            "sha256": suspect.sha256,
            "size": suspect.size,
        },
        {
            "role": "data",
            "path": data,
            "sha256": digest,
            "size": sum(file.stat().st_size for file in dataset.source_files()),
            # Beside a file there may be more that belong to it; a folder holds all of its own.
            "files": [str(file) for file in dataset.source_files()]
            if dataset.root.is_file() or shards_named(data)
            else [],
            "split": split,
        },
    ]
    result: dict[str, Any] = {
        "evidence": evidence,
        "model": describe_model(suspect),
        "dataset": {
            "format": dataset.format,
            "count": len(dataset),
            "class_names": list(dataset.class_names),
            "digest": digest,
            "image_shape": dataset.image_shape,
            "split": dataset.split,
            "splits": list(dataset.splits),
            "orientation": dataset.orientation,
            "notes": list(dataset.notes),
        },
        "arrays": described,
    }
    if reference:
        result["reference"] = _measure_reference(session, control, suspect, reference, turned)
        evidence.append(
            {
                "role": "reference",
                "path": reference,
                "sha256": result["reference"]["digest"],
                "size": result["reference"]["size"],
            }
        )
        control.progress(stage, 4, steps, "Reference set measured")
    return result


def describe_model(suspect: Any) -> dict[str, Any]:
    """Return what the case records about the rebuilt network."""
    return {
        "architecture": suspect.architecture,
        "family": suspect.family,
        "num_classes": suspect.num_classes,
        "in_channels": suspect.in_channels,
        "accuracy": suspect.accuracy,
        "accuracy_sample": suspect.accuracy_sample,
        "preprocess": suspect.preprocess.as_dict(),
        "tried": suspect.tried,
        "head": suspect.head,
        "layers": suspect.layers,
        "sha256": suspect.sha256,
        "notes": suspect.notes,
        "doubt": suspect.doubt,
        "contents": suspect.contents.as_dict(),
        "spec": suspect.spec(),
        "candidates": suspect.candidates,
        "output": suspect.answers.as_dict(),
        "plugin": suspect.plugin or None,
        "model_spec": suspect.model_spec(),
    }


def _measure_reference(
    session: Session, control: Control, suspect: Any, reference: str, orientation: str
) -> dict[str, Any]:
    """Measure the accuracy on the trusted reference set; it never calibrates anything.

    Held-out pictures are not exchangeable with training pictures of an over-fitted network, so
    they serve as material for trigger reconstruction and as a sanity check alone.
    """
    import torch

    trusted = dataset_of(session, reference, kind="reference", orientation=orientation)
    rows = np.flatnonzero(trusted.labels >= 0)
    rows = np.sort(np.random.default_rng(0).permutation(rows)[:2000])
    right = assessed = 0
    for part in np.array_split(rows, max(1, len(rows) // 200)):
        control.check()
        images = trusted.decode_batch(part)
        good = [i for i, image in enumerate(images) if isinstance(image, np.ndarray)]
        if not good:
            continue
        batch = images[good] if isinstance(images, np.ndarray) else [images[i] for i in good]
        with torch.inference_mode():
            answer = suspect.network(suspect.preprocess(batch)).argmax(1).cpu().numpy()
        right += int((answer == trusted.labels[part][good]).sum())
        assessed += len(good)
    return {
        "format": trusted.format,
        "count": len(trusted),
        "digest": trusted.digest(),
        "size": sum(file.stat().st_size for file in trusted.source_files()),
        "accuracy": right / assessed if assessed else None,
        "assessed": assessed,
    }
