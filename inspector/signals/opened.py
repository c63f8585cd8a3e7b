"""The network opened for detectors: outputs and gradients inside it, and amplified copies of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inspector.api import Control, Module, Reduce, Slope
from inspector.intake.models.preprocess import Preprocess

_BATCH = 64
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (
    nn.modules.batchnorm._BatchNorm,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.modules.instancenorm._InstanceNorm,
)


class OpenedNetwork:
    """A network that shows its inside; see `inspector.api.Network`.

    Parameters
    ----------
    network : nn.Module
        In eval mode.
    preprocess : Preprocess
        From pictures to its input.
    control : Control, optional
        Asked between batches.
    """

    def __init__(
        self, network: nn.Module, preprocess: Preprocess, control: Control | None = None
    ) -> None:
        self._network = network
        self._preprocess = preprocess
        self._control = control or Control()
        self._named = dict(network.named_modules())

    @cached_property
    def modules(self) -> tuple[Module, ...]:
        """Convolutions, normalisations and linear layers that took part, by their first call."""
        names = {module: name for name, module in self._named.items()}
        order: dict[str, Module] = {}

        def look(module: nn.Module, given: Any, output: Any) -> None:
            kind = _kind(module)
            if kind and isinstance(output, Tensor) and output.ndim >= 2:
                name = names[module]
                order.setdefault(name, Module(name, kind, _by_places(module, output).shape[1]))

        blank = torch.zeros(1, self._preprocess.channels, *self._preprocess.size)
        with _hooked(self._named.values(), look), torch.inference_mode():
            self._network(blank)
        return tuple(order.values())

    def outputs(
        self, images: Sequence[NDArray[np.uint8]], names: Sequence[str], reduce: Reduce
    ) -> dict[str, NDArray[Any]]:
        """Return what ``reduce`` keeps of each module's output; one output is held at a time."""
        kept: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
        wanted = {self._named[name]: name for name in names}

        def keep(module: nn.Module, given: Any, output: Any) -> None:
            values = _by_places(module, output.detach()).float().numpy()
            kept[wanted[module]].append(reduce(wanted[module], values))

        with _hooked(wanted, keep), torch.inference_mode():
            for x in self._batches(images):
                self._network(x)
        return {name: np.concatenate(parts) for name, parts in kept.items()}

    def gradients(
        self,
        images: Sequence[NDArray[np.uint8]],
        targets: NDArray[np.integer],
        names: Sequence[str],
    ) -> dict[str, NDArray[np.float32]]:
        """Return gradients of the targets' logits at module outputs, mean over places, (b, c).

        All modules in one pass forward and one back.
        """
        kept: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
        wanted = {self._named[name]: name for name in names}

        def listen(module: nn.Module, given: Any, output: Tensor) -> None:
            def keep(gradient: Tensor) -> None:
                pooled = _by_places(module, gradient).mean(dim=2)
                kept[wanted[module]].append(pooled.float().numpy())

            output.register_hook(keep)

        start = 0
        with _hooked(wanted, listen), torch.enable_grad():
            for x in self._batches(images):
                chosen = torch.from_numpy(np.asarray(targets[start : start + len(x)], np.int64))
                logits = self._network(x.requires_grad_(True)).reshape(len(x), -1)
                torch.autograd.grad(logits.gather(1, chosen[:, None]).sum(), x)
                start += len(x)
        return {name: np.concatenate(parts) for name, parts in kept.items()}

    def pixels(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return pictures at the network's size and with its channels, (b, c, h, w), 0 to 1."""
        if not len(images):
            return np.empty((0, self._preprocess.channels, *self._preprocess.size), np.float32)
        parts = [self._preprocess.undo(x) for x in self._batches(images)]
        found = np.concatenate(parts).transpose(0, 3, 1, 2) / 255
        return np.ascontiguousarray(found, np.float32)

    def pixel_gradients(
        self, pixels: NDArray[np.floating], slope: Slope
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return logits and the gradient at pixels of what ``slope`` is the gradient of."""
        self._control.check()
        x = torch.tensor(np.asarray(pixels, np.float32), requires_grad=True)
        with torch.enable_grad():
            logits = self._network(self._preprocess.normalise(x)).reshape(len(x), -1)
        said: NDArray[np.float32] = logits.detach().float().numpy()
        down = torch.tensor(np.asarray(slope(said), np.float32)).to(logits.dtype)
        (gradient,) = torch.autograd.grad(logits, x, down)
        found: NDArray[np.float32] = gradient.float().numpy()
        return said, found

    def scaled(
        self, images: Sequence[NDArray[np.uint8]], names: Sequence[str], factor: float
    ) -> NDArray[np.float32]:
        """Return the logits with weight and bias of some modules multiplied, and undo it."""
        answers = []
        with _multiplied([self._named[name] for name in names], factor), torch.inference_mode():
            for x in self._batches(images):
                answers.append(self._network(x).float().reshape(len(x), -1))
        joined: NDArray[np.float32] = torch.cat(answers).numpy()
        return joined

    def _batches(self, images: Sequence[NDArray[np.uint8]]) -> Iterator[Tensor]:
        for start in range(0, len(images), _BATCH):
            self._control.check()
            yield self._preprocess(images[start : start + _BATCH])


def _kind(module: nn.Module) -> Any:
    if isinstance(module, _CONVOLUTIONS):
        return "convolution"
    if isinstance(module, _NORMS):
        return "norm"
    return "linear" if isinstance(module, nn.Linear) else None


def _by_places(module: nn.Module, value: Tensor) -> Tensor:
    """Return an output as (b, c, places). Linear layers and LayerNorm have channels last."""
    if value.ndim == 2:
        return value[:, :, None]
    last = isinstance(module, (nn.Linear, nn.LayerNorm))
    return value.flatten(1, -2).transpose(1, 2) if last else value.flatten(2)


@contextmanager
def _hooked(modules: Any, hook: Callable[[nn.Module, Any, Any], None]) -> Iterator[None]:
    handles = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _multiplied(modules: Sequence[nn.Module], factor: float) -> Iterator[None]:
    """Multiply weights in place; they are put back bit by bit, also after an error."""
    values = [value for module in modules for value in module.parameters(recurse=False)]
    before = [value.detach().clone() for value in values]
    try:
        with torch.no_grad():
            for value in values:
                value.mul_(factor)
        yield
    finally:
        with torch.no_grad():
            for value, old in zip(values, before):
                value.copy_(old)
