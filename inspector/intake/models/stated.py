"""What a spec states, put over what would be tried: it is taken as given, the rest is measured."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from inspector.errors import BadInput
from inspector.intake.models.candidates import BUILDERS, Candidate, make_network
from inspector.intake.models.networks.layer_chain import ACTIVATIONS
from inspector.intake.models.plugin_architectures import (
    builder_parameters,
    check_arguments,
    find_architecture,
    unknown_argument,
)
from inspector.intake.models.spec import ModelSpec
from inspector.intake.models.torchvision_models import without_storage
from inspector.intake.models.variants import Setting

STEMS = {"cifar": (1, False), "imagenet": (2, True)}
"""Stride of the first layer, and whether a pooling follows it, by the word that a spec has."""

VARIABLE: dict[str, tuple[str, ...]] = {
    "resnet": ("stride", "pool"),
    "chain": ("activation", "pooling", "order", "padding", "pooled", "pools", "strided"),
    "torchvision": ("stem_stride", "stem_pool", "activation"),
}
"""Arguments that weights do not show, by network: what a spec may change."""

_PLACES = ("pools", "strided")
_WORDS = {
    "activation": tuple(ACTIVATIONS),
    "pooling": ("max", "avg"),
    "order": ("norm-act", "act-norm"),
    "padding": ("same", "none", "first"),
}


@dataclass(frozen=True)
class Pins:
    """Values that are not tried but given.

    Attributes
    ----------
    args : dict
        Of the network's builder.
    preprocess : dict
        Of `Preprocess`.
    """

    args: dict[str, Any] = field(default_factory=dict)
    preprocess: dict[str, Any] = field(default_factory=dict)

    def apply(self, settings: Sequence[Setting]) -> list[Setting]:
        """Keep the settings that agree with what is given; where none does, make them agree."""
        kept = list(settings)
        for name, value in self.args.items():
            agreeing = [one for one in kept if one.candidate.args.get(name) == value]
            kept = agreeing or [_forced(one, name, {name: value}) for one in kept]
        for name, value in self.preprocess.items():
            wanted = {id(one): _per_channel(one, name, value) for one in kept}
            agreeing = [one for one in kept if getattr(one.preprocess, name) == wanted[id(one)]]
            kept = agreeing or [_forced(one, name, {}, **{name: wanted[id(one)]}) for one in kept]
        unique: dict[str, Setting] = {}
        for one in kept:
            unique.setdefault(repr((one.candidate.args, one.preprocess)), one)
        return list(unique.values())

    def over(self, other: Pins) -> Pins:
        """Return these pins with those of another where these say nothing."""
        return Pins({**other.args, **self.args}, {**other.preprocess, **self.preprocess})


# Under which heading a forced value is shown.
_HEADINGS = {
    "mean": "normalisation",
    "std": "normalisation",
    "scale": "normalisation",
    "mode": "channels",
    "fit": "size",
    "side": "size",
    "stem_stride": "stem",
    "stem_pool": "stem",
    "stride": "stem",
    "pool": "stem",
    "padding": "layout",
    "pools": "layout",
    "strided": "layout",
    "pooled": "layout",
}


def _forced(setting: Setting, name: str, args: dict[str, Any], **preprocess: Any) -> Setting:
    return setting.changed(_HEADINGS.get(name, name), "as stated", args or None, **preprocess)


def _per_channel(setting: Setting, name: str, value: Any) -> Any:
    if name not in ("mean", "std"):
        return value
    channels = setting.preprocess.channels
    if len(value) not in (1, channels):
        raise BadInput(
            f"The spec states {len(value)} values of {name}, the network takes {channels}.",
            "There is one value per channel.",
            "Correct [preprocess] in the spec.",
        )
    return tuple(value) if len(value) == channels else tuple(value) * channels


def stated_preprocess(spec: ModelSpec) -> dict[str, Any]:
    """Return the fields of `Preprocess` that a spec states."""
    stated = spec.stated.get("preprocess", {})
    pins: dict[str, Any] = {
        key: stated[key] for key in ("mode", "interpolation", "antialias", "scale") if key in stated
    }
    for key in ("size", "mean", "std"):
        if key in stated:
            pins[key] = tuple(stated[key])
    resize, crop = stated.get("resize"), stated.get("crop")
    if resize == "none":
        pins["fit"] = "none"
    elif resize == "exact":
        pins["fit"] = "stretch-crop" if crop == "center" else "stretch"
    elif resize == "shorter-side" or crop == "center" or "resize_to" in stated:
        pins["fit"] = "crop"
    elif crop == "none":
        pins["fit"] = "stretch"
    if pins.get("fit") in ("crop", "stretch-crop"):
        # 0 stands for 8/7 of the size, as nearly everybody has it.
        pins["side"] = stated.get("resize_to", 0)
    return pins


def with_arguments(candidate: Candidate, spec: ModelSpec) -> tuple[Candidate, dict[str, Any]]:
    """Check the arguments that a spec states against a network's builder.

    Returns
    -------
    candidate : Candidate
        With the arguments that only it takes.
    pins : dict
        Those that would otherwise be tried.

    Raises
    ------
    BadInput
        The builder takes no such argument, or the weights say something else.
    """
    stated = dict(spec.get("architecture", "args", {}))
    if not stated:
        return candidate, {}
    if candidate.family == "plugin":
        check_arguments(find_architecture(candidate.network), stated)
        return replace(candidate, args={**candidate.args, **stated}), {}
    if candidate.family in ("torchvision", "timm"):
        return _with_extra(candidate, stated)
    builder = BUILDERS[candidate.network]
    taken = builder_parameters(builder) or {}
    pins: dict[str, Any] = {}
    if "stem" in stated and isinstance(stated["stem"], str):
        pins |= _stem(candidate, stated.pop("stem"), "stride", "pool")
    for name, value in stated.items():
        if name not in taken:
            raise unknown_argument(candidate.name, name, taken)
        if name in VARIABLE.get(candidate.network, ()):
            pins[name] = _variable(candidate, name, value)
            continue
        there = candidate.args.get(name, taken[name].default)
        if there != value:
            raise BadInput(
                f"The spec states {name} = {value!r} for {candidate.name}.",
                f"The weights say {there!r}.",
                "Correct [architecture] args in the spec.",
            )
    return candidate, pins


def _with_extra(candidate: Candidate, stated: dict[str, Any]) -> tuple[Candidate, dict[str, Any]]:
    """Sort arguments of torchvision's and timm's networks by who takes them."""
    pins: dict[str, Any] = {}
    if isinstance(stated.get("stem"), str) and candidate.family == "torchvision":
        pins |= _stem(candidate, stated.pop("stem"), "stem_stride", "stem_pool")
    extra = {}
    for name, value in stated.items():
        if candidate.family == "torchvision" and name in VARIABLE["torchvision"]:
            pins[name] = _variable(candidate, name, value)
        elif name in candidate.args:
            if candidate.args[name] != value:
                raise BadInput(
                    f"The spec states {name} = {value!r} for {candidate.name}.",
                    f"The weights say {candidate.args[name]!r}.",
                    "Correct [architecture] args in the spec.",
                )
        else:
            extra[name] = value
    if extra:
        network = without_storage(lambda: make_network(candidate))
        taken = inspect.signature(type(network).__init__).parameters
        for name in extra:
            if name not in taken or name == "self":
                known = [key for key in taken if key not in ("self", "kwargs")]
                raise unknown_argument(candidate.name, name, known)
        candidate = replace(candidate, args={**candidate.args, "extra": extra})
        _buildable(candidate, lambda: make_network(candidate))
    return candidate, pins


def _buildable(candidate: Candidate, make: Callable[[], nn.Module]) -> None:
    try:
        without_storage(make)
    except (TypeError, ValueError, AssertionError) as error:
        raise BadInput(
            f"The network {candidate.name!r} cannot be built with the stated arguments.",
            f"{str(error).strip().partition(chr(10))[0][:200]}.",
            "Correct [architecture] args in the spec.",
        ) from None


def _stem(candidate: Candidate, word: str, stride: str, pool: str) -> dict[str, Any]:
    if word not in STEMS:
        raise BadInput(
            f"The spec states stem = {word!r:.60}.",
            f"Known are {' and '.join(STEMS)}.",
            "Correct [architecture] args in the spec.",
        )
    if candidate.network in ("preact", "wide") and word == "cifar":
        return {}  # as these always have it
    return {stride: _variable(candidate, stride, STEMS[word][0]), pool: STEMS[word][1]}


def _variable(candidate: Candidate, name: str, value: Any) -> Any:
    if name in _PLACES:
        numbers = str(value).replace(",", " ").split()
        if all(number.isdigit() for number in numbers):
            return [int(number) - 1 for number in numbers]
        wanted = 'numbers of convolutions counted from 1, such as "2 4"'
    elif name in _WORDS:
        if value in _WORDS[name]:
            return value
        wanted = f"one of {', '.join(_WORDS[name])}"
    elif name in ("pool", "stem_pool"):
        if isinstance(value, bool):
            return value
        wanted = "true or false"
    else:
        if type(value) is int and 0 <= value <= 64:
            return value
        wanted = "a whole number"
    raise BadInput(
        f"The spec states {name} = {value!r} for {candidate.name}.",
        f"It must be {wanted}.",
        "Correct [architecture] args in the spec.",
    )


def written_arguments(candidate: Candidate) -> dict[str, Any]:
    """Return the arguments of a network that a spec for it states: those that weights leave open."""
    family = candidate.family
    names = VARIABLE.get("torchvision" if family == "torchvision" else candidate.network, ())
    args = {name: candidate.args[name] for name in names if name in candidate.args}
    for name in _PLACES:
        if name in args:
            args[name] = " ".join(str(place + 1) for place in args[name])
    if family == "plugin":
        counted = ("num_classes", "in_channels")
        args |= {key: value for key, value in candidate.args.items() if key not in counted}
    return args | candidate.args.get("extra", {})
