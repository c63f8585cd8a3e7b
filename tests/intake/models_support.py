"""What the tests of models share: a dataset in memory, small problems, and a quick way to train."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from inspector.intake.models.networks.plain_cnn import PlainCNN


class MemoryDataset:
    """Images and labels in memory, with the face of `inspector.intake.datasets.Dataset`."""

    def __init__(self, images, labels, class_names=None, unreadable=()):
        self.images = images
        self.labels = np.asarray(labels, np.int32)
        count = int(self.labels.max(initial=0)) + 1
        self.class_names = tuple(class_names or (f"class {k}" for k in range(count)))
        self.unreadable = set(unreadable)
        uniform = isinstance(images, np.ndarray)
        self.image_shape = images.shape[1:] if uniform else None

    def __len__(self):
        return len(self.labels)

    def decode_batch(self, rows):
        if isinstance(self.images, np.ndarray) and not self.unreadable:
            return self.images[rows]
        broken = ValueError("broken")
        return [broken if int(row) in self.unreadable else self.images[int(row)] for row in rows]


def coloured_squares(n=400, side=12, channels=3, seed=0):
    """Four classes: a square in one of two corners, reddish or bluish (bright or dim when grey)."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, n)
    images = random.integers(0, 90, (n, side, side, channels))
    for image, label in zip(images, labels):
        corner = slice(1, side // 2) if label % 2 else slice(side // 2, side - 1)
        if channels == 3:
            image[corner, corner, 0 if label < 2 else 2] += 150
        else:
            image[corner, corner] += 80 if label < 2 else 165
    return images.astype(np.uint8), labels


def train(network: nn.Module, inputs: torch.Tensor, labels, steps=60, rate=3e-3, seed=0) -> float:
    """Train for a moment; return the accuracy on what it was trained on."""
    torch.manual_seed(seed)
    targets = torch.as_tensor(np.asarray(labels), dtype=torch.int64)
    optimiser = torch.optim.Adam(network.parameters(), rate)
    network.train()
    for _ in range(steps):
        rows = torch.randint(len(inputs), (64,))
        loss = nn.functional.cross_entropy(network(inputs[rows]), targets[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval()
    with torch.no_grad():
        return float((network(inputs).argmax(1) == targets).float().mean())


def trained_plain(folder: Path, scale=lambda x: x / 255.0, channels=3, n=400):
    """Train a plain network under a scaling of pixel values; return its file and its data."""
    images, labels = coloured_squares(n, channels=channels)
    inputs = scale(torch.from_numpy(images).permute(0, 3, 1, 2).float())
    torch.manual_seed(0)
    network = PlainCNN(channels, 4, 12, widths=(8, 12), hidden=16)
    assert train(network, inputs, labels) > 0.95
    path = folder / "model.pt"
    torch.save(network.state_dict(), path)
    return path, MemoryDataset(images, labels), network
