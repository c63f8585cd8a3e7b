"""Names of weights: prefixes that wrappers put before them, and what is no part of a model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import torch
from torch import Tensor

from inspector.errors import BadInput

PREFIXES = (
    "module.",
    "_orig_mod.",
    "model.",
    "net.",
    "network.",
    "backbone.",
    "encoder.",
    "state_dict.",
    "ema_model.",
)
"""What DataParallel, torch.compile, Lightning and habit put before every name."""

# Left behind by averaging (torch.optim.swa_utils), by profilers (thop) and by losses kept as
# modules.
_FOREIGN = re.compile(r"(n_averaged|(.*\.)?total_(ops|params)|criterion\..*|loss(_fn)?\..*)")
_NORMALISER = re.compile(r"(?:(?P<module>(?:[\w.]*\.)?[\w]+)\.)?(?P<what>mean|std|_mean|_std)")


@dataclass
class Named:
    """Weights under the names that the network itself gives them.

    Attributes
    ----------
    tensors : dict of str to Tensor
        The weights.
    prefix : str
        What was taken off every name.
    normalisation : tuple of two tuples of float, or None
        Mean and standard deviation per channel, where the network itself carries them as buffers.
    notes : list of str
        What was left out.
    """

    tensors: dict[str, Tensor]
    prefix: str = ""
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    notes: list[str] = field(default_factory=list)


def named_as_stated(
    tensors: Mapping[str, Tensor], prefixes: Sequence[str], ignored: Sequence[str]
) -> Named:
    """Take off exactly the prefixes, and leave out exactly the names, that an analyst stated.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        Under the names that the file has.
    prefixes : sequence of str
        Taken off in this order, each from every name that begins with it.
    ignored : sequence of str
        Patterns with ``*``, matched against the names of the file.

    Raises
    ------
    BadInput
        A prefix occurs nowhere, two names become one, or nothing is left.
    """
    kept = {
        key: value
        for key, value in tensors.items()
        if not any(fnmatchcase(key, pattern) for pattern in ignored)
    }
    notes = [f"{len(tensors) - len(kept)} tensors were left out as the spec states."]
    for prefix in prefixes:
        if not any(key.startswith(prefix) for key in kept):
            raise BadInput(
                f"No name of a weight begins with {prefix!r}.",
                f"The first is {next(iter(kept), '')!r}.",
                "Correct [weights] strip_prefix in the spec.",
            )
        short = {key.removeprefix(prefix): value for key, value in kept.items()}
        if len(short) < len(kept):
            raise BadInput(
                f"Without the prefix {prefix!r} two weights have one name.",
                "",
                "Correct [weights] strip_prefix in the spec.",
            )
        kept = short
    if not kept:
        raise BadInput("Nothing is left of the weights.", "The spec ignores all of them.")
    return Named(kept, "".join(prefixes), notes=notes if len(kept) < len(tensors) else [])


def peel(tensors: Mapping[str, Tensor]) -> Named:
    """Take prefixes and foreign entries off, repeatedly, as long as every name shares them.

    A network that is preceded by its own normalisation (``Sequential(Normalise, network)``) is
    unwrapped, and the normalisation is reported, since it then needs no guess.
    """
    named = Named(dict(tensors))
    foreign = [key for key in named.tensors if _FOREIGN.fullmatch(key.removeprefix("module."))]
    for key in foreign:
        del named.tensors[key]
    if foreign:
        named.notes.append(
            f"{len(foreign)} tensors are no weights and were left out: {foreign[0]!r} …"
        )
    changed = True
    while changed and named.tensors:
        changed = _peel_prefix(named) or _peel_normaliser(named)
    return named


def _peel_prefix(named: Named) -> bool:
    first = next(iter(named.tensors))
    # One part of a Sequential: what stood before it (resizing, normalising) has no weights.
    numbered = re.match(r"\d{1,2}\.", first)
    for prefix in (*PREFIXES, *([numbered[0]] if numbered else [])):
        # What is left must still name a layer: "net.weight" alone is a layer called net.
        if all(key.startswith(prefix) and "." in key[len(prefix) :] for key in named.tensors):
            named.tensors = {key[len(prefix) :]: value for key, value in named.tensors.items()}
            named.prefix += prefix
            return True
    return False


def _peel_normaliser(named: Named) -> bool:
    if named.normalisation is not None:
        return False
    found: dict[str, dict[str, str]] = {}
    for key, value in named.tensors.items():
        match = _NORMALISER.fullmatch(key)
        if match and value.numel() in (1, 3) and value.is_floating_point():
            found.setdefault(match["module"] or "", {})[match["what"].lstrip("_")] = key
    pairs = [keys for keys in found.values() if set(keys) == {"mean", "std"}]
    if len(pairs) != 1:
        return False
    mean, std = (named.tensors[pairs[0][what]].double().flatten() for what in ("mean", "std"))
    if mean.numel() != std.numel() or not bool(torch.isfinite(mean).all() and (std > 0).all()):
        return False
    named.normalisation = (tuple(mean.tolist()), tuple(std.tolist()))
    for key in pairs[0].values():
        del named.tensors[key]
    named.notes.append("The network carries its own normalisation, which is used.")
    return True
