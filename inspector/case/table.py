"""All per-sample numbers of a case side by side, for ranking, filter and window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inspector.case.order import ascending, distinct
from inspector.errors import BadInput, CaseError

if TYPE_CHECKING:
    from inspector.case.folder import Case

_ARRAYS = {
    "label": "labels",
    "predicted": "predicted",
    "loss": "loss",
    "confidence": "confidence",
}
_LAST = {name: name for name in ("combined", "p_value", "q_value", "false_bound")}
_SMALL_FIRST = ("index", "p_value", "q_value", "false_bound")


class SampleTable:
    """Columns of a case, copied into memory.

    Parameters
    ----------
    case : Case

    Attributes
    ----------
    n : int
        Number of samples.
    columns : dict of str to ndarray, shape (n,)
        ``index``, then as far as computed ``label``, ``predicted``, ``loss``, ``confidence``, one
        column per detector under its id, ``combined``, ``p_value``, ``q_value``, ``false_bound``.
    detectors : list of str
        Those columns that are scores of detectors.
    assessed : ndarray of bool, shape (n,)
        Which samples the scan looked at.
    missing : dict of str to str
        Columns whose file is gone or damaged, with the reason.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.n = case.n
        self.columns: dict[str, NDArray[Any]] = {}
        self.detectors: list[str] = []
        self.assessed: NDArray[np.bool_] = np.zeros(self.n, bool)
        self.missing: dict[str, str] = {}
        self._kept: dict[str, tuple[str, NDArray[Any]]] = {}
        self.refresh()

    def refresh(self) -> set[str]:
        """Take up arrays that were written since; return the names of new or changed columns."""
        known = self.case.arrays()
        # What a detector found before it failed with other values is not its finding any more.
        failed = {
            f"score:{one}"
            for one, found in self.case.findings().items()
            if found.get("status") == "failed"
        }
        scores = {
            name.partition(":")[2]: name
            for name in sorted(known)
            if name.startswith("score:") and name not in failed
        }
        # A plugin may call itself "label"; the columns of the case come first.
        wanted = {**_ARRAYS, **scores, **_ARRAYS, **_LAST, "assessed": "assessed"}
        former, self._kept, self.missing = self._kept, {}, {}
        self.n = self.case.n
        changed = set()
        for column, array in wanted.items():
            if array not in known:
                continue
            digest, values = former.get(column, ("", None))
            if values is None or digest != known[array].sha256 or len(values) != self.n:
                try:
                    values = np.array(self.case.array(array))
                except CaseError as error:
                    self.missing[column] = str(error)
                    continue
                changed.add(column)
            self._kept[column] = (known[array].sha256, values)
        self.columns = {"index": np.arange(self.n)}
        self.columns |= {name: kept for name, (_, kept) in self._kept.items() if name != "assessed"}
        self.detectors = [
            name for name, array in scores.items() if wanted[name] == array and name in self.columns
        ]
        self.assessed = self._assessed()
        return changed

    def rank(self, by: str = "combined", rows: ArrayLike | None = None) -> NDArray[np.intp]:
        """Return rows, most suspicious first; NaN last, equals in the order of the source.

        Parameters
        ----------
        by : str
            A column. Large values come first, except for ``index`` and ``p_value``.
        rows : array_like, optional
            Row numbers or a mask of shape (n,); all samples when None.

        Raises
        ------
        BadInput
            There is no such column.
        """
        values, chosen = self.column(by), np.arange(self.n)
        if rows is not None:
            given = np.asarray(rows)
            mask = given.dtype == bool
            chosen = np.flatnonzero(given) if mask else distinct(given.astype(np.intp), self.n)
            values = values[chosen]
        if by not in _SMALL_FIRST:
            values = -values if values.dtype.kind == "f" else -values.astype(np.int64)
        return chosen[ascending(values)]

    def column(self, name: str) -> NDArray[Any]:
        """Return a column; hyphens of a detector id may be written as underscores.

        Raises
        ------
        BadInput
            There is none; the message names those there are.
        """
        if name in self.columns:
            return self.columns[name]
        for known, values in self.columns.items():
            if underscored(known) == name:
                return values
        raise BadInput(
            f"There is no column {name[:60]!r}.",
            self.missing.get(name, ""),
            f"Known columns: {', '.join(map(underscored, self.columns))}.",
        )

    def _assessed(self) -> NDArray[np.bool_]:
        """Take what the scan says; a case from elsewhere may only have a ranking."""
        if "assessed" in self._kept:
            return self._kept["assessed"][1]
        combined = self.columns.get("combined")
        return np.zeros(self.n, bool) if combined is None else np.isfinite(combined)


def underscored(name: str) -> str:
    """Return a column's name as an identifier: ``spectral-whitened`` is ``spectral_whitened``."""
    return "".join(letter if letter.isalnum() else "_" for letter in name)
