"""Reading PyTorch checkpoints: what they name is recorded, and their weights are had without it.

A file that names nothing but weights is read by ``torch.load(weights_only=True)``, the only call of
it in Inspector. Every other one, and those that torch's restricted reader does not know, are read
inertly: their pickle is followed but not obeyed, and the tensors are made of the bytes that it
points at.
"""

from __future__ import annotations

import io
import warnings
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from inspector.api import Control
from inspector.errors import BadInput, RefusedFile
from inspector.intake.limits import limit
from inspector.intake.models.archives import Archive, check_archive
from inspector.intake.models.contents import (
    FileContents,
    NamedObject,
    visible,
    worst_first,
)
from inspector.intake.models.inert import follow
from inspector.intake.models.inert_hints import layers_of_program
from inspector.intake.models.inert_tables import Table, find_table, table_under
from inspector.intake.models.inert_tensors import (
    Find,
    Region,
    is_storage,
    make_tensors,
    storage_dtype,
)
from inspector.intake.models.inert_values import Fetched, Followed, Made, reachable
from inspector.intake.models.judging import CLASSES, COMMANDS, NESTED, WEIGHTS, judge
from inspector.intake.models.refusals import damaged, hostile, nothing_found
from inspector.intake.models.torch_legacy import read_legacy
from inspector.intake.models.torchscript import operations, program_texts

# What asks for memory by number alone when it is called; weights_only lets these pass.
_BY_NUMBER = ("builtins.bytearray", "__builtin__.bytearray", "torch.Tensor")


@dataclass
class Checkpoint:
    """What was read out of a checkpoint.

    Attributes
    ----------
    tensors : dict of str to Tensor
        As the file describes them; not yet sanitised.
    contents : FileContents
        What else it contains.
    table : Table
        Where the weights lay.
    root : object
        The followed value, for hints.
    notes : list of str
        What a person should know.
    """

    tensors: dict[str, Tensor]
    contents: FileContents
    table: Table
    root: Any
    notes: list[str] = field(default_factory=list)


@dataclass
class _Found:
    """What a container holds, before weights are taken out of it."""

    value: Any
    find: Find
    names: list[NamedObject]
    defect: str = ""
    plain: bool = True  # may be given to torch.load
    anomalies: list[str] = field(default_factory=list)
    checksum_errors: list[str] = field(default_factory=list)
    programs: list[str] = field(default_factory=list)


def read_checkpoint(
    content: bytes,
    kind: str,
    name: str,
    control: Control | None = None,
    select: str | None = None,
) -> Checkpoint:
    """Read a checkpoint; nothing that it names is imported, nothing is run.

    Parameters
    ----------
    content : bytes
        The whole file.
    kind : str
        "torch-zip", "torchscript", "torch-legacy" or "pickle".
    name : str
        Name of the file, for messages.
    control : Control, optional
        Checked now and then.
    select : str, optional
        Where in the file the weights lie, for who knows it: names joined by dots, "" for the top.

    Raises
    ------
    BadInput
        The container is damaged or ambiguous, or no weights can be had.
    """
    control = control or Control()
    archive: Archive | None = None
    if kind in ("torch-zip", "torchscript"):
        archive = check_archive(content, name, control)
        found = _in_archive(archive, name, control)
    elif kind == "torch-legacy":
        found = _in_legacy(content, name, control)
    else:
        found = _in_pickle(content, name, control)
    contents = FileContents(
        kind,
        "inert",
        worst_first(found.names),
        not found.defect,
        tuple(found.anomalies),
        tuple(visible(member) for member in found.checksum_errors),
        tuple(visible(text) for text in found.programs),
    )
    table = None if found.defect else find_table(found.value)
    if table is not None and select is not None:
        usual = ".".join(table.keys)
        table = table_under(found.value, select)
        if table is None:
            raise BadInput(
                f"{name} holds no weights under {visible(select, 120)!r}.",
                f"There are some under {usual!r}." if usual else "There are some at its top.",
                "Correct [weights] select in the spec.",
            )
    if table is None:
        refusal = _refusal(found, contents, kind, name)
        seen = {"contents": contents.as_dict()}
        raise RefusedFile(refusal.what, refusal.why, refusal.fix, seen)
    if archive is not None and found.programs:
        table.layers = layers_of_program(table.layers, operations(archive), table.classes)
    notes = _notes(contents, table, kind)
    if contents.verdict == WEIGHTS and found.plain and kind in ("torch-zip", "torch-legacy"):
        loaded = _loaded(content, table)
        if loaded is not None:
            method = replace(contents, method="torch.load")
            return Checkpoint(loaded, method, table, found.value, notes)
    tensors = make_tensors(table.tensors, found.find, name)
    return Checkpoint(tensors, contents, table, found.value, notes)


# ---- containers ---------------------------------------------------------------------------------


def _in_archive(archive: Archive, name: str, control: Control) -> _Found:
    followed = follow(archive.bytes_of("data.pkl"), 0, control)
    found = _Found(followed.value, lambda pid: _member(archive, pid, name), [], followed.defect)
    found.names += _named(followed, archive.members["data.pkl"].start, f"{archive.folder}/data.pkl")
    found.anomalies += archive.anomalies
    found.checksum_errors += archive.checksum_errors
    found.programs += [*program_texts(archive), *followed.sources]
    # The weights are in data.pkl; the others are looked into for what they name.
    for member, place in archive.members.items():
        if member.endswith(".pkl") and member != "data.pkl" and place.size <= limit("model-pickle"):
            other = follow(archive.bytes_of(member), 0, control)
            found.names += _named(other, place.start, f"{archive.folder}/{member}")
    found.plain = _is_plain(followed)
    _judge_nested(found, followed, name)
    size = archive.members["data.pkl"].size
    if followed.end and followed.end < size:
        found.anomalies.append(f"{size - followed.end:,} bytes follow the pickle inside it.")
    if not followed.defect:
        found.anomalies += _unused(archive, followed)
    return found


def _in_legacy(content: bytes, name: str, control: Control) -> _Found:
    file = read_legacy(content, name, control)
    last = file.pickles[-1]

    def find(pid: Any) -> Region:
        try:
            return file.find(pid)
        except (KeyError, ValueError):
            raise damaged(name, "it describes a tensor whose values it does not hold") from None

    value = file.value if len(file.pickles) == 5 else None
    found = _Found(value, find, [], last.defect)
    for followed in file.pickles:
        found.names += _named(followed, 0, "")
        found.programs += followed.sources
        found.plain = found.plain and _is_plain(followed)
        _judge_nested(found, followed, name)
    if file.trailing:
        found.anomalies.append(f"{file.trailing:,} bytes follow its last tensor.")
    return found


def _in_pickle(content: bytes, name: str, control: Control) -> _Found:
    followed = follow(content, 0, control)

    def find(pid: Any) -> Region:
        raise damaged(name, "it describes a tensor whose values it does not hold")

    found = _Found(followed.value, find, _named(followed, 0, ""), followed.defect)
    found.programs += followed.sources
    _judge_nested(found, followed, name)
    if followed.end and followed.end < len(content):
        found.anomalies.append(f"{len(content) - followed.end:,} bytes follow the pickle.")
    return found


def _member(archive: Archive, pid: Any, name: str) -> Region:
    """Return the bytes of a storage in an archive."""
    key, count, dtype = pid[2], pid[4], storage_dtype(pid[1])
    member = archive.members.get(f"data/{key}") if type(key) is str else None
    if member is None:
        raise damaged(name, "it describes a tensor whose values it does not hold")
    size = member.size
    if type(count) is int and count >= 0 and dtype is not None:
        size = min(size, count * dtype.itemsize)
    return Region(archive.content, member.start, size)


def _unused(archive: Archive, followed: Followed) -> list[str]:
    keys = {
        value.key[2]
        for value in reachable(followed.value)
        if type(value) is Fetched and is_storage(value.key) and type(value.key[2]) is str
    }
    # A pickle may build tensors and drop them again; those of other kinds of files are not ours.
    unused = [
        member
        for member in archive.members
        if member.startswith("data/") and member.removeprefix("data/") not in keys
    ]
    size = sum(archive.members[member].size for member in unused)
    if not unused or not size:
        return []
    return [f"{len(unused):,} members with {size:,} bytes belong to no tensor."]


# ---- names --------------------------------------------------------------------------------------


def _named(followed: Followed, start: int, member: str) -> list[NamedObject]:
    names = [
        NamedObject(
            visible(use.name),
            start + use.offset,
            use.count,
            judge(use.name, called=use.calls > 0),
            visible(member),
        )
        for use in followed.names.values()
    ]
    if followed.left_out:
        left = f"({followed.left_out:,} more)"
        names.append(NamedObject(left, start, followed.left_out, COMMANDS, visible(member)))
    return names


def _is_plain(followed: Followed) -> bool:
    """Tell whether a pickle asks for nothing that weights_only allows and that can exhaust memory."""
    return not any(
        use.calls and (use.name in _BY_NUMBER or use.name.endswith(("Storage", "Tensor")))
        for use in followed.names.values()
    )


def _judge_nested(found: _Found, followed: Followed, name: str) -> None:
    """Look into pickles inside of the pickle: what calls them is as harmless as they are."""
    use = followed.names.get(NESTED)
    if use is None:
        return
    # A function that is handed on could be called with other bytes than those that are seen here.
    harmless = not followed.indirect and "functools.partial" not in followed.names
    seen = 0
    for value in reachable(followed.value):
        if type(value) is not Made or value.path != NESTED:
            continue
        seen += 1
        try:
            inner = read_legacy(_bytes_in(value), name)
        except BadInput:
            harmless = False
            continue
        names = [named for part in inner.pickles for named in _named(part, 0, "nested pickle")]
        harmless = harmless and len(inner.pickles) == 5 and not inner.pickles[-1].defect
        harmless = harmless and all(named.verdict == WEIGHTS for named in names)
        known = {(named.name, named.member) for named in found.names}
        found.names += [named for named in names if (named.name, named.member) not in known]
    if harmless and seen == use.calls:
        found.names = [
            replace(named, verdict=CLASSES) if named.name == NESTED else named
            for named in found.names
        ]


def _bytes_in(made: Made) -> bytes | memoryview:
    held = made.args[0] if made.args else b""
    if type(held) is Made and held.path == "_codecs.encode" and held.args:
        held = held.args[0]
    if type(held) is str:
        held = held.encode("latin-1", "replace")
    return held if type(held) in (bytes, memoryview) else b""


# ---- weights ------------------------------------------------------------------------------------


def _loaded(content: bytes, table: Table) -> dict[str, Tensor] | None:
    """Let PyTorch read plain weights; None when it cannot, or sees another table than we do."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old checkpoints warn about their storage class
            loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:
        # A dozen kinds. Its text recommends weights_only=False, which would run the file; it is
        # neither shown nor followed.
        return None
    for key in table.keys:
        loaded = _entries(loaded).get(key)
    entries = _entries(loaded)
    if not all(isinstance(entries.get(key), Tensor) for key in table.tensors):
        return None
    return {key: entries[key] for key in table.tensors}


def _entries(value: Any) -> dict[Any, Any]:
    # By the methods of the type, which a file cannot shadow.
    if type(value) is OrderedDict:
        return dict(OrderedDict.items(value))
    return value if type(value) is dict else {}


def _notes(contents: FileContents, table: Table, kind: str) -> list[str]:
    notes = []
    count = len(table.tensors)
    if contents.commands:
        first = contents.commands[0]
        notes.append(
            f"Besides weights the file names `{first.name}` (offset {first.offset:#x}), which can"
            " run commands. Nothing was run: its weights were read as plain bytes. Treat the file"
            " as hostile."
        )
    if kind == "torchscript":
        notes.append(
            "The file is a TorchScript program. Running it would run its author's code; its"
            f" {count:,} tensors were read without running it."
        )
    elif table.module:
        notes.append(
            f"The file holds a whole Python object ({visible(table.module, 120)}), not only"
            f" weights. Its {count:,} tensors were read without running it."
        )
    elif contents.classes:
        shown = ", ".join(named.name for named in contents.classes[:3])
        notes.append(f"Besides weights the file names {shown}, which were not imported.")
    if table.passed_over:
        chosen = table.keys[-1] if table.keys else ""
        notes.append(
            f"The file also holds weights under {', '.join(table.passed_over)}; those under"
            f" {chosen} are examined."
        )
    if table.others and not table.module:
        shown = ", ".join(
            repr(visible(str(key), 80)) for key in table.others[:5] if type(key) is str
        )
        notes.append(f"{len(table.others)} entries beside the weights are no tensors: {shown}.")
    elif table.others:
        shown = visible(str(table.others[0]), 80)
        notes.append(f"{len(table.others)} parameters are no plain tensors, {shown!r} among them.")
    return notes


def _refusal(found: _Found, contents: FileContents, kind: str, name: str) -> BadInput:
    if contents.commands:
        return hostile(name, contents)
    if found.defect:
        return damaged(name, found.defect)
    return nothing_found(name, kind, contents, found.value)
