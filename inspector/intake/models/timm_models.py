"""Building timm's networks without their pretrained weights, where timm is installed."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

from torch import nn

from inspector.errors import BadInput

_LOADING = ("checkpoint", "pretrained", "cache_dir")
"""What the names of arguments begin with by which timm loads weights of its own choice."""

EXTRA = "pip install 'inspector-forensics[timm]'"


def timm_module() -> ModuleType:
    """Import timm.

    Raises
    ------
    BadInput
        It is not installed.
    """
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        raise BadInput(
            "timm is not installed, and this network is one of its.",
            f"{str(error).splitlines()[0]}.",
            f"Install it: {EXTRA}",
        ) from None


@cache
def timm_names() -> tuple[str, ...]:
    """Return the names of all of timm's networks; nothing when timm is not installed."""
    try:
        return tuple(timm_module().list_models())
    except BadInput:
        return ()


def check_timm(name: str) -> None:
    """Refuse everything that is no plain name of a network.

    ``timm.create_model`` also takes names such as ``hf-hub:…`` and ``local-dir:…``, which lead to a
    network or a disk.

    Raises
    ------
    BadInput
        timm is not installed, or has no such network.
    """
    if ":" in name or "/" in name:
        raise BadInput(
            f"{name!r:.100} is no plain name of a network.",
            "Names with a colon or a slash lead to a server or a folder, and are never taken.",
            "Write a name that timm.list_models() lists.",
        )
    timm_module()
    if name in timm_names():
        return
    near = difflib.get_close_matches(name, timm_names(), 3, 0.5)
    raise BadInput(
        f"timm has no network called {name!r:.100}.",
        f"Similar names: {', '.join(near)}." if near else "Only plain names are taken.",
        "See timm.list_models().",
    )


def build_timm(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Build a network by name, on the device of the surrounding context.

    Parameters
    ----------
    name : str
        One of `timm_names`.
    arguments : mapping
        ``num_classes`` and ``in_channels``; optionally ``extra``, other arguments of its class.
    """
    check_timm(name)
    extra = dict(arguments.get("extra", {}))
    if loads := sorted(key for key in extra if key.startswith(_LOADING)):
        # A case, and so what it records of a model, may come from somebody else.
        raise BadInput(
            f"timm is never given the argument {loads[0]!r}.",
            "It makes timm fetch or unpickle another file than the one that is examined.",
            "Take it out of the model's description.",
        )
    network: nn.Module = timm_module().create_model(
        name,
        pretrained=False,
        num_classes=arguments["num_classes"],
        in_chans=arguments["in_channels"],
        **extra,
    )
    return network


def timm_side(name: str) -> int:
    """Return the side of the images that a network is usually trained on, pixels."""
    configured = timm_module().get_pretrained_cfg(name)
    size = getattr(configured, "input_size", None) or (3, 224, 224)
    return int(size[-1])
