"""From weights and what is stated to the networks that come into question, with their scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from inspector.errors import BadInput
from inspector.intake.models.candidates import Candidate, countless, named_candidate
from inspector.intake.models.plugin_architectures import architectures, find_architecture
from inspector.intake.models.ranking import Likeness, likenesses
from inspector.intake.models.reading import fitted
from inspector.intake.models.recognition import recognise, same_name, with_classes
from inspector.intake.models.signatures import table
from inspector.intake.models.spec import ModelSpec
from inspector.intake.models.stated import with_arguments
from inspector.intake.models.timm_models import check_timm, timm_names
from inspector.intake.models.weights import Weights


@dataclass(frozen=True)
class Found:
    """The networks that come into question.

    Attributes
    ----------
    weights : Weights
        Under the names that these networks have.
    candidates : list of Candidate
        At least one.
    pins : list of dict
        For each, the arguments of its builder that are given and not tried.
    ranking : list of Likeness
        The best matches, these first, for the record.
    """

    weights: Weights
    candidates: list[Candidate]
    pins: list[dict[str, Any]]
    ranking: list[Likeness]

    def ranked(self, chosen: Candidate) -> list[dict[str, Any]]:
        """Return the ranking for the case, with what was chosen in the end."""
        return [
            like.as_dict((like.family, like.name) == (chosen.family, chosen.name))
            for like in self.ranking
        ]


def find_networks(
    weights: Weights, spec: ModelSpec, arch: str | None, classes: int | None
) -> Found:
    """List the networks that weights can belong to, within what is stated.

    Parameters
    ----------
    weights : Weights
    spec : ModelSpec
    arch, classes
        What the analyst gave beside a spec; they win.

    Raises
    ------
    BadInput
        None does, or what is stated contradicts the weights.
    """
    stated = spec.stated.get("architecture", {})
    family, name = stated.get("family"), arch or stated.get("name")
    classes = classes if classes is not None else stated.get("num_classes")
    if name is not None and family in (None, "plugin", "timm"):
        family = _home(name, family)
    if family in ("plugin", "timm") and name is not None:
        candidates = [_by_name(family, name, weights, stated)]
        weights = fitted(weights, candidates[0], spec.stated.get("weights", {}))
    else:
        if not spec.get("weights", "strict", True):
            weights = _only_known(weights, name)
        candidates = _recognised(weights, name, classes, family)
        if candidates[0].family in ("plugin", "timm"):
            weights = fitted(weights, candidates[0], {})
    candidates = with_classes(candidates, classes)
    _check_channels(candidates, stated)
    arguments = [with_arguments(candidate, spec) for candidate in candidates]
    candidates = [candidate for candidate, _ in arguments]
    shapes = countless({key: tuple(tensor.shape) for key, tensor in weights.tensors.items()})
    return Found(
        weights, candidates, [pins for _, pins in arguments], likenesses(shapes, candidates)
    )


def _recognised(
    weights: Weights, name: str | None, classes: int | None, family: str | None
) -> list[Candidate]:
    """Recognise weights; where nothing does, take a network of timm's that the file names."""
    try:
        return recognise(weights.tensors, name, classes, family)
    except BadInput:
        said = weights.hints.architecture
        if name is not None or family not in (None, "timm") or said not in timm_names():
            raise
        return [_by_name("timm", said, weights, {})]


def _home(name: str, family: str | None) -> str | None:
    """Return whose network a name means; the table comes first, then plugins, then timm."""
    if family is not None:
        return family
    if any(same_name(name, entry.name) for entry in table()):
        return None
    if any(entry.id == name for entry in architectures()):
        return "plugin"
    return "timm" if name in timm_names() else None


def _by_name(family: str, name: str, weights: Weights, stated: Mapping[str, Any]) -> Candidate:
    if family == "plugin":
        find_architecture(name)
    else:
        check_timm(name)
    counted = {key: stated[key] for key in ("num_classes", "in_channels") if key in stated}
    shapes = {key: tuple(tensor.shape) for key, tensor in weights.tensors.items()}
    return named_candidate(family, name, shapes, counted)


def _only_known(weights: Weights, name: str | None) -> Weights:
    """Leave out what a named network lacks, as ``strict = false`` asks."""
    entry = next((one for one in table() if name and same_name(name, one.name)), None)
    if entry is None:
        raise BadInput(
            "The spec says strict = false and names no known network.",
            "Which tensors are too many depends on it.",
            "State [architecture] name too.",
        )
    kept = {
        key: value
        for key, value in weights.tensors.items()
        if key in entry.shapes or key.endswith("num_batches_tracked")
    }
    left = len(weights.tensors) - len(kept)
    note = f"{left} tensors that {entry.name} lacks were left out, as the spec states."
    return replace(weights, tensors=kept, notes=weights.notes + ([note] if left else []))


def _check_channels(candidates: list[Candidate], stated: Mapping[str, Any]) -> None:
    wanted = stated.get("in_channels")
    there = candidates[0].in_channels
    if wanted is not None and candidates[0].network != "chain" and there != wanted:
        raise BadInput(
            f"The network takes {there} channels, not {wanted}.",
            "Its first layer says so.",
            "Correct [architecture] in_channels in the spec.",
        )
