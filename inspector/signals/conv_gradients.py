"""Directions of per-sample gradients at the last convolutions, sketched while the network runs.

The gradient of one sample at the weight of a convolution is δ uᵀ, with δ the gradient at its output
and u its input unfolded into patches, places along both (Goodfellow 2015; Rochette, Manoel and
Tramel 2019). It is projected by a count sketch whose bucket is h₁(row) + h₂(column) and whose sign
s₁(row) s₂(column), a tensor sketch (Pham and Pagh 2013): the columns of u can then be summed into
buckets before δ meets them, and what is held for a sample never grows with the layer's weights.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inspector.errors import BadInput
from inspector.signals.hooks import Listener

LAYERS = 2
"""Convolutions that are looked at: the last ones."""

_HELD = 1 << 24
"""Numbers of one step of a sketch at most: 64 MiB."""

Answer = TypeVar("Answer")


class ConvSketch:
    """The projection of one convolution's per-sample gradients to m dimensions.

    Parameters
    ----------
    module : nn.Conv2d
    m : int
        Number of dimensions.
    seed : int

    Attributes
    ----------
    buckets : Tensor, shape (out, J), int64
        Which sum each weight adds to; J is the number of weights of an output channel, and one more
        for its bias where there is one.
    signs : Tensor, shape (out, J), float32
        With which sign.
    """

    def __init__(self, module: nn.Conv2d, m: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        out = module.out_channels
        columns = module.weight[0].numel() + (module.bias is not None)
        device = module.weight.device
        self.m = m
        self._module = module
        self._rows = torch.randint(m, (out,), generator=generator).to(device)
        self._columns = torch.randint(m, (columns,), generator=generator).to(device)
        ways = torch.randint(2, (out + columns,), generator=generator) * 2 - 1
        self._row_signs, self._column_signs = ways.float().to(device).split([out, columns])

    @property
    def buckets(self) -> Tensor:
        """See the class."""
        return (self._rows[:, None] + self._columns) % self.m

    @property
    def signs(self) -> Tensor:
        """See the class."""
        return self._row_signs[:, None] * self._column_signs

    def __call__(self, given: Tensor, slope: Tensor) -> Tensor:
        """Return the sketched gradients.

        Parameters
        ----------
        given : Tensor, shape (b, in, h, w)
            Input of the convolution.
        slope : Tensor, shape (b, out, h', w')
            Gradient at its output.

        Returns
        -------
        Tensor, shape (b, m)
        """
        held = self._module.out_channels * min(self.m, len(self._columns))
        held += given[0].numel() * self._module.weight[0, 0].numel()
        parts = zip(given.split(max(1, _HELD // held)), slope.split(max(1, _HELD // held)))
        return torch.cat([self._sketched(*part) for part in parts])

    def _sketched(self, given: Tensor, slope: Tensor) -> Tensor:
        module, groups = self._module, self._module.groups
        patches = self._patches(given)
        b, _, columns, places = patches.shape
        slope = slope.reshape(b, groups, -1, places)
        row_signs, column_signs = (
            signs.to(slope.dtype) for signs in (self._row_signs, self._column_signs)
        )
        sums = torch.zeros(b, self.m, dtype=slope.dtype, device=slope.device)
        if module.bias is not None:
            index = (self._rows + self._columns[columns]) % self.m
            biases = slope.sum(dim=3).flatten(1) * row_signs * column_signs[columns]
            sums.scatter_add_(1, index.expand(b, -1), biases)
        if columns <= self.m:
            gradient = torch.einsum("bgop,bgjp->bgoj", slope, patches).flatten(1)
            index = self.buckets[:, :columns].flatten()
            signs = (row_signs[:, None] * column_signs[:columns]).flatten()
            return sums.scatter_add_(1, index.expand(b, -1), gradient * signs)
        hashed = torch.zeros(b, groups, self.m, places, dtype=slope.dtype, device=slope.device)
        hashed.index_add_(2, self._columns[:columns], patches * column_signs[:columns, None])
        slope = slope * row_signs.reshape(groups, -1, 1)
        folded = torch.einsum("bgop,bgmp->bgom", slope, hashed).flatten(1)
        index = (self._rows[:, None] + torch.arange(self.m, device=slope.device)) % self.m
        return sums.scatter_add_(1, index.flatten().expand(b, -1), folded)

    def _patches(self, given: Tensor) -> Tensor:
        """Return what each weight is multiplied with, (b, groups, J, places), without the bias."""
        module = self._module
        padding: Any = module.padding
        if module.padding_mode != "zeros" or isinstance(padding, str):
            mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
            given = F.pad(given, module._reversed_padding_repeated_twice, mode=mode)
            padding = 0
        unfolded = F.unfold(given, module.kernel_size, module.dilation, padding, module.stride)
        return unfolded.unflatten(1, (module.groups, -1))


class ConvGradients(Listener):
    """Sketches the directions of gradients at some convolutions. Use it in a ``with`` statement.

    The gradient is that of the margin log(p / (1 − p)) at the label: the loss gradient divided by
    1 − p, so its direction is the same and stays where the network is sure. Each layer's sketch is
    scaled to length 1, and their sum too.

    Parameters
    ----------
    network : nn.Module
        In eval mode.
    names : sequence of str
        Convolutions in it, see `last_convolutions`.
    m : int
        Number of dimensions.
    seed : int
    """

    def __init__(self, network: nn.Module, names: Sequence[str], m: int, seed: int) -> None:
        modules = dict(network.named_modules())
        self._network = network
        self._sketches: dict[nn.Module, ConvSketch] = {}
        for place, name in enumerate(names):
            module = modules[name]
            assert isinstance(module, nn.Conv2d)
            self._sketches[module] = ConvSketch(module, m, seed + place)
        self._heard = _Heard()

    def _attach(self, undoing: ExitStack) -> None:
        # Weights need no gradients of their own meanwhile.
        for value in self._network.parameters():
            if value.requires_grad:
                value.requires_grad_(False)
                undoing.callback(value.requires_grad_, True)
        for module in self._sketches:
            undoing.callback(module.register_forward_hook(self._hear).remove)

    def run(
        self, forward: Callable[[], Answer], logits_of: Callable[[Answer], Tensor], labels: Tensor
    ) -> tuple[Answer, Tensor]:
        """Return what ``forward()`` returns and the directions, (b, m), float32.

        Only what follows the first of the convolutions is remembered for the way back. Several
        threads may do so at once.

        Parameters
        ----------
        forward : callable
            Runs the network.
        logits_of : callable
            Returns the logits, (b, C), of what it returned.
        labels : Tensor, shape (b,), int64
            NaN comes out where a label is negative or has no logit.
        """
        self._heard.listening, self._heard.given, self._heard.answers = True, {}, {}
        try:
            with torch.enable_grad():
                answer = forward()
                logits = logits_of(answer)
            slopes = self._slopes(logits, labels.to(logits.device))
            sketches = [
                self._sketches[module](self._heard.given[module].float(), slope.float())
                for module, slope in slopes.items()
            ]
        finally:
            self._heard.listening, self._heard.given, self._heard.answers = False, {}, {}
        joined = _unit(torch.stack([_unit(sketch) for sketch in sketches]).sum(dim=0))
        known = (labels >= 0) & (labels < logits.shape[1])
        return answer, joined.masked_fill_(~known.to(joined.device)[:, None], torch.nan)

    def _slopes(self, logits: Tensor, labels: Tensor) -> dict[nn.Module, Tensor]:
        """Return the gradient of the margins at the output of every convolution."""
        missing = [module for module in self._sketches if module not in self._heard.answers]
        if missing or not logits.requires_grad:
            raise BadInput(
                "The gradients at the last convolutions cannot be followed through this network.",
                "It cuts the way back, or answers past them.",
                "Scan without --conv-gradients.",
            )
        outputs = list(self._heard.answers.values())
        down = margin_slope(logits.detach(), labels)
        found = torch.autograd.grad(logits, outputs, down, allow_unused=True)
        return {
            module: torch.zeros_like(output) if slope is None else slope
            for (module, output), slope in zip(self._heard.answers.items(), found)
        }

    def _hear(self, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor | None:
        if not self._heard.listening:
            return None
        kept = output if output.requires_grad else output.detach().requires_grad_(True)
        self._heard.given[module] = args[0].detach()
        self._heard.answers[module] = kept
        # A copy goes on: what comes next may change it in place, and the slope is wanted here.
        return kept.clone()


class _Heard(threading.local):
    """What the pass of this thread has shown so far."""

    def __init__(self) -> None:
        self.listening = False
        self.given: dict[nn.Module, Tensor] = {}
        self.answers: dict[nn.Module, Tensor] = {}


def last_convolutions(network: nn.Module, names: Sequence[str], count: int = LAYERS) -> list[str]:
    """Return the last two-dimensional convolutions of a network, in the order of computing.

    Those that look at more than one place come first: a 1 × 1 convolution mixes channels or carries
    a block's input past it, and sees no pattern.

    Parameters
    ----------
    network : nn.Module
    names : sequence of str
        Modules that run exactly once, in the order of computing.
    count : int

    Raises
    ------
    BadInput
        There is none.
    """
    modules = dict(network.named_modules())
    found = [name for name in names if isinstance(modules.get(name), nn.Conv2d)]
    if not found:
        raise BadInput(
            "The network has no convolutions whose gradients could be taken.",
            "Only two-dimensional ones that run once are looked at.",
            "Scan without --conv-gradients.",
        )
    wide = [name for name in found if max(modules[name].kernel_size) > 1]  # type: ignore[type-var, arg-type]
    return (wide or found)[-count:]


def margin_slope(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the gradient of log(p / (1 − p)) at the logits, (b, C): one-hot minus the others' odds.

    Labels without a logit count as 0; so does every label where there is no other class.
    """
    known = (labels >= 0) & (labels < logits.shape[1])
    place = labels.where(known, 0)[:, None]
    wide = logits.double().scatter(1, place, -torch.inf)
    slope = -wide.softmax(dim=1).nan_to_num(0.0)
    return slope.scatter(1, place, -slope.sum(dim=1, keepdim=True)).to(logits.dtype)


def _unit(rows: Tensor) -> Tensor:
    return rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-30)
