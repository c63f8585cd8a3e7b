"""The text of a new detector, and the door to the checks: what ``inspector plugin`` does."""

from __future__ import annotations

import errno
import keyword
import os
import re
import sys
from pathlib import Path

from inspector.detectors.checking import check_plugin
from inspector.errors import BadInput

__all__ = ["check_plugin", "write_plugin"]

_WORDS = re.compile(r"[a-z][a-z0-9]*([ _-][a-z0-9]+)*")

_DETECTOR = '''\
"""{title}: what this detector looks for, and why that shows poison, in a sentence or two.

Inspector found this file because it lies in a plugin folder and lists a detector under DETECTORS at
the end. It runs as it is: change `score_class` into your own idea. Then prove the contract with

    inspector plugin check {file}

What may be imported: numpy, `inspector.api`, and whatever you install beside Inspector. No Qt: this
runs in a process without a screen.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from inspector.api import ClassResult, Context, DetectorInfo, Finding, Parameter, Progress


class {name}:
    """Distance to the median of the class, as a place to start from."""

    info = DetectorInfo(
        # The key in JSON and on the command line. Nothing else may have the same.
        id="{id}",
        title="{title}",
        summary="How far does a sample lie from the middle of its class?",
        version="0.1",
        # Signals that must have been computed; `inspector.api.SIGNALS` lists all with their shapes.
        needs=("labels", "activations"),
        # Each becomes a field in the window, `scan --set {id}.fewest=8`, and a keyword of `run`:
        # name, default (its type is that of all values), help for people, lowest and highest value.
        parameters=(
            Parameter("fewest", 4, "Classes with fewer samples are not assessed.", 2, 1000),
        ),
    )

    def run(self, ctx: Context, fewest: int = 4) -> Generator[Progress, None, Finding]:
        """Score every sample of the context."""
        activations = ctx.signal("activations")  # (n, d) float32, read-only
        usable = np.isfinite(activations).all(axis=1)  # a broken model answers NaN
        scores = np.full(ctx.n, np.nan, np.float32)  # NaN: not assessed
        found = []
        classes = list(ctx.by_class())
        for done, (label, rows) in enumerate(classes):
            # Here the analyst can pause or cancel. Come back to such a point twice a second; inside
            # a long step, call ctx.check_cancelled().
            yield Progress(done, len(classes), ctx.class_names[label])
            rows = rows[usable[rows]]
            if len(rows) < fewest:
                continue
            scores[rows] = score_class(activations[rows])
            found.append(ClassResult(label, statistic=float(scores[rows].max())))
        yield Progress(len(classes), len(classes), "done")
        return Finding(
            scores=scores,
            classes=found,
            # "low" and "medium" are for what stands out; more takes verified samples, which
            # Inspector judges by itself.
            verdict="none",
            caveats=("Say what these scores do not show, and what else than poison raises them.",),
        )


def score_class(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return one score for each row of a class, (n,); higher = more suspicious, never infinite."""
    # In float64 and divided by the largest value first: activations may be as large as 1e38.
    scaled = rows / max(float(np.abs(rows).max()), np.finfo(np.float32).tiny)
    apart = np.linalg.norm(scaled.astype(np.float64) - np.median(scaled, axis=0), axis=1)
    usual = np.median(apart)
    return (apart / usual if usual > 0 else apart).astype(np.float32)


DETECTORS = [{name}]
'''

_TEST = '''\
"""Run with: pytest {test}"""

import numpy as np
from {module} import {name}

from inspector.testing import check_detector, make_case


def scores_of(detector, context):
    """Drive a detector to its end and return its scores."""
    run = detector.run(context)
    try:
        while True:
            next(run)
    except StopIteration as end:
        return end.value.scores


def test_it_keeps_the_contract():
    check_detector({name})


def test_planted_samples_score_higher_than_others():
    case = make_case(poison="patch", rate=0.05)  # a network trained on poisoned pictures
    scores = scores_of({name}(), case.context())
    target = case.labels == case.target
    assert np.median(scores[case.truth]) > np.median(scores[target & ~case.truth])
'''


def write_plugin(name: str, folder: Path) -> Path:
    """Write a working detector and its test into a folder, which is made if missing.

    Parameters
    ----------
    name : str
        A few words, such as "colour cast"; lower case letters, digits, spaces and hyphens.
    folder : Path

    Returns
    -------
    Path
        The detector's file, ``colour_cast.py``; beside it lies ``test_colour_cast.py``.

    Raises
    ------
    BadInput
        The name cannot be made into names, a file is there already, or the folder cannot be
        written.
    """
    words = name.strip().lower()
    taken = keyword.iskeyword(words) or words in sys.stdlib_module_names | {"numpy", "inspector"}
    if not _WORDS.fullmatch(words) or len(words) > 60 or words.startswith("test") or taken:
        raise BadInput(
            f"{name!r} cannot name a detector.",
            "It becomes a file, a class and an id: it may hold letters, digits and hyphens only, "
            'starts with a letter and not with "test", and is no name that Python itself uses.',
            'Try something like "colour-cast".',
        )
    parts = re.split(r"[ _-]", words)
    values = {
        "id": "-".join(parts),
        "title": " ".join(parts).capitalize(),
        "name": "".join(part.capitalize() for part in parts),
        "module": "_".join(parts),
        "file": f"{'_'.join(parts)}.py",
        "test": f"test_{'_'.join(parts)}.py",
    }
    file = folder / values["file"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        texts = {file: _DETECTOR, folder / values["test"]: _TEST}
        for path in texts:
            if path.exists():
                raise FileExistsError(errno.EEXIST, "File exists", str(path))
        for path, text in texts.items():
            _write_new(path, text.format(**values))
    except FileExistsError as error:
        raise BadInput(
            f"{error.filename} exists already.",
            "A new detector never replaces a file.",
            "Choose another name or folder.",
        ) from error
    except OSError as error:
        raise BadInput(
            f"Cannot write a detector into {folder}.",
            f"{error.strerror or error}.",
            "Choose a folder that you may write to with --to.",
        ) from error
    return file


def _write_new(path: Path, text: str) -> None:
    # O_EXCL also refuses a link that points somewhere else.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
