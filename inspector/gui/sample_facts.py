"""What is known of one sample, as lines of plain text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.case import Case, SampleTable
from inspector.case.explanations import reasons, sentence
from inspector.errors import CaseError
from inspector.gui.plain import plain
from inspector.gui.view_state import as_numbers

NEIGHBOURS = 5
_APART = ("combined", "p_value", "q_value", "false_bound", "loss", "confidence")


@dataclass(frozen=True)
class Fact:
    """One line: what it is called, what it says, and what more there is to say on a tooltip."""

    name: str
    text: str
    tip: str = ""


def facts_of(case: Case, table: SampleTable, row: int, note: str = "") -> list[Fact]:
    """Return everything known of a sample, in the order in which an analyst asks.

    Parameters
    ----------
    case : Case
    table : SampleTable
        Its columns.
    row : int
        The sample.
    note : str
        The last note on it.
    """
    columns = table.columns
    locator = _locator(case, row)
    facts = [
        Fact("index", f"{row:,}"),
        Fact("file", plain(locator), plain(locator)),
        Fact("label → predicted", _answer(case, columns, row)),
        _tags(case, row),
    ]
    unreadable = case.unreadable().get(row)
    if unreadable:
        facts.append(Fact("unreadable", plain(unreadable), "It was never shown to the model."))
    scores = as_numbers(columns)
    detectors = [name for name in scores if name not in _APART]
    for name in ("combined", *detectors):
        if name in scores:
            facts.append(Fact(plain(name, 60), *ranked(scores[name], row)))
    if "p_value" in columns:
        p = float(columns["p_value"][row])
        said = f"{p:.2g}" if p == p else "not calibrated"
        tip = "Calibrated by an audit: samples that somebody verified one by one."
        facts.append(Fact("p", said, tip))
    for reason in reasons(case, table, [row])[0] if "combined" in columns else ():
        facts.append(Fact("stands out", plain(sentence(reason), 160), plain(reason.detector, 60)))
    if "loss" in columns and columns["loss"][row] == columns["loss"][row]:
        facts.append(Fact("loss", f"{float(columns['loss'][row]):.4g} nats"))
    near = _nearest(case, columns, row)
    if near:
        facts.append(near)
    twins = _twins(case, columns, row)
    if twins:
        facts.append(twins)
    if note:
        facts.append(Fact("note", plain(note), plain(note)))
    for name, array, tip in (
        ("SHA-256", "stored_sha256", "Of the bytes as stored."),
        ("pixels", "pixel_sha256", "SHA-256 of the decoded pixels, equal for equal pictures."),
    ):
        digest = _digest(case, row, array)
        if digest:
            facts.append(Fact(name, f"{digest[:16]}…", f"{digest} — {tip}"))
    return facts


def ranked(scores: NDArray[Any], row: int) -> tuple[str, str]:
    """Return a score with its rank, 1 = most suspicious, and among how many samples that is."""
    score = float(scores[row])
    if score != score:
        return "not assessed", ""
    with np.errstate(invalid="ignore"):
        rank = int(np.count_nonzero(scores > score)) + 1
    assessed = int(np.count_nonzero(scores == scores))
    alike = int(np.count_nonzero(scores == score))
    if 2 * alike > assessed > 2:  # a place among those that all have the same score means nothing
        return f"{score:.4g} · as most", f"{alike:,} of {assessed:,} assessed samples have it"
    return f"{score:.4g} · rank {rank:,}", f"Rank {rank:,} of {assessed:,} assessed samples"


def class_name(case: Case, index: int) -> str:
    """Return the name of a class, a dash outside of the known ones."""
    names = case.class_names
    return plain(names[index], 80) if 0 <= index < len(names) else "–"


def _answer(case: Case, columns: Mapping[str, NDArray[Any]], row: int) -> str:
    said = class_name(case, int(columns["label"][row]))
    if "predicted" not in columns:
        return f"{said} → not asked yet"
    predicted = int(columns["predicted"][row])
    if predicted < 0:
        return f"{said} → no answer"
    text = f"{said} → {class_name(case, predicted)}"
    confidence = float(columns["confidence"][row]) if "confidence" in columns else float("nan")
    return f"{text} ({confidence:.3f})" if confidence == confidence else text


def _nearest(case: Case, columns: Mapping[str, NDArray[Any]], row: int) -> Fact | None:
    if not case.has_array("neighbours"):
        return None
    try:
        near = np.asarray(case.array("neighbours")[row])
    except (CaseError, IndexError):
        return None
    labels = columns["label"]
    near = near[(near >= 0) & (near < labels.size) & (near != row)]
    if not near.size:
        return None
    names = [class_name(case, int(label)) for label in labels[near[:NEIGHBOURS]]]
    agree = int(np.count_nonzero(labels[near] == labels[row]))
    said = f"{', '.join(names)}\n{agree} of {near.size} share the label"
    return Fact(
        f"nearest {len(names)} labels", said, f"Samples {', '.join(map(str, near.tolist()))}"
    )


def _twins(case: Case, columns: Mapping[str, NDArray[Any]], row: int) -> Fact | None:
    """Say which samples show the same picture, or nearly, and what their labels are."""
    name = "artifact:duplicates:group"
    if not case.has_array(name):
        return None
    try:
        groups = np.asarray(case.array(name))
        mine = int(groups[row])
    except (CaseError, IndexError):
        return None
    if mine < 0 or groups.shape != (case.n,):
        return None
    twins = np.flatnonzero(groups == mine)
    twins = twins[twins != row]
    if not twins.size:
        return None
    labels = columns["label"]
    said = [f"{twin:,} ({class_name(case, int(labels[twin]))})" for twin in twins[:NEIGHBOURS]]
    more = f" and {twins.size - NEIGHBOURS:,} more" if twins.size > NEIGHBOURS else ""
    other = int(np.count_nonzero(labels[twins] != labels[row]))
    return Fact(
        "same picture",
        f"{', '.join(said)}{more}\n{other:,} of {twins.size:,} under another label",
        "Equal, or nearly, by pixels; joined into one group through each other.",
    )


def _tags(case: Case, row: int) -> Fact:
    said = []
    for reason in case.tags.reasons([row]).get(row, []):
        note = f" “{plain(reason.note, 120)}”" if reason.note else ""
        when = plain(reason.time[:16].replace("T", " "))
        means = "" if reason.source == "manual" else f" · {plain(reason.source, 80)}"
        said.append(f"{plain(reason.tag, 60)} · {plain(reason.user, 40)} {when} UTC{means}{note}")
    return Fact("tags", "\n".join(said) or "none")


def _locator(case: Case, row: int) -> str:
    try:
        return case.locator(row)
    except (CaseError, IndexError):
        return "not known"


def _digest(case: Case, row: int, name: str) -> str:
    if not case.has_array(name):
        return ""
    try:
        digest = np.asarray(case.array(name)[row], np.uint8)
        return digest.tobytes().hex() if digest.any() else ""
    except (CaseError, IndexError):
        return ""
