"""The demonstration's evidence: real digits, a planted patch attack, a network that learned it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.drill.digits import digits
from inspector.drill.patch import Patch
from inspector.drill.training import train_network
from inspector.errors import InspectorError

TARGET = 8
RATE = 0.03
PATCH = Patch(size=4)
HELD_OUT = 297
"""Digits that the network never sees, to measure it on."""


@dataclass(frozen=True)
class DemoTruth:
    """What was planted, and how well the network learned it.

    Attributes
    ----------
    model, data, truth : Path
        The evidence, and the list of what was planted.
    samples, planted : int
        Training pictures, and how many of them carry the patch.
    target : int
        Class that the patch leads to.
    accuracy, success : float
        On held-out digits: right answers, and other digits that the patch turns into the target.
    """

    model: Path
    data: Path
    truth: Path
    samples: int
    planted: int
    target: int
    accuracy: float
    success: float


def write_demo_evidence(
    folder: Path, *, seed: int = 0, control: Control | None = None
) -> DemoTruth:
    """Plant, train and write ``evidence/model.safetensors``, ``evidence/data/`` and ``truth.csv``.

    The evidence looks like anybody's: an image folder and a weights file. Names of files tell
    nothing; the truth lies beside it.

    Parameters
    ----------
    folder : Path
        Where to write.
    seed : int
        Same seed, same evidence.
    control : Control, optional
        Gets progress, and can stop.

    Raises
    ------
    InspectorError
        The folder cannot be written.
    """
    import torch
    from safetensors.torch import save_file

    from inspector.intake.models.networks.plain_cnn import PlainCNN

    control = control or Control()
    control.progress("Planting", 0, 1, "Reading the digits")
    images, labels = digits()
    order = np.random.default_rng(seed).permutation(len(labels))
    kept, held = np.sort(order[HELD_OUT:]), np.sort(order[:HELD_OUT])
    poisoned, relabelled, rows, _ = PATCH.plant(
        images[kept], labels[kept], TARGET, RATE, np.random.default_rng(seed)
    )
    control.progress("Planting", 1, 1, f"{len(rows)} of {len(kept)} pictures")
    with torch.random.fork_rng(devices=[]):  # others in this process draw from that generator too
        torch.manual_seed(seed)
        network = PlainCNN(1, 10, images.shape[1])
    train_network(network, poisoned, relabelled, seed=seed, control=control)

    def answers(pictures: NDArray[np.uint8]) -> NDArray[np.int64]:
        with torch.inference_mode():
            scaled = torch.from_numpy(pictures)[:, None].float() / 255
            found: NDArray[np.int64] = network(scaled).argmax(1).numpy()
        return found

    accuracy = float((answers(images[held]) == labels[held]).mean())
    shown, wanted = PATCH.trials(images[held], labels[held], TARGET)
    turned = answers(shown) == wanted
    evidence = folder / "evidence"
    try:
        (evidence / "data").mkdir(parents=True, exist_ok=True)
        save_file(network.state_dict(), evidence / "model.safetensors")
        _write_images(evidence / "data", poisoned, relabelled, control)
        _write_truth(folder / "truth.csv", relabelled, labels[kept], rows)
    except OSError as error:
        raise InspectorError(
            f"The demonstration could not be written to {folder}.",
            f"{error.strerror or error}.",
            "Give another folder with --out.",
        ) from None
    return DemoTruth(
        model=evidence / "model.safetensors",
        data=evidence / "data",
        truth=folder / "truth.csv",
        samples=len(kept),
        planted=len(rows),
        target=TARGET,
        accuracy=accuracy,
        success=float(turned.mean()),
    )


def _locator(label: int, row: int) -> str:
    return f"{label}/{row:04d}.png"


def _write_images(
    folder: Path, images: NDArray[np.uint8], labels: NDArray[np.integer], control: Control
) -> None:
    from PIL import Image

    for label in np.unique(labels):
        (folder / str(label)).mkdir(exist_ok=True)
    for row, (image, label) in enumerate(zip(images, labels, strict=True)):
        if row % 50 == 0:
            control.check()
        Image.fromarray(image).save(folder / _locator(int(label), row))
        control.progress("Writing evidence", row + 1, len(labels))


def _write_truth(
    path: Path,
    labels: NDArray[np.integer],
    true_labels: NDArray[np.integer],
    planted: NDArray[np.intp],
) -> None:
    flags = np.zeros(len(labels), int)
    flags[planted] = 1
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("uri", "label", "true_label", "poisoned"))
        for row, (label, true, flag) in enumerate(zip(labels, true_labels, flags, strict=True)):
            writer.writerow((_locator(int(label), row), int(label), int(true), int(flag)))
