"""Which samples carry a reconstructed trigger? Asked of the pixels, and of the network.

Three answers per sample. *Likeness*: how much of the pattern is there, where the mask is.
*Removal*: how much less the network believes in the class when that region is taken out.
*Transplant*: how much more it believes in the class when the region is pasted on pictures of other
classes; a trigger takes its class along, a natural object rarely does. The reconstruction need not
be the trigger that was planted, only lie where it is: the pixels that are pasted are the sample's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from inspector.api import Control
from inspector.triggers.pictures import Preprocessing
from inspector.triggers.stamp import Stamp

HOSTS = 6
"""Pictures of other classes that a region is pasted on."""

PARTS = ("likeness", "removal", "transplant")
WEIGHTS = (0.25, 0.5, 1.0)
"""The network's answers count for more than the likeness of pixels: triggers come out distorted."""

_FAINT = 0.2
_LARGEST_REGION = 0.4
"""Share of a picture; a larger region is the picture itself, and pasting it shows nothing."""


@dataclass(frozen=True)
class Probe:
    """One trigger with the network that answers to it.

    Attributes
    ----------
    network : Module
        Frozen, in eval mode.
    preprocess : Preprocessing
    stamp : Stamp
        At the size of the network's input.
    target : int
        Class that the trigger leads to.
    hosts : Tensor, shape (h, C, H, W), 0..1
        Pictures of other classes, answered with them; may be empty.
    portion : int
        Pictures per pass.
    control : Control
    """

    network: nn.Module
    preprocess: Preprocessing
    stamp: Stamp
    target: int
    hosts: torch.Tensor
    portion: int
    control: Control

    @property
    def region(self) -> torch.Tensor | None:
        """Where the trigger lies, (1, H, W) bool; None when it lies everywhere.

        Also None of a transformation: what it changes is the picture itself, so filling that in, or
        pasting it elsewhere, shows what the picture shows there.
        """
        if self.stamp.transformation is not None:
            return None
        mask = self.stamp.mask
        core = (mask >= _FAINT * mask.max()).float()
        margin = F.max_pool2d(core[None], 3, 1, 1)[0] > 0
        return margin if float(margin.float().mean()) <= _LARGEST_REGION else None

    @property
    def attainable(self) -> float:
        """Largest score that a sample could have with this trigger."""
        likeness, removal, transplant = WEIGHTS
        has_pattern = self.stamp.transformation is None
        return has_pattern * likeness + removal + (self.region is not None) * transplant

    @torch.no_grad()
    def belief(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the probability of the class for pictures (b, C, H, W), 0..1."""
        found = [pixels.new_zeros(0)]
        for some in pixels.split(self.portion):
            self.control.check()
            answers = self.network(self.preprocess.normalise((some * 255).round() / 255))
            found.append(torch.nan_to_num(answers.softmax(dim=1)[:, self.target]))
        return torch.cat(found)

    def without(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return pictures with the trigger's region filled in, or a faint trigger taken away."""
        stamp, region = self.stamp, self.region
        if region is not None:
            ring = (F.max_pool2d(region[None].float(), 5, 1, 2)[0] > 0) & ~region
            if not bool(ring.any()):
                ring = ~region
            weight = ring.float() / ring.sum()
            fill = (pixels * weight).sum(dim=(2, 3), keepdim=True)
            return torch.where(region, fill, pixels)
        if stamp.transformation is not None:
            return stamp.transformation.undone(pixels)
        if stamp.delta is not None:
            return (pixels - stamp.delta).clamp(0, 1)
        left = (1 - stamp.mask).clamp(min=0.05)
        return ((pixels - stamp.mask * stamp.pattern) / left).clamp(0, 1)

    def transplant(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return how much more the hosts are believed to be of the class with each region.

        Returns
        -------
        Tensor, shape (b,), -1..1
            Mean over the hosts; zeros when there are none, or the trigger lies everywhere.
        """
        region = self.region
        if region is None or not len(self.hosts):
            return pixels.new_zeros(len(pixels))
        before = self.belief(self.hosts)
        gains = pixels.new_zeros(len(pixels))
        for host, usual in zip(self.hosts, before):
            gains += self.belief(torch.where(region, pixels, host)) - usual
        return gains / len(self.hosts)

    def likeness(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return how alike pictures and trigger are where the mask is.

        Returns
        -------
        Tensor, shape (b,)
            Of an opaque trigger one minus the mean distance of colours, 0..1; of a faint one the
            correlation of both without what is smooth in the picture, -1..1; zeros of a
            transformation, which has no pattern.
        """
        stamp, region = self.stamp, self.region
        if stamp.transformation is not None:
            return pixels.new_zeros(len(pixels))
        if region is not None and stamp.delta is None:
            weight = stamp.mask * region
            distance = ((pixels - stamp.pattern).abs() * weight).sum(dim=(1, 2, 3))
            return 1 - distance / (weight.sum() * pixels.shape[1]).clamp(min=1e-6)
        shape = stamp.delta if stamp.delta is not None else stamp.mask * (stamp.pattern - 0.5)
        inside = torch.ones_like(stamp.mask) if region is None else region.float()
        shape, fine = _fine(shape[None]) * inside, _fine(pixels) * inside
        scale = shape.norm() * fine.flatten(1).norm(dim=1)
        return (fine * shape).sum(dim=(1, 2, 3)) / scale.clamp(min=1e-6)


def assess(probe: Probe, pixels: torch.Tensor, suspected: torch.Tensor) -> torch.Tensor:
    """Ask all three about some pictures.

    Parameters
    ----------
    probe : Probe
    pixels : Tensor, shape (b, C, H, W), uint8
    suspected : Tensor, shape (b,), bool
        Labelled with the class or answered with it. The network is asked about these alone: a
        sample that is neither has no part in a backdoor to this class.

    Returns
    -------
    Tensor, shape (b, 3), float32
        Columns as in `PARTS`.
    """
    plain = pixels.float() / 255
    parts = torch.zeros(len(pixels), len(PARTS), device=pixels.device)
    parts[:, 0] = probe.likeness(plain)
    chosen = plain[suspected]
    if len(chosen):
        parts[suspected, 1] = probe.belief(chosen) - probe.belief(probe.without(chosen))
        parts[suspected, 2] = probe.transplant(chosen)
    return parts


def scores_of(parts: torch.Tensor) -> torch.Tensor:
    """Return one score per row of `assess`, higher = more like a carrier."""
    return parts @ torch.tensor(WEIGHTS, dtype=parts.dtype, device=parts.device)


def _fine(pixels: torch.Tensor) -> torch.Tensor:
    """Take away what is smooth: pictures differ in it more than a faint trigger is strong."""
    smooth = F.avg_pool2d(F.pad(pixels, (3, 3, 3, 3), mode="replicate"), 7, 1)
    return pixels - smooth
