"""What a network's last numbers mean: logits or probabilities, and which class each stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from inspector.errors import BadInput
from inspector.intake.models.spec import ModelSpec

_TINY = 1e-30
_CLOSE = 1e-3


@dataclass(frozen=True)
class Answers:
    """How the output of a network becomes logits in the order of the data's classes.

    Attributes
    ----------
    kind : str
        "logits", "probabilities" or "log-probabilities". Log-probabilities are logits as they are:
        their softmax gives the probabilities back.
    order : tuple of int
        ``order[d]`` is the model's answer for class d of the data; empty when they agree.
    """

    kind: str = "logits"
    order: tuple[int, ...] = ()

    def attach(self, network: nn.Module) -> None:
        """Let a network answer with logits in the data's order; names of its modules stay."""
        if self.kind == "probabilities":
            network.register_forward_hook(_as_logits)
        if self.order:
            network.register_forward_hook(_Reorder(self.order))

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able form that `from_dict` takes."""
        return {"kind": self.kind, "order": list(self.order)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Answers:
        """Rebuild from `as_dict`; what is missing is as in a network that gives logits."""
        return cls(str(values.get("kind", "logits")), tuple(map(int, values.get("order", ()))))


class _Reorder:
    """A hook that puts the answers into another order."""

    def __init__(self, order: Sequence[int]) -> None:
        self.order = torch.tensor(order, dtype=torch.int64)

    def __call__(self, module: nn.Module, inputs: object, output: object) -> object:
        if not isinstance(output, Tensor) or output.ndim != 2:
            return output
        if self.order.device != output.device:
            self.order = self.order.to(output.device)
        return output.index_select(1, self.order)


def _as_logits(module: nn.Module, inputs: object, output: object) -> object:
    """Turn probabilities into logits: a hook."""
    return output.clamp_min(_TINY).log() if isinstance(output, Tensor) else output


def kind_of(output: Tensor) -> str:
    """Tell logits from probabilities by their values.

    Parameters
    ----------
    output : Tensor, shape (b, n)
        What a network gave for some real images.
    """
    output = output.double()
    if output.ndim != 2 or output.shape[1] < 2 or not bool(torch.isfinite(output).all()):
        return "logits"
    sums = output.sum(1)
    if bool((output >= 0).all()) and bool(((sums - 1).abs() < _CLOSE).all()):
        return "probabilities"
    if bool((output <= 0).all()) and bool((output.logsumexp(1).abs() < _CLOSE).all()):
        return "log-probabilities"
    return "logits"


def stated_order(spec: ModelSpec, data: Sequence[str], answers: int) -> tuple[int, ...]:
    """Return the order of the answers that a spec states, by its map or by its names.

    Raises
    ------
    BadInput
        The names are not as many as the answers, or the map does not fit the data.
    """
    names = spec.get("labels", "names")
    if names is not None and len(names) != answers:
        raise BadInput(
            f"The spec names {len(names)} classes, the model has {answers} answers.",
            "There is one name per answer, in their order.",
            "Correct [labels] names.",
        )
    mapping = spec.get("labels", "map") or (order_by_name(names, data) if names else {})
    return order_of(mapping, data, answers) if mapping else ()


def order_of(mapping: Mapping[str, int], data: Sequence[str], answers: int) -> tuple[int, ...]:
    """Return which answer of the model stands for each class of the data.

    Parameters
    ----------
    mapping : mapping of str to int
        Name (or number) of a class of the data to the number of the model's answer. Classes that
        it leaves out keep their own number.
    data : sequence of str
        Names of the data's classes in index order.
    answers : int
        Answers of the model.

    Returns
    -------
    tuple of int
        A permutation of all answers, the data's classes first; empty when nothing changes.

    Raises
    ------
    BadInput
        A name is no class of the data, an answer does not exist, or two classes share one.
    """
    places = {name: index for index, name in enumerate(data)}
    chosen: dict[int, int] = {}
    for name, answer in mapping.items():
        place = places.get(name, int(name) if name.isascii() and name.isdigit() else -1)
        if not 0 <= place < len(data):
            raise BadInput(
                f"The spec maps a class {name!r:.80}, which the data does not have.",
                f"Its classes begin with {', '.join(map(repr, data[:4]))}.",
                "Correct [labels] map.",
            )
        if answer >= answers:
            raise BadInput(
                f"The spec maps {name!r:.80} to answer {answer}.",
                f"The model has {answers} answers, counted from 0.",
                "Correct [labels] map.",
            )
        chosen[place] = answer
    order = [chosen.get(place, place) for place in range(len(data))]
    if len(set(order)) < len(order) or max(order, default=0) >= answers:
        twice = next((a for a in order if order.count(a) > 1 or a >= answers), 0)
        raise BadInput(
            f"By the spec's [labels] map two classes of the data are the model's answer {twice}.",
            "Every class of the data is one answer of the model.",
            "Map the other class too.",
        )
    taken = set(order)
    order += [answer for answer in range(answers) if answer not in taken]
    return () if order == list(range(answers)) else tuple(order)


def order_by_name(model: Sequence[str], data: Sequence[str]) -> dict[str, int]:
    """Return the map between two lists of class names that hold the same names, else nothing.

    Case, spaces and underscores do not matter.
    """

    def plain(name: str) -> str:
        return "".join(name.lower().replace("_", " ").replace("-", " ").split())

    places = {plain(name): index for index, name in enumerate(model)}
    if len(places) != len(model) or not all(plain(name) in places for name in data):
        return {}
    return {name: places[plain(name)] for name in data}
