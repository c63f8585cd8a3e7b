"""Tensors out of a followed pickle: which bytes of the file they are, checked before they are used.

The bytes stay where they were read; a tensor is a view of them.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor

from inspector.errors import BadInput
from inspector.intake.models.inert_values import Fetched, Made, Named
from inspector.intake.models.judging import NESTED
from inspector.intake.models.limits import ASK_AGAIN, check_count, check_name

_MAX_DIMENSIONS = 8
_REBUILD = "torch._utils._rebuild_"
_WRAPPERS = (
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch.nn.parameter.Parameter",
    "torch.Tensor",
)
_ARRAY_MAKERS = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
_BUFFER_MAKERS = ("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer")
_FLAT = {"tensor": 4, "tensor_v2": 5, "tensor_v3": 7}  # how many arguments each has at least

_STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_NUMPY_CODES = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1"}


@dataclass(frozen=True)
class Region:
    """The bytes of one storage.

    Attributes
    ----------
    content : bytes
        What they lie in.
    start, size : int
        Offset of the first byte, and how many there are.
    """

    content: bytes | memoryview
    start: int
    size: int


Find = Callable[[Any], Region]
"""Finds the storage that a key stands for; raises BadInput when there is none."""


@dataclass(frozen=True)
class TensorSpec:
    """A tensor as a pickle describes it; nothing is checked against the storage yet.

    Attributes
    ----------
    key : object
        What the storage is asked for with, or its bytes.
    dtype : torch.dtype or None
        None when the file names one that is not read.
    size, stride : tuple of int
        Elements.
    offset : int
        Elements from the beginning of the storage.
    kind : str
        Why it is no ordinary tensor: "sparse", "quantised"; else "".
    """

    key: Any
    dtype: torch.dtype | None
    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    kind: str = ""


def spec_of(value: Any) -> TensorSpec | None:
    """Return the tensor that a followed value describes, None when it describes none."""
    for _ in range(4):
        if type(value) is not Made:
            return None
        path, args = value.path, value.args
        if path == "torch._tensor._rebuild_from_type_v2" and len(args) == 4:
            # A subclass of Tensor: what it would call with its own type comes first.
            value = Made(args[0], args[2]) if type(args[2]) is tuple else None
        elif args and path in _WRAPPERS:
            value = args[0]
        else:
            break
    if type(value) is not Made:
        return None
    path, args = value.path, value.args
    if path in _ARRAY_MAKERS or path in _BUFFER_MAKERS:
        return _array(value)
    if not path.startswith(_REBUILD):
        return None
    kind = path[len(_REBUILD) :]
    if kind not in _FLAT:
        return TensorSpec(None, None, (2, 2), (), 0, _kind(kind))
    if len(args) < _FLAT[kind]:
        return None
    storage, offset, size, stride = args[:4]
    numbers = _sizes(size), _sizes(stride), _sizes((offset,))
    key, dtype = _storage(storage)
    if kind == "tensor_v3":
        dtype = _named_dtype(args[6])
    if key is None or None in numbers or len(size) != len(stride):
        return None
    return TensorSpec(key, dtype, numbers[0] or (), numbers[1] or (), (numbers[2] or (0,))[0])


def _kind(rebuild: str) -> str:
    for part, said in (("qtensor", "quantised"), ("sparse", "sparse"), ("nested", "nested")):
        if part in rebuild:
            return said
    return "on the device meta, without data" if "meta" in rebuild else f"of the kind {rebuild}"


def _sizes(values: Any) -> tuple[int, ...] | None:
    if type(values) is Made and values.path == "torch.Size" and values.args:
        values = values.args[0]
    if type(values) not in (tuple, list) or len(values) > _MAX_DIMENSIONS:
        return None
    if not all(type(value) is int and 0 <= value < 1 << 48 for value in values):
        return None
    return tuple(values)


def _storage(value: Any) -> tuple[Any, torch.dtype | None]:
    """Return the key of a storage (or the bytes that hold it) and the type of its elements."""
    if type(value) is Fetched:
        pid = value.key
        return (pid, storage_dtype(pid[1])) if is_storage(pid) else (None, None)
    if type(value) is Made and value.path == NESTED and value.args:
        held = value.args[0]
        if type(held) is Made and held.path == "_codecs.encode" and held.args:
            held = held.args[0]  # bytes, as protocol 2 writes them
        if type(held) is str:
            held = held.encode("latin-1", "replace")
        if type(held) in (bytes, memoryview):
            return held, None
    return None, None


def is_storage(pid: Any) -> TypeGuard[tuple[Any, ...]]:
    """Tell whether a key asks for a storage: its class, name, device and size follow the word."""
    return type(pid) in (tuple, list) and len(pid) >= 5 and pid[0] == "storage"


def storage_dtype(value: Any) -> torch.dtype | None:
    """Return the type of the elements of a named storage class; None for one that is not read."""
    if type(value) is not Named:
        return None
    return _STORAGES.get(value.name.rpartition(".")[2])


def _named_dtype(value: Any) -> torch.dtype | None:
    found = getattr(torch, value.name, None) if type(value) is Named else None
    if type(value) is Named and value.module == "torch" and isinstance(found, torch.dtype):
        return found
    return None


# ---- NumPy arrays -------------------------------------------------------------------------------


def _array(made: Made) -> TensorSpec | None:
    """Describe a NumPy array, as it is pickled since NumPy 1.0 (state) or 1.16 (buffer)."""
    if made.path in _BUFFER_MAKERS:
        if len(made.args) != 4:
            return None
        data, dtype, shape, order = made.args
        fortran = order == "F"
    else:
        state = made.state
        if type(state) is not tuple or len(state) < 4:
            return None
        shape, dtype, fortran, data = state[-4:]
    sizes = _sizes(shape)
    if type(data) is Made and data.path == "_codecs.encode" and data.args:
        data = data.args[0]
    if type(data) is str:
        data = data.encode("latin-1", "replace")
    kind = _array_dtype(dtype)
    if sizes is None or kind is None or type(data) not in (bytes, memoryview):
        return None
    strides, step = [0] * len(sizes), 1
    places = range(len(sizes)) if fortran else range(len(sizes) - 1, -1, -1)
    for place in places:
        strides[place] = step
        step *= max(sizes[place], 1)
    return TensorSpec(data, kind, sizes, tuple(strides), 0)


def _array_dtype(value: Any) -> torch.dtype | None:
    if type(value) is not Made or value.path != "numpy.dtype" or not value.args:
        return None
    code = value.args[0]
    big = type(value.state) is tuple and len(value.state) > 1 and value.state[1] == ">"
    if type(code) is not str or big or code.lstrip("<|=") not in _NUMPY_CODES:
        return None
    empty = np.empty(0, np.dtype(code.lstrip("<|=")))
    return torch.from_numpy(empty).dtype


# ---- from description to tensor -----------------------------------------------------------------


def make_tensors(specs: Mapping[str, TensorSpec], find: Find, name: str) -> dict[str, Tensor]:
    """Make tensors out of descriptions; they share memory with the file's content.

    Parameters
    ----------
    specs : mapping of str to TensorSpec
        By the names of the tensors.
    find : callable
        See `Find`; not asked for descriptions that carry their bytes.
    name : str
        Name of the file, for messages.

    Raises
    ------
    BadInput
        A tensor is of a kind that is not examined, or claims more than the file holds.
    """
    check_count(len(specs), name)
    for key in specs:
        check_name(key, name)
    with unwritable_buffers():
        return {key: _make(spec, key, find, name) for key, spec in specs.items()}


@contextmanager
def unwritable_buffers() -> Iterator[None]:
    """Let tensors be made of bytes without a warning for each that they cannot be written to.

    The bytes are ours alone and were hashed already, so that writing would harm nothing.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable.*")
        yield


def _make(spec: TensorSpec, key: str, find: Find, name: str) -> Tensor:
    inside = isinstance(spec.key, (bytes, memoryview))
    if spec.kind or (spec.dtype is None and not inside):
        raise BadInput(
            f"{name} cannot be examined: its tensor {key!r} is"
            f" {spec.kind or 'of a type of numbers that is not read'}.",
            "Inspector computes with ordinary floating-point weights.",
            "Save the network's float32 state_dict.",
        )
    if not inside:
        region, dtype = find(spec.key), spec.dtype
    elif spec.dtype is not None:
        region, dtype = Region(spec.key, 0, len(spec.key)), spec.dtype
    else:
        # Imported late: the reader of old files makes tensors with this file.
        from inspector.intake.models.torch_legacy import nested_storage

        region, dtype = nested_storage(spec.key, name)
    assert dtype is not None
    held, claimed = region.size // dtype.itemsize, math.prod(spec.size)
    if claimed > held:
        raise BadInput(
            f"{name} was made to exhaust memory: its tensor {key!r} claims {claimed:,} values and"
            f" holds {held:,}.",
            "Nothing was expanded.",
            ASK_AGAIN,
        )
    if claimed == 0:
        return torch.empty(spec.size, dtype=dtype)
    reach = spec.offset + sum((n - 1) * step for n, step in zip(spec.size, spec.stride))
    if reach >= held:
        raise BadInput(
            f"{name} is damaged: its tensor {key!r} reaches beyond its storage.",
            f"It needs element {reach:,} of {held:,}.",
            ASK_AGAIN,
        )
    return flat(region, dtype).as_strided(spec.size, spec.stride, spec.offset)


def flat(region: Region, dtype: torch.dtype) -> Tensor:
    """Return all whole elements of a storage as one tensor of one dimension, not copied."""
    count = region.size // dtype.itemsize
    if not count:
        return torch.empty(0, dtype=dtype)
    tensor = torch.frombuffer(
        region.content, dtype=torch.uint8, offset=region.start, count=count * dtype.itemsize
    )
    if tensor.data_ptr() % dtype.itemsize:
        tensor = tensor.clone()  # to an address that suits the type
    return tensor.view(dtype)
