"""Files of ours that must not exist yet: never through a link, never over anything."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BUFFER = 1 << 20


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Create a file that must not exist and yield it for writing."""
    descriptor = os.open(path, NEW, 0o666)
    with os.fdopen(descriptor, "wb", buffering=_BUFFER) as file:
        yield file


def write_chunks(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a new file from pieces."""
    with new_file(path) as file:
        for chunk in chunks:
            file.write(chunk)
