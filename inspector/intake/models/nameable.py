"""Every network that an analyst can name: with ``--arch``, or in a spec's section [architecture]."""

from __future__ import annotations

from dataclasses import dataclass

from inspector.intake.models.plugin_architectures import architectures
from inspector.intake.models.signatures import table
from inspector.intake.models.timm_models import timm_names

UNSIZED = ("plain_cnn_bn",)
"""Built-in names that are taken for networks of any size, beside those of the table."""


@dataclass(frozen=True)
class Nameable:
    """A network that can be named.

    Attributes
    ----------
    name : str
        What ``--arch`` and a spec's ``name`` take.
    family : str
        A spec's ``family``: "builtin", "torchvision", "plugin" or "timm".
    origin : str
        Where it comes from: "Inspector", "torchvision", "timm", or a plugin's place.
    file : str or None
        A plugin's file.
    sha256 : str
        Of that file; "" for the others.
    cause : str
        Why a plugin cannot be used, in one line; "" when it can.
    """

    name: str
    family: str
    origin: str
    file: str | None = None
    sha256: str = ""
    cause: str = ""


def nameable() -> list[Nameable]:
    """List the networks by family, those that Inspector brings first.

    Where two families have one name, `--arch` means the one that stands first here; a spec's
    ``family`` tells them apart. timm's are listed where timm is installed.
    """
    builtin = [entry.name for entry in table() if entry.family == "builtin"]
    known = [entry.name for entry in table() if entry.family == "torchvision"]
    return [
        *(Nameable(name, "builtin", "Inspector") for name in sorted({*builtin, *UNSIZED})),
        *(Nameable(name, "torchvision", "torchvision") for name in sorted(known)),
        *(
            Nameable(
                entry.id,
                "plugin",
                entry.origin,
                str(entry.file) if entry.file else None,
                entry.sha256,
                entry.cause,
            )
            for entry in architectures()
        ),
        *(Nameable(name, "timm", "timm") for name in timm_names()),
    ]
