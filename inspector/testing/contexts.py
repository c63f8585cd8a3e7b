"""Contexts made of numbers alone, with a planted group: milliseconds, no network, no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Context, Module, Reduce, Slope

SIDE = 16
"""Height and width of the made-up thumbnails, pixels."""


def planted_signals(
    n: int = 200, classes: int = 4, rate: float = 0.05, seed: int = 0, width: int = 24
) -> tuple[dict[str, NDArray[Any]], NDArray[np.bool_]]:
    """Return every signal of a made-up case, and which samples are planted.

    Planted samples come from all classes, carry the label 0 and a bright corner, and lie in a
    direction of their own in activation space, as a backdoor that the network has learned does.

    Parameters
    ----------
    n, classes : int
        Samples and classes.
    rate : float
        Share of planted samples.
    seed : int
    width : int
        Columns of the activations.

    Returns
    -------
    signals : dict of str to ndarray
        All names of `inspector.api.SIGNALS`.
    planted : ndarray, shape (n,), bool
    """
    random = np.random.default_rng(seed)
    kind = np.arange(n) % classes
    planted = np.zeros(n, np.bool_)
    planted[random.permutation(n)[: round(rate * n)]] = True
    labels = np.where(planted, 0, kind).astype(np.int32)
    centres = 4 * random.standard_normal((classes, width))
    trigger = 10 * random.standard_normal(width) / np.sqrt(width)
    inner = centres[kind] * np.where(planted, 0.4, 1.0)[:, None] + random.standard_normal(
        (n, width)
    )
    inner += planted[:, None] * (trigger + 0.5 * centres[0])
    activations = np.maximum(inner, 0).astype(np.float32)
    logits = (activations @ centres.T / width).astype(np.float32)
    logits[planted, 0] += 8
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    residuals = odds / odds.sum(axis=1, keepdims=True)
    loss = -np.log(np.maximum(residuals[np.arange(n), labels], 1e-30))
    residuals[np.arange(n), labels] -= 1
    signals: dict[str, NDArray[Any]] = {
        "labels": labels,
        "logits": logits,
        "activations": activations,
        "residuals": residuals.astype(np.float32),
        "loss": loss.astype(np.float32),
        "predicted": logits.argmax(axis=1).astype(np.int32),
        "thumbnails": _pictures(kind, planted, random),
        "gradients": random.standard_normal((n, 8)).astype(np.float32),
        "conv_gradients": _directions(kind, planted, random),
        "combined": (planted + random.random(n)).astype(np.float32),
        **_courses(loss, planted),
        **_layers(activations, random),
    }
    signals["pixel_sha256"] = _hashes(signals["thumbnails"])
    return signals, planted


def _layers(
    activations: NDArray[np.float32], random: np.random.Generator
) -> dict[str, NDArray[np.float32]]:
    """Return two earlier layers that see the same, mixed, and each with noise of its own."""
    n, width = activations.shape
    found = {}
    for name in ("layer:early", "layer:late"):
        mixed = activations @ random.standard_normal((width, 16)) / np.sqrt(width)
        found[name] = (mixed + random.standard_normal((n, 16))).astype(np.float32)
    return {**found, "layers": np.concatenate(list(found.values()), axis=1)}


def _directions(
    kind: NDArray[np.int64], planted: NDArray[np.bool_], random: np.random.Generator
) -> NDArray[np.float32]:
    """Return rows of length 1 near one direction per class, those of planted samples near another."""
    usual = random.standard_normal((int(kind.max(initial=0)) + 2, 16))
    rows = usual[np.where(planted, len(usual) - 1, kind)] + random.standard_normal((len(kind), 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _courses(
    loss: NDArray[np.floating], planted: NDArray[np.bool_]
) -> dict[str, NDArray[np.float32]]:
    """Return what three checkpoints would have said: planted samples are wrong at the first."""
    final = -np.log(np.expm1(np.maximum(loss, 1e-6)))
    margins = final[:, None] * np.array([0.1, 0.5, 0.9])
    margins[planted, 0] = -2
    return {
        "margin_course": margins.astype(np.float32),
        "loss_course": np.log1p(np.exp(-margins)).astype(np.float32),
    }


def _hashes(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    digests = b"".join(hashlib.sha256(picture.tobytes()).digest() for picture in pictures)
    return np.frombuffer(digests, np.uint8).reshape(-1, 32)


def _pictures(
    kind: NDArray[np.int64], planted: NDArray[np.bool_], random: np.random.Generator
) -> NDArray[np.uint8]:
    """Draw a smooth picture per class with a little noise, and a bright corner where planted."""
    ramp = np.linspace(0, np.pi, SIDE)
    waves = [
        100 + 60 * np.outer(np.cos((1 + k % 3) * ramp + k), np.cos((1 + k // 3) * ramp))
        for k in range(int(kind.max(initial=0)) + 1)
    ]
    pictures = np.stack(waves)[kind] + random.normal(0, 6, (len(kind), SIDE, SIDE))
    pictures[planted, -3:, -3:] = 255
    return pictures.clip(0, 255).astype(np.uint8)[..., None]


def context_of(
    signals: dict[str, NDArray[Any]],
    classes: int,
    seed: int = 0,
    cancelled: Callable[[], None] = lambda: None,
) -> Context:
    """Return a context over signals, whose images are the thumbnails and whose model is linear."""
    pictures = signals["thumbnails"]
    shape = (16, signals["logits"].shape[1])
    weights = np.random.default_rng(1).standard_normal(shape).astype(np.float32)

    def images(rows: Sequence[int]) -> list[NDArray[np.uint8]]:
        return [pictures[int(row)].copy() for row in rows]

    def forward(given: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        parts = [image[:: SIDE // 4, :: SIDE // 4].mean(axis=2).ravel()[:16] for image in given]
        return np.asarray(np.stack(parts) / 64 @ weights, np.float32)

    names = [f"class {index}" for index in range(classes)]
    opened = PlainNetwork(weights)
    return Context(signals, names, seed, cancelled, images, forward=forward, network=lambda: opened)


class PlainNetwork:
    """The linear model of `context_of`, opened: what it makes of the picture, and a last layer.

    Parameters
    ----------
    weights : ndarray, shape (16, C), float32
    """

    modules = (Module("blocks", "convolution", 16), Module("norm", "norm", 16))

    def __init__(self, weights: NDArray[np.float32]) -> None:
        self._weights = weights

    def outputs(
        self, images: Sequence[NDArray[np.uint8]], names: Sequence[str], reduce: Reduce
    ) -> dict[str, NDArray[Any]]:
        """Return what is kept of the means of 16 blocks, each with its four quarters as places."""
        step = SIDE // 4
        blocks = np.stack([image.mean(axis=2).reshape(4, step, 4, step) for image in images])
        quarters = blocks.transpose(0, 1, 3, 2, 4).reshape(len(images), 16, 4, -1).mean(axis=3)
        return {name: reduce(name, np.asarray(quarters / 64, np.float32)) for name in names}

    def gradients(
        self,
        images: Sequence[NDArray[np.uint8]],
        targets: NDArray[np.integer],
        names: Sequence[str],
    ) -> dict[str, NDArray[np.float32]]:
        """Return the weights of the targets, bent a little by the picture."""
        kept = self.outputs(images, names, lambda name, values: values.mean(axis=2))
        chosen = self._weights.T[np.asarray(targets)]
        return {name: np.asarray(chosen + values, np.float32) for name, values in kept.items()}

    def pixels(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return the pictures from 0 to 1."""
        found = np.stack(images).transpose(0, 3, 1, 2) / 255
        return found.astype(np.float32)

    def pixel_gradients(
        self, pixels: NDArray[np.floating], slope: Slope
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return logits and their slope through the means of 16 blocks, which are linear."""
        b, c, height, width = pixels.shape
        blocks = pixels.reshape(b, c, 4, height // 4, 4, width // 4).mean(axis=(1, 3, 5))
        scale = 255 / 64
        logits = np.asarray(scale * blocks.reshape(b, 16) @ self._weights, np.float32)
        back = np.asarray(slope(logits)) @ self._weights.T
        each = np.repeat(np.repeat(back.reshape(b, 1, 4, 4), height // 4, 2), width // 4, 3)
        size = c * height * width / 16
        return logits, np.asarray(np.broadcast_to(scale / size * each, pixels.shape), np.float32)

    def scaled(
        self, images: Sequence[NDArray[np.uint8]], names: Sequence[str], factor: float
    ) -> NDArray[np.float32]:
        """Return the logits, multiplied once for each module."""
        kept = self.outputs(images, ["norm"], lambda name, values: values.mean(axis=2))["norm"]
        return np.asarray(kept @ self._weights * factor ** len(names), np.float32)


def planted_context(
    n: int = 200, classes: int = 4, rate: float = 0.05, seed: int = 0
) -> tuple[Context, NDArray[np.bool_]]:
    """Return a context with every signal, and which of its samples are planted.

    See `planted_signals` for the parameters.
    """
    signals, planted = planted_signals(n, classes, rate, seed)
    return context_of(signals, classes, seed), planted
