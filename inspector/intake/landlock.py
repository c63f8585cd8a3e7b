"""Landlock: which files a process may still reach, set by itself and kept by the kernel."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import sysconfig
from pathlib import Path

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_READ_FILE, _READ_DIR, _WRITE_FILE, _TRUNCATE, _IOCTL_DEV = 1 << 2, 1 << 3, 1 << 1, 1 << 14, 1 << 15
_EXECUTE = 1
_FILE_RIGHTS = _EXECUTE | _READ_FILE | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV
# MAKE_CHAR, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM: a link could lead the app astray.
_MAKE_SPECIAL = 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12
_REMOVE_FILE, _MAKE_FILE = 1 << 5, 1 << 8
_SYSTEM_FILES = """
    /usr/lib /usr/lib64 /usr/local/lib /lib /lib64 /etc/ld.so.cache /etc/ld.so.conf.d /etc/localtime
    /usr/share/zoneinfo /proc/self /proc/cpuinfo /proc/meminfo /proc/stat /proc/sys/vm
    /proc/sys/kernel /sys/devices/system /sys/fs/cgroup /sys/kernel/mm /dev/urandom /dev/random
    /dev/zero
"""
_CUDA_FILES = "/dev/shm /proc/driver/nvidia /sys/bus/pci /sys/devices /sys/class"


def restrict_files(libc: ctypes.CDLL, read: list[Path], write: Path, *, cuda: bool) -> str:
    """Allow reading the system's libraries, Python and ``read``, writing ``write``, and no more.

    Parameters
    ----------
    libc : CDLL
        Opened with ``use_errno``.
    read : list of Path
        Files and folders; missing ones are left out.
    write : Path
        The folder below which files may be made, changed and removed.
    cuda : bool
        Also allow the device files of an NVIDIA driver, with ioctl.

    Returns
    -------
    str
        "landlock" and the version of the interface.

    Raises
    ------
    OSError
        The kernel has no Landlock, or it is switched off.
    """
    version = libc.syscall(_CREATE, None, ctypes.c_size_t(0), 1)
    checked(version)
    handled = (1 << 13) - 1
    for since, right in ((2, 1 << 13), (3, _TRUNCATE), (5, _IOCTL_DEV)):
        handled |= right if version >= since else 0
    network = 3 if version >= 4 else 0  # BIND_TCP, CONNECT_TCP: none is ever allowed
    scoped = 3 if version >= 6 else 0  # abstract sockets and signals end at this process
    attributes = struct.pack("=QQQ", handled, network, scoped)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = libc.syscall(_CREATE, attributes, ctypes.c_size_t(size), 0)
    checked(ruleset)
    try:
        reading = _READ_FILE | _READ_DIR
        for path in [*map(Path, _SYSTEM_FILES.split()), *_python_folders(), *read]:
            _allow(libc, ruleset, path, reading & handled)
        _allow(libc, ruleset, Path("/dev/null"), (reading | _WRITE_FILE) & handled)
        _allow(libc, ruleset, write, handled & ~_MAKE_SPECIAL & ~_IOCTL_DEV & ~_EXECUTE)
        if cuda:
            for path in [*map(Path, _CUDA_FILES.split()), *Path("/dev").glob("nvidia*")]:
                device = path.is_relative_to("/dev")
                writing = _WRITE_FILE | _TRUNCATE | _IOCTL_DEV if device else 0
                making = _REMOVE_FILE | _MAKE_FILE if path == Path("/dev/shm") else 0
                _allow(libc, ruleset, path, (reading | writing | making) & handled)
        checked(libc.syscall(_RESTRICT, ruleset, 0))
    finally:
        os.close(ruleset)
    return f"landlock {version}"


def checked(result: int) -> None:
    """Raise what ``errno`` says when a call of the C library failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _python_folders() -> list[Path]:
    """Return where Python and Inspector themselves lie: both import long after lock-down."""
    package = Path(__file__).resolve().parents[1]
    folders = [Path(sys.prefix), Path(sys.base_prefix), package]
    folders += [package.parent / "resources", package.parent / "plugins"]
    folders += [Path(path) for path in sysconfig.get_paths().values()]
    # Not the working folder, which Python may have put on the path: it can be the whole home.
    folders += [Path(entry) for entry in sys.path if entry.endswith(("-packages", ".zip"))]
    return folders


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(path):
            rights &= _FILE_RIGHTS
        rule = struct.pack("=Qi", rights, descriptor)
        checked(libc.syscall(_ADD, ruleset, 1, rule, 0))
    finally:
        os.close(descriptor)
