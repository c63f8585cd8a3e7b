"""How like the weights are to every known network: scores, and the tensors that differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inspector.intake.models.signatures import Shapes, Signature, table

if TYPE_CHECKING:
    from inspector.intake.models.candidates import Candidate

SHOWN = 5
"""How many likenesses are recorded, and how many differing tensors of each."""

_LEAST = 0.05


@dataclass(frozen=True)
class Likeness:
    """How well one network's tensors agree with those of a file.

    Attributes
    ----------
    family, name : str
        The network.
    score : float
        Tensors that agree in name and shape, divided by all of both (Jaccard 1912); class count
        and channels of the image may differ.
    differs : tuple of str
        The first tensors that do not, each with what is there and what the network has.
    """

    family: str
    name: str
    score: float
    differs: tuple[str, ...] = ()

    def as_dict(self, chosen: bool) -> dict[str, Any]:
        """Return what the case records."""
        return {
            "family": self.family,
            "name": self.name,
            "score": round(self.score, 4),
            "differs": list(self.differs),
            "chosen": chosen,
        }


def likenesses(
    shapes: Shapes, exact: Iterable[Candidate] = (), count: int = SHOWN
) -> list[Likeness]:
    """Rank the known networks by how well they agree with some weights.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Names and shapes, without counters.
    exact : iterable of Candidate
        Networks that were found to agree in full, some of which no table lists; they come first.
    count : int
        How many to return.
    """
    first = [Likeness(made.family, made.name, made.score) for made in exact]
    named = {(entry.family, entry.name) for entry in first}
    scored = sorted(
        ((_score(entry, shapes), entry) for entry in table()),
        key=lambda pair: (-pair[0], pair[1].name),
    )
    others = [
        Likeness(entry.family, entry.name, score, tuple(differences(entry, shapes)))
        for score, entry in scored[: count + len(first)]
        if score > _LEAST and (entry.family, entry.name) not in named
    ]
    return (first + others)[: max(count, len(first))]


def differences(signature: Signature, shapes: Shapes, count: int = SHOWN) -> list[str]:
    """List tensors in which weights differ from a network: wrong shapes, missing ones, extra ones.

    Returns
    -------
    list of str
        Such as ``"conv1.weight is 64×3×3×3, not 64×3×7×7"``.
    """
    agreeing = signature.agreeing(shapes)
    wrong, missing = [], []
    # The first layer first, since it is what people change.
    for key in dict.fromkeys((signature.stem, *signature.shapes)):
        wanted = signature.shapes.get(key)
        if wanted is None or key in agreeing:
            continue
        if key in shapes:
            wrong.append(f"{key} is {_size(shapes[key])}, not {_size(wanted)}")
        else:
            missing.append(f"{key} is missing")
    extra = [f"{key} is not part of it" for key in shapes if key not in signature.shapes]
    # A few of each: a network that lacks one layer has many more tensors than can be shown.
    shown = wrong[:count]
    for kind in (missing, extra):
        shown += kind[: max(1, count - len(shown))]
    return shown[:count]


def _score(signature: Signature, shapes: Mapping[str, tuple[int, ...]]) -> float:
    agreeing = len(signature.agreeing(shapes))
    common = sum(key in shapes for key in signature.shapes)
    return agreeing / max(len(shapes) + len(signature.shapes) - common, 1)


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "a single number"
