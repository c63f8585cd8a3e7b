"""Audits: random samples of a class that a person looks at one by one; error rates rest on them.

An audit belongs to a class. It is drawn by seed, may be extended by further draws, and takes one
verdict per drawn sample. The case keeps it as a record in its journal.

Wrong labels and undecided samples stay in the verified sample: what they look like is then ordinary
for the class, and the test asks for a group beyond them. Were they taken out, every dataset with
label noise would look poisoned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from inspector.case import Case
from inspector.errors import BadInput
from inspector.statistics.permutation import smallest_significant_group
from inspector.statistics.prevalence import clopper_pearson

AuditVerdict = Literal["clean", "poison", "mislabelled", "unsure"]
AUDIT_VERDICTS: tuple[AuditVerdict, ...] = ("clean", "poison", "mislabelled", "unsure")

FEWEST = 20
"""Verified samples below which a class is not tested: the smallest p-value would be about 0.05."""

_KIND = "audit"


@dataclass(frozen=True)
class Audit:
    """The audit of one class.

    Attributes
    ----------
    label : int
        Index of the class.
    rows : tuple of int
        Drawn samples in the order in which they were drawn, which is random.
    draws : tuple of (int, int)
        Seed and size of each draw.
    verdicts : mapping of int to str
        One of `AUDIT_VERDICTS` by row.
    members : int
        Samples of the class that could have been drawn.
    """

    label: int
    rows: tuple[int, ...] = ()
    draws: tuple[tuple[int, int], ...] = ()
    verdicts: Mapping[int, str] = field(default_factory=dict)
    members: int = 0

    @property
    def reviewed(self) -> int:
        """How many drawn samples have a verdict."""
        return len(self.verdicts)

    def count(self, verdict: str) -> int:
        """Return how many samples got a verdict."""
        return sum(given == verdict for given in self.verdicts.values())

    @property
    def next_row(self) -> int | None:
        """The first drawn sample without a verdict; None when all have one."""
        return next((row for row in self.rows if row not in self.verdicts), None)

    @property
    def prevalence(self) -> tuple[float, float, float]:
        """Share of poison among the reviewed, and its 95 % interval (Clopper and Pearson)."""
        poison, looked = self.count("poison"), self.reviewed
        low, high = clopper_pearson(poison, looked)
        return (poison / looked if looked else 0.0), low, high

    def smallest_group(self, more: int = 0, tests: int = 1, level: float = 0.05) -> int:
        """Return the smallest group that could be significant once all drawn are reviewed.

        Parameters
        ----------
        more : int
            Further samples drawn and found ordinary.
        tests : int
            Classes tested with this one.
        level : float
        """
        lost = self.count("poison")
        verified = min(len(self.rows) - lost + more, self.members)
        return smallest_significant_group(max(self.members - verified, 0), verified, level / tests)


def draw(case: Case, label: int, size: int, seed: int = 0) -> Audit:
    """Draw random samples of a class, none of them drawn before, and keep the audit.

    Parameters
    ----------
    case : Case
        Open for writing; must have labels.
    label : int
    size : int
        How many; all that are left when the class has fewer.
    seed : int

    Raises
    ------
    BadInput
        No such class, nothing left to draw, or a size below 1.
    """
    if size < 1:
        raise BadInput(f"{size} samples cannot be drawn.", "", "Draw 1 or more, for example 500.")
    former = audit_of(case, label)
    members = _members(case, label)
    left = np.setdiff1d(members, np.asarray(former.rows, np.int64))
    if not left.size:
        raise BadInput(
            f"Class {label} has no samples left to draw.",
            f"All {len(members):,} that could be read are drawn."
            if len(members)
            else "No readable sample has this label.",
            "Give verdicts on those that are drawn.",
        )
    # The draw's number enters the seed: extending twice by the same seed must not repeat a pattern.
    random = np.random.default_rng([seed, label, len(former.draws)])
    rows = random.permutation(left)[:size].tolist()
    audit = replace(
        former,
        rows=(*former.rows, *rows),
        draws=(*former.draws, (seed, len(rows))),
        members=len(members),
    )
    _keep(case, audit)
    return audit


def judge(case: Case, label: int, verdicts: Mapping[int, str]) -> Audit:
    """Keep verdicts on drawn samples, in place of former ones on the same samples.

    Raises
    ------
    BadInput
        A sample that was not drawn, or something that is no verdict; nothing is kept then.
    """
    audit = audit_of(case, label)
    drawn = set(audit.rows)
    for row, verdict in verdicts.items():
        if row not in drawn:
            raise BadInput(
                f"Sample {row} was not drawn for the audit of class {label}.",
                "Samples picked by hand are no random sample, and p-values would mean nothing.",
                "Give verdicts on the samples that `inspector audit --draw` listed.",
            )
        if verdict not in AUDIT_VERDICTS:
            raise BadInput(
                f"{verdict[:40]!r} is no verdict.", "", f"Choose {', '.join(AUDIT_VERDICTS)}."
            )
    audit = replace(audit, verdicts={**audit.verdicts, **verdicts})
    _keep(case, audit)
    return audit


def withdraw(case: Case, label: int, row: int) -> Audit:
    """Take the verdict on one sample back."""
    audit = audit_of(case, label)
    left = {other: given for other, given in audit.verdicts.items() if other != row}
    audit = replace(audit, verdicts=left)
    _keep(case, audit)
    return audit


def audit_of(case: Case, label: int) -> Audit:
    """Return the audit of a class; one without samples when none was drawn.

    Raises
    ------
    BadInput
        There is no such class.
    """
    if not 0 <= label < len(case.class_names):
        raise BadInput(
            f"There is no class {label}.",
            f"The dataset has {len(case.class_names)} classes, counted from 0.",
        )
    kept = case.kept(_KIND).get(str(label))
    return _read(label, kept) if kept else Audit(label)


def audits(case: Case) -> list[Audit]:
    """Return every audit of the case by class."""
    kept = {int(label): value for label, value in case.kept(_KIND).items()}
    return [_read(label, kept[label]) for label in sorted(kept)]


def _read(label: int, kept: Mapping[str, Any]) -> Audit:
    return Audit(
        label,
        tuple(int(row) for row in kept["rows"]),
        tuple((int(seed), int(size)) for seed, size in kept["draws"]),
        {int(row): str(verdict) for row, verdict in kept["verdicts"].items()},
        int(kept["members"]),
    )


def copy_audits(case: Case, other: Case) -> None:
    """Keep the audits of a case in another one of the same evidence."""
    for label, value in case.kept(_KIND).items():
        other.keep(_KIND, label, value)


def verified_codes(case: Case) -> NDArray[np.int8]:
    """Return what audits say of every sample, (n,).

    0 nothing, 1 clean, 2 of a wrong label or undecided, 3 poison.
    """
    codes = np.zeros(case.n, np.int8)
    for audit in audits(case):
        for row, verdict in audit.verdicts.items():
            if 0 <= row < case.n:
                codes[row] = {"clean": 1, "poison": 3}.get(verdict, 2)
    return codes


def doubts(audit: Audit) -> list[str]:
    """Return what makes an audit less than it should be, one sentence each."""
    said: list[str] = []
    judged = [row in audit.verdicts for row in audit.rows]
    last = max((at for at, given in enumerate(judged) if given), default=-1)
    skipped = judged[: last + 1].count(False)
    if skipped:
        said.append(
            f"{skipped:,} samples were passed over before later ones got verdicts. Those left out "
            "may differ from those judged: the sample is random only without gaps."
        )
    poison, wrong, unsure = (audit.count(name) for name in ("poison", "mislabelled", "unsure"))
    if poison:
        said.append(
            f"{poison:,} poisoned {_are(poison)} in the audit, so others may have been taken for "
            "clean: that makes tests miss poison, it never makes them accuse."
        )
    if wrong:
        said.append(
            f"{wrong:,} wrong {'label counts' if wrong == 1 else 'labels count'} as ordinary for "
            "this class. If they are poison whose trigger was not seen, the test is blind to it."
        )
    if unsure > max(2, audit.reviewed // 20):
        said.append(
            f"{unsure:,} of {audit.reviewed:,} verdicts are unsure; they count as ordinary."
        )
    return said


def resolution(audit: Audit, tests: int = 1) -> str:
    """Say in words which groups the audit can show once all its samples have verdicts."""
    drawn = len(audit.rows)
    if drawn - audit.count("poison") < FEWEST:
        return f"Nothing can be significant with {drawn:,} samples: draw {FEWEST} or more."
    now, left = audit.smallest_group(tests=tests), audit.members - drawn
    if left <= 0:
        return f"All {drawn:,} samples of the class are drawn: your verdicts settle it, no test."
    text = f"Groups under {now:,} cannot be significant with {drawn:,} verified"
    more = min(left, max(drawn, 100))
    if more > 0 and (then := audit.smallest_group(more, tests)) < now:
        return f"{text}; review {more:,} more for {then:,}."
    return f"{text}."


def _members(case: Case, label: int) -> NDArray[np.int64]:
    """Return the samples of a class that can be shown and, after a scan, have scores."""
    if not case.has_array("labels"):
        raise BadInput(
            f"The case {case.path} has no samples yet.",
            "No dataset was read into it.",
            "Run `inspector scan` on it first.",
        )
    mine = case.array("labels") == label
    if case.has_array("assessed"):
        mine &= case.array("assessed")
    else:
        mine[[row for row in case.unreadable() if 0 <= row < case.n]] = False
    return np.flatnonzero(mine)


def _keep(case: Case, audit: Audit) -> None:
    value = {
        "rows": list(audit.rows),
        "draws": [list(one) for one in audit.draws],
        "verdicts": {str(row): audit.verdicts[row] for row in sorted(audit.verdicts)},
        "members": audit.members,
    }
    seed = audit.draws[-1][0] if audit.draws else 0
    counts = {name: audit.count(name) for name in AUDIT_VERDICTS}
    case.keep(_KIND, str(audit.label), value, drawn=len(audit.rows), seed=seed, **counts)


def _are(count: int) -> str:
    return "sample is" if count == 1 else "samples are"
