"""Executing one drop-in: code that the analyst installed, under a name of its own, with its digest.

The one place where a file is run. It is never a path that came out of evidence or a case.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path


def drop_ins(folder: Path) -> Iterator[Path]:
    """Yield the files and packages of a plugin folder that are looked at, sorted.

    Raises
    ------
    OSError
        The folder cannot be listed.
    """
    for path in sorted(folder.iterdir()) if folder.exists() else ():
        if path.name.startswith((".", "_", "test_")) or path.name == "conftest.py":
            continue
        if path.suffix == ".py" or (path / "__init__.py").is_file():
            yield path


def source_files(path: Path) -> list[Path]:
    """Return the Python files of a drop-in: itself, or everything in its folder."""
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a drop-in file, or of names and contents of a drop-in folder."""
    if not path.is_dir():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    whole = hashlib.sha256()
    for file in source_files(path):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        whole.update(f"{file.relative_to(path).as_posix()}\0{content}\n".encode())
    return whole.hexdigest()


def execute(path: Path) -> tuple[types.ModuleType, str]:
    """Execute a drop-in under a module name that no other file has.

    Two files of the same name in different folders must not replace each other, so the name carries
    a digest of place and content. What is hashed is what runs: the bytes are read once, and nothing
    is cached beside the file.

    Parameters
    ----------
    path : Path
        A ``.py`` file, or a folder with ``__init__.py``.

    Returns
    -------
    module : ModuleType
    sha256 : str
        Of the file, or of all Python files in the folder.

    Raises
    ------
    BaseException
        Whatever the file raises while it runs, SystemExit included.
    """
    folder = path.is_dir()
    file = path / "__init__.py" if folder else path
    source = file.read_bytes()
    sha256 = digest_of(path) if folder else hashlib.sha256(source).hexdigest()
    place = hashlib.sha256(f"{path.resolve()}\0{sha256}".encode()).hexdigest()[:12]
    name = f"inspector_dropin_{re.sub(r'[^A-Za-z0-9_]', '_', path.stem)}_{place}"
    spec = importlib.util.spec_from_file_location(
        name, file, submodule_search_locations=[str(path)] if folder else None
    )
    if spec is None:
        raise ImportError(f"{path.name} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and relative imports look the module up while it runs.
    sys.modules[name] = module
    try:
        exec(compile(source, str(file), "exec", dont_inherit=True), module.__dict__)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module, sha256
