"""Reading weights the way a spec states: which file, which table in it, under which names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from inspector.api import Control
from inspector.errors import BadInput
from inspector.intake.models.candidates import Candidate, countless, make_network, shapes_of
from inspector.intake.models.names import named_as_stated, peel
from inspector.intake.models.torchvision_models import without_storage
from inspector.intake.models.weights import Weights, read_weights

# What each kind of file is called in a spec.
_CONTAINERS = {
    "safetensors": "safetensors",
    "torch-zip": "state_dict",
    "torch-legacy": "state_dict",
    "pickle": "state_dict",
    "torchscript": "torchscript-weights",
}


def container_word(weights: Weights) -> str:
    """Return a spec's word for the kind of file that weights came from."""
    word = _CONTAINERS.get(weights.container, "auto")
    # A whole module names its layers, a table of weights does not.
    return "pickled-module" if word == "state_dict" and weights.hints.layers else word


def read_as_stated(path: Path, stated: Mapping[str, Any], control: Control | None) -> Weights:
    """Read a model file; what a spec states about it is checked, and followed.

    Parameters
    ----------
    path : Path
    stated : mapping
        The section [weights] of a spec.

    Raises
    ------
    BadInput
        The file is another one than the spec is about, or does not hold what it says.
    """
    weights = read_weights(path, control, stated.get("select"))
    _check_digest(path, weights, stated)
    container = stated.get("container", "auto")
    if container not in ("auto", container_word(weights)):
        raise BadInput(
            f"{path.name} is no {container}: it is {container_word(weights)}.",
            "The spec states another container.",
            'Correct [weights] container in the spec, or write "auto".',
        )
    if "strip_prefix" in stated:
        named = named_as_stated(weights.raw, stated["strip_prefix"], stated.get("ignore", ()))
        return replace(
            weights,
            tensors=named.tensors,
            prefix=named.prefix,
            normalisation=None,
            notes=[*weights.notes, *named.notes],
        )
    if stated.get("ignore"):
        kept = named_as_stated(weights.raw, (), stated["ignore"])
        named = peel(kept.tensors)
        return replace(
            weights,
            tensors=named.tensors,
            prefix=named.prefix,
            normalisation=named.normalisation,
            notes=[*weights.notes, *kept.notes],
        )
    return weights


def _check_digest(path: Path, weights: Weights, stated: Mapping[str, Any]) -> None:
    wanted = stated.get("sha256")
    if wanted is not None and wanted != weights.sha256:
        raise BadInput(
            f"{path.name} is not the file that the spec is about.",
            f"Its SHA-256 begins {weights.sha256[:16]}, in the spec {wanted[:16]}.",
            "Give the file that belongs to it, or take [weights] sha256 out of the spec.",
        )


def fitted(weights: Weights, candidate: Candidate, stated: Mapping[str, Any]) -> Weights:
    """Return weights under the names that a network of others has.

    Prefixes are taken off because nearly all networks do without them; a plugin's may have them,
    and may have its own normalisation. With ``strict = false`` tensors that the network lacks are
    left out, and counted.
    """
    strict = stated.get("strict", True)
    if strict and candidate.family in ("builtin", "torchvision"):
        return weights
    wanted = shapes_of(without_storage(lambda: make_network(candidate)))

    def agreeing(named: Mapping[str, Any]) -> int:
        shapes = countless({key: tuple(tensor.shape) for key, tensor in named.items()})
        return sum(wanted.get(key) == shape for key, shape in shapes.items())

    if agreeing(weights.raw) > agreeing(weights.tensors):
        weights = replace(weights, tensors=dict(weights.raw), prefix="", normalisation=None)
    if strict:
        return weights
    kept = {
        key: value
        for key, value in weights.tensors.items()
        if key in wanted or key.endswith("num_batches_tracked")
    }
    left = len(weights.tensors) - len(kept)
    note = [f"{left} tensors that {candidate.name} lacks were left out, as the spec states."]
    return replace(weights, tensors=kept, notes=weights.notes + (note if left else []))
