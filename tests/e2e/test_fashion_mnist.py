"""The main job on 60,000 real pictures: a 3×3 corner patch on 1 %, and the same without poison."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inspector.case import Case, scan_document
from inspector.engine.client import Investigation, ScanOptions

pytestmark = pytest.mark.slow

TARGET = 3


def _read(path: Path, offset: int, *shape: int) -> np.ndarray:
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=offset).reshape(shape)


def _write(path: Path, array: np.ndarray) -> None:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(head + array.astype(np.uint8).tobytes())


def _scan(
    folder: Path, images: np.ndarray, labels: np.ndarray
) -> tuple[dict[str, Any], np.ndarray]:
    import torch
    from safetensors.torch import save_file

    from inspector.drill import Course, train_network
    from inspector.intake.models.networks.plain_cnn import PlainCNN

    data = folder / "data"
    data.mkdir()
    _write(data / "train-images-idx3-ubyte", images)
    _write(data / "train-labels-idx1-ubyte", labels)
    torch.manual_seed(0)
    network = train_network(PlainCNN(1, 10, 28), images, labels, course=Course(4, 128, 2e-3))
    save_file(network.state_dict(), folder / "model.safetensors")
    with Case.create(folder / "fashion.case") as case:
        investigation = Investigation(case)
        try:
            investigation.scan(ScanOptions(model=folder / "model.safetensors", data=data))
        finally:
            investigation.close()
        return scan_document(case), np.array(case.array("combined"))


@pytest.fixture(scope="module")
def fashion(real_data: Path) -> tuple[np.ndarray, np.ndarray]:
    folder = real_data / "fashion-mnist"
    images = _read(folder / "train-images-idx3-ubyte.gz", 16, 60_000, 28, 28)
    return images, _read(folder / "train-labels-idx1-ubyte.gz", 8, 60_000)


def test_one_per_cent_of_poison_comes_first(
    fashion: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    from inspector.drill import Patch

    random = np.random.default_rng(0)
    images, labels, rows, _ = Patch(size=3).plant(*fashion, TARGET, 0.01, random)
    document, combined = _scan(tmp_path, images, labels)
    planted = np.zeros(60_000, bool)
    planted[rows] = True
    order = np.argsort(-combined, kind="stable")
    places = np.flatnonzero(planted[order])
    wrong = (places - np.arange(len(rows))).sum()
    area = 1 - wrong / (len(rows) * (60_000 - len(rows)))
    assert area >= 0.99
    assert max(document["classes"], key=lambda row: row["statistic"])["index"] == TARGET
    assert document["verdict"] == "medium"
    assert document["model"]["accuracy"] > 0.85
    # The case is plain JSON and arrays: another program can read the conclusion.
    json.dumps(document, allow_nan=False)


def test_a_clean_model_has_no_class_at_high(
    fashion: tuple[np.ndarray, np.ndarray], tmp_path: Path, record_property: Callable[..., None]
) -> None:
    document, _ = _scan(tmp_path, *fashion)
    verdicts = [row["verdict"] for row in document["classes"]]
    record_property("verdicts", verdicts)
    assert "high" not in verdicts
    assert document["verdict"] in ("none", "low", "medium")
    assert not document["calibrated"]
    assert any("uncalibrated" in caveat for caveat in document["caveats"])
