"""The pass over the real readers: formats agree, corrupt files are rows, known networks are right."""

from __future__ import annotations

import numpy as np
import pytest

from dataset_makers import samples, write_folder, write_idx
from inspector.intake.datasets import open_dataset
from inspector.intake.models import load_model
from inspector.signals import compute_signals


def test_a_folder_of_images_and_an_idx_pair_give_the_same_signals(make_model, tmp_path):
    images, labels = samples(n=24, classes=4, side=8)
    order = np.argsort(labels, kind="stable")  # A folder tree is sorted by class.
    idx = open_dataset(write_idx(tmp_path / "idx", images[order], labels[order]))
    folder = open_dataset(write_folder(tmp_path / "folder", images, labels))
    model = make_model()
    one = compute_signals(model, idx, tmp_path / "a", sketch=4)
    other = compute_signals(model, folder, tmp_path / "b", sketch=4)
    for name in one.arrays:
        np.testing.assert_allclose(one.get(name), other.get(name), rtol=1e-4, atol=1e-5)


def test_corrupt_files_become_rows_with_a_reason(make_model, tmp_path):
    images, labels = samples(n=24, classes=4, side=8)
    root = write_folder(tmp_path / "folder", images, labels)
    files = sorted(root.rglob("*.png"))
    files[3].write_bytes(files[3].read_bytes()[:60])
    files[9].write_bytes(b"%!PS-Adobe-3.0")
    files[20].write_bytes(b"")
    signals = compute_signals(make_model(), open_dataset(root), tmp_path / "s")
    assert [row for row, _ in signals.unreadable] == [3, 9, 20]
    assert all(reason for _, reason in signals.unreadable)
    assert np.flatnonzero(~signals.get("assessed")).tolist() == [3, 9, 20]


@pytest.mark.slow
def test_a_network_that_others_trained_names_its_own_training_images(real_data, tmp_path):
    data = open_dataset(real_data / "cifar10" / "cifar10_lossless_train_0-3999.npz")
    files = (real_data / "third_party" / "clean-resnet-cifar10").glob("*20*")
    weights = next(path for path in files if path.suffix in (".th", ".pt", ".pth"))
    model = load_model(weights, data)
    rows = np.arange(0, len(data), 8)
    signals = compute_signals(model, data, tmp_path / "s", rows=rows)
    right = signals.get("predicted")[rows] == data.labels[rows]
    assert right.mean() > 0.95
    assert signals.get("thumbnails").shape[1:] == (32, 32, 3)
    assert signals.get("activations").shape[1] == 64
