"""Hints out of checkpoints: what training scripts, modules and TorchScript programs leave behind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from inspector.intake.models.contents import visible
from inspector.intake.models.hints import Hints, LayerHint
from inspector.intake.models.inert_tables import Table, entries_of

# In the order of trust; BackdoorBench writes model_name, the ImageNet example of PyTorch arch, timm
# architecture.
_NAMES = ("model_name", "arch", "architecture", "model_arch", "net_name", "backbone", "model_type")
_CLASSES = ("num_classes", "n_classes", "num_labels", "nb_classes", "num_class", "n_class")
_CHANNELS = ("in_channels", "in_chans", "num_channels", "input_channel")
_SIZES = ("img_size", "image_size", "input_size", "input_height")
_LABELS = ("classes", "class_names", "labels", "label_names", "idx_to_class", "class_to_idx")
# Where scripts keep their settings: Lightning's two, then argparse's.
_SETTINGS = ("hyper_parameters", "hparams", "args", "config", "cfg", "opt", "hyperparameters")

MAX_CLASSES = 100_000
"""Classes and names of classes that are taken from a file."""


def hints_of(root: Any, table: Table, prefix: str) -> Hints:
    """Collect what a followed checkpoint says beside its weights.

    Parameters
    ----------
    root : object
        The followed value.
    table : Table
        The weights found in it.
    prefix : str
        What was taken off every name, so that layers are named as the weights are.
    """
    hints = _of_module(table, prefix) if table.module else Hints()
    top = entries_of(root)
    if top is None or (table.module and not table.keys):
        return hints
    inner = (entries_of(top.get(key)) for key in _SETTINGS)
    return _with_settings(hints, [top, *(entries for entries in inner if entries is not None)])


def _of_module(table: Table, prefix: str) -> Hints:
    place = prefix.rstrip(".")
    path = table.classes.get(place, table.module).removeprefix("__torch__.")
    path = re.sub(r"___torch_mangle_\d+\.", "", path)
    own = next((layer for layer in table.layers if layer.name == place), None)
    layers = tuple(
        replace(layer, name=layer.name.removeprefix(prefix))
        for layer in table.layers
        if layer.name.startswith(prefix) and layer.name.rstrip(".") != place
    )
    settings = own.settings if own is not None else {}
    return Hints(
        source="the module in the file",
        architecture=visible(path, 160),
        num_classes=_count(_first(settings, _CLASSES), MAX_CLASSES),
        in_channels=_count(_first(settings, _CHANNELS), 4096),
        layers=layers,
    )


def _with_settings(hints: Hints, tables: list[Mapping[Any, Any]]) -> Hints:
    name, classes, channels, size = "", None, None, None
    labels: tuple[str, ...] = ()
    for entries in tables:
        found = _first(entries, _NAMES)
        name = name or (visible(found, 160) if type(found) is str else "")
        classes = classes or _count(_first(entries, _CLASSES), MAX_CLASSES)
        channels = channels or _count(_first(entries, _CHANNELS), 4096)
        size = size or _size(_first(entries, _SIZES))
        labels = labels or names_of_classes(_first(entries, _LABELS))
    if not (name or classes or size or labels or channels):
        return hints
    source = "the settings in the file"
    return replace(
        hints,
        source=f"{hints.source} and {source}" if hints.source else source,
        architecture=hints.architecture or name,
        num_classes=hints.num_classes or classes or (len(labels) or None),
        in_channels=hints.in_channels or channels,
        size=size,
        labels=labels,
    )


def _first(entries: Mapping[Any, Any], keys: tuple[str, ...]) -> Any:
    return next((entries[key] for key in keys if entries.get(key) is not None), None)


def _count(value: Any, limit: int) -> int | None:
    return value if type(value) is int and 0 < value <= limit else None


def _size(value: Any) -> tuple[int, int] | None:
    """Read 32, (32, 32) or (3, 32, 32), as BackdoorBench and timm write it, as height and width."""
    if type(value) is int:
        value = (value, value)
    if type(value) not in (tuple, list) or not 2 <= len(value) <= 3:
        return None
    sides = list(value)
    if len(sides) == 3:
        # Channels stand first or last.
        sides = sides[1:] if sides[0] in (1, 3) else sides[:2]
    if not all(type(side) is int and 4 <= side <= 4096 for side in sides):
        return None
    return sides[0], sides[1]


def names_of_classes(value: Any) -> tuple[str, ...]:
    """Read names of classes from a list, or from a table of numbers to names or names to numbers.

    Returns
    -------
    tuple of str
        In the order of the answers; empty when the numbers are not 0, 1, 2 and so on.
    """
    if type(value) in (list, tuple):
        names = list(value)
    elif type(value) is dict and 0 < len(value) <= MAX_CLASSES:
        pairs = [(key, name) if type(name) is str else (name, key) for key, name in value.items()]
        numbered: dict[int, Any] = {}
        for number, name in pairs:
            digits = type(number) is str and number.isascii() and number.isdigit()
            if digits and len(number) < 9:
                number = int(number)
            if type(number) is int:
                numbered[number] = name
        if sorted(numbered) != list(range(len(value))):
            return ()
        names = [numbered[place] for place in range(len(value))]
    else:
        return ()
    if not 2 <= len(names) <= MAX_CLASSES or not all(type(name) is str for name in names):
        return ()
    return tuple(visible(name, 120) for name in names)


def layers_of_program(
    layers: list[LayerHint], said: Mapping[str, list[LayerHint]], classes: Mapping[str, str]
) -> list[LayerHint]:
    """Add to the layers of a TorchScript module what the program texts of their classes say.

    Parameters
    ----------
    layers : list of LayerHint
        As the pickle describes them.
    said : mapping of str to list of LayerHint
        Operations by class.
    classes : mapping of str to str
        Class of each module, by its place.
    """
    known = {layer.name: layer for layer in layers}
    found: list[LayerHint] = []
    for place, path in classes.items():
        layer = known.get(place)
        for operation in said.get(path, ()):
            settings = {**(layer.settings if layer else {}), **operation.settings}
            found.append(LayerHint(place, operation.kind, settings))
        if layer is not None and not said.get(path):
            found.append(layer)
    return found
