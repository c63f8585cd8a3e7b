"""Train shadow networks, search them like the suspect, and compare its classes with theirs."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.engine.jobs.evidence import dataset_of, orientation_of
from inspector.engine.jobs.pictures import read_pictures
from inspector.engine.jobs.trigger_classes import PartOf, as_asked, search_classes
from inspector.engine.session import Session
from inspector.errors import Cancelled

if TYPE_CHECKING:
    from inspector.intake.models import SuspectModel
    from inspector.triggers import MethodEntry, Search, TriggerResult
    from inspector.triggers.calibrating import Calibration

_FIRST_LOOK = 0.25
"""About the share of its pictures that a screen looks at when it goes ahead of a search."""

_PLACE = "shadow-"
"""How folders begin in which a shadow is searched."""

Samples = tuple[NDArray[np.uint8], NDArray[np.int64]]


class Shadows:
    """The shadow networks of one search.

    Parameters
    ----------
    session, control
        The engine's.
    suspect : SuspectModel
    search : Search
        That of the suspect.
    pictures : tuple
        Images and labels that it was prepared with.
    folder : Path
        Keeps each shadow that is through, until the search is.
    asked : dict
        count, epochs, images; ``data`` and ``role`` of what to train on, and the ``rows`` of it that
        may be used (all with a label when None).
    choice, split
        As in other jobs.
    source : int, str or None
        As in `search_classes`: shadows are searched from the same classes.

    Attributes
    ----------
    told : dict or None
        What was trained, once it was: count, of how many asked, accuracy of each, train,
        architecture, why; and p-value and verdict of the network, all classes and methods together.
    """

    def __init__(
        self,
        session: Session,
        control: Control,
        suspect: SuspectModel,
        search: Search,
        pictures: tuple[Any, Any],
        folder: Path,
        asked: dict[str, Any],
        choice: dict[str, Any],
        split: str | None,
        source: int | str | None = None,
    ) -> None:
        from inspector.drill.shadows import ShadowPlan

        self._suspect, self._search, self._control = suspect, search, control
        self._pictures, self._folder, self._source = pictures, folder, source
        self._plan = ShadowPlan(asked["count"], asked["epochs"], seed=search.seed)
        self._samples = _samples(session, control, suspect, asked, choice, split, search.seed)
        self.told: dict[str, Any] | None = None

    @property
    def lacking(self) -> int:
        """How many of them the comparison does without, for the search was ended."""
        return 0 if self.told is None else self._plan.count - int(self.told["count"])

    def budget(self, entries: Sequence[MethodEntry], screened: bool) -> dict[str, Any]:
        """Return what those that are missing will take, see `shadow_budget`, and how many are kept."""
        from inspector.drill.shadows import shadow_budget

        searched = sum(self._searched(entries, screened))
        kept = [self._kept(number, entries, screened) for number in self._numbers]
        missing = replace(self._plan, count=kept.count(None))
        budget = shadow_budget(self._suspect, *self._samples, missing, searched)
        return {**budget, "count": len(kept), "kept": len(kept) - missing.count}

    def calibrate(
        self, entries: Sequence[MethodEntry], results: Sequence[TriggerResult], screened: bool
    ) -> dict[str, Calibration]:
        """Train and search them, and compare the suspect's classes with theirs, by method.

        When the search ends early, with as many as are through; with none, nothing is compared.
        """
        from inspector.drill.shadows import untrained
        from inspector.triggers.calibrating import calibrate
        from inspector.triggers.screening import has_rung

        accuracies: list[float] = []
        looks: dict[str, list[list[float]]] = {entry.id: [] for entry in entries}
        for number in self._numbers:
            made = self._one(number, entries, screened)
            if made is None:
                continue  # The search was ended; later ones may be there from an earlier search.
            accuracies.append(made["accuracy"])
            for name in looks:
                values = made["looks"][name]
                looks[name].append([-math.inf if one is None else one for one in values])
        model, why = untrained(self._suspect, 0)
        classes = list(self._search.classes)
        own, others = {}, {}
        at_rung = {one.id: screened and has_rung(one.info, self._search) for one in entries}
        for name, rows in looks.items():
            same = [one for one in results if one.method == name]
            if not same or (at_rung[name] and not any("screening" in r.details for r in same)):
                # The search ended before this method had a class, or it had no triggers yet where the
                # shadows were compared, so that its classes were compared at the end.
                continue
            columns = [classes.index(one.class_index) for one in same]
            others[name] = np.array(rows).reshape(len(rows), len(classes))[:, columns]
            own[name] = [one.compared[0] for one in same]
        found = calibrate(own, others) if accuracies else {}
        chances = np.concatenate([[math.nan], *(one.family_p_value for one in found.values())])
        self.told = {
            "count": len(accuracies),
            "asked": self._plan.count,
            "accuracy": [round(value, 4) for value in accuracies],
            "train": len(self._samples[1]),
            "architecture": model.architecture,
            "why": why,
            "p_value": None if np.isnan(chances).all() else float(np.nanmin(chances)),
        }
        return found

    def forget(self) -> None:
        """Delete what is kept of them: a case is no place to take numbers from without computing."""
        for file in self._folder.glob("*.shadow.kept.json"):
            file.unlink(missing_ok=True)
        for left in self._folder.glob(f"{_PLACE}*"):  # by an engine that was killed
            shutil.rmtree(left, ignore_errors=True)

    def _one(
        self, number: int, entries: Sequence[MethodEntry], screened: bool
    ) -> dict[str, Any] | None:
        """Return accuracy and looks of a shadow; None when the search ends before they are there."""
        control = self._control
        kept = self._kept(number, entries, screened)
        if kept is not None or control.ends_early():
            return kept
        try:
            kept = self._made(number, entries, screened)
        except _Ended:
            return None
        self._file(number, entries, screened).write_text(json.dumps(kept), "utf-8")
        control.log(
            f"Shadow network {number} of {self._plan.count}: accuracy {kept['accuracy']:.0%}."
        )
        return kept

    @property
    def _numbers(self) -> range:
        return range(1, self._plan.count + 1)

    def _file(self, number: int, entries: Sequence[MethodEntry], screened: bool) -> Path:
        return self._folder / f"{self._key(number, entries, screened)}.shadow.kept.json"

    def _kept(
        self, number: int, entries: Sequence[MethodEntry], screened: bool
    ) -> dict[str, Any] | None:
        """Return what an earlier search kept of a shadow."""
        names = [entry.id for entry in entries]
        return _read(self._file(number, entries, screened), names, len(self._search.classes))

    def _made(self, number: int, entries: Sequence[MethodEntry], screened: bool) -> dict[str, Any]:
        """Train a shadow and search it; raises `_Ended` when the search ends meanwhile."""
        from inspector.drill.shadows import train_shadow
        from inspector.triggers import prepare_search

        search = self._search
        controls = self._parts(number, entries, screened)
        shadow, accuracy = train_shadow(
            self._suspect, *self._samples, self._plan, number, controls[0]
        )
        looks: dict[str, list[float | None]] = {}
        for entry, part in zip(entries, controls[1:]):
            asked = _compared(entry, search, screened, len(entries))
            own = prepare_search(
                shadow,
                *self._pictures,
                search.classes,
                steps=asked.steps,
                seed=search.seed,
                control=part,
            )
            own = replace(own, quick=asked.quick)
            with TemporaryDirectory(prefix=_PLACE, dir=self._folder) as place:
                found = search_classes([entry], own, Path(place), self._source)
            part.check()
            made = {one.class_index: one for one in found}
            looks[entry.id] = [_look(made.get(index)) for index in search.classes]
        return {"accuracy": accuracy, "looks": looks}

    def _parts(self, number: int, entries: Sequence[MethodEntry], screened: bool) -> list[_Unseen]:
        """Return controls of the training of a shadow and of each search of it.

        What they report is a share of all shadows, by what each is expected to take: the time left
        would jump with every part otherwise.
        """
        from inspector.drill.shadows import SEARCH_SHARE

        trained = self._plan.epochs * len(self._samples[1])
        searched = [SEARCH_SHARE * one for one in self._searched(entries, screened)]
        ends = np.cumsum([trained, *searched])
        starts = [0.0, *(ends[:-1] / ends[-1]).tolist(), 1.0]
        return [
            _Unseen(self._control, number, self._plan.count, *between)
            for between in itertools.pairwise(starts)
        ]

    def _searched(self, entries: Sequence[MethodEntry], screened: bool) -> list[int]:
        """Return about how many pictures each search of a shadow looks at."""
        from inspector.triggers.sources import sources_of

        asked = [_compared(entry, self._search, screened, len(entries)) for entry in entries]
        times = len(sources_of(self._search)) if isinstance(self._source, str) else 1
        classes = len(self._search.classes)
        return [_pictures(*pair) * times * classes for pair in zip(entries, asked)]

    def _key(self, number: int, entries: Sequence[MethodEntry], screened: bool) -> str:
        from inspector.triggers.kept import made_by

        images, labels = self._samples
        plan = self._plan
        said = {
            "labels": hashlib.sha256(labels.tobytes()).hexdigest(),
            "pixels": hashlib.sha256(images.tobytes()).hexdigest(),
            "plan": [plan.epochs, plan.batch, plan.learning_rate, plan.seed, number],
            "methods": [
                [one.id, made_by(one, _compared(one, self._search, screened, len(entries)))]
                for one in entries
            ],
            "classes": list(self._search.classes),
            "source": self._source,
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


class _Ended(Cancelled):
    """The search is ended with what there is: the shadow at hand is given up."""


class _Unseen(PartOf):
    """A control that shows nothing: the triggers of a shadow are not the suspect's.

    Half a shadow is worth nothing, so that one who wants the end does not wait for the whole.

    Parameters
    ----------
    whole : Control
        That of the job.
    number, count : int
        Which shadow this is, from 1, and of how many.
    start, end : float
        Between which shares of the work on it this part lies.
    """

    def __init__(self, whole: Control, number: int, count: int, start: float, end: float) -> None:
        from inspector.drill.shadows import STAGE

        super().__init__(whole, STAGE, number - 1, count)
        self._name = f"network {number} of {count}"
        self._start, self._end = start, end

    def progress(self, stage: str, done: int, total: int, text: str = "") -> None:
        """Report the share that is done as a share of all shadows."""
        share = min(1.0, done / total) if total > 0 else 0.0
        units = round(1000 * (self._start + (self._end - self._start) * share))
        doing = text.partition(",")[0]
        super().progress(stage, units, 1000, f"{self._name}: {doing}" if doing else self._name)

    def check(self) -> None:
        """Raise when cancelled or ended, block while paused."""
        super().check()
        if self.ends_early():
            raise _Ended()

    def preview(self, name: str, values: Mapping[str, Any]) -> None:
        """Keep it from the analyst."""


def _samples(
    session: Session,
    control: Control,
    suspect: SuspectModel,
    asked: dict[str, Any],
    choice: dict[str, Any],
    split: str | None,
    seed: int,
) -> Samples:
    """Read what to train on, once for the budget and the training together."""
    data, role = str(asked["data"]), str(asked["role"])
    part = split if role == "data" else None
    dataset = dataset_of(session, data, role, part, orientation_of(choice))
    known = np.flatnonzero((dataset.labels >= 0) & (dataset.labels < suspect.num_classes))
    if asked["rows"] is not None:
        known = known[np.isin(known, np.asarray(asked["rows"], np.intp))]
    drawn = np.sort(np.random.default_rng(seed).permutation(known)[: asked["images"]])

    def make() -> Samples:
        with session.reading(Path(data)):
            return read_pictures(suspect, dataset, drawn, "Shadow networks: reading", control)[:2]

    key = {"data": data, "split": part, "rows": drawn.tolist(), **choice}
    samples: Samples = session.keep("shadows", key, make)
    return samples


def _compared(entry: MethodEntry, search: Search, screened: bool, methods: int) -> Search:
    """Return the search after which the classes of a method are compared."""
    from inspector.triggers.screening import has_rung

    if screened and has_rung(entry.info, search):
        assert entry.info is not None
        return replace(search, steps=entry.info.rung, quick=True)
    return as_asked(entry, search, screened and methods > 1)


def _pictures(entry: MethodEntry, search: Search) -> int:
    """Return about how many pictures a method looks at for one class."""
    from inspector.triggers.search import BATCH
    from inspector.triggers.smallest import STEPS

    assert entry.info is not None
    usual = entry.info.pictures or STEPS * BATCH
    if search.quick and search.steps is None:
        usual = round(_FIRST_LOOK * usual)
    return usual if search.steps is None else search.steps * BATCH


def _look(result: TriggerResult | None) -> float | None:
    value = math.nan if result is None else result.compared[0]
    return value if math.isfinite(value) else None


def _read(file: Path, methods: list[str], classes: int) -> dict[str, Any] | None:
    try:
        kept = json.loads(file.read_text("utf-8"))
        whole = all(len(kept["looks"][name]) == classes for name in methods)
        return kept if whole and math.isfinite(kept["accuracy"]) else None
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
