"""Tags that were set in FiftyOne: samples with ``filepath`` and ``tags``, as JSON."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from inspector.case import Case
from inspector.engine.client.lists.suspects import SuspectList, Suspects
from inspector.errors import BadInput

INDEX = "inspector_index"
"""Field under which our own export keeps the row; it holds for the dataset of the same digest."""
DIGEST = "inspector_dataset"


def is_fiftyone(document: Any) -> bool:
    """Tell whether a JSON document looks like samples of FiftyOne."""
    samples = document.get("samples") if isinstance(document, dict) else document
    return (
        isinstance(samples, list)
        and bool(samples)
        and isinstance(samples[0], dict)
        and ("filepath" in samples[0] or "_cls" in samples[0])
    )


def fiftyone_suspects(case: Case, document: Any, name: str) -> SuspectList:
    """Read tagged samples; a tag that the case knows stays what it is, others become *suspect*.

    A file path finds its sample by the longest tail that is a place in the dataset.

    Raises
    ------
    BadInput
        Not such a document, or none of its tagged samples is in the dataset.
    """
    if not is_fiftyone(document):
        raise BadInput(
            f"{name} holds no samples of FiftyOne.",
            "They have filepath and tags.",
            "Write it with dataset.export(…, dataset_type=fo.types.FiftyOneDataset): samples.json.",
        )
    samples = document["samples"] if isinstance(document, dict) else document
    known = {kind.name for kind in case.tags.kinds}
    by_index = isinstance(document, dict) and document.get(DIGEST) == _digest(case)
    places: dict[str, int] | None = None
    groups: dict[str, set[int]] = {}
    unmatched: list[str] = []
    for sample in samples:
        path, tags = _sample(sample, name)
        if not tags:
            continue
        row = sample.get(INDEX) if by_index else None
        if type(row) is not int or not 0 <= row < case.n:
            if places is None:
                locators = case.samples.locators(range(case.n))
                places = {locator: at for at, locator in enumerate(locators)}
            row = _row_of(path, places)
        if row is None:
            unmatched.append(path)
            continue
        for tag in tags:
            groups.setdefault(tag, set()).add(row)
    if unmatched and not groups:
        raise BadInput(
            f"None of the {len(unmatched):,} tagged samples of {name} is in this dataset.",
            f"The first lies at {unmatched[0][:200]!r}.",
            "Check that the list belongs to this dataset.",
        )
    return SuspectList(
        "fiftyone",
        tuple(
            Suspects(
                np.array(sorted(rows), np.intp), tag if tag in known else "suspect", f"tag {tag}"
            )
            for tag, rows in groups.items()
        ),
        tuple(unmatched),
    )


def _sample(sample: Any, name: str) -> tuple[str, list[str]]:
    if isinstance(sample, dict):
        path, tags = sample.get("filepath"), sample.get("tags", [])
        if (
            isinstance(path, str)
            and isinstance(tags, list)
            and all(isinstance(tag, str) and 0 < len(tag) <= 200 for tag in tags)
        ):
            return path, tags
    raise BadInput(
        f"{name} holds a sample without filepath, or with tags that are none.",
        f"It is {str(sample)[:80]!r}.",
        "Write the list again.",
    )


def _row_of(path: str, places: dict[str, int]) -> int | None:
    parts = path.replace("\\", "/").split("/")
    for start in range(len(parts)):
        row = places.get("/".join(parts[start:]))
        if row is not None:
            return row
    return None


def _digest(case: Case) -> str:
    data = next((item for item in case.evidence() if item.role == "data"), None)
    return data.sha256 if data is not None else os.devnull
