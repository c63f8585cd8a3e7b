"""Taking rights away from the engine before it reads a byte of evidence.

Standard library only, and to be called before torch is imported: a process with threads can neither
leave its user namespace nor put Landlock on all of them. Every layer is optional, because kernels
and containers differ; what is in force is returned and recorded, never assumed.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path

GIB = 1 << 30
LARGEST_FILE = 256 * GIB
"""Bytes that one derived file may have: a runaway writer must not fill the disk unnoticed."""

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_READ_FILE, _READ_DIR, _WRITE_FILE, _TRUNCATE, _IOCTL_DEV = 1 << 2, 1 << 3, 1 << 1, 1 << 14, 1 << 15
_FILE_RIGHTS = 1 | _READ_FILE | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV
_MAKE_DEVICES = 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11  # MAKE_CHAR, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK
_SYSTEM_FILES = """
    /usr/lib /usr/lib64 /usr/local/lib /lib /lib64 /etc/ld.so.cache /etc/ld.so.conf.d /etc/localtime
    /usr/share/zoneinfo /proc/self /proc/cpuinfo /proc/meminfo /proc/stat /proc/sys/vm
    /proc/sys/kernel /sys/devices/system /sys/fs/cgroup /sys/kernel/mm /dev/urandom /dev/random
    /dev/zero
"""
_CUDA_FILES = "/dev/shm /proc/driver/nvidia /sys/bus/pci /sys/devices /sys/class"

# What an engine that only reads and computes has no use for: sockets, starting programs, other
# processes, mounts, kernel modules, keys, interfaces known for kernel bugs; and owners, modes,
# times and attributes of files, which Landlock does not cover. Columns: call, number on x86_64, on
# aarch64 (0: it has no such call).
_CALLS = """
    socket 41 198  connect 42 203  accept 43 202  bind 49 200  listen 50 201  socketpair 53 199
    accept4 288 242  execve 59 221  execveat 322 281  kill 62 129  rt_sigqueueinfo 129 138
    pidfd_send_signal 424 424  pidfd_getfd 438 438  ptrace 101 117  process_vm_readv 310 270
    process_vm_writev 311 271  kcmp 312 272  personality 135 92  unshare 272 97  setns 308 268
    chroot 161 51  pivot_root 155 41  mount 165 40  umount2 166 39  open_tree 428 428
    move_mount 429 429  fsopen 430 430  fsconfig 431 431  fsmount 432 432  fspick 433 433
    mount_setattr 442 442  init_module 175 105  delete_module 176 106  finit_module 313 273
    kexec_load 246 104  kexec_file_load 320 294  bpf 321 280  userfaultfd 323 282
    perf_event_open 298 241  io_uring_setup 425 425  io_uring_enter 426 426
    io_uring_register 427 427  add_key 248 217  request_key 249 218  keyctl 250 219
    open_by_handle_at 304 265  chmod 90 0  fchmod 91 52  fchmodat 268 53  fchmodat2 452 452
    chown 92 0  fchown 93 55  lchown 94 0  fchownat 260 54  utime 132 0  utimes 235 0
    futimesat 261 0  utimensat 280 88  setxattr 188 5  lsetxattr 189 6  fsetxattr 190 7
    removexattr 197 14  lremovexattr 198 15  fremovexattr 199 16
"""
# By machine: column in the table, the kernel's name for the architecture, number of seccomp itself.
_MACHINES = {"x86_64": (1, 0xC000003E, 317), "aarch64": (2, 0xC00000B7, 277)}


def lock_down(read: list[Path], write: Path, *, cuda: bool = False) -> list[str]:
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

    Returns
    -------
    list of str
        The layers in force, such as ``["rlimits", "netns", "landlock 7", "seccomp"]``.

    Notes
    -----
    The order matters: identity maps can be written only while the process is dumpable, and seccomp
    comes last because it also takes away the calls that the other layers are made with. The engine
    ends when its standard input closes; PR_SET_PDEATHSIG is not used, since it fires when the
    *thread* that started the engine ends, which for a window is a short-lived one.
    """
    write = Path(write)
    _move_temporary_files(write / ".scratch")
    layers = ["rlimits"] if _limit_resources(memory=not cuda) else []
    if not sys.platform.startswith("linux"):
        return layers
    libc = ctypes.CDLL(None, use_errno=True)
    steps: tuple[Callable[[], str], ...] = (
        lambda: _leave_network(libc),
        lambda: _forbid_inspection(libc),
        lambda: _restrict_files(libc, [Path(path) for path in read], write, cuda),
        lambda: _filter_calls(libc),
    )
    for step in steps:
        try:
            layers.append(step())
        except OSError:
            continue  # not in the list means not in force
    return [layer for layer in layers if layer]


def _move_temporary_files(scratch: Path) -> None:
    # torch's CUDA bindings make a temporary file when they are imported, numba refuses to be
    # imported where it can cache nowhere.
    scratch.mkdir(parents=True, exist_ok=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)
    os.environ.setdefault("NUMBA_CACHE_DIR", str(scratch / "numba"))


def _limit_resources(*, memory: bool) -> bool:
    try:
        import resource
    except ImportError:
        return False
    limits = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 256)]
    limits.append((resource.RLIMIT_FSIZE, LARGEST_FILE))
    if memory and hasattr(os, "sysconf"):
        # DATA, not AS: address space also counts the memory maps of large derived arrays.
        installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        limits.append((resource.RLIMIT_DATA, max(8 * GIB, installed // 2)))
    done = True
    for name, wanted in limits:
        hard = resource.getrlimit(name)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(name, (value, value))
        except (OSError, ValueError):
            done = False
    return done


def _leave_network(libc: ctypes.CDLL) -> str:
    user, group = os.getuid(), os.getgid()
    _checked(libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET))
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


def _forbid_inspection(libc: ctypes.CDLL) -> str:
    # Landlock and seccomp demand NO_NEW_PRIVS of a process without CAP_SYS_ADMIN.
    _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _checked(libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0))
    return ""


def _restrict_files(libc: ctypes.CDLL, read: list[Path], write: Path, cuda: bool) -> str:
    version = libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)
    _checked(version)
    handled = (1 << 13) - 1
    for since, right in ((2, 1 << 13), (3, _TRUNCATE), (5, _IOCTL_DEV)):
        handled |= right if version >= since else 0
    network = 3 if version >= 4 else 0  # BIND_TCP, CONNECT_TCP: none is ever allowed
    scoped = 3 if version >= 6 else 0  # abstract sockets and signals end at this process
    attributes = struct.pack("=QQQ", handled, network, scoped)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = libc.syscall(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(size), 0)
    _checked(ruleset)
    try:
        reading = _READ_FILE | _READ_DIR
        for path in [*map(Path, _SYSTEM_FILES.split()), *_python_folders(), *read]:
            _allow(libc, ruleset, path, reading & handled)
        _allow(libc, ruleset, Path("/dev/null"), (reading | _WRITE_FILE) & handled)
        _allow(libc, ruleset, write, handled & ~_MAKE_DEVICES & ~_IOCTL_DEV & ~1)
        if cuda:
            for path in [*map(Path, _CUDA_FILES.split()), *Path("/dev").glob("nvidia*")]:
                writing = _WRITE_FILE | _TRUNCATE | _IOCTL_DEV if str(path)[:4] == "/dev" else 0
                making = 1 << 5 | 1 << 8 if str(path) == "/dev/shm" else 0  # remove, make files
                _allow(libc, ruleset, path, (reading | writing | making) & handled)
        _checked(libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0))
    finally:
        os.close(ruleset)
    return f"landlock {version}"


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
        _checked(libc.syscall(_LANDLOCK_ADD, ruleset, 1, rule, 0))
    finally:
        os.close(descriptor)


def _filter_calls(libc: ctypes.CDLL) -> str:
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return ""
    column, architecture, seccomp = machine
    numbers = sorted({int(number) for number in _CALLS.split()[column::3]} - {0})
    load, jump_equal, jump_above, give = 0x20, 0x15, 0x35, 0x06
    refuse = len(numbers) + 2  # instructions from the architecture test to the refusal
    program = [(load, 0, 0, 4), (jump_equal, 0, refuse + 1, architecture), (load, 0, 0, 0)]
    # Numbers above 2^30 are the x32 calls, which would pass by other numbers.
    program.append((jump_above, refuse - 1, 0, 0x40000000))
    for place, number in enumerate(numbers):
        program.append((jump_equal, len(numbers) - place, 0, number))
    program.append((give, 0, 0, 0x7FFF0000))
    program.append((give, 0, 0, 0x00050000 | errno.EPERM))
    code = b"".join(struct.pack("=HBBI", *step) for step in program)
    buffer = ctypes.create_string_buffer(code)
    header = struct.pack("@HP", len(program), ctypes.addressof(buffer))
    # Flag 1: all threads, should one exist already.
    _checked(libc.syscall(seccomp, 1, 1, header))
    return "seccomp"


def _checked(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
