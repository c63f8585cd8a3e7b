"""Run detectors over the written signals; scores become arrays, the rest a plain finding."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector import places
from inspector.api import Control
from inspector.engine.arrays import write_array
from inspector.engine.jobs.evidence import dataset_of
from inspector.engine.session import Session
from inspector.errors import BadInput
from inspector.intake.datasets.given import is_there

_PLAIN = re.compile(r"[a-z0-9_-]{1,50}:[a-z0-9_-]{1,50}")
_LARGEST_ARTIFACT = 256 << 20


def run(
    session: Session,
    control: Control,
    *,
    data: str,
    arrays: dict[str, str],
    class_names: list[str],
    folder: str,
    detectors: list[str] | None = None,
    split: str | None = None,
    orientation: str = "ignore",
    seed: int = 0,
) -> dict[str, Any]:
    """Return findings by detector, the class table, verdict, caveats and the written arrays.

    ``arrays`` maps signal names to files under ``derived/``; ``verified`` (bool per sample) may be
    among them. ``detectors`` None runs every detector that works and needs no extra pass.
    """
    from inspector.detectors import discover, run_detectors

    signals: dict[str, NDArray[Any]] = {
        name: np.load(session.derived / path, mmap_mode="r", allow_pickle=False)
        for name, path in arrays.items()
    }
    verified = signals.pop("verified", None)
    assessed = np.asarray(signals.pop("assessed"))
    labels = np.asarray(signals.pop("labels"))
    entries = discover([places.bundled_plugins(), places.user_plugins()])
    chosen = _choose(entries, detectors)
    outcome = run_detectors(
        signals,
        labels,
        assessed,
        class_names,
        entries=chosen,
        seed=seed,
        verified=None if verified is None else np.asarray(verified),
        images=_images(session, data, split, orientation),
        control=control,
    )
    target = session.folder(folder)
    written = [
        write_array(session, "combined", target / "combined.npy", outcome.combined),
        write_array(session, "p_value", target / "p_value.npy", outcome.p_value),
    ]
    findings = {}
    for name, finding in outcome.findings.items():
        plain = {key: value for key, value in finding.items() if key not in ("scores", "artifacts")}
        if finding.get("scores") is not None:
            array = f"score:{name}"
            scores = np.asarray(finding["scores"], np.float32)
            written.append(write_array(session, array, target / f"score-{name}.npy", scores))
            plain["score_array"] = array
        for kind, values in outcome.artifacts.get(name, {}).items():
            if _can_be_kept(name, kind, values):
                file = target / f"artifact-{name}-{kind}.npy"
                written.append(write_array(session, f"artifact:{name}:{kind}", file, values))
        findings[name] = plain
    return {
        "findings": findings,
        "classes": outcome.classes,
        "verdict": outcome.verdict,
        "caveats": list(outcome.caveats),
        "calibrated": bool(np.isfinite(outcome.p_value).any()),
        "arrays": written,
    }


def _can_be_kept(detector: str, kind: str, values: Any) -> bool:
    """Whether an artifact of a detector, perhaps a plugin's, can be an array of the case."""
    return (
        bool(_PLAIN.fullmatch(f"{detector}:{kind}"))
        and isinstance(values, np.ndarray)
        and values.dtype.kind in "biuf"
        and values.nbytes <= _LARGEST_ARTIFACT
    )


def _choose(entries: Sequence[Any], wanted: list[str] | None) -> list[Any]:
    ready = {entry.info.id: entry for entry in entries if entry.status == "ready"}
    if wanted is None:
        return list(ready.values())
    if unknown := [name for name in wanted if name not in ready]:
        raise BadInput(
            f"No detector is called {unknown[0]!r}.",
            f"There are: {', '.join(sorted(ready))}.",
            "`inspector detectors` lists them with their state.",
        )
    return [ready[name] for name in wanted]


def _images(
    session: Session, data: str, split: str | None, orientation: str
) -> Callable[[Sequence[int]], list[NDArray[np.uint8]]] | None:
    """Give detectors decoded pictures, as long as the evidence is at hand."""
    if not is_there(data):
        return None

    def images(rows: Sequence[int]) -> list[NDArray[np.uint8]]:
        dataset = dataset_of(session, data, split=split, orientation=orientation)
        return [dataset.decode(int(row)) for row in rows]

    return images
