"""Out of what a checkpoint holds, only plain tensors with plain names get further.

``torch.load(weights_only=True)`` still returns objects that hurt: containers whose methods are
shadowed, tuples that would never end when walked, tensors of 10^12 elements on four bytes of
storage. So nothing is walked recursively, compared or printed, and types are compared by identity.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from inspector.errors import BadInput
from inspector.intake.models.containers import ASK_AGAIN, MAX_TENSORS

MAX_BYTES = 16 * 1024**3
"""Bytes of all tensors together."""

NESTINGS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "weights",
    "params",
    "module",
    "net_state_dict",
    "state_dict_ema",
    "model_ema",
    "ema",
    "ema_state_dict",
)
"""Names under which training scripts put the weights, the likelier ones first."""

_DTYPES = {
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.bool),
}
_MAX_NAME = 512


def items_of(value: Any) -> Iterator[tuple[Any, Any]]:
    """Iterate a dict or OrderedDict by the methods of its type, which a file cannot shadow."""
    return iter(OrderedDict.items(value) if type(value) is OrderedDict else dict.items(value))


def is_table(value: Any) -> bool:
    """Tell whether a value is a plain dict or OrderedDict."""
    return type(value) in (dict, OrderedDict)


def find_weights(loaded: Any, name: str) -> tuple[Mapping[str, Any], str, list[str]]:
    """Find the table of tensors in what a checkpoint holds.

    Returns
    -------
    table : dict
        The table that holds tensors.
    nesting : str
        Where it lay, such as "checkpoint.state_dict"; empty at the top.
    notes : list of str
        Other tables of weights that were passed over.

    Raises
    ------
    BadInput
        No table in the usual places holds tensors.
    """
    place: list[str] = []
    notes: list[str] = []
    table = loaded
    for _ in range(4):
        if not is_table(table):
            break
        if any(_is_tensor(value) for _, value in items_of(table)):
            return table, ".".join(place), notes
        inner = {
            key: value
            for key, value in items_of(table)
            if type(key) is str and is_table(value) and (key in NESTINGS or key == "checkpoint")
        }
        if not inner:
            break
        chosen = min(
            inner, key=lambda key: NESTINGS.index(key) if key in NESTINGS else len(NESTINGS)
        )
        others = sorted(set(inner) - {chosen})
        if others:
            notes.append(
                f"The file also holds weights under {', '.join(others)}; those under {chosen} are"
                " examined."
            )
        place.append(chosen)
        table = inner[chosen]
    raise BadInput(
        f"{name} holds no table of weights.",
        f"{_summary(loaded)} None of {', '.join(NESTINGS[:7])} leads to tensors.",
        "Save model.state_dict() and open that.",
    )


def sanitise(
    table: Mapping[str, Any], name: str, file_size: int
) -> tuple[dict[str, Tensor], list[str]]:
    """Copy the plain tensors of a table into memory of their own.

    Parameters
    ----------
    table : dict
        Names to whatever the file holds.
    name : str
        Name of the file, for messages.
    file_size : int
        Bytes of the file: tensors that need far more than that were made to exhaust memory.

    Returns
    -------
    tensors : dict of str to Tensor
        Detached CPU tensors that share no storage.
    notes : list of str
        What was left out, and tensors with values that are not finite.

    Raises
    ------
    BadInput
        A tensor is of a kind that no state_dict has.
    """
    tensors: dict[str, Tensor] = {}
    left_out: list[str] = []
    # Views into one storage cost as much as they show once they are copied.
    budget = min(MAX_BYTES, 8 * file_size + (64 << 20))
    for key, value in items_of(table):
        if type(key) is not str or len(key) > _MAX_NAME or not key.isprintable():
            raise BadInput(
                f"{name} holds a tensor whose name is no plain text.",
                "No model has one.",
                ASK_AGAIN,
            )
        if not _is_tensor(value):
            left_out.append(key)
            continue
        if len(tensors) >= MAX_TENSORS:
            raise BadInput(f"{name} holds more than {MAX_TENSORS:,} tensors.", fix=ASK_AGAIN)
        tensor = _plain(value, key, name)
        budget -= tensor.numel() * tensor.element_size()
        if budget < 0:
            raise BadInput(
                f"{name} would need far more memory than it has bytes.",
                "Its tensors overlap in the file.",
                ASK_AGAIN,
            )
        tensors[key] = tensor.detach().clone(memory_format=torch.contiguous_format)
    notes = []
    if left_out:
        shown = ", ".join(repr(key) for key in left_out[:5])
        notes.append(f"{len(left_out)} entries beside the weights are no tensors: {shown}.")
    notes.extend(_not_finite(tensors))
    return tensors, notes


def _is_tensor(value: Any) -> bool:
    return type(value) in (Tensor, torch.nn.Parameter)


def _plain(value: Tensor, key: str, name: str) -> Tensor:
    kind = ""
    if value.layout is not torch.strided or value.is_nested:
        kind = "sparse or nested"
    elif value.device.type != "cpu":
        kind = f"on the device {value.device.type}, without data"
    elif value.is_quantized:
        kind = "quantised"
    elif value.dtype not in _DTYPES:
        kind = str(value.dtype).removeprefix("torch.")
    if kind:
        raise BadInput(
            f"{name} cannot be examined: its tensor {key!r} is {kind}.",
            "Inspector computes with ordinary floating-point weights.",
            "Save the network's float32 state_dict.",
        )
    if value.numel() > value.untyped_storage().nbytes() // value.element_size():
        raise BadInput(
            f"{name} was made to exhaust memory: its tensor {key!r} claims {value.numel():,} values"
            f" and holds {value.untyped_storage().nbytes() // value.element_size():,}.",
            "Nothing was expanded.",
            ASK_AGAIN,
        )
    return value


def _not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    bad = [
        key
        for key, tensor in tensors.items()
        # The sum is NaN or infinite when any value is, and needs no mask as large as the tensor.
        if tensor.is_floating_point()
        and not torch.isfinite(tensor.double().sum() if tensor.numel() < 1 << 20 else tensor.sum())
        and not bool(torch.isfinite(tensor).all())
    ]
    if not bad:
        return []
    return [f"{len(bad)} tensors hold NaN or infinite values, {bad[0]!r} among them."]


def _summary(loaded: Any) -> str:
    if is_table(loaded):
        keys = [key for key, _ in items_of(loaded) if type(key) is str and len(key) < 60]
        shown = ", ".join(repr(key) for key in keys[:6])
        return f"At its top are {shown or 'no names'}{' …' if len(keys) > 6 else ''}."
    return f"It holds a {type(loaded).__name__}."
