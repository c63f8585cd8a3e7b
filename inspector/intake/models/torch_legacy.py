"""The layout of checkpoints before PyTorch 1.6: five pickles in a row, then the bytes of storages.

The pickles are a magic number, a version, facts about the machine, the object itself, and the keys
of the storages; each storage follows as a count of elements and its bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from inspector.api import Control
from inspector.errors import BadInput
from inspector.intake.models.inert import follow
from inspector.intake.models.inert_tensors import Region, is_storage, storage_dtype
from inspector.intake.models.inert_values import Fetched, Followed, reachable
from inspector.intake.models.limits import ASK_AGAIN

MAGIC = 0x1950A86A20F9469CFC6C
_MAX_STORAGES = 100_000


@dataclass
class LegacyFile:
    """One checkpoint of the old format.

    Attributes
    ----------
    pickles : list of Followed
        Up to five; the fourth describes the object.
    storages : dict of str to Region
        Bytes by key.
    trailing : int
        Bytes behind the last storage, which belong to nothing.
    """

    pickles: list[Followed]
    storages: dict[str, Region] = field(default_factory=dict)
    trailing: int = 0

    @property
    def value(self) -> Any:
        """The object."""
        return self.pickles[3].value

    def find(self, pid: Any) -> Region:
        """Return the bytes of the storage that the object asks for.

        Raises
        ------
        KeyError
            The file holds no such storage.
        """
        region = self.storages[pid[2]]
        view = pid[5] if len(pid) > 5 else None
        if not isinstance(view, (tuple, list)):
            return region
        # Storages that showed a part of another one, as PyTorch had them until 0.4.
        dtype = storage_dtype(pid[1])
        width = dtype.itemsize if dtype else 1
        _, offset, size = view
        if type(offset) is not int or type(size) is not int or offset < 0 or size < 0:
            raise KeyError(pid[2])
        if (offset + size) * width > region.size:
            raise KeyError(pid[2])
        return Region(region.content, region.start + offset * width, size * width)


def read_legacy(
    content: bytes | memoryview, name: str, control: Control | None = None
) -> LegacyFile:
    """Take an old checkpoint apart.

    Parameters
    ----------
    content : bytes
        The whole file.
    name : str
        Name of the file, for messages.
    control : Control, optional
        Checked now and then.

    Returns
    -------
    LegacyFile
        With fewer than five pickles, and no storages, when one of them cannot be followed.

    Raises
    ------
    BadInput
        The storages are cut off, or lie in an order of bytes that is not read.
    """
    found = LegacyFile([])
    at = 0
    for _ in range(5):
        part = follow(content, at, control)
        found.pickles.append(part)
        if part.defect:
            return found
        at = part.end
    machine = found.pickles[2].value
    if type(machine) is dict and machine.get("little_endian", True) is not True:
        raise BadInput(
            f"{name} was written on a machine with another order of bytes.",
            "Only the usual order (little endian) is read.",
            ASK_AGAIN,
        )
    _find_storages(content, at, found, name)
    return found


def _find_storages(content: bytes | memoryview, at: int, found: LegacyFile, name: str) -> None:
    widths = _widths(found.value)
    keys = found.pickles[4].value
    if type(keys) is not list or len(keys) > _MAX_STORAGES:
        raise _damaged(name, "its list of storages is no list")
    for key in keys:
        width = widths.get(key) if type(key) is str else None
        if width is None:
            raise _damaged(name, "it holds a storage that nothing describes")
        count = int.from_bytes(content[at : at + 8], "little")
        if at + 8 + count * width > len(content):
            raise _damaged(name, "its storages are cut off")
        found.storages[key] = Region(content, at + 8, count * width)
        at += 8 + count * width
    found.trailing = len(content) - at


def _widths(root: Any) -> dict[str, int]:
    """Return the bytes per element of every storage that an object refers to, by key."""
    widths: dict[str, int] = {}
    for value in reachable(root):
        pid = value.key if type(value) is Fetched else None
        if is_storage(pid) and type(pid[2]) is str:
            dtype = storage_dtype(pid[1])
            widths[pid[2]] = dtype.itemsize if dtype else _width(pid[1])
    return widths


# Elements of types that are not examined still take their place in the file.
_OTHER_WIDTHS = {"ComplexFloatStorage": 8, "ComplexDoubleStorage": 16, "QInt32Storage": 4}


def _width(named: Any) -> int:
    return _OTHER_WIDTHS.get(str(getattr(named, "name", "")), 1)


def nested_storage(content: bytes | memoryview, name: str) -> tuple[Region, torch.dtype]:
    """Read one storage that was pickled by itself, as `pickle.dump` of a tensor writes it.

    Raises
    ------
    BadInput
        The bytes hold anything else.
    """
    inner = read_legacy(content, name)
    if len(inner.pickles) == 5 and not inner.pickles[4].defect:
        value = inner.value
        if type(value) is Fetched and is_storage(value.key):
            dtype = storage_dtype(value.key[1])
            region = inner.storages.get(value.key[2]) if type(value.key[2]) is str else None
            if dtype is not None and region is not None:
                return region, dtype
    raise _damaged(name, "a tensor's bytes are not what PyTorch writes")


def _damaged(name: str, why: str) -> BadInput:
    return BadInput(f"{name} is damaged or cut off: {why}.", fix=ASK_AGAIN)
