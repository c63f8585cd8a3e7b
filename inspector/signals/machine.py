"""What this machine offers, and settings of the process that make a pass faster while it runs."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path

import torch

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")

# Parameters of glibc's mallopt, from malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def cores() -> int:
    """Return how many cores this process may use: its affinity, cut by a container's quota."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    try:
        quota, period = _CGROUP_QUOTA.read_text().split()
        count = min(count, ceil(int(quota) / int(period)))
    except (OSError, ValueError):
        pass  # No quota ("max"), no cgroup, or the sandbox hides it.
    return max(1, count)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch compute with ``count`` threads in this thread, then as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def memory_kept_at_hand() -> Iterator[None]:
    """Keep freed memory in the process for the next batch, and give it back at the end.

    glibc returns large blocks to the kernel when they are freed, so every layer of every batch
    faults fresh zeroed pages in: measured at 60 % of the forward pass of a small network. Where
    the C library is not glibc, nothing is changed.
    """
    libc = ctypes.CDLL(None)
    if not (hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim")):
        yield
        return
    libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30)
    libc.mallopt(_M_TRIM_THRESHOLD, 1 << 30)
    try:
        yield
    finally:
        # The limits up to which glibc adapts by itself; adapting cannot be switched on again.
        libc.mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(_M_TRIM_THRESHOLD, 64 << 20)
        libc.malloc_trim(0)
