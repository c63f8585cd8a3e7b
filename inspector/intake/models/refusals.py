"""Why a file is not read as a model, and the way out: one sentence each."""

from __future__ import annotations

from typing import Any

from inspector.errors import BadInput
from inspector.intake.models.contents import FileContents, visible
from inspector.intake.models.inert_tables import NESTINGS, entries_of
from inspector.intake.models.limits import ASK_AGAIN
from inspector.intake.sniff import NAMES

SAVE_WEIGHTS = "In the program that made it: torch.save(model.state_dict(), 'weights.pt')."

_DATA = ("That is data.", "Give it as --data, and the model's state_dict as --model.")
_KERAS = (
    "Keras and TensorFlow models are not supported: loading one can run code.",
    "Ask for the weights as safetensors.",
)
_PACKED = ("Only plain files are read.", "Decompress it first.")
_ARCHIVE = ("It is not one that PyTorch wrote.", "Unpack it and open the weights file inside.")
_REFUSED: dict[str, tuple[str, str]] = {
    "torch-export": (
        "Loading one can run code in every PyTorch release up to 2.14.1 (CVE-2026-4538), so it is"
        " not loaded.",
        "Ask for the state_dict: torch.save(program.state_dict, 'weights.pt'), or safetensors.",
    ),
    "torch-package": ("It carries code and would run it.", "Ask for the state_dict."),
    "torch-tar": (
        "That format cannot be read without running what it holds.",
        "Ask for a state_dict.",
    ),
    "onnx": (
        "An ONNX graph has no gradients to examine.",
        "Ask for the PyTorch weights it was exported from.",
    ),
    "hdf5": (
        "Keras models and other HDF5 files are not supported: loading one can run code or read"
        " other files.",
        "Ask for the weights as safetensors.",
    ),
    "keras": _KERAS,
    "tensorflow": _KERAS,
    "tflite": _KERAS,
    "gguf": ("It holds a language model, not an image classifier.", "Give a state_dict file."),
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


def other_format(name: str, kind: str) -> BadInput:
    """Refuse a file of a format that is not read."""
    why, fix = _REFUSED.get(kind, ("It holds no PyTorch weights.", "Give a state_dict file."))
    return BadInput(f"{name} is {NAMES[kind]}.", why, fix)


def damaged(name: str, why: str) -> BadInput:
    """Refuse a file that contradicts itself."""
    return BadInput(f"{name} is damaged or cut off: {why}.", fix=ASK_AGAIN)


def hostile(name: str, contents: FileContents) -> BadInput:
    """Refuse a file that names commands and whose weights cannot be had."""
    first = contents.commands[0]
    others = "".join(f", `{named.name}`" for named in contents.commands[1:3])
    return BadInput(
        f"{name} was not loaded: it names `{first.name}` (file offset {first.offset:#x}){others},"
        " which can run commands, and no weights can be had without it.",
        "Nothing was run.",
        "Treat the file as hostile and keep it as evidence; ask for the weights as safetensors.",
    )


def nothing_found(name: str, kind: str, contents: FileContents, value: Any) -> BadInput:
    """Refuse a checkpoint without a table of weights in the usual places."""
    if kind == "torchscript":
        return BadInput(
            f"{name} is a TorchScript program whose weights have no names: it was frozen.",
            "Running it would run its author's code, so it is not run.",
            "Ask for the state_dict: torch.save(module.state_dict(), 'weights.pt').",
        )
    if contents.classes:
        shown = ", ".join(named.name for named in contents.classes[:3])
        more = len(contents.classes) - 3
        return BadInput(
            f"{name} holds whole Python objects ({shown}{f' and {more} more' if more > 0 else ''})"
            " and no weights that can be read without them.",
            "Loading it would run the code that it names; nothing was run.",
            SAVE_WEIGHTS,
        )
    return BadInput(
        f"{name} holds no table of weights.",
        f"{_summary(value)} None of {', '.join(NESTINGS[:7])} leads to tensors.",
        "Save model.state_dict() and open that.",
    )


def _summary(value: Any) -> str:
    entries = entries_of(value)
    if entries is None:
        return f"It holds a {type(value).__name__.lower()}."
    keys = [key for key in entries if type(key) is str and len(key) < 60]
    shown = ", ".join(repr(visible(key)) for key in keys[:6])
    return f"At its top are {shown or 'no names'}{' …' if len(keys) > 6 else ''}."
