"""What the names in a pickle would mean if somebody loaded it the ordinary way.

Judged by allow-lists: what is known to build weights, what is known to hold values or to be a class
of layers. Of the rest, everything out of Python's standard library and every function that the
pickle calls counts as a command, whatever it is named.
"""

from __future__ import annotations

import re
import sys

WEIGHTS, CLASSES, COMMANDS = "weights", "classes", "commands"
"""The three verdicts, the worst one last."""

NESTED = "torch.storage._load_from_bytes"
"""Unpickles the bytes that it is given; as harmless as they are."""

# What torch.load(weights_only=True) builds (torch 2.10 to 2.15), and what TorchScript's own reader
# needs for lists.
_WEIGHT_NAMES = """
    collections.OrderedDict collections.Counter _codecs.encode builtins.set builtins.bytearray
    builtins.complex __builtin__.set __builtin__.bytearray __builtin__.complex torch.Size
    torch.device torch.Tensor torch.nn.parameter.Parameter torch.storage.UntypedStorage
    torch.storage.TypedStorage torch.serialization._get_layout
"""
_REBUILD = ("torch._utils._rebuild_", "torch._tensor._rebuild_from_type", "torch.jit._pickle.")
_TORCH_VALUES = re.compile(
    r"torch\.((cuda\.)?(sparse\.)?\w+(Storage|Tensor)|(b|c|q|qu|u)?(float|int|complex|bits)(\d\w*)?"
    r"|bool|double|half|long|short|chalf|cdouble|strided|per_(tensor|channel)_\w+)"
)
# Members of Python's library and of NumPy that only hold values.
_VALUE_NAMES = """
    builtins.frozenset builtins.slice builtins.range builtins.object builtins.dict builtins.list
    builtins.tuple builtins.int builtins.float builtins.str builtins.bytes builtins.bool
    __builtin__.frozenset __builtin__.slice __builtin__.range __builtin__.object __builtin__.dict
    __builtin__.list __builtin__.tuple __builtin__.int __builtin__.long __builtin__.float
    __builtin__.str __builtin__.unicode __builtin__.bool __builtin__.xrange
    copyreg._reconstructor copy_reg._reconstructor copyreg.__newobj__ copy_reg.__newobj__
    collections.defaultdict collections.deque functools.partial argparse.Namespace
    types.SimpleNamespace datetime.datetime datetime.date datetime.time datetime.timedelta
    datetime.timezone decimal.Decimal fractions.Fraction uuid.UUID time.struct_time random.Random
    pathlib.Path pathlib.PosixPath pathlib.WindowsPath pathlib.PurePath pathlib.PurePosixPath
    pathlib.PureWindowsPath pathlib._local.PosixPath pathlib._local.WindowsPath
    pathlib._local.PurePosixPath pathlib._local.PureWindowsPath
    numpy.ndarray numpy.dtype numpy.core.multiarray._reconstruct numpy.core.multiarray.scalar
    numpy._core.multiarray._reconstruct numpy._core.multiarray.scalar
    numpy.core.numeric._frombuffer numpy._core.numeric._frombuffer
    numpy.random._pickle.__randomstate_ctor numpy.random._pickle.__generator_ctor
    numpy.random._pickle.__bit_generator_ctor
    torch._C._nn.gelu torch._C._nn.elu torch._C._nn.silu torch._C._nn.hardtanh
    torch.relu torch.tanh torch.sigmoid torch._utils._set_obj_state
    torch.optim.optimizer.required torch.optim.optimizer._RequiredParameter
"""
# Not in the standard library, but able to start, change or fetch something, classes too.
_COMMAND_NAMES = """
    __builtin__ commands copy_reg cPickle Queue urllib2 thread dummy_thread _winreg distutils imp
    numpy.testing numpy.load numpy.loadtxt numpy.fromfile numpy.memmap numpy.lib numpy.f2py
    numpy.distutils numpy.ctypeslib torch.load torch.save torch.serialization torch.storage
    torch.hub torch.jit torch.package torch.fx torch.utils torch.library torch.ops torch.classes
    torch.multiprocessing torch.testing torch.onnx torch.export torch._dynamo torch._inductor
    torch._ops torch._C torch.distributed torch.profiler
    pip setuptools pkg_resources dill cloudpickle joblib IPython ipykernel jupyter_client pytest
    pandas.io pandas.read_pickle requests urllib3 httpx aiohttp fsspec paramiko fabric docker psutil
    tensorflow keras jax numba cffi cython sympy sqlalchemy yaml jinja2 mako django flask celery ray
    dask distributed mlflow wandb huggingface_hub boto3 sh pexpect ptyprocess win32api win32com
"""
# Classes out of the modules above that describe training, or a network, and do nothing when made.
_HARMLESS = (
    "torch.utils.data.",
    "torch.utils._ordered_set.",
    "torch.distributed.fsdp.",
    "torch.nn.parallel.",
    "torch._dynamo.eval_frame.OptimizedModule",
)
_FUNCTIONS = ("torch.nn.functional.", "torchvision.transforms.functional.")

_WEIGHTS = frozenset(_WEIGHT_NAMES.split())
_VALUES = frozenset(_VALUE_NAMES.split())
_COMMANDS = frozenset(_COMMAND_NAMES.split())


def judge(name: str, *, called: bool) -> str:
    """Return "weights", "classes" or "commands".

    Parameters
    ----------
    name : str
        Module and name, as in "torch.nn.modules.conv.Conv2d".
    called : bool
        Whether the pickle calls it with arguments of its own, rather than making an instance.
    """
    if is_weights(name):
        return WEIGHTS
    if name in _VALUES or name.startswith(_FUNCTIONS):
        return CLASSES
    last = name.rpartition(".")[2]
    is_class = last[:1].isupper()
    if is_class and name.startswith(_HARMLESS):
        return CLASSES
    if name.startswith("numpy.dtypes.") and is_class:
        return CLASSES
    parts = name.split(".")
    if parts[0] == "__torch__":
        return CLASSES  # a type of the TorchScript program's own
    if parts[0] in sys.stdlib_module_names and parts[0] != "__main__":
        return COMMANDS
    if parts[0] == "computed" or name.startswith("copyreg."):
        return COMMANDS
    if any(".".join(parts[:length]) in _COMMANDS for length in range(1, len(parts) + 1)):
        return COMMANDS
    return COMMANDS if called and not is_class else CLASSES


def is_weights(name: str) -> bool:
    """Tell whether a name is one that PyTorch itself builds weights with."""
    if name in _WEIGHTS or _TORCH_VALUES.fullmatch(name):
        return True
    return name.startswith(_REBUILD)


def worst(verdicts: list[str]) -> str:
    """Return the worst of some verdicts; "weights" of none."""
    order = (WEIGHTS, CLASSES, COMMANDS)
    return max(verdicts, key=order.index, default=WEIGHTS)
