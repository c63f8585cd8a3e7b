"""seccomp: which calls of the kernel a process has given up, for all its threads."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

from inspector.intake.landlock import checked

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
    removexattr 197 14  lremovexattr 198 15  fremovexattr 199 16  fork 57 0  vfork 58 0
    tkill 200 130  rt_tgsigqueueinfo 297 240  process_madvise 440 440  move_pages 279 239
    migrate_pages 256 238  swapon 167 224  reboot 169 142  acct 163 89  quotactl 179 60
    settimeofday 164 170  clock_settime 227 112  sethostname 170 161  iopl 172 0  ioperm 173 0
"""
# By machine: column in the table, the kernel's name for the architecture, and the numbers of the
# calls that are looked at more closely.
_MACHINES = {
    "x86_64": (1, 0xC000003E, {"seccomp": 317, "clone": 56, "tgkill": 234, "prlimit64": 302}),
    "aarch64": (2, 0xC00000B7, {"seccomp": 277, "clone": 220, "tgkill": 131, "prlimit64": 261}),
}
_CLONE3 = 435  # everywhere
_CLONE_THREAD = 0x10000
_LOAD, _JUMP_EQUAL, _JUMP_ABOVE, _JUMP_ANY_BIT, _GIVE = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_ALL_THREADS = 1

Step = tuple[int, int, int, int]


def filter_calls(libc: ctypes.CDLL) -> str:
    """Refuse the calls of the table with EPERM from now on, in every thread of this process.

    Threads can still be started, processes cannot; signals and limits reach this process alone.

    Parameters
    ----------
    libc : CDLL
        Opened with ``use_errno``.

    Returns
    -------
    str
        "seccomp"; "" on a processor whose calls are not known here.

    Raises
    ------
    OSError
        The kernel does not take the filter.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return ""
    column, architecture, numbers = machine
    program = _program(column, architecture, numbers, os.getpid())
    code = b"".join(struct.pack("=HBBI", *step) for step in program)
    buffer = ctypes.create_string_buffer(code)
    header = struct.pack("@HP", len(program), ctypes.addressof(buffer))
    checked(libc.syscall(numbers["seccomp"], 1, _ALL_THREADS, header))
    return "seccomp"


def _program(column: int, architecture: int, numbers: dict[str, int], own: int) -> list[Step]:
    """Return the filter: one instruction is (code, jump if true, jump if false, value)."""
    refuse = (_GIVE, 0, 0, _REFUSE | errno.EPERM)
    allow = (_GIVE, 0, 0, _ALLOW)
    program: list[Step] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, architecture),
        refuse,
        (_LOAD, 0, 0, _NUMBER),
        # Numbers above 2^30 are the x32 calls, which would pass by other numbers.
        (_JUMP_ABOVE, 0, 1, 0x40000000),
        refuse,
        # Its arguments lie in memory, where a filter cannot look: the C library then takes clone.
        (_JUMP_EQUAL, 0, 1, _CLONE3),
        (_GIVE, 0, 0, _REFUSE | errno.ENOSYS),
        # Only what makes a thread of this process.
        (_JUMP_EQUAL, 0, 4, numbers["clone"]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_JUMP_ANY_BIT, 0, 1, _CLONE_THREAD),
        allow,
        refuse,
        (_JUMP_EQUAL, 0, 4, numbers["tgkill"]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_JUMP_EQUAL, 0, 1, own),
        allow,
        refuse,
        (_JUMP_EQUAL, 0, 5, numbers["prlimit64"]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_JUMP_EQUAL, 1, 0, 0),
        (_JUMP_EQUAL, 0, 1, own),
        allow,
        refuse,
    ]
    refused = sorted({int(number) for number in _CALLS.split()[column::3]} - {0})
    for place, number in enumerate(refused):
        program.append((_JUMP_EQUAL, len(refused) - place, 0, number))
    return [*program, allow, refuse]
