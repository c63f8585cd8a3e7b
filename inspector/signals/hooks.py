"""Reads the activations of layers while a network runs; leaves the network as it was."""

from __future__ import annotations

import difflib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Any, Self

from torch import Tensor, nn

from inspector.errors import BadInput


class Listener(ABC):
    """Hangs on a network within a ``with`` statement, and leaves it as it was."""

    def __enter__(self) -> Self:
        """Attach to the network."""
        with ExitStack() as undoing:
            self._attach(undoing)
            self._undoing = undoing.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Detach from the network."""
        self._undoing.close()

    @abstractmethod
    def _attach(self, undoing: ExitStack) -> None:
        """Change what has to be changed, and register how each change is undone."""


class ActivationTap(Listener):
    """Holds one vector per sample from the last forward pass. Use it in a ``with`` statement.

    Parameters
    ----------
    network : nn.Module
        The network to listen to.
    head : str
        Name of the last linear layer. Its input is taken when no layer is asked for.
    layer : str, optional
        Name of a module whose output is taken instead. The head's own name means its input, since
        its output are the logits.
    further : sequence of str
        Modules whose outputs are taken beside that.

    Notes
    -----
    A feature map becomes a vector by its mean over places: (b, c, h, w) over h and w, tokens
    (b, t, d) over t, and (b, h, w, c), as torchvision's Swin has it, over h and w. A module that
    runs several times in one pass is taken at its last call.

    Raises
    ------
    BadInput
        No module has that name.
    """

    def __init__(
        self,
        network: nn.Module,
        head: str,
        layer: str | None = None,
        further: Sequence[str] = (),
    ) -> None:
        self.name = layer or head
        modules = dict(network.named_modules())
        if not self.name or self.name not in modules:
            raise _unknown_layer(self.name, [name for name in modules if name])
        self._module = modules[self.name]
        self._further = {name: modules[name] for name in further}
        self._takes_input = self.name == head
        self._heard = _Heard()

    def _attach(self, undoing: ExitStack) -> None:
        if self._takes_input:
            handle = self._module.register_forward_pre_hook(self._before, with_kwargs=True)
        else:
            handle = self._module.register_forward_hook(self._after)
        undoing.callback(handle.remove)
        for name, module in self._further.items():
            undoing.callback(module.register_forward_hook(partial(self._beside, name)).remove)

    def run(
        self, forward: Callable[[Tensor], Any], x: Tensor
    ) -> tuple[Any, Tensor, tuple[Tensor, ...]]:
        """Return what ``forward(x)`` returns, the activations, (b, d), and those of further layers.

        Several threads may do so at once. Only passes through here are listened to: gradients run
        the same modules on tensors that must not be kept.

        Raises
        ------
        BadInput
            The layer took no part, or has no tensor with a row per sample.
        """
        self._heard.listening, self._heard.beside = True, {}
        try:
            answer = forward(x)
            value, beside = self._heard.value, self._heard.beside
        finally:
            self._heard.listening, self._heard.value, self._heard.beside = False, None, {}
        if value is None or value.ndim < 2 or len(value) != len(x):
            raise BadInput(
                f"The layer {self.name!r} yields no activations.",
                "It takes no part in the network's answer, or has no row for each sample.",
                "Choose another layer, or none for the input of the last linear layer.",
            )
        missing = [
            name for name in self._further if name not in beside or len(beside[name]) != len(x)
        ]
        if missing:
            raise BadInput(
                f"The layer {missing[0]!r} yields no activations.",
                "It takes no part in the network's answer, or has no row for each sample.",
                "Leave it out of --layers.",
            )
        return answer, pooled(value), tuple(beside[name] for name in self._further)

    def _before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._heard.listening:
            self._heard.value = _first_tensor((*args, *kwargs.values()))

    def _after(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if self._heard.listening:
            self._heard.value = _first_tensor(output)

    def _beside(self, name: str, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if self._heard.listening:
            value = _first_tensor(output)
            if value is not None and value.ndim >= 2:
                # At once: what comes next may change the map in place, and it is large.
                self._heard.beside[name] = pooled(value)


class _Heard(threading.local):
    """What the pass of this thread has shown so far."""

    def __init__(self) -> None:
        self.listening = False
        self.value: Tensor | None = None
        self.beside: dict[str, Tensor] = {}


def _first_tensor(value: Any) -> Tensor | None:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        return next((found for part in value if (found := _first_tensor(part)) is not None), None)
    return None


def pooled(value: Tensor) -> Tensor:
    """Return one vector per sample: the mean over places; see `ActivationTap`."""
    value = value.detach().float()
    if value.ndim == 2:
        return value
    if value.ndim == 4 and value.shape[1] == value.shape[2] != value.shape[3]:
        return value.mean((1, 2))
    if value.ndim == 3:
        return value.mean(1)
    return value.flatten(2).mean(2)


def _unknown_layer(name: str, names: list[str]) -> BadInput:
    if not name:
        return BadInput(
            "The network has no linear layer whose input could be taken.",
            "",
            f"Name a layer with --layer; there are: {', '.join(names[-8:])}.",
        )
    near = difflib.get_close_matches(name, names, n=5, cutoff=0.4) or names[-5:]
    return BadInput(
        f"The network has no layer {name!r}.",
        f"The nearest names are: {', '.join(near)}.",
        "Choose one of them, or leave --layer out for the input of the last linear layer.",
    )
