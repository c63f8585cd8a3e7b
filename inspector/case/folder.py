"""A case: everything found and decided in one investigation, in one folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from numpy.typing import NDArray

from inspector.case import layout, lock, opening, sealed_exports, verification
from inspector.case.arrays import ArrayInfo, ArrayStore
from inspector.case.database import Database
from inspector.case.evidence import Evidence, EvidenceList
from inspector.case.exports import Export, exports_of
from inspector.case.findings import Findings
from inspector.case.journal import Journal
from inspector.case.notes import Notes
from inspector.case.proposals import Proposals
from inspector.case.records import Records
from inspector.case.samples import Samples
from inspector.case.sittings import note_closing, note_opening
from inspector.case.tags import Tags
from inspector.case.watch import Watch
from inspector.errors import CaseError

_LINKS_CHECKED_AT_OPENING = 1000


class Case:
    """An open case. Make or open one with `create` or `open`, and close it, or use ``with``.

    The evidence stays where it is; the case holds its path and digest. Everything else lies in the
    folder under relative paths, so that the folder can be moved. Every change is one transaction
    with its journal entry and is on the disk when the call returns.

    Attributes
    ----------
    path, derived, exports : Path
        The folder, and those for computed files and for what is exported.
    name : str
        For people: the name of the folder without ``.case``.
    read_only : bool
        Opened from read-only media, or on request.
    problems : list of str
        What opening noticed, one sentence each: a broken journal, a full disk.
    recovered : list of str
        What opening did about exports that were cut off, one sentence each.
    journal : Journal
    tags : Tags
    notes : Notes
    proposals : Proposals
        What detectors, rules and searches would tag; no tag until it is accepted.
    watch : Watch
        Whether the evidence is still what it was, and where it lies now.
    """

    def __init__(self, path: Path, opened: Database, held: lock.CaseLock) -> None:
        self.path = path
        self.name = path.name.removesuffix(".case") or path.name
        self.derived = path / layout.DERIVED
        self.exports = path / layout.EXPORTS
        self.read_only = opened.read_only
        self._closed = False
        self._database = opened
        self._lock = held
        self.journal = Journal(opened)
        self._records = Records(opened, self.journal)
        self._arrays = ArrayStore(self._records, self.derived)
        self._samples = Samples(self._records, self._arrays)
        self._evidence = EvidenceList(self._records, path)
        self._findings = Findings(self._records)
        self.watch = Watch(self, self._evidence)
        self.tags = Tags(opened, self.journal, self._records, self._samples)
        self.notes = Notes(self.journal, self._samples)
        self.proposals = Proposals(self.journal, self._records, self._samples, self.tags)
        self.problems = self.journal.verify(last=_LINKS_CHECKED_AT_OPENING)
        self.recovered: list[str] = []

    @classmethod
    def create(cls, path: Path | str) -> Case:
        """Make a case in a new or empty folder and open it.

        Raises
        ------
        CaseError
            A case or something else is there, or nothing can be written there.
        """
        return cls._enter(layout.make(Path(path)), "created")

    @classmethod
    def open(cls, path: Path | str, read_only: bool = False) -> Case:
        """Open a case; from media that cannot be written to, for reading only.

        Raises
        ------
        CaseError
            Missing, not a case, damaged, made by a newer version, or open elsewhere.
        """
        place = layout.find(Path(path))
        if read_only or not layout.writable(place):
            return cls._enter_reading(place)
        return cls._enter(place, "opened")

    @classmethod
    def _enter(cls, place: Path, act: str) -> Case:
        held = opened = None
        try:
            held = lock.hold(place)
            layout.refuse_links(place)
            opened = opening.open_for_writing(place / layout.DATABASE)
            case = cls(place, opened, held)
            case._note_opening(act)
            # Before the sweep, which takes an export without its name for a leftover.
            case.recovered = sealed_exports.finish(case.journal, place)
            waiting = sealed_exports.unfinished(case.journal, place)
            layout.sweep(place, {one.hidden.parent for note in waiting for one in note.folders})
            return case
        except BaseException as error:
            _let_go(opened, held)
            if isinstance(error, OSError):
                raise _not_opened(place, error) from error
            raise

    @classmethod
    def _enter_reading(cls, place: Path) -> Case:
        opened = None
        held = lock.share(place)
        try:
            opened = opening.open_for_reading(place / layout.DATABASE)
            return cls(place, opened, held)
        except BaseException as error:
            _let_go(opened, held)
            if isinstance(error, OSError):
                raise _not_opened(place, error) from error
            raise

    def _note_opening(self, act: str) -> None:
        try:
            note_opening(self.journal, act, self._database.upgraded_from)
        except CaseError as error:
            # A full disk must not keep an analyst from what is there.
            self.problems.append(str(error))

    def close(self) -> None:
        """Write everything down and let the next process in. Harmless when called again."""
        if not self._closed:
            self._closed = True
            # A full disk must not keep a case open.
            with suppress(CaseError):
                if not self.read_only:
                    note_closing(self.journal)
        self._arrays.forget()
        self._database.close()
        self._lock.release()

    def __enter__(self) -> Case:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep everything that is recorded inside, or nothing of it."""
        with self._database.transaction():
            self._database.on_rollback(self._samples.forget)
            self._database.on_rollback(self._arrays.forget)
            yield

    def verify(self, check: Callable[[], None] = lambda: None) -> list[str]:
        """Return everything that is not as it was written, one sentence each; empty when whole.

        The journal's chain, what is bound to it, the bytes of the derived arrays and of the exports
        that can be reached. The evidence is not read: see `watch`, and the engine for
        its digests.

        Parameters
        ----------
        check : callable
            Called between chunks; may raise to stop.
        """
        return [what for _, what in self.differences(check)]

    def differences(self, check: Callable[[], None] = lambda: None) -> Iterator[tuple[str, str]]:
        """Yield what `verify` returns, each with the part of the case that it concerns.

        "schema", "journal", "record", "tag", "attachment", "array" or "export".
        """
        yield from verification.in_the_database(self._database, self.journal, self._records)
        try:
            arrays = list(self.arrays().values())
        except CaseError as error:
            yield "array", str(error)
        else:
            yield from verification.in_the_files(self.derived, arrays, self.exported(), check)
        for what in sealed_exports.cut_off(self.journal, self.path):
            yield "export", what

    def exported(self) -> list[Export]:
        """Return the exports that the journal tells of, whether or not they can be reached."""
        return exports_of(self.journal.entries(), self.exports)

    # ---- settings -------------------------------------------------------------------------------

    def set(self, key: str, value: Any) -> None:
        """Keep a JSON-able value under a name: "scan", "model", "dataset", "outcome" …

        Raises
        ------
        CaseError
            The description of a dataset that cannot be, or of one of another length in a case
            that has tags.
        """
        with self.transaction():
            before = self._samples.n
            decided = key == "dataset" and (self.tags.can_undo or self.tags.can_redo)
            self._records.put("setting", key, value)
            self._samples.forget()
            if self._samples.n != before and decided:
                raise CaseError(
                    f"The dataset has {self._samples.n} samples and had {before}.",
                    "The tags of this case belong to the former samples.",
                    "Make a new case for the changed dataset.",
                )

    def get(self, key: str, default: Any = None) -> Any:
        """Return what `set` kept, or ``default``."""
        return self._records.get("setting", key, default)

    # ---- evidence and samples -------------------------------------------------------------------

    def add_evidence(
        self,
        role: str,
        path: Path | str,
        sha256: str,
        size: int,
        details: Mapping[str, Any] | None = None,
        seen: str | None = None,
    ) -> Evidence:
        """Record where evidence lies and what it is; see `EvidenceList.add`."""
        return self._evidence.add(role, path, sha256, size, details, seen)

    def evidence(self) -> list[Evidence]:
        """Return all evidence, in the order in which it was added."""
        return self._evidence.all()

    def changed_evidence(self) -> list[tuple[Evidence, str]]:
        """Return evidence that is missing or was touched since, each with the reason."""
        return self._evidence.changed()

    @property
    def n(self) -> int:
        """Number of samples; 0 before the dataset was read."""
        return self._samples.n

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names in index order."""
        return self._samples.class_names

    def locator(self, row: int) -> str:
        """Return where a sample lies in its dataset; see `Samples.locator`."""
        return self._samples.locator(row)

    @property
    def samples(self) -> Samples:
        """The table of samples: locators of many at once, search in them."""
        return self._samples

    def set_unreadable(self, samples: Iterable[tuple[int, str]]) -> None:
        """Replace the list of samples that could not be decoded: (row, reason)."""
        self._samples.set_unreadable(samples)

    def unreadable(self) -> dict[int, str]:
        """Return the reason by sample."""
        return self._samples.unreadable()

    # ---- derived arrays -------------------------------------------------------------------------

    def derive(self, key: str) -> Path:
        """Return the folder ``derived/<key>/``, made when missing, for the engine to write into."""
        return layout.sub_folder(self.derived, key)

    def set_array(
        self, name: str, relpath: str, dtype: str, shape: Sequence[int], sha256: str
    ) -> ArrayInfo:
        """Register a written ``.npy`` file after looking at it.

        Parameters
        ----------
        name : str
            See `arrays.KNOWN`; known names ask for their dtype and shape.
        relpath : str
            Relative to ``derived``.
        dtype : str
            "float32" or "<f4".
        shape : sequence of int
        sha256 : str
            Of the file.

        Raises
        ------
        CaseError
            The file is not what is claimed; nothing was registered.
        """
        with self.transaction():
            return self._arrays.put(name, relpath, dtype, shape, sha256, self.n)

    def array(self, name: str) -> NDArray[Any]:
        """Return a read-only map of a registered array.

        Raises
        ------
        CaseError
            Never registered, or the file is no longer what it was.
        """
        return self._arrays.get(name, self.n)

    def has_array(self, name: str) -> bool:
        """Tell whether an array was registered."""
        return name in self._arrays.infos()

    def arrays(self) -> dict[str, ArrayInfo]:
        """Return everything registered, by name."""
        return self._arrays.infos()

    # ---- further records ------------------------------------------------------------------------

    def keep(self, kind: str, key: str, value: Any, **said: Any) -> bool:
        """Keep a JSON-able value under a kind and a key: an audit, a limit, an environment.

        Parameters
        ----------
        kind, key : str
            ``kind`` is the act that the journal names.
        value : object
        **said
            What the journal shall say beside key and digest.

        Returns
        -------
        bool
            Whether anything changed.
        """
        return self._records.put(kind, key, value, said)

    def kept(self, kind: str) -> dict[str, Any]:
        """Return what `keep` kept under one kind, by key, in the order of writing."""
        return self._records.all(kind)

    # ---- findings -------------------------------------------------------------------------------

    def record_finding(self, detector_id: str, finding: Mapping[str, Any]) -> None:
        """Keep what a detector concluded, in place of what it concluded before."""
        self._findings.record(detector_id, finding)

    def findings(self) -> dict[str, dict[str, Any]]:
        """Return the findings by detector id."""
        return self._findings.all()

    def record_trigger(self, class_index: int, method: str, trigger: Mapping[str, Any]) -> None:
        """Keep a reconstructed trigger, in place of the former one of this class and method."""
        self._findings.record_trigger(class_index, method, trigger)

    def triggers(self) -> list[dict[str, Any]]:
        """Return the triggers by class, then method; each has ``index`` and ``method``."""
        return self._findings.triggers()


def _let_go(opened: Database | None, held: lock.CaseLock | None) -> None:
    if opened is not None:
        opened.close()
    if held is not None:
        held.release()


def _not_opened(place: Path, error: OSError) -> CaseError:
    return CaseError(
        f"The case {place} was not opened.",
        f"{error.strerror or error}.",
        "Free some space or check the rights on the folder; nothing was changed.",
    )
