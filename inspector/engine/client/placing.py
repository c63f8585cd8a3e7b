"""What is asked of a UMAP, and what the case keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inspector.case import Case
from inspector.engine.client.engines import Engines
from inspector.engine.client.runs import keep_environment, keep_run
from inspector.engine.client.steps import Emit, key_of, register
from inspector.errors import BadInput


@dataclass(frozen=True)
class Request:
    """One map: the key of all that it depends on, and the arguments of the engine's job."""

    key: str
    arguments: dict[str, Any]


def request(case: Case, neighbours: int) -> Request:
    """Return what to ask for.

    Raises
    ------
    BadInput
        Without signals there is nothing to place.
    """
    signals = case.get("signals", None)
    if not signals:
        raise BadInput(
            "There is nothing to place on a map yet.",
            "The case holds no activations.",
            "Scan first.",
        )
    seed = int(case.get("scan", {}).get("seed", 0))
    arrays = case.arrays()
    return Request(
        key_of(signals=signals["key"], neighbours=neighbours, seed=seed),
        {
            "arrays": {name: arrays[name].path for name in ("activations", "assessed")},
            "folder": f"map-{signals['key']}",
            "seed": seed,
            "neighbours": neighbours,
        },
    )


def is_placed(case: Case, asked: Request) -> bool:
    """Tell whether the case has this very map."""
    done = case.get("map", {})
    return done.get("key") == asked.key and case.has_array("map:umap")


def place(case: Case, engines: Engines, asked: Request, emit: Emit) -> None:
    """Have the map's engine place the samples, unless they are, and keep where they lie.

    Raises
    ------
    InspectorError
        A cancel, or an engine that died.
    """
    if is_placed(case, asked):
        emit({"event": "array", "name": "map:umap"})
        return
    engine = engines.warm_map()
    try:
        result = engine.wait(engine.submit("umap", **asked.arguments))
        environment = engine.wait(engine.submit("environment"))
    finally:
        engines.end_map()
    register(case, result["arrays"], emit)
    keep(case, asked, result, environment)


def keep(
    case: Case, asked: Request, result: Mapping[str, Any], environment: Mapping[str, Any]
) -> None:
    """Record that the map is there, and its run, together."""
    with case.transaction():
        case.set("map", {"key": asked.key})
        keep_run(
            case,
            "map",
            keep_environment(case, environment),
            [str(item["name"]) for item in result["arrays"]],
            device="cpu",
            seed=asked.arguments["seed"],
            neighbours=asked.arguments["neighbours"],
        )
