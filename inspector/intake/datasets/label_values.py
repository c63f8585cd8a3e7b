"""Labels out of text formats: numbers are class indices, anything else are class names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import BadInput
from inspector.intake.datasets.array_checks import MAX_CLASSES, checked_labels
from inspector.intake.datasets.names import count_of, escape_name

_NUMBER = re.compile(r"-1|0|[1-9]\d{0,8}")
_LONGEST_NAME = 300


def labels_of(
    values: Sequence[Any], where: str, names: Sequence[str] | None = None
) -> tuple[NDArray[np.int32], list[str], list[str]]:
    """Return labels, class names and notes.

    Parameters
    ----------
    values : sequence
        One value a sample: a number, text, or None. Nothing, empty text and -1 mean "no label".
    where : str
        File and column, for messages.
    names : sequence of str, optional
        Class names that the evidence carries; text labels must be among them.

    Returns
    -------
    labels : ndarray, shape (n,), int32
        Index into the names; -1 where there is no label.
    class_names : list of str
    notes : list of str

    Raises
    ------
    BadInput
        A number is out of range, a text has no name, a value is neither, or no sample has a label.
    """
    plain = [_plain(value) for value in values]
    distinct = set(plain) - {None}
    if not distinct:
        raise BadInput(
            f"{where} labels none of its {count_of(len(plain), 'sample')}.",
            "Without labels there is nothing to be poisoned, and nothing to compare.",
            "Add the labels in a copy.",
        )
    numbers = all(type(value) is int for value in distinct)
    if not numbers and all(
        type(value) is int or _NUMBER.fullmatch(str(value)) for value in distinct
    ):
        plain = [None if value is None else int(value) for value in plain]
        distinct, numbers = set(plain) - {None}, True
    if numbers:
        codes = np.array([-1 if value is None else value for value in plain], np.int64)
        return _checked(codes, where, names)
    texts = {str(value) for value in distinct}
    known = list(names) if names else sorted(texts)
    unknown = sorted(texts - set(known))
    if unknown or len(known) > MAX_CLASSES:
        one = f", one of them {escape_name(unknown[0])[:80]!r}, which has no class name"
        raise BadInput(
            f"{where} has {count_of(len(texts), 'different label')}{one if unknown else ''}.",
            f"At most {MAX_CLASSES:,} classes are read, and each needs its name.",
            "Correct the labels in a copy.",
        )
    index = {name: number for number, name in enumerate(known)}
    codes = np.array([-1 if value is None else index[str(value)] for value in plain], np.int64)
    return _checked(codes, where, known)


def _plain(value: Any) -> int | str | None:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e9:
        value = int(value)
    if value is None or value == "" or (isinstance(value, int) and value == -1):
        return None
    if isinstance(value, int) and abs(value) < 10**9:
        return value
    if isinstance(value, str) and len(value) <= _LONGEST_NAME:
        return value.strip() or None
    raise BadInput(
        f"A label is {escape_name(str(type(value).__name__))} and no class: "
        f"{escape_name(str(value)[:60] if isinstance(value, (str, float)) else '…')!r}.",
        f"A label is a whole number or a name of at most {_LONGEST_NAME} characters.",
        "Correct the labels in a copy.",
    )


def _checked(
    codes: NDArray[np.int64], where: str, names: Sequence[str] | None
) -> tuple[NDArray[np.int32], list[str], list[str]]:
    labelled = codes != -1
    labels = np.full(len(codes), -1, np.int32)
    labels[labelled], notes = checked_labels(codes[labelled], int(labelled.sum()), where, names)
    missing = int((~labelled).sum())
    if missing:
        notes.append(f"{count_of(missing, 'sample')} without a label: measured, never ranked.")
    known = list(names) if names else [str(index) for index in range(int(labels.max()) + 1)]
    return labels, [escape_name(name) for name in known], notes
