"""Names and shapes of the weights of all known networks, as a table that ships.

Building all networks to look at their shapes takes half a minute, so it is done once per
torchvision release: ``python -m inspector.intake.models.signatures`` writes the table anew. Reading
it imports no torch.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from inspector.errors import InspectorError
from inspector.places import resources

TABLE = "architectures.json.gz"

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Signature:
    """Names and shapes of one network's weights.

    Attributes
    ----------
    name : str
        As in ``torchvision.models.list_models()``, or the built-in network's.
    head : frozenset of str
        Weights whose first dimension is the number of classes.
    stem : str
        The first convolution; its second dimension is the number of channels.
    shapes : dict of str to tuple of int
        All weights, at 1000 classes and 3 channels, without the counters of batch normalisation.
    family : str
        "torchvision" or "builtin".
    """

    name: str
    head: frozenset[str]
    stem: str
    shapes: dict[str, tuple[int, ...]]
    family: str = "torchvision"

    def agreeing(self, shapes: Shapes) -> set[str]:
        """Return the names whose shapes agree, class count and channels left free."""
        return {
            key for key, shape in self.shapes.items() if self._agrees(key, shape, shapes.get(key))
        }

    def _agrees(self, key: str, shape: tuple[int, ...], other: tuple[int, ...] | None) -> bool:
        if other is None or len(other) != len(shape):
            return False
        if key in self.head:
            return other[1:] == shape[1:]
        if key == self.stem:
            return other[:1] + other[2:] == shape[:1] + shape[2:]
        return other == shape


def signatures() -> dict[str, Signature]:
    """Return torchvision's networks by name; see `table`."""
    return {entry.name: entry for entry in table() if entry.family == "torchvision"}


def builtin_names() -> list[str]:
    """Return the usual names of the built-in networks; see `table`."""
    return [entry.name for entry in table() if entry.family == "builtin"]


@cache
def table() -> tuple[Signature, ...]:
    """Read the table that ships.

    Raises
    ------
    InspectorError
        The table is missing or damaged: the installation is not whole.
    """
    path = resources() / TABLE
    try:
        document = json.loads(gzip.decompress(path.read_bytes()))
        return tuple(
            Signature(
                name,
                frozenset(entry["head"]),
                entry["stem"],
                {key: tuple(shape) for key, shape in entry["shapes"].items()},
                family,
            )
            for family, models in (
                ("torchvision", document["models"]),
                ("builtin", document["builtin"]),
            )
            for name, entry in models.items()
        )
    except (OSError, ValueError, KeyError) as error:
        raise InspectorError(
            f"The table of architectures {path} cannot be read.",
            f"{type(error).__name__}.",
            "Install Inspector again.",
        ) from error


def write_table(path: Path) -> int:
    """Build every known network and write the table; return how many.

    The file is the same, byte for byte, for the same torchvision.
    """
    import torchvision

    from inspector.intake.models.networks.canonical import canonical
    from inspector.intake.models.torchvision_models import list_names

    models = {name: torchvision_entry(name) for name in list_names()}
    builtin = {name: builtin_entry(name) for name in canonical()}
    document = {
        "torchvision": torchvision.__version__.partition("+")[0],
        "models": models,
        "builtin": builtin,
    }
    text = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    path.write_bytes(gzip.compress(text, 9, mtime=0))
    return len(models) + len(builtin)


def torchvision_entry(name: str) -> dict[str, Any]:
    """Build one of torchvision's networks and return its entry in the table."""
    from inspector.intake.models.torchvision_models import build_torchvision

    return _entry(lambda n: build_torchvision(name, {"num_classes": n, "in_channels": 3}))


def builtin_entry(name: str) -> dict[str, Any]:
    """Build one of the built-in networks and return its entry in the table."""
    from inspector.intake.models.networks.canonical import canonical

    return _entry(lambda n: canonical(num_classes=n)[name]())


def _entry(build: Callable[[int], Any]) -> dict[str, Any]:
    shapes = _shapes(lambda: build(1000))
    # A second build with an unlikely number of classes tells which dimensions count classes.
    other = _shapes(lambda: build(997))
    head = sorted(key for key in shapes if shapes[key] != other[key])
    # A network without convolutions has no stem: its first layer sees pixels, not channels.
    stems = (key for key, shape in shapes.items() if len(shape) == 4 and shape[1] == 3)
    return {"head": head, "stem": next(stems, ""), "shapes": shapes}


def _shapes(build: Callable[[], Any]) -> dict[str, list[int]]:
    from inspector.intake.models.torchvision_models import without_storage

    return {
        key: list(tensor.shape)
        for key, tensor in without_storage(build).state_dict().items()
        if not key.endswith("num_batches_tracked")
    }


if __name__ == "__main__":
    import sys

    target = resources() / TABLE
    sys.stdout.write(f"{write_table(target)} networks written to {target}\n")
