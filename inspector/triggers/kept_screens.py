"""Where a screen stands, on disk: one that is stopped goes on with all the classes that it compares.

A screen looks at its classes in the same passes, so that there is one standing for all of them, where
a search for the smallest trigger has one for each (`running`).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.triggers.result import HISTORY
from inspector.triggers.running import DAMAGED
from inspector.triggers.search import Search

_EVERY = 20.0  # seconds: what a process that is killed loses at most, beside one step
_PACE = 20.0
"""Times as long as the last writing took goes by before the next: a standing can be large."""

_MOST = 2**28
"""Numbers of a standing that are written, 4 bytes each; a larger screen begins again."""

Course = list[tuple[float, ...]]
Counts = list[tuple[int, int]]


@dataclass(frozen=True)
class Screen:
    """Where a screen stood after a step.

    Attributes
    ----------
    steps : int
        Steps made.
    arrays : mapping of str to ndarray, float32
        What the next step begins with.
    courses : sequence of list
        Rounds so far of each climb or descent, columns in `HISTORY`.
    counts : mapping of int to list of (int, int)
        Of the classes that were measured since: turned and still known, for each budget.
    """

    steps: int
    arrays: Mapping[str, NDArray[np.float32]]
    courses: Sequence[Course]
    counts: Mapping[int, Counts] = field(default_factory=dict)


class ScreenKeeper:
    """Writes where a screen stands: now and then, and when it is left.

    Parameters
    ----------
    search : Search
        Its folder is where to; without one nothing is kept.
    method : str
    classes : sequence of int
        That are compared: a standing of others says nothing of these.
    """

    def __init__(self, search: Search, method: str, classes: Sequence[int]) -> None:
        self._folder, self._control = search.folder, search.control
        self._method, self._classes = method, [int(one) for one in classes]
        self._standing: Callable[[], Screen] | None = None
        self._due = time.monotonic() + _EVERY

    def stood(
        self, shapes: Mapping[str, tuple[int, ...]], courses: int, most: int
    ) -> Screen | None:
        """Return where an earlier screen was left; None when that was not kept, or does not fit.

        Parameters
        ----------
        shapes : mapping of str to tuple of int
            Of the arrays.
        courses : int
            How many courses there are.
        most : int
            Steps that the screen makes.
        """
        if self._folder is None:
            return None
        try:
            screen = self._read(self._folder, shapes)
            rows = [row for course in screen.courses for row in course]
            whole = 0 < screen.steps <= most and len(screen.courses) == courses
            fits = whole and all(len(row) == len(HISTORY) for row in rows)
        except DAMAGED:
            return None
        if not fits:
            return None
        self._control.log(f"{self._method} goes on after {screen.steps} of {most} steps.")
        return screen

    def note(self, standing: Callable[[], Screen]) -> None:
        """Take who tells where the screen stands, at any time until the next such call."""
        self._standing = standing
        if time.monotonic() >= self._due:
            self.write()

    def write(self) -> None:
        """Write where the screen stands."""
        if self._folder is None or self._standing is None:
            return
        begun = time.monotonic()
        try:
            self._write(self._folder, self._standing())
        except OSError as error:
            self._standing, self._folder = None, None
            self._control.log(
                f"Where {self._method} stands could not be written ({error.strerror or error}): if it "
                "is stopped, it begins again."
            )
        now = time.monotonic()
        self._due = now + max(_EVERY, _PACE * (now - begun))

    def forget(self) -> None:
        """Delete what was written: every class has its result."""
        self._standing = None
        if self._folder is not None:
            forget_screen(self._folder, self._method)

    def _write(self, folder: Path, screen: Screen) -> None:
        """Write numbers first, the description last, so that it vouches for them."""
        if sum(values.size for values in screen.arrays.values()) > _MOST:
            return
        flat = [values.astype(np.float32).ravel() for values in screen.arrays.values()]
        file = folder / f"{self._method}-{screen.steps}.screen.npy"
        np.save(file, np.concatenate(flat), allow_pickle=False)
        told = {
            "classes": self._classes,
            "steps": screen.steps,
            "courses": list(screen.courses),
            "counts": list(screen.counts.items()),
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        }
        partial = folder / f".{self._method}.screen.json.partial"
        partial.write_text(json.dumps(told), "utf-8")
        partial.replace(folder / f"{self._method}.screen.json")
        for older in folder.glob(f"{self._method}-*.screen.npy"):
            if older.name != file.name:
                older.unlink(missing_ok=True)

    def _read(self, folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> Screen:
        """Read what lies there, from wherever it comes; raises one of `DAMAGED`."""
        told = json.loads((folder / f"{self._method}.screen.json").read_text("utf-8"))
        if told["classes"] != self._classes:
            raise ValueError("other classes")
        steps = int(told["steps"])
        file = folder / f"{self._method}-{steps}.screen.npy"
        if hashlib.sha256(file.read_bytes()).hexdigest() != told["sha256"]:
            raise ValueError("other numbers")
        flat = np.load(file, allow_pickle=False)
        sizes = [int(np.prod(shape)) for shape in shapes.values()]
        if flat.shape != (sum(sizes),) or flat.dtype != np.float32 or np.isnan(flat).any():
            raise ValueError("numbers of another shape")
        parts = np.split(flat, np.cumsum(sizes)[:-1])
        arrays = {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts)}
        courses = [
            [tuple(float(value) for value in row) for row in course] for course in told["courses"]
        ]
        counts = {
            int(target): [(int(turned), int(known)) for turned, known in pairs]
            for target, pairs in told["counts"]
        }
        return Screen(steps, arrays, courses, counts)


def forget_screen(folder: Path, method: str) -> None:
    """Delete what a `ScreenKeeper` wrote here, the description first."""
    (folder / f"{method}.screen.json").unlink(missing_ok=True)
    for file in folder.glob(f"{method}-*.screen.npy"):
        file.unlink(missing_ok=True)
