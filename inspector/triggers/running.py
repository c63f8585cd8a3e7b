"""Where a search stands, on disk: one that is stopped goes on in the middle of its classes."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.triggers.penalty import Penalty, Settings
from inspector.triggers.result import HISTORY

ROWS = ("free", "mean", "square", "best")
"""Rows of `Running.numbers`: the free numbers, Adam's two moments, the free numbers to keep."""

DAMAGED = (
    *(OSError, ValueError, TypeError, KeyError, OverflowError, AttributeError),
    *(EOFError, RecursionError, BadZipFile),
)
"""What reading raises where something else lies."""

_EVERY = 20.0  # seconds: what a process that is killed loses at most, beside one round


@dataclass(frozen=True)
class Running:
    """Where the search for one class stood at the end of a round.

    Attributes
    ----------
    steps : int
        Steps made.
    numbers : ndarray, shape (4, n), float32
        See `ROWS`; n free numbers, those of all parts of the form one after the other.
    works : bool
        Whether there is a trigger to keep yet.
    best_success : float
        Its success rate on the pictures of its round.
    penalty : dict
        See `Penalty.told`.
    history : tuple of tuple of float
        Rounds so far, columns in `HISTORY`.
    """

    steps: int
    numbers: NDArray[np.float32]
    works: bool
    best_success: float
    penalty: Mapping[str, Any]
    history: tuple[tuple[float, ...], ...]


class Keeper:
    """Writes where the classes of a search stand: now and then, and when the search is left.

    Parameters
    ----------
    folder : Path or None
        Where to; None for a search that nobody resumes.
    method : str
    control : Control
        Is told when the disk refuses; that ends no search.
    """

    def __init__(self, folder: Path | None, method: str, control: Control) -> None:
        self._folder, self._method, self._control = folder, method, control
        self._standing: dict[int, Running] = {}
        self._written = time.monotonic()
        self._refused = False

    def note(self, standing: Callable[[], Mapping[int, Running]]) -> None:
        """Ask where the running classes stand, by class."""
        if self._folder is None:
            return
        self._standing = dict(standing())
        if time.monotonic() - self._written >= _EVERY:
            self.write()

    def write(self) -> None:
        """Write what was noted last."""
        if self._folder is None or self._refused:
            return
        try:
            for target, running in self._standing.items():
                keep_running(self._folder, target, self._method, running)
        except OSError as error:
            self._refused = True
            self._control.log(
                f"Where the search stands could not be written ({error.strerror or error}): if it is "
                "stopped, the classes that it is at begin again."
            )
        self._written = time.monotonic()

    def through(self, target: int) -> None:
        """Forget a class that needs no more steps."""
        self._standing.pop(target, None)


def keep_running(folder: Path, class_index: int, method: str, running: Running) -> None:
    """Write where a class stands; the description last, so that it names whole numbers.

    Raises
    ------
    OSError
        The disk is full or refuses.
    """
    stem = f"{class_index}-{method}"
    name = f"{stem}-{running.steps}.running.npy"
    np.save(folder / name, running.numbers, allow_pickle=False)
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    plain = {key: value for key, value in asdict(running).items() if key != "numbers"}
    partial = folder / f".{stem}.running.json.partial"
    partial.write_text(json.dumps({**plain, "sha256": digest}), "utf-8")
    partial.replace(folder / f"{stem}.running.json")
    for older in _numbers(folder, stem):
        if older.name != name:
            older.unlink(missing_ok=True)


def kept_running(
    folder: Path, class_index: int, method: str, count: int, most: int, settings: Settings
) -> Running | None:
    """Return where a class stood; None when that was not kept, or does not fit.

    Parameters
    ----------
    folder : Path
        Of the search; what lies there may come from anywhere.
    class_index : int
    method : str
    count : int
        Free numbers that the class has.
    most : int
        Steps that the search makes.
    settings : Settings
        Of the search.
    """
    stem = f"{class_index}-{method}"
    try:
        plain = json.loads((folder / f"{stem}.running.json").read_text("utf-8"))
        steps = int(plain["steps"])
        path = folder / f"{stem}-{steps}.running.npy"
        if hashlib.sha256(path.read_bytes()).hexdigest() != plain["sha256"]:
            return None
        numbers = np.load(path, allow_pickle=False)
        history = tuple(tuple(float(value) for value in row) for row in plain["history"])
        running = Running(
            steps,
            numbers,
            bool(plain["works"]),
            float(plain["best_success"]),
            dict(plain["penalty"]),
            history,
        )
        Penalty.resumed(settings, running.penalty)
    except DAMAGED:
        return None
    fits = numbers.shape == (len(ROWS), count) and numbers.dtype == np.float32
    whole = 0 < steps <= most and steps % settings.round_steps == 0
    columns = all(len(row) == len(HISTORY) for row in history)
    return running if fits and whole and columns and bool(np.isfinite(numbers).all()) else None


def hand_on_running(source: Path, folder: Path, class_index: int, method: str) -> None:
    """Let a longer search go on where a shorter one stood, unless it is further already.

    What a full disk refuses is not handed on: then the class begins again.
    """
    name = f"{class_index}-{method}.running.json"
    if (folder / name).exists():
        return
    try:
        for file in (*_numbers(source, f"{class_index}-{method}"), source / name):
            shutil.copyfile(file, folder / file.name)
    except OSError:
        return


def forget_running(folder: Path, class_index: int, method: str) -> None:
    """Delete what `keep_running` wrote here, the description first."""
    stem = f"{class_index}-{method}"
    (folder / f"{stem}.running.json").unlink(missing_ok=True)
    for file in _numbers(folder, stem):
        file.unlink(missing_ok=True)


def _numbers(folder: Path, stem: str) -> list[Path]:
    # Another method's name may begin like this one's; steps are digits alone.
    found = folder.glob(f"{stem}-*.running.npy")
    return [path for path in found if path.name[len(stem) + 1 :].split(".")[0].isdigit()]
