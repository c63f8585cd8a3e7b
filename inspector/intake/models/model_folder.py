"""Reading a model folder in the layout of Hugging Face: weights, and JSON files that describe them.

The JSON files give hints; none of them can make anything be fetched, imported or run. Only files
that lie in the folder itself are opened.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from inspector.api import Control
from inspector.errors import BadInput
from inspector.intake.hashing import read_regular
from inspector.intake.limits import advice, limit, told
from inspector.intake.models.contents import FileContents, joined, visible
from inspector.intake.models.hints import Hints
from inspector.intake.models.limits import ASK_AGAIN
from inspector.intake.models.model_config import hints_of_config
from inspector.intake.models.weights import Weights, read_part, with_layers

WEIGHTS_FILES = ("model.safetensors", "pytorch_model.bin")
"""Names under which Hugging Face keeps weights, the preferred one first."""

_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
_CONFIGS = ("config.json", "preprocessor_config.json")
_MAX_JSON = 16 * 1024 * 1024
_MAX_SHARDS = 1000
_MAX_ENTRIES = 10_000


@dataclass
class _Parts:
    """What was read so far."""

    digests: dict[str, str] = field(default_factory=dict)
    size: int = 0
    notes: list[str] = field(default_factory=list)


def read_folder(folder: Path, control: Control | None = None) -> Weights:
    """Read a model folder.

    Parameters
    ----------
    folder : Path
        Holds ``model.safetensors`` or ``pytorch_model.bin``, whole or in parts with an index, or
        one other weights file; ``config.json`` and ``preprocessor_config.json`` beside it become
        hints.
    control : Control, optional
        Checked now and then.

    Returns
    -------
    Weights
        Its digest is the SHA-256 over the lines ``name NUL sha256 LF`` of the files that were read,
        sorted by name; its size is the sum of theirs.

    Raises
    ------
    BadInput
        The folder holds no weights, several that could be meant, or damaged ones.
    """
    names = _listed(folder)
    parts = _Parts()
    index = next(
        (f"{name}.index.json" for name in WEIGHTS_FILES if f"{name}.index.json" in names), ""
    )
    whole = next((name for name in WEIGHTS_FILES if name in names), "")
    if whole or not index:
        read = _read_part(folder, whole or _only(folder, names), parts, control)
        contents = joined([(_last(parts), read.contents)], "folder")
    else:
        read, contents = _read_shards(folder, index, names, parts, control)
    configs = {
        name: found
        for name in _CONFIGS
        if name in names and (found := _read_json(folder / name, parts, control)) is not None
    }
    with_layers(read, folder.name)
    hints = hints_of_config(configs.get(_CONFIGS[0]), configs.get(_CONFIGS[1]))
    lines = "".join(f"{name}\0{digest}\n" for name, digest in sorted(parts.digests.items()))
    return replace(
        read,
        container="folder",
        sha256=hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest(),
        size=parts.size,
        notes=[*read.notes, *parts.notes],
        hints=_together(hints, read.hints),
        contents=replace(contents, tensors=read.contents.tensors),
    )


def _listed(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            names = {entry.name for _, entry in zip(range(_MAX_ENTRIES), entries)}
    except OSError as error:
        raise BadInput(f"{folder} cannot be listed.", f"{error.strerror}.") from None
    return names


def _only(folder: Path, names: set[str]) -> str:
    """Return the one weights file of a folder that does not use the usual names."""
    found = sorted(name for name in names if name.lower().endswith(_SUFFIXES))
    if len(found) == 1:
        return found[0]
    if not found:
        raise BadInput(
            f"The folder {folder} holds no weights.",
            f"None of {', '.join(WEIGHTS_FILES)} is in it.",
            "Give the weights file itself.",
        )
    raise BadInput(
        f"The folder {folder} holds {len(found)} files that could be the model.",
        f"{', '.join(visible(name, 60) for name in found[:4])} among them.",
        "Give the file that is meant.",
    )


def _last(parts: _Parts) -> str:
    return next(reversed(parts.digests))


def _read_part(folder: Path, name: str, parts: _Parts, control: Control | None) -> Weights:
    read = read_part(folder / name, control)
    parts.digests[name] = read.sha256
    parts.size += read.size
    if parts.size > limit("model-bytes"):
        raise BadInput(
            f"{folder} holds more weights than {told('model-bytes')}.", "", advice("model-bytes")
        )
    return read


def _read_shards(
    folder: Path, index: str, names: set[str], parts: _Parts, control: Control | None
) -> tuple[Weights, FileContents]:
    """Read weights that lie in several files, as the index says."""
    found = _read_json(folder / index, parts, control)
    places = found.get("weight_map") if type(found) is dict else None
    if type(places) is not dict or not all(type(file) is str for file in places.values()):
        raise BadInput(f"{folder / index} names no files of weights.", fix=ASK_AGAIN)
    files = sorted(set(places.values()))
    missing = [file for file in files if file not in names]
    if missing or len(files) > _MAX_SHARDS:
        # Names with a folder in them are missing too: only this folder was listed.
        raise BadInput(
            f"{folder / index} names {len(files)} files of weights.",
            f"{visible(missing[0], 80) if missing else 'That many'} is not in the folder."
            if missing
            else f"At most {_MAX_SHARDS:,} are read.",
            "Copy all of them into one folder.",
        )
    tensors: dict[str, Tensor] = {}
    contents: list[tuple[str, FileContents]] = []
    first: Weights | None = None
    for file in files:
        read = _read_part(folder, file, parts, control)
        named = {f"{read.prefix}{key}": tensor for key, tensor in read.tensors.items()}
        double = next((key for key in named if key in tensors), None)
        if double is not None:
            raise BadInput(
                f"{folder} holds the tensor {double!r} in two files.",
                "Programs disagree about which of the two counts, so the model is ambiguous.",
                ASK_AGAIN,
            )
        tensors |= named
        contents.append((file, read.contents))
        first = first or read
    assert first is not None
    together = joined(contents, "folder")
    whole = replace(first, tensors=tensors, size=parts.size, prefix="", contents=together)
    return _finished_again(whole, folder), together


def _finished_again(weights: Weights, folder: Path) -> Weights:
    # Prefixes are those that all tensors share, not only those of one file.
    from inspector.intake.models.names import peel

    named = peel(weights.tensors)
    return replace(
        weights,
        tensors=named.tensors,
        raw=weights.tensors,
        prefix=named.prefix,
        normalisation=named.normalisation or weights.normalisation,
    )


def _read_json(path: Path, parts: _Parts, control: Control | None) -> Any:
    """Read one description; None, and a note, when it is none."""
    content, digest = read_regular(path, _MAX_JSON, control)
    parts.digests[path.name] = digest.sha256
    parts.size += digest.size
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        parts.notes.append(f"{path.name} is no JSON and was not used.")
        return None


def _together(described: Hints, read: Hints) -> Hints:
    """Let the description of the folder complete what the weights file says."""
    if not described.source:
        return read
    return replace(
        described,
        source=f"{described.source} and {read.source}" if read.source else described.source,
        architecture=described.architecture or read.architecture,
        num_classes=described.num_classes or read.num_classes,
        in_channels=described.in_channels or read.in_channels,
        layers=read.layers,
        labels=described.labels or read.labels,
        size=described.size or read.size,
    )
