"""Reading weights out of a file that nobody vouches for.

The file is read once and hashed, and the same bytes are parsed: what the digest names is what was
examined. This file holds the only call of ``torch.load`` in Inspector.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from inspector.api import Control
from inspector.errors import BadInput
from inspector.intake.hashing import read_regular
from inspector.intake.models.containers import ASK_AGAIN, check_archive, check_safetensors
from inspector.intake.models.hints import Hints
from inspector.intake.models.names import peel
from inspector.intake.models.pickles import PickleNames, names_in
from inspector.intake.models.sanitise import MAX_BYTES, find_weights, sanitise
from inspector.intake.sniff import NAMES, sniff

_SAVE_WEIGHTS = "In the program that made it: torch.save(model.state_dict(), 'weights.pt')."

_DATA = ("That is data.", "Give it as --data, and the model's state_dict as --model.")
_KERAS = (
    "Keras and TensorFlow models are not supported: loading one can run code.",
    "Ask for the weights as safetensors.",
)
_PACKED = ("Only plain files are read.", "Decompress it first.")
_ARCHIVE = ("It is not one that PyTorch wrote.", "Unpack it and open the weights file inside.")

# Why each other kind is refused, and the way out.
_REFUSED: dict[str, tuple[str, str]] = {
    "torchscript": (
        "Running it would run its author's code, so it is not loaded.",
        "Ask for the state_dict: torch.save(module.state_dict(), 'weights.pt').",
    ),
    "torch-export": (
        "Loading one can run code (CVE-2026-4538), so it is not loaded.",
        "Ask for the state_dict: torch.save(program.state_dict, 'weights.pt').",
    ),
    "torch-package": ("It carries code and would run it.", "Ask for the state_dict."),
    "torch-tar": (
        "That format cannot be read without running what it holds.",
        "Ask for a state_dict.",
    ),
    "pickle": ("A bare pickle can run commands when it is loaded, so it is not.", _SAVE_WEIGHTS),
    "onnx": (
        "An ONNX graph has no gradients to examine.",
        "Ask for the PyTorch weights it was exported from.",
    ),
    "hdf5": ("Only PyTorch weights are examined.", "Ask for the weights as safetensors."),
    "keras": _KERAS,
    "tensorflow": _KERAS,
    "git-lfs": (
        "The file itself was never downloaded.",
        "Run `git lfs pull` where it was cloned, then open it again.",
    ),
    "html": (
        "A download gave an error page or a login page instead of the file.",
        "Download it again.",
    ),
    "empty": ("It has no bytes.", ASK_AGAIN),
    "npz": _DATA,
    "npy": _DATA,
    "idx": _DATA,
    "image": _DATA,
    "zip": _ARCHIVE,
    "tar": _ARCHIVE,
    "gzip": _PACKED,
    "compressed": _PACKED,
}


@dataclass
class Weights:
    """The tensors of a weights file and where they came from.

    Attributes
    ----------
    tensors : dict of str to Tensor
        Plain CPU tensors under the network's own names (prefixes are taken off).
    container : str
        "safetensors", "torch-zip" or "torch-legacy".
    sha256, size
        Hexadecimal digest of the file and its bytes.
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


def read_weights(path: Path | str, control: Control | None = None) -> Weights:
    """Read the weights of a model file; nothing in the file is run.

    Parameters
    ----------
    path : Path
        A state_dict as ``.safetensors``, or as ``.pt``/``.pth`` in either of PyTorch's formats.
        Names do not matter, the content does.

    Raises
    ------
    BadInput
        The file is missing, of another kind, damaged, ambiguous, or asks for more than weights.
    """
    path = Path(path)
    content, digest = read_regular(path, MAX_BYTES, control)
    kind = sniff(content)
    if kind == "safetensors":
        notes: list[str] = []
        check_safetensors(content, path.name)
        table: Any = _parse_safetensors(content, path.name)
        nesting = ""
    elif kind in ("torch-zip", "torch-legacy"):
        loaded, notes = _parse_checkpoint(content, kind, path.name)
        table, nesting, more = find_weights(loaded, path.name)
        notes += more
        del loaded
    else:
        why, fix = _REFUSED.get(kind, ("It holds no PyTorch weights.", "Give a state_dict file."))
        raise BadInput(f"{path.name} is {NAMES[kind]}.", why, fix)
    tensors, more = sanitise(table, path.name, digest.size)
    named = peel(tensors)
    if not any(tensor.ndim >= 2 for tensor in named.tensors.values()):
        raise BadInput(
            f"{path.name} holds no weights of layers.",
            f"It has {len(tensors)} tensors, none of them with two or more dimensions.",
            "Give the file that holds model.state_dict().",
        )
    return Weights(
        named.tensors,
        kind,
        digest.sha256,
        digest.size,
        notes + more + named.notes,
        nesting,
        named.prefix,
        named.normalisation,
    )


def _parse_safetensors(content: bytes, name: str) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(content)
    except MemoryError:
        raise BadInput(f"{name} does not fit into memory.") from None
    except Exception as error:
        raise BadInput(
            f"{name} is damaged.", f"Its layout is not valid ({type(error).__name__}).", ASK_AGAIN
        ) from None


def _parse_checkpoint(content: bytes, kind: str, name: str) -> tuple[Any, list[str]]:
    notes: list[str] = []
    pickled = content
    if kind == "torch-zip":
        pickled, notes = check_archive(content, name)
    asked = names_in(pickled)
    if asked.commands:
        raise _hostile(name, asked)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old checkpoints warn about their storage class
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True), notes
    except MemoryError:
        raise BadInput(
            f"{name} asks for more memory than there is.",
            "Weights of this size need less.",
            ASK_AGAIN,
        ) from None
    except Exception as error:
        # torch's own text recommends weights_only=False, which would run the file: it is not shown,
        # and not chained, so that no traceback shows it either.
        raise _unreadable(name, asked, error) from None


def _hostile(name: str, asked: PickleNames) -> BadInput:
    shown = ", ".join(f"`{command}`" for command in asked.commands[:3])
    return BadInput(
        f"{name} was not loaded: besides weights it names {shown}, which can run commands.",
        "Nothing was run.",
        "Treat the file as hostile and keep it as evidence; ask for the weights as safetensors.",
    )


def _unreadable(name: str, asked: PickleNames, error: Exception) -> BadInput:
    if asked.classes:
        shown = ", ".join(asked.classes[:3])
        more = f" and {len(asked.classes) - 3} more" if len(asked.classes) > 3 else ""
        return BadInput(
            f"{name} holds whole Python objects ({shown}{more}), not only weights.",
            "Loading it would run the code that it names; nothing was run.",
            _SAVE_WEIGHTS,
        )
    return BadInput(
        f"{name} is damaged or cut off.",
        f"PyTorch's reader for plain weights gave up ({type(error).__name__}).",
        ASK_AGAIN,
    )
