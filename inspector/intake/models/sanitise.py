"""Out of what a checkpoint holds, only plain tensors with plain names get further.

``torch.load(weights_only=True)`` still returns tensors that hurt: 10^12 elements on four bytes of
storage, tensors without data, sixty views of one storage. Types are compared by identity.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from inspector.errors import BadInput
from inspector.intake.limits import limit
from inspector.intake.models.contents import NotFinite
from inspector.intake.models.limits import ASK_AGAIN, check_count, check_name

_DTYPES = {
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.bool),
}
_STEP = 1 << 24  # elements of a large tensor that are looked at together


def sanitise(
    table: Mapping[str, Tensor], name: str, file_size: int
) -> tuple[dict[str, Tensor], tuple[NotFinite, ...]]:
    """Take the plain tensors of a table, each in memory that no other tensor shares.

    Parameters
    ----------
    table : mapping of str to Tensor
        Tensors that a file describes.
    name : str
        Name of the file, for messages.
    file_size : int
        Bytes of the file: tensors that need far more than that were made to exhaust memory.

    Returns
    -------
    tensors : dict of str to Tensor
        Detached CPU tensors, contiguous. Only those that share storage are copied.
    not_finite : tuple of NotFinite
        Tensors with values that are no numbers.

    Raises
    ------
    BadInput
        A tensor is of a kind that no state_dict has.
    """
    tensors: dict[str, Tensor] = {}
    taken: set[int] = set()
    # Views into one storage cost as much as they show once they are copied.
    budget = min(limit("model-bytes"), 8 * file_size + (64 << 20))
    check_count(len(table), name)
    for key, value in table.items():
        check_name(key, name)
        tensor = _plain(value, key, name).detach()
        budget -= tensor.numel() * tensor.element_size()
        if budget < 0:
            raise BadInput(
                f"{name} would need far more memory than it has bytes.",
                "Its tensors overlap in the file.",
                ASK_AGAIN,
            )
        if tensor.dtype is torch.bool:
            # A byte that is neither 0 nor 1 is no truth value, and what reads it may do anything.
            tensor = tensor.contiguous().view(torch.uint8).ne(0)
        elif _shared(tensor, taken):
            tensor = tensor.clone(memory_format=torch.contiguous_format)
        taken.add(tensor.data_ptr())
        tensors[key] = tensor
    return tensors, tuple(_not_finite(tensors))


def _shared(tensor: Tensor, taken: set[int]) -> bool:
    """Tell whether a tensor shows a part of its storage, or one that another tensor has already."""
    whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    return not (whole and tensor.is_contiguous()) or tensor.data_ptr() in taken


def _plain(value: Tensor, key: str, name: str) -> Tensor:
    kind = ""
    if type(value) not in (Tensor, torch.nn.Parameter):
        kind = f"of the type {type(value).__name__}"
    elif value.layout is not torch.strided or value.is_nested:
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


def _not_finite(tensors: Mapping[str, Tensor]) -> Iterator[NotFinite]:
    for key, tensor in tensors.items():
        if not tensor.is_floating_point():
            continue
        # The sum is NaN or infinite when any value is, and needs no mask as large as the tensor.
        # Half precision is added up in single, where finite values cannot overflow so easily.
        total = tensor.sum(dtype=torch.float32 if tensor.element_size() < 4 else None)
        if bool(torch.isfinite(total)):
            continue
        nan = infinite = 0
        for part in tensor.flatten().split(_STEP):
            nan += int(part.isnan().sum())
            infinite += int(part.isinf().sum())
        if nan or infinite:
            yield NotFinite(key, nan, infinite)
