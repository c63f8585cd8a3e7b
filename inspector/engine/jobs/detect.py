"""Run detectors over the written signals; scores become arrays, the rest a plain finding."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector import places
from inspector.api import BY_OPTION, Control, Network
from inspector.engine.arrays import write_array
from inspector.engine.choosing import chosen_ids
from inspector.engine.jobs.evidence import dataset_of, model_of
from inspector.engine.session import Session
from inspector.intake.datasets.given import is_there

_PLAIN = re.compile(r"[a-z0-9_-]{1,50}:[a-z0-9_-]{1,50}")
_LARGEST_ARTIFACT = 256 << 20
_BATCH = 64
"""Pictures in one forward pass of a detector."""


def run(
    session: Session,
    control: Control,
    *,
    data: str,
    arrays: dict[str, str],
    class_names: list[str],
    folder: str,
    model: str | None = None,
    choice: dict[str, Any] | None = None,
    detectors: list[str] | None = None,
    split: str | None = None,
    orientation: str = "ignore",
    seed: int = 0,
    courses: dict[str, list[str]] | None = None,
    layers: Sequence[str] = (),
    parameters: dict[str, dict[str, Any]] | None = None,
    base: str = "",
    kept: dict[str, dict[str, str]] | None = None,
) -> dict[str, Any]:
    """Return findings by detector, the class table, verdict, caveats and the written arrays.

    ``arrays`` maps signal names to files under ``derived/``; ``verified`` (a code per sample, see
    `calibrate`) may be among them. ``detectors`` None runs the default set: what works, is cheap,
    and needs no extra pass. ``model`` and ``choice`` rebuild the network for those that are asked
    for and do. ``courses`` lists by "loss" and "margin" the files of earlier checkpoints, oldest
    first. ``layers`` names the modules behind the arrays "layer-0" and so on. ``parameters`` has
    values by detector.

    ``kept`` has by detector the ``key`` of its last run and the file of its ``scores``; where
    `step_keys` comes to the same with ``base``, it does not run, and is named under "kept".
    """
    from inspector.detectors import discover, run_detectors
    from inspector.detectors.derived import with_layers
    from inspector.engine.jobs.kept_findings import step_keys, to_be_kept

    def read(path: str) -> NDArray[Any]:
        found: NDArray[Any] = np.load(session.derived / path, mmap_mode="r", allow_pickle=False)
        return found

    opened = {name: read(path) for name, path in arrays.items()}
    verified = opened.pop("verified", None)
    assessed = np.asarray(opened.pop("assessed"))
    labels = np.asarray(opened.pop("labels"))
    signals = with_layers({**opened}, layers)
    for kind, paths in (courses or {}).items():
        if paths:
            signals[f"{kind}_course"] = partial(_side_by_side, [read(path) for path in paths])
    entries = discover([places.bundled_plugins(), places.user_plugins()])
    chosen = chosen_detectors(entries, detectors, signals)
    settings = parameters or {}
    keys = step_keys(chosen, settings, base, seed) if base else {}
    same = to_be_kept(chosen, keys, kept or {})
    outcome = run_detectors(
        signals,
        labels,
        assessed,
        class_names,
        entries=chosen,
        parameters=settings,
        kept={name: read(path) for name, path in same.items()},
        seed=seed,
        verified=None if verified is None else np.asarray(verified),
        images=_images(session, data, split, orientation),
        forward=_forward(session, control, model, data, choice, split),
        network=_network(session, control, model, data, choice, split),
        control=control,
    )
    target = session.folder(folder)
    written = [
        write_array(session, name, target / f"{name}.npy", getattr(outcome, name))
        for name in ("combined", "p_value", "q_value", "false_bound")
    ]
    findings = {}
    for name, finding in outcome.findings.items():
        if name in same:
            continue
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
        shown = outcome.pictures.get(name)
        if shown is not None:
            for kind, values in (("sample_maps", shown.maps), ("sample_map_rows", shown.rows)):
                file = target / f"{kind}-{name}.npy"
                written.append(write_array(session, f"{kind}:{name}", file, values))
        findings[name] = {**plain, "key": keys.get(name)}
    return {
        "findings": findings,
        "kept": [entry.id for entry in chosen if entry.id in same],
        "order": [entry.id for entry in chosen],
        "classes": outcome.classes,
        "verdict": outcome.verdict,
        "caveats": list(outcome.caveats),
        "calibrated": bool(np.isfinite(outcome.p_value).any()),
        "columns": outcome.columns,
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


def _side_by_side(columns: list[NDArray[Any]]) -> NDArray[Any]:
    return np.stack(columns, axis=1)


def chosen_detectors(
    entries: Sequence[Any], wanted: list[str] | None, signals: Collection[str] = ()
) -> list[Any]:
    """Return what `chosen_ids` names."""
    ready = {entry.info.id: entry for entry in entries if entry.status == "ready"}
    infos = {name: entry.info for name, entry in ready.items()}
    return [ready[name] for name in chosen_ids(infos, wanted, BY_OPTION - set(signals))]


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


def _forward(
    session: Session,
    control: Control,
    model: str | None,
    data: str,
    choice: dict[str, Any] | None,
    split: str | None,
) -> Callable[[Sequence[NDArray[np.uint8]]], NDArray[np.float32]] | None:
    """Give detectors the network's answers to pictures, as long as the evidence is at hand."""
    if model is None or choice is None or not (Path(model).exists() and is_there(data)):
        return None

    def forward(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        import torch

        suspect = model_of(session, control, model, data, choice, split)
        answers = []
        with torch.inference_mode():
            for start in range(0, len(images), _BATCH):
                control.check()
                x = suspect.preprocess(images[start : start + _BATCH])
                answers.append(suspect.network(x).float().reshape(len(x), -1))
        joined: NDArray[np.float32] = torch.cat(answers).numpy()
        return joined

    return forward


def _network(
    session: Session,
    control: Control,
    model: str | None,
    data: str,
    choice: dict[str, Any] | None,
    split: str | None,
) -> Callable[[], Network] | None:
    """Give detectors the opened network, as long as the evidence is at hand."""
    if model is None or choice is None or not (Path(model).exists() and is_there(data)):
        return None

    def opened() -> Network:
        from inspector.signals.opened import OpenedNetwork

        suspect = model_of(session, control, model, data, choice, split)
        return OpenedNetwork(suspect.network, suspect.preprocess, control)

    return opened
