"""Where in a followed pickle the weights lie: a table of tensors, or a module that holds them.

A module is walked as PyTorch's ``state_dict`` would walk it, from what its pickle says: parameters,
buffers, then the modules inside. Nothing is recursive, since a file decides how deep it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from inspector.intake.models.hints import LayerHint, Setting
from inspector.intake.models.inert_tensors import TensorSpec, spec_of
from inspector.intake.models.inert_values import Made

NESTINGS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "weights",
    "params",
    "module",
    "net_state_dict",
    "netC",
    "classifier",
    "state_dict_ema",
    "model_ema",
    "ema",
    "ema_state_dict",
    "params_ema",
    "checkpoint",
)
"""Names under which training scripts put the weights, the likelier ones first."""

MAX_MODULES = 20_000
"""Modules that are visited; more have only files that were made to keep a reader busy."""

_MAX_DEPTH = 48
_MAX_SETTINGS = 32
_MAX_GUESSES = 16
_MAX_LAYERS = 5000
_NO_WEIGHTS = (
    "optim",
    "sched",
    "scaler",
    "grad",
    "history",
    "data",
    "loss",
    "metric",
    "rng",
    "bd_",
)
_SCALARS = (bool, int, float, str)


@dataclass
class Table:
    """Weights found in a followed pickle.

    Attributes
    ----------
    tensors : dict of str to TensorSpec
        By the names that ``state_dict`` gives them.
    others : list of str
        Names of entries that are no tensors.
    keys : tuple of str
        Under which names the table lies, from the top.
    passed_over : tuple of str
        Other names beside it that lead to weights.
    module : str
        Class of the module that holds them; "" for a plain table.
    classes : dict of str to str
        Class of every module inside, by its place ("" is the module itself).
    layers : list of LayerHint
        What the modules without modules inside say of themselves.
    """

    tensors: dict[str, TensorSpec]
    others: list[Any] = field(default_factory=list)
    keys: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    module: str = ""
    classes: dict[str, str] = field(default_factory=dict)
    layers: list[LayerHint] = field(default_factory=list)

    @property
    def has_layers(self) -> bool:
        """Whether a tensor has two dimensions or more, as the weights of every layer have."""
        return any(len(spec.size) >= 2 for spec in self.tensors.values())


def entries_of(value: Any) -> dict[Any, Any] | None:
    """Return the entries of whatever is like a dict: a table, a namespace, a configuration."""
    if type(value) is dict:
        return value
    if type(value) is Made:
        if value.items:
            return value.items
        if type(value.state) is dict:
            return value.state
    return None


def find_table(root: Any) -> Table | None:
    """Find the weights in the usual places; None when no place holds a table of tensors."""
    best: Table | None = None
    keys: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    value = root
    for _ in range(5):
        table = _table_at(value)
        if table is not None:
            table.keys, table.passed_over = keys, passed_over
            if table.has_layers:
                return table
            best = best or table
        inner = _inner(value)
        if not inner:
            break
        chosen = min(inner, key=_rank)
        others = tuple(name for name in inner if name != chosen and name in NESTINGS)
        passed_over += tuple(sorted(others))
        keys, value = (*keys, chosen), inner[chosen]
    return best


def table_under(root: Any, place: str) -> Table | None:
    """Return the table of tensors at a place that somebody named; None when there is none.

    Parameters
    ----------
    root : Any
        What a pickle holds.
    place : str
        Names from the top, joined by dots; "" is the top itself.
    """
    keys: list[str] = []
    value, rest = root, place
    while rest:
        entries = entries_of(value) or {}
        parts = rest.split(".")
        # A name may have dots of its own: the longest that there is.
        heads = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
        key = next((head for head in heads if head in entries), None)
        if key is None:
            return None
        keys.append(key)
        value, rest = entries[key], rest[len(key) + 1 :]
    table = _table_at(value)
    if table is not None:
        table.keys = tuple(keys)
    return table


def is_module(value: Any) -> bool:
    """Tell whether a followed value is an ``nn.Module`` or a module of a TorchScript program."""
    if type(value) is not Made or type(value.state) is not dict:
        return False
    if value.path.startswith("__torch__."):
        return True
    return type(value.state.get("_modules")) is dict and "_parameters" in value.state


def _table_at(value: Any) -> Table | None:
    if is_module(value):
        walked = _walk(value)
        return walked if walked.tensors else None
    entries = entries_of(value)
    if entries is None:
        return None
    table = Table({})
    for key, inner in entries.items():
        spec = spec_of(inner)
        if spec is not None:
            table.tensors[key] = spec
        else:
            table.others.append(key)
    return table if table.tensors else None


def _inner(value: Any) -> dict[str, Any]:
    """Return what one step further may hold weights, by name."""
    entries = entries_of(value)
    if entries is None or is_module(value):
        return {}
    known = {
        key: inner
        for key, inner in entries.items()
        if key in NESTINGS and (entries_of(inner) is not None)
    }
    if known:
        return known
    # No usual name: the only entry that holds layers is what was meant.
    found: dict[str, Any] = {}
    for key, inner in itertools.islice(entries.items(), _MAX_GUESSES):
        if type(key) is not str or any(word in key.lower() for word in _NO_WEIGHTS):
            continue
        table = _table_at(inner)
        if table is not None and table.has_layers:
            found[key] = inner
    return found if len(found) == 1 else {}


def _rank(name: str) -> int:
    return NESTINGS.index(name) if name in NESTINGS else len(NESTINGS)


# ---- modules ------------------------------------------------------------------------------------


def _walk(root: Made) -> Table:
    table = Table({}, module=root.path)
    waiting: list[tuple[str, Made, tuple[int, ...]]] = [("", root, ())]
    visited = 0
    while waiting:
        place, module, above = waiting.pop()
        visited += 1
        if visited > MAX_MODULES:
            table.others.append("(more modules than any network has)")
            break
        if id(module) in above or len(above) >= _MAX_DEPTH:
            continue
        state = module.state
        prefix = f"{place}." if place else ""
        for name, value in _own_tensors(state):
            spec = spec_of(value)
            if spec is not None:
                table.tensors[prefix + name] = spec
            elif value is not None:
                table.others.append(prefix + name)
        inside = [(name, value) for name, value in _own_modules(state) if is_module(value)]
        table.classes[place] = module.path
        if len(table.layers) < _MAX_LAYERS and (not inside or place == ""):
            table.layers.append(LayerHint(place, _kind(module.path), _settings(state)))
        for name, value in reversed(inside):
            waiting.append((prefix + name, value, (*above, id(module))))
    return table


def _own_tensors(state: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Yield parameters and buffers with their names; a TorchScript module keeps them as they are."""
    if "_modules" not in state:
        yield from (
            (name, value)
            for name, value in state.items()
            if type(name) is str and spec_of(value) is not None
        )
        return
    temporary = _members(state.get("_non_persistent_buffers_set"))
    for group in ("_parameters", "_buffers"):
        values = state.get(group)
        for name, value in values.items() if type(values) is dict else ():
            if type(name) is str and name not in temporary:
                yield name, value


def _own_modules(state: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    inside = state.get("_modules") if "_modules" in state else state
    if type(inside) is dict:
        yield from ((name, value) for name, value in inside.items() if type(name) is str)


def _members(value: Any) -> list[Any]:
    if type(value) is Made and value.args and type(value.args[0]) is list:
        return [name for name in value.args[0] if type(name) is str]
    return [name for name in value if type(name) is str] if type(value) is list else []


def _kind(path: str) -> str:
    return path.rpartition(".")[2][:80]


def _settings(state: dict[Any, Any]) -> dict[str, Setting]:
    found: dict[str, Setting] = {}
    for name, value in state.items():
        if type(name) is not str or name.startswith("_") or name == "training" or len(name) > 64:
            continue
        plain = _plain(value)
        if plain is not None and len(found) < _MAX_SETTINGS:
            found[name] = plain
    return found


def _plain(value: Any) -> Setting | None:
    if type(value) in _SCALARS:
        return None if type(value) is str and len(value) > 64 else value
    few = type(value) in (tuple, list) and 0 < len(value) <= 8
    return tuple(value) if few and all(type(part) in _SCALARS for part in value) else None
