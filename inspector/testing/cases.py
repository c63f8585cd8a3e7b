"""A tiny poisoned case with a real network trained on it, in less than two seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from inspector.api import Context
from inspector.testing.contexts import context_of

if TYPE_CHECKING:
    from torch import nn

_SIDE = 12
_EPOCHS = 30
_BATCH = 40


@dataclass(frozen=True)
class PlantedCase:
    """A small dataset with known poison, and the network that learned from it.

    Attributes
    ----------
    images : ndarray, shape (n, 12, 12, 1), uint8
    labels : ndarray, shape (n,), int32
        As given to the network: poison carries the target label.
    truth : ndarray, shape (n,), bool
        Which samples are poison.
    target : int
        The label that poison carries.
    network : nn.Module
        Trained, in eval mode; takes (b, 1, 12, 12) float32 in 0..1.
    signals : dict of str to ndarray
        logits, activations, labels, predicted, loss, residuals, thumbnails.
    class_names : tuple of str
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int32]
    truth: NDArray[np.bool_]
    target: int
    network: nn.Module
    signals: dict[str, NDArray[Any]]
    class_names: tuple[str, ...]

    def context(self, seed: int = 0) -> Context:
        """Return a context over the signals, as a detector receives it."""
        return context_of(self.signals, len(self.class_names), seed)


def make_case(
    n: int = 200,
    classes: int = 4,
    poison: Literal["patch", "blend", "none"] = "patch",
    rate: float = 0.05,
    seed: int = 0,
) -> PlantedCase:
    """Draw pictures, poison some, train a tiny convolutional network on all of them.

    Parameters
    ----------
    n, classes : int
        Samples and classes.
    poison : str
        "patch": a white 3×3 corner; "blend": one fixed noise picture at 30 %; "none".
    rate : float
        Share of all samples that is poisoned; they come from other classes and get label 0.
    seed : int
        The same seed gives the same case on the same machine.

    Returns
    -------
    PlantedCase
    """
    random = np.random.default_rng(seed)
    kind = np.arange(n) % classes
    images = _draw(kind, random)
    truth = np.zeros(n, np.bool_)
    if poison != "none":
        foreign = np.flatnonzero(kind != 0)
        truth[random.permutation(foreign)[: round(rate * n)]] = True
    if poison == "patch":
        images[truth, -4:-1, -4:-1] = 255
    elif poison == "blend":
        noise = random.integers(0, 256, images.shape[1:])
        images[truth] = (0.7 * images[truth] + 0.3 * noise).astype(np.uint8)
    labels = np.where(truth, 0, kind).astype(np.int32)
    network, signals = _train(images, labels, classes, seed)
    names = tuple(f"class {index}" for index in range(classes))
    signals |= {"labels": labels, "thumbnails": images}
    return PlantedCase(images, labels, truth, 0, network, signals, names)


def _draw(kind: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.uint8]:
    """Draw one bright blob per sample, at a place and of a size that its class decides."""
    rows, columns = np.mgrid[:_SIDE, :_SIDE]
    places = random.uniform(3, _SIDE - 5, (int(kind.max()) + 1, 2))
    centres = places[kind] + random.normal(0, 0.6, (len(kind), 2))
    wide = 1.5 + 0.5 * (kind % 3) + random.normal(0, 0.1, len(kind))
    far = (rows - centres[:, :1, None]) ** 2 + (columns - centres[:, 1:, None]) ** 2
    light = 160 * np.exp(-far / (2 * wide[:, None, None] ** 2))
    noisy = 30 + light + random.normal(0, 12, far.shape)
    return noisy.clip(0, 255).astype(np.uint8)[..., None]


def _train(
    images: NDArray[np.uint8], labels: NDArray[np.int32], classes: int, seed: int
) -> tuple[nn.Module, dict[str, NDArray[Any]]]:
    import torch
    from torch.nn.functional import cross_entropy

    from inspector.intake.models.networks.plain_cnn import PlainCNN
    from inspector.signals.gradients import residuals

    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    y = torch.from_numpy(labels.astype(np.int64))
    heard: list[torch.Tensor] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PlainCNN(1, classes, _SIDE, widths=(8, 16), hidden=32)
        optimiser = torch.optim.Adam(network.parameters(), 5e-3)
        for _ in range(_EPOCHS):
            for rows in torch.randperm(len(x)).split(_BATCH):
                optimiser.zero_grad()
                cross_entropy(network(x[rows]), y[rows]).backward()
                optimiser.step()
    network.eval().requires_grad_(False)
    head = network.get_submodule("fc2")
    listener = head.register_forward_pre_hook(lambda module, given: heard.append(given[0]))
    logits = network(x)
    listener.remove()
    answers = logits.numpy()
    signals: dict[str, NDArray[Any]] = {
        "logits": answers,
        "activations": heard[0].numpy(),
        "predicted": answers.argmax(axis=1).astype(np.int32),
        "loss": cross_entropy(logits, y, reduction="none").numpy(),
        "residuals": residuals(answers, labels),
    }
    return network, signals
