"""Small datasets and networks for the signals: in memory, with every kind of trouble on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from inspector.api import Control
from inspector.intake.datasets import Dataset, UnreadableSample
from inspector.intake.models import Candidate, Preprocess, SuspectModel

Image = NDArray[np.uint8]


class MemoryDataset(Dataset):
    """Images in a list; an entry that is a string is an unreadable sample with that reason."""

    format = "memory"

    def __init__(self, images: Sequence[Image | str], labels: Sequence[int], root: Path) -> None:
        shapes = {image.shape for image in images if not isinstance(image, str)}
        uniform = len(shapes) == 1 and not any(isinstance(image, str) for image in images)
        super().__init__(
            root,
            [str(c) for c in range(4)],
            np.array(labels),
            (),
            shapes.pop() if uniform else None,
        )
        self.images = list(images)

    def locator(self, i: int) -> str:
        return f"memory#{i}"

    def stored_bytes(self, i: int) -> bytes:
        return repr(self.images[i]).encode()

    def decode(self, i: int) -> Image:
        image = self.images[i]
        if isinstance(image, str):
            raise UnreadableSample(image)
        return image.copy()

    def decode_batch(self, rows: NDArray[np.integer]) -> Image | list[Image | UnreadableSample]:
        if self.image_shape:
            return np.stack([self.decode(int(row)) for row in rows])
        out: list[Image | UnreadableSample] = []
        for row in rows:
            try:
                out.append(self.decode(int(row)))
            except UnreadableSample as failure:
                out.append(failure)
        return out

    def source_files(self) -> list[Path]:
        return []

    def file_sha256(self, control: Control | None = None) -> dict[str, bytes]:
        total = hashlib.sha256()
        for image in self.images:
            total.update(image.encode() if isinstance(image, str) else image.tobytes())
        return {"memory": total.digest()}

    def _hash_samples(self, control: Control) -> NDArray[np.uint8]:
        return np.zeros((len(self), 32), np.uint8)


class SmallNet(nn.Module):
    """Two convolutions with batch normalisation, a hidden layer, a head."""

    def __init__(self, channels: int = 1, classes: int = 4, side: int = 8) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 8, 3, padding=1)
        self.fc1 = nn.Linear(8 * (side // 4) ** 2, 12)
        self.fc2 = nn.Linear(12, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.max_pool2d(torch.relu(self.norm(self.conv1(x))), 2)
        x = torch.max_pool2d(torch.relu(self.conv2(x)), 2)
        return self.fc2(torch.relu(self.fc1(x.flatten(1))))


def suspect(
    network: nn.Module, channels: int = 1, side: int = 8, classes: int = 4, head: str = "fc2"
) -> SuspectModel:
    """Wrap a network as intake hands it over."""
    network.eval().requires_grad_(False)
    mode = "L" if channels == 1 else "RGB"
    return SuspectModel(
        network=network,
        architecture="small",
        family="builtin",
        num_classes=classes,
        in_channels=channels,
        preprocess=Preprocess(mode, (side, side), (0.3,) * channels, (0.4,) * channels),
        accuracy=None,
        accuracy_sample=0,
        tried=[],
        head=head,
        layers=[name for name, _ in network.named_modules() if name],
        sha256=hashlib.sha256(
            b"".join(value.numpy().tobytes() for value in network.state_dict().values())
        ).hexdigest(),
        notes=[],
        doubt="",
        operations=1e5,
        candidate=Candidate("builtin", "small", "SmallNet", {}),
    )
