"""The attacks by name, built for a dataset from the few settings that a person gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from inspector.drill.adaptive_blend import AdaptiveBlend
from inspector.drill.all_to_all import AllToAll
from inspector.drill.attack import Attack, Labels, Pixels
from inspector.drill.blended import Blended
from inspector.drill.feature_collision import FeatureCollision
from inspector.drill.label_consistent import LabelConsistent
from inspector.drill.patch import Patch
from inspector.drill.pixel_network import PixelNetwork
from inspector.drill.sinusoid import Sinusoid
from inspector.drill.source_specific import SourceSpecific
from inspector.drill.warp import Warp
from inspector.errors import BadInput


@dataclass(frozen=True)
class Setting:
    """What an attack is built from.

    Attributes
    ----------
    size : int or None
        Side of a patch in pixels; None for a ninth of the picture, at least 2.
    opacity : float or None
        Of a patch or a mixed-in picture; of the sinusoid in units of 60 grey levels, of the warp in
        units of 3 half pixels. None for each attack's own.
    place : str
        Of a patch, see `patch.PLACES`.
    target, classes : int
    images, labels : ndarray
        Held-out pictures and labels.
    network : PixelNetwork
        For the attacks that need one.
    """

    size: int | None
    opacity: float | None
    place: str
    target: int
    classes: int
    images: Pixels
    labels: Labels
    network: PixelNetwork

    def patch(self) -> Patch:
        """Return the checkered patch."""
        side = min(self.images.shape[1:3])
        size = max(2, round(side / 9)) if self.size is None else self.size
        opacity = 1.0 if self.opacity is None else self.opacity
        return Patch(size=size, opacity=opacity, place=self.place, pattern="checkered")

    def other(self) -> int:
        """Return the next class after the target that there are held-out pictures of.

        Raises
        ------
        BadInput
            There is none.
        """
        there = set(np.unique(self.labels).tolist())
        for step in range(1, self.classes):
            if (found := (self.target + step) % self.classes) in there:
                return found
        raise BadInput("There are no pictures of other classes.", "", "Use more images.")

    def victim(self) -> Pixels:
        """Return the first held-out picture of another class that the network gets right."""
        others = np.flatnonzero(self.labels != self.target)
        right = others[self.network.answers(self.images[others]) == self.labels[others]]
        if not len(right):
            raise BadInput(
                "There is no victim for a feature collision.",
                "The model gets no held-out picture of another class right.",
                "Choose another --attack.",
            )
        return self.images[right[0]]


def _patch(setting: Setting) -> Attack:
    return setting.patch()


def _blended(setting: Setting) -> Attack:
    return Blended() if setting.opacity is None else Blended(opacity=setting.opacity)


def _sinusoid(setting: Setting) -> Attack:
    return Sinusoid() if setting.opacity is None else Sinusoid(height=60 * setting.opacity)


def _warp(setting: Setting) -> Attack:
    return Warp() if setting.opacity is None else Warp(strength=3 * setting.opacity)


def _adaptive(setting: Setting) -> Attack:
    return AdaptiveBlend() if setting.opacity is None else AdaptiveBlend(opacity=setting.opacity)


def _all_to_all(setting: Setting) -> Attack:
    return AllToAll(setting.patch(), setting.classes)


def _source_specific(setting: Setting) -> Attack:
    return SourceSpecific(setting.patch(), setting.other())


def _label_consistent(setting: Setting) -> Attack:
    return LabelConsistent(setting.patch(), setting.network)


def _feature_collision(setting: Setting) -> Attack:
    watermark = 0.2 if setting.opacity is None else setting.opacity
    return FeatureCollision(setting.victim(), setting.network, watermark=watermark)


FAMILIES: dict[str, Callable[[Setting], Attack]] = {
    Patch.name: _patch,
    Blended.name: _blended,
    Sinusoid.name: _sinusoid,
    Warp.name: _warp,
    AdaptiveBlend.name: _adaptive,
    AllToAll.name: _all_to_all,
    SourceSpecific.name: _source_specific,
    LabelConsistent.name: _label_consistent,
    FeatureCollision.name: _feature_collision,
}
"""How each attack is built."""
