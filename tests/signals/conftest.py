"""Models and datasets of the signals' tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from signal_evidence import Image, MemoryDataset, SmallNet, suspect
from torch import nn

from inspector.intake.models import SuspectModel


@pytest.fixture
def make_model() -> Callable[..., SuspectModel]:
    """Return a seeded small model; ``network`` replaces it."""

    def make(network: nn.Module | None = None, **settings: int | str) -> SuspectModel:
        torch.manual_seed(0)
        made = network or SmallNet(
            int(settings.get("channels", 1)), side=int(settings.get("side", 8))
        )
        norm = getattr(made, "norm", None)
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.uniform_(-1, 1)
            norm.running_var.uniform_(0.5, 2)
        return suspect(made, **settings)

    return make


@pytest.fixture
def make_data(tmp_path: Path) -> Callable[..., MemoryDataset]:
    """Return n random images; ``images`` replaces them."""

    def make(
        n: int = 50, side: int = 8, channels: int = 1, images: Sequence[Image | str] | None = None
    ) -> MemoryDataset:
        rng = np.random.default_rng(1)
        made = images or list(rng.integers(0, 256, (n, side, side, channels), dtype=np.uint8))
        return MemoryDataset(made, np.arange(len(made)) % 4, tmp_path)

    return make
