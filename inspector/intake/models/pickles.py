"""What a pickle asks for, read as a list of instructions. Nothing is built and nothing runs."""

from __future__ import annotations

import io
import pickletools
import re
from collections import deque
from dataclasses import dataclass

MAX_INSTRUCTIONS = 5_000_000
"""A checkpoint with 100,000 tensors has about two million."""

# Modules that no tensor needs and that can start, change or read something. A name from one of them
# is the mark of an attack, whatever the rest of the file looks like.
_COMMAND_NAMES = """
    os posix nt sys subprocess builtins __builtin__ importlib runpy pty shutil socket ssl commands
    code codeop ctypes _ctypes multiprocessing threading signal pickle _pickle cPickle dill
    cloudpickle marshal types operator _operator functools timeit cProfile profile pdb bdb trace
    webbrowser http urllib ftplib smtplib asyncio tempfile pathlib glob io _io logging site pip
    ensurepip venv zipimport pkgutil inspect gc atexit doctest idlelib lib2to3 distutils setuptools
    numpy.testing numpy.load numpy.lib torch.load torch.serialization torch.storage._load_from_bytes
    torch.hub torch.jit torch.package torch.fx torch.utils.cpp_extension torch._dynamo
    torch._inductor torch.distributed
"""
# Members of those modules that only hold values.
_VALUE_NAMES = """
    builtins.frozenset builtins.slice builtins.range builtins.object builtins.dict builtins.list
    builtins.tuple builtins.int builtins.float __builtin__.frozenset __builtin__.slice
    __builtin__.range __builtin__.object __builtin__.dict __builtin__.list __builtin__.tuple
    __builtin__.int __builtin__.float functools.partial pathlib.Path pathlib.PosixPath
    pathlib.WindowsPath pathlib.PurePosixPath types.SimpleNamespace
"""
# What torch.load(weights_only=True) builds (torch 2.10 to 2.15); all else is some program's class.
_WEIGHT_NAMES = """
    collections.OrderedDict collections.Counter _codecs.encode builtins.set builtins.bytearray
    builtins.complex __builtin__.set __builtin__.bytearray __builtin__.complex torch.Size
    torch.device torch.Tensor torch.nn.parameter.Parameter torch.storage.UntypedStorage
    torch.storage.TypedStorage torch.serialization._get_layout
"""
_COMMANDS = frozenset(_COMMAND_NAMES.split())
_VALUES = frozenset(_VALUE_NAMES.split())
_WEIGHTS = frozenset(_WEIGHT_NAMES.split())
_REBUILD = ("torch._utils._rebuild_", "torch._tensor._rebuild_from_type")
_TORCH_VALUES = re.compile(
    r"torch\.((cuda\.)?(sparse\.)?\w+(Storage|Tensor)|(b|c|q|qu|u)?(float|int|complex|bits)(\d\w*)?"
    r"|bool|double|half|long|short|chalf|cdouble|strided|per_(tensor|channel)_\w+)"
)


@dataclass(frozen=True)
class PickleNames:
    """The importable names in a pickle, by what they would mean if it were run.

    Attributes
    ----------
    commands : tuple of str
        Names that can run commands or reach outside.
    classes : tuple of str
        Names of classes and functions of some program or library.
    complete : bool
        Whether the whole pickle could be read.
    """

    commands: tuple[str, ...]
    classes: tuple[str, ...]
    complete: bool


def names_in(content: bytes) -> PickleNames:
    """List the names that one or more pickles, one after the other, would import.

    Parameters
    ----------
    content : bytes
        The pickles. What follows the fifth (the weights of an old checkpoint) is not looked at.
    """
    found: dict[str, None] = {}
    stream = io.BytesIO(content)
    complete = True
    budget = MAX_INSTRUCTIONS
    for _ in range(5):
        if stream.tell() >= len(content):
            break
        try:
            budget = _collect(stream, found, budget)
        except Exception:
            # pickletools raises ValueError, but also what its argument readers meet in damaged
            # bytes.
            complete = False
            break
    commands = tuple(name for name in found if _runs_commands(name))
    classes = tuple(name for name in found if name not in commands and not _is_weights(name))
    return PickleNames(commands, classes, complete)


def _collect(stream: io.BytesIO, found: dict[str, None], budget: int) -> int:
    # STACK_GLOBAL takes its module and name from the stack; both were pushed as strings shortly
    # before, directly or out of the memo.
    strings: deque[str] = deque(maxlen=2)
    memo: dict[int, str] = {}
    pushed = ""  # the string on top of the stack, if there is one
    for opcode, argument, _ in pickletools.genops(stream):
        budget -= 1
        if budget < 0:
            raise ValueError("too long")
        name = opcode.name
        if name == "MEMOIZE":
            memo[len(memo)] = pushed
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[int(argument or 0)] = pushed
        elif name in ("GLOBAL", "INST"):
            found[str(argument).replace(" ", ".")] = None
            pushed = ""
        elif name == "STACK_GLOBAL":
            found[".".join(strings)] = None
            pushed = ""
        else:
            fetched = name in ("GET", "BINGET", "LONG_BINGET")
            value = memo.get(int(argument or 0), "") if fetched else argument
            pushed = value if isinstance(value, str) else ""
            if pushed:
                strings.append(pushed)
    return budget


def _runs_commands(name: str) -> bool:
    if name in _VALUES or _is_weights(name):
        return False
    parts = name.split(".")
    return any(".".join(parts[:length]) in _COMMANDS for length in range(1, len(parts) + 1))


def _is_weights(name: str) -> bool:
    if name in _WEIGHTS or _TORCH_VALUES.fullmatch(name):
        return True
    return name.startswith(_REBUILD)
