"""Taking rights away from the engine before it reads a byte of evidence.

Standard library only, and to be called before numpy or torch is imported: both start threads, and a
process with threads can neither leave its user namespace nor put Landlock on all of them. Every
layer is optional, because kernels and containers differ; what is in force is returned and recorded,
never assumed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from inspector.intake.landlock import checked, restrict_files
from inspector.intake.limits import limit
from inspector.intake.seccomp import filter_calls

GIB = 1 << 30
LARGEST_FILE = 256 * GIB
"""Bytes that one derived file may have: a runaway writer must not fill the disk unnoticed."""

LAYERS = ("rlimits", "netns", "process", "landlock", "seccomp")
"""Every layer there is, in the order in which they are put on."""

SCRATCH = ".scratch-"
"""What the name of an engine's folder for temporary files begins with."""

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CAPABILITY_VERSION = 0x20080522


@dataclass
class LockDown:
    """What `lock_down` reached.

    Attributes
    ----------
    layers : list of str
        In force: names out of `LAYERS`, Landlock with its version ("landlock 7").
    missing : dict of str to str
        The other names, each with the reason.
    """

    layers: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


def lock_down(read: list[Path], write: Path, *, cuda: bool = False) -> LockDown:
    """Give up every right that reading evidence does not need. There is no way back.

    Parameters
    ----------
    read : list of Path
        Files and folders of evidence (and of detectors) that stay readable. Missing ones are left
        out.
    write : Path
        The one folder that stays writable; made when it is missing.
    cuda : bool
        Leave the doors open that a CUDA driver needs: device files with ioctl, and no memory limit.

    Notes
    -----
    The order matters. Identity maps can be written only while the process is dumpable; a new user
    namespace clears the signal that is to follow the app's death; and seccomp comes last because it
    also takes away the calls that the other layers are made with. PR_SET_PDEATHSIG fires when the
    *thread* that started the engine ends: the client keeps one for it (`engine.client.starting`).
    """
    write = Path(write)
    write.mkdir(parents=True, exist_ok=True)
    _move_temporary_files(write)
    reached = LockDown()
    linux = sys.platform.startswith("linux")
    libc = ctypes.CDLL(None, use_errno=True)
    steps: dict[str, Callable[[], str]] = {
        "rlimits": lambda: _limit_resources(memory=not cuda),
        "netns": lambda: _leave_network(libc),
        "process": lambda: _shield_process(libc),
        "landlock": lambda: restrict_files(libc, [Path(path) for path in read], write, cuda=cuda),
        "seccomp": lambda: filter_calls(libc),
    }
    for name in LAYERS:
        if not linux and name != "rlimits":
            reached.missing[name] = f"{sys.platform} does not have it"
            continue
        try:
            layer = steps[name]()
        except (OSError, AttributeError) as error:
            reached.missing[name] = getattr(error, "strerror", None) or str(error)
            continue
        if layer:
            reached.layers.append(layer)
        else:
            reached.missing[name] = "not supported here"
    return reached


def _move_temporary_files(folder: Path) -> None:
    # torch's CUDA bindings make a temporary file when they are imported, numba refuses to be
    # imported where it can cache nowhere. A new folder each time: numba unpickles what lies in its
    # cache, and a case from somebody else, or an engine before this one, could have put it there.
    scratch = tempfile.mkdtemp(prefix=SCRATCH, dir=folder)
    tempfile.tempdir = scratch
    os.environ |= {
        "TMPDIR": scratch,
        "NUMBA_CACHE_DIR": os.path.join(scratch, "numba"),
        "MPLCONFIGDIR": scratch,
    }


def _limit_resources(*, memory: bool) -> str:
    try:
        import resource
    except ImportError:
        return ""
    limits = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 256)]
    limits.append((resource.RLIMIT_FSIZE, LARGEST_FILE))
    if memory and hasattr(os, "sysconf"):
        # DATA, not AS: address space also counts the memory maps of large derived arrays.
        installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        limits.append((resource.RLIMIT_DATA, max(limit("engine-memory"), installed // 2)))
    for name, wanted in limits:
        hard = resource.getrlimit(name)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(name, (value, value))
        except ValueError as error:
            raise OSError(0, str(error)) from None
    return "rlimits"


def _leave_network(libc: ctypes.CDLL) -> str:
    user, group = os.getuid(), os.getgid()
    checked(libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET))
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        try:
            Path("/proc/self", name).write_text(text)
        except OSError:
            continue  # unmapped, files are owned by "nobody" on screen; access is the same
    return "netns"


def _shield_process(libc: ctypes.CDLL) -> str:
    # Landlock and seccomp demand NO_NEW_PRIVS of a process without CAP_SYS_ADMIN.
    checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    # Root's privileges, and those that a new user namespace came with.
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    checked(libc.capset(header, struct.pack("=6I", 0, 0, 0, 0, 0, 0)))
    checked(libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0))
    checked(libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0))
    return "process"
