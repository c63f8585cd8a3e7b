"""The model spec in the case folder: written for the analyst to read, change and give again."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inspector.case import Case
from inspector.case.inside import new_file
from inspector.intake.models.spec_text import spec_text

FILE = "model-spec.toml"
"""The file's name in a case folder."""

BESIDE = "model-spec.measured.toml"
"""Where it goes when the analyst has changed the other one, which is never written over."""


def record_spec(case: Case, model: Mapping[str, Any], stated: Mapping[str, Any] | None) -> None:
    """Write the spec of a rebuilt model into its case, and note in the journal how it came about.

    Parameters
    ----------
    case : Case
    model : mapping
        As the engine described it.
    stated : mapping or None
        The spec that the analyst gave, as `ModelSpec.as_dict` has it.
    """
    text = spec_text(model["model_spec"]).encode("utf-8")
    former = case.get("model_spec", {})
    digest = hashlib.sha256(text).hexdigest()
    if former.get("sha256") == digest and (case.path / former["file"]).is_file():
        return
    place = case.path / FILE
    if place.is_file() and _digest(place) not in (former.get("sha256"), digest):
        place = case.path / BESIDE
    _write(place, text)
    # Together: a spec that is there is not told of again.
    with case.transaction():
        case.set("model_spec", {"file": place.name, "sha256": digest})
        case.journal.append_with(
            text,
            "model rebuilt",
            architecture=model["architecture"],
            family=model["family"],
            accuracy=model["accuracy"],
            accuracy_sample=model["accuracy_sample"],
            candidates=[
                {key: row[key] for key in ("family", "name", "score", "chosen")}
                for row in model["candidates"]
            ],
            tried=len(model["tried"]),
            plugin=model.get("plugin"),
            spec_given=None if stated is None else {key: stated[key] for key in ("name", "sha256")},
        )


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _write(place: Path, text: bytes) -> None:
    """Write whole or not at all; where the disk refuses, the case holds the text in its journal."""
    partial = place.with_name(f".{place.name}.partial")
    # A case from somebody else can hold anything under that name.
    with contextlib.suppress(OSError):
        with new_file(partial) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, place)
