"""Reading weights out of a file that nobody vouches for.

The file is read once and hashed, and the same bytes are parsed: what the digest names is what was
examined.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor

from inspector.api import Control
from inspector.errors import BadInput, RefusedFile
from inspector.intake.hashing import read_hashing
from inspector.intake.limits import advice, limit
from inspector.intake.models.checkpoints import read_checkpoint
from inspector.intake.models.contents import FileContents
from inspector.intake.models.hints import Hints
from inspector.intake.models.inert_hints import hints_of
from inspector.intake.models.names import peel
from inspector.intake.models.refusals import other_format
from inspector.intake.models.safetensors_file import read_safetensors
from inspector.intake.models.sanitise import sanitise
from inspector.intake.sniff import sniff

CHECKPOINTS = ("torch-zip", "torch-legacy", "torchscript", "pickle")
"""Kinds of files that describe their weights in a pickle."""


@dataclass
class Weights:
    """The tensors of a weights file and where they came from.

    Attributes
    ----------
    tensors : dict of str to Tensor
        Plain CPU tensors under the network's own names (prefixes are taken off).
    container : str
        "safetensors", "torch-zip", "torch-legacy", "torchscript", "pickle" or "folder".
    sha256, size
        Hexadecimal digest of the file and its bytes; of a folder, see `read_folder`.
    notes : list of str
        What was noticed while reading, for the case.
    nesting : str
        Where in the file the weights lay, such as "state_dict"; empty at the top.
    prefix : str
        What was taken off every name, such as "module.".
    normalisation : tuple of two tuples of float, or None
        Mean and standard deviation per channel, when the network carries its own.
    hints : Hints
        What the file says beside the weights.
    contents : FileContents
        What the file contains, as evidence.
    raw : dict of str to Tensor
        The same tensors under the names that the file has, those that are no weights included.
    """

    tensors: dict[str, Tensor]
    container: str
    sha256: str
    size: int
    notes: list[str] = field(default_factory=list)
    nesting: str = ""
    prefix: str = ""
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    hints: Hints = field(default_factory=Hints)
    contents: FileContents = field(default_factory=lambda: FileContents("safetensors", "inert"))
    raw: dict[str, Tensor] = field(default_factory=dict, repr=False)


def read_weights(
    path: Path | str, control: Control | None = None, select: str | None = None
) -> Weights:
    """Read the weights of a model; nothing in the file is imported and nothing is run.

    Parameters
    ----------
    path : Path
        A safetensors file; a checkpoint in either of PyTorch's formats, with a state_dict or a
        whole module in it; a TorchScript program; a folder in the layout of Hugging Face. Names do
        not matter, the content does.
    control : Control, optional
        Checked now and then.
    select : str, optional
        Where in a checkpoint the weights lie, names joined by dots; "" for the top. Found when it
        is missing.

    Raises
    ------
    BadInput
        The file is missing, of another kind, damaged or ambiguous, or its weights cannot be had
        without running what it holds.
    """
    path = Path(path)
    if path.is_dir() and not path.is_symlink():
        from inspector.intake.models.model_folder import read_folder

        return read_folder(path, control)
    return read_file(path, control, select)


def read_file(path: Path, control: Control | None = None, select: str | None = None) -> Weights:
    """Read one model file; see `read_weights`."""
    return with_layers(read_part(path, control, select), path.name)


def read_part(path: Path, control: Control | None = None, select: str | None = None) -> Weights:
    """Read one file of a model that can lie in several; it need not hold whole layers."""
    with read_hashing(path, limit("model-bytes"), control, advice("model-bytes")) as (
        content,
        digest,
    ):
        try:
            weights = _parsed(content, path.name, control, select)
        except BadInput as error:
            # A file that is not used is evidence all the same: which one it was, and what it holds.
            seen = {
                "name": path.name,
                "sha256": digest.result().sha256,
                "size": len(content),
                "container": sniff(content),
                "contents": None,
                **(error.seen if isinstance(error, RefusedFile) else {}),
            }
            raise RefusedFile(error.what, error.why, error.fix, seen) from None
        return replace(weights, sha256=digest.result().sha256)


def _parsed(content: bytes, name: str, control: Control | None, select: str | None) -> Weights:
    """Read weights out of the content of a file; the digest is left empty."""
    kind = sniff(content)
    if kind == "safetensors":
        plain = Weights(read_safetensors(content, name).tensors, kind, "", len(content))
        plain.contents = FileContents(kind, "safetensors")
        return finished(plain, name)
    if kind not in CHECKPOINTS:
        raise other_format(name, kind)
    read = read_checkpoint(content, kind, name, control, select)
    nesting = ".".join(read.table.keys)
    found = Weights(read.tensors, kind, "", len(content), read.notes, nesting)
    weights = finished(replace(found, contents=read.contents), name)
    weights.hints = hints_of(read.root, read.table, weights.prefix)
    return weights


def finished(weights: Weights, name: str) -> Weights:
    """Check the tensors, take prefixes off their names, and note what is odd about them.

    Parameters
    ----------
    weights : Weights
        With tensors as the file describes them.
    name : str
        Name of the file, for messages.

    Raises
    ------
    BadInput
        A tensor is of a kind that is not examined.
    """
    tensors, not_finite = sanitise(weights.tensors, name, weights.size)
    named = peel(tensors)
    contents = replace(weights.contents, tensors=len(tensors), not_finite=not_finite)
    return replace(
        weights,
        tensors=named.tensors,
        notes=[*weights.notes, *contents.oddities(), *named.notes],
        prefix=named.prefix,
        normalisation=named.normalisation,
        contents=contents,
        raw=tensors,
    )


def with_layers(weights: Weights, name: str) -> Weights:
    """Return the weights when one of them at least can belong to a layer.

    Raises
    ------
    BadInput
        None has two or more dimensions, as the weights of every layer have.
    """
    if any(tensor.ndim >= 2 for tensor in weights.tensors.values()):
        return weights
    raise BadInput(
        f"{name} holds no weights of layers.",
        f"It has {weights.contents.tensors} tensors, none of them with two or more dimensions.",
        "Give the file that holds model.state_dict().",
    )
