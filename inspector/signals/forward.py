"""Runs the suspect network over batches, and hands it back as it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor, nn

from inspector.errors import BadInput, InspectorError
from inspector.signals.conv_gradients import ConvGradients
from inspector.signals.hooks import ActivationTap


class Said(NamedTuple):
    """What a network says of a batch, on the CPU, float32.

    Attributes
    ----------
    logits : Tensor, shape (b, C)
    activations : Tensor, shape (b, d)
    further : tuple of Tensor, each (b, ...)
        Activations of further layers.
    directions : Tensor, shape (b, m), or None
        Gradient directions at the last convolutions.
    """

    logits: Tensor
    activations: Tensor
    further: tuple[Tensor, ...]
    directions: Tensor | None


class Forward:
    """A network that answers batches with logits and activations, in several threads if need be.

    Parameters
    ----------
    network : nn.Module
        In eval mode, already prepared by `prepared`.
    tap : ActivationTap
        Attached to the layer.
    classes : int
        Number of logits that the network should have.
    device : torch.device
        Where the network lies.
    convolutions : ConvGradients, optional
        Attached to the network.
    """

    def __init__(
        self,
        network: nn.Module,
        tap: ActivationTap,
        classes: int,
        device: torch.device,
        convolutions: ConvGradients | None = None,
    ) -> None:
        self._network = network
        self._tap = tap
        self._classes = classes
        self._device = device
        self._convolutions = convolutions
        # A GPU holds one batch at a time; the streams on a CPU were given memory for their own.
        self._turn = threading.Lock() if device.type != "cpu" else nullcontext()

    def place(self, x: Tensor) -> Tensor:
        """Move a batch to the network, in the memory layout in which convolutions are fast."""
        return x.to(self._device, memory_format=torch.channels_last)

    def __call__(self, x: Tensor, labels: Tensor | None = None) -> Said:
        """Return what the network says of a batch, (b, c, h, w).

        Gradient directions need ``labels``, (b,), int64. A batch that is too large for the GPU is
        halved until it fits.

        Raises
        ------
        BadInput
            The network answers something else than one row of logits for each sample.
        InspectorError
            There is not enough memory for a single sample.
        """
        try:
            with self._turn:
                return self._said(x, labels)
        except torch.OutOfMemoryError:
            pass
        if len(x) == 1:
            raise InspectorError(
                f"There is not enough memory on {self._device} for this network.",
                "Even a single sample does not fit.",
                "Close other programs that use the device, or scan with --device cpu.",
            )
        # Outside of the handler, which would keep the tensors of the failed attempt alive.
        torch.cuda.empty_cache()
        half = (len(x) + 1) // 2
        known = (None, None) if labels is None else labels.split(half)
        first, second = (self(part, some) for part, some in zip(x.split(half), known))
        return Said(
            torch.cat([first.logits, second.logits]),
            torch.cat([first.activations, second.activations]),
            tuple(map(torch.cat, zip(first.further, second.further))),
            None
            if first.directions is None or second.directions is None
            else torch.cat([first.directions, second.directions]),
        )

    def _said(self, x: Tensor, labels: Tensor | None) -> Said:
        directions = None
        if self._convolutions is None or labels is None:
            with torch.inference_mode():
                answer, activations, further = self._tap.run(self._network, self.place(x))
        else:
            (answer, activations, further), found = self._convolutions.run(
                lambda: self._tap.run(self._network, self.place(x)),
                lambda said: self._logits(said[0], len(x)),
                labels,
            )
            directions = found.float().cpu()
        return Said(
            self._logits(answer, len(x)).detach().float().cpu(),
            activations.cpu(),
            tuple(part.cpu() for part in further),
            directions,
        )

    def _logits(self, answer: object, count: int) -> Tensor:
        if isinstance(answer, Tensor) and answer.numel() == count * self._classes:
            return answer.reshape(count, self._classes)
        shape = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
        raise BadInput(
            f"The network answers {shape} for {count} samples.",
            f"Logits of {self._classes} classes are expected, one row for each sample.",
            "Check --arch and --classes.",
        )


@contextmanager
def prepared(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Move a network to the device and into the fast layout, and back at the end.

    Values do not change. Two-dimensional convolutions and pooling run up to three times as fast on
    a CPU when channels are innermost (torch 2.15, oneDNN).

    Raises
    ------
    InspectorError
        A module is in training mode: batch normalisation would mix samples and learn from them.
    """
    training = next((name for name, module in network.named_modules() if module.training), None)
    if training is not None:
        raise InspectorError(
            "The network is in training mode.",
            f"Module {training or 'network'!r} would let samples of a batch change each other.",
            "Call network.eval() before signals are computed.",
        )
    first = next(network.parameters(), None)
    home = first.device if first is not None else torch.device("cpu")
    layouts = {name: value.stride() for name, value in _values(network)}
    network.to(device).to(memory_format=torch.channels_last)
    try:
        yield
    finally:
        network.to(home)
        for name, value in _values(network):
            if value.stride() != layouts[name]:
                value.data = torch.empty_strided(
                    value.shape, layouts[name], dtype=value.dtype, device=home
                ).copy_(value.data)


def _values(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    return chain(network.named_parameters(), network.named_buffers())
