"""The suspect model: a network rebuilt from its weights and measured on the data's labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from inspector.api import Control
from inspector.errors import BadInput
from inspector.intake.models.answers import Answers
from inspector.intake.models.building import build_network
from inspector.intake.models.candidates import Candidate
from inspector.intake.models.contents import FileContents
from inspector.intake.models.plugin_architectures import find_architecture
from inspector.intake.models.preprocess import Preprocess
from inspector.intake.models.reading import fitted, read_as_stated
from inspector.intake.models.recognition import recognise
from inspector.intake.models.spec import ModelSpec
from inspector.intake.models.tracing import trace
from inspector.intake.models.weights import Weights
from inspector.intake.models.written_spec import written_spec


@dataclass
class SuspectModel:
    """A network under examination, ready to be run.

    Attributes
    ----------
    network : Module
        Float32, evaluation mode, no gradients on weights, on the CPU.
    architecture : str
        Its name with what was chosen, such as "resnet18_small (stride 1, no pooling)".
    family : str
        "torchvision", "builtin", "timm" or "plugin".
    num_classes, in_channels : int
        Answers; channels of its input.
    preprocess : Preprocess
        How decoded images become its input.
    accuracy : float or None
        Share of right answers at the data's labels, on ``accuracy_sample`` random images; None when
        the data has no labels.
    accuracy_sample : int
        How many images that was.
    tried : list of dict
        Every setting that was measured, with sample size, accuracy, mean loss, and which was
        chosen.
    head : str
        Name of the last linear layer; "" when the answers do not come from a linear layer
        (SqueezeNet).
    layers : list of str
        Names of the modules whose output can be taken as activations, in the order of computing.
    sha256 : str
        Digest of the weights file.
    notes : list of str
        What was noticed, for the case.
    doubt : str
        Why what follows may mean little, with likely causes: accuracy below twice chance; else "".
    operations : float
        Multiplications and additions per image.
    candidate : Candidate
        What `build_network` rebuilds it from.
    answers : Answers
        How its output becomes logits in the order of the data's classes.
    normalised_inside : bool
        Whether mean and deviation came from buffers of the model itself.
    file, container, prefix, nesting : str
        Name of the weights file and its kind, what was taken off every name, where the weights lay.
    candidates : list of dict
        The best matches among the known networks: family, name, score, tensors that differ, and
        which was chosen.
    stated : ModelSpec
        What was given and not measured.
    layer : str or None
        The layer that the spec asks to look at.
    class_names : list of str
        Names of the answers in the model's own order; empty when they are not known.
    plugin : dict
        Id, file, origin and SHA-256 of the plugin that built it; empty without one.
    contents : FileContents
        What the file contains beside the weights, as evidence.
    size : int
        Bytes of the file, or of all files of a folder that were read.
    """

    network: nn.Module
    architecture: str
    family: str
    num_classes: int
    in_channels: int
    preprocess: Preprocess
    accuracy: float | None
    accuracy_sample: int
    tried: list[dict[str, Any]]
    head: str
    layers: list[str]
    sha256: str
    notes: list[str]
    doubt: str
    operations: float
    candidate: Candidate = field(repr=False)
    answers: Answers = field(default_factory=Answers)
    normalised_inside: bool = False
    file: str = ""
    container: str = "auto"
    prefix: str = ""
    nesting: str = ""
    candidates: list[dict[str, Any]] = field(default_factory=list)
    stated: ModelSpec = field(default_factory=ModelSpec)
    layer: str | None = None
    class_names: list[str] = field(default_factory=list)
    plugin: dict[str, str] = field(default_factory=dict)
    contents: FileContents = field(default_factory=lambda: FileContents("unknown", "inert"))
    size: int = 0

    def __post_init__(self) -> None:
        """Note which plugin built the network."""
        if self.family == "plugin" and not self.plugin:
            self.plugin = plugin_record(self.candidate.network)

    def spec(self) -> dict[str, Any]:
        """Return a JSON-able description from which `from_spec` rebuilds the model."""
        return {
            "schema": "model/1",
            "sha256": self.sha256,
            "architecture": self.architecture,
            "family": self.family,
            "name": self.candidate.name,
            "network": self.candidate.network,
            "args": self.candidate.args,
            "num_classes": self.num_classes,
            "in_channels": self.in_channels,
            "preprocess": self.preprocess.as_dict(),
            "accuracy": self.accuracy,
            "accuracy_sample": self.accuracy_sample,
            "tried": self.tried,
            "head": self.head,
            "layers": self.layers,
            "notes": self.notes,
            "doubt": self.doubt,
            "answers": self.answers.as_dict(),
            "normalised_inside": self.normalised_inside,
            "file": self.file,
            "container": self.container,
            "prefix": self.prefix,
            "nesting": self.nesting,
            "candidates": self.candidates,
            "stated": self.stated.as_dict(),
            "layer": self.layer,
            "class_names": self.class_names,
            "plugin": self.plugin,
        }

    def model_spec(self) -> dict[str, dict[str, Any]]:
        """Return everything that was stated or measured, by section and key of a model spec."""
        return written_spec(self)

    @classmethod
    def from_spec(
        cls, spec: Mapping[str, Any], path: Path | str, control: Control | None = None
    ) -> SuspectModel:
        """Rebuild a model as it was described, without measuring again.

        Raises
        ------
        BadInput
            The file is not the one that was described, or the description is not valid.
        """
        stated = ModelSpec.from_dict(spec.get("stated"))
        preprocess = Preprocess.from_dict(spec.get("preprocess", {}))
        try:
            candidate, weights = recorded_weights(spec, Path(path), control)
            _still_recognised(candidate, weights)
            answers = Answers.from_dict(spec.get("answers", {}))
            network = build_network(candidate, weights.tensors, answers)
            traced = trace(network, preprocess.channels, preprocess.size)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise BadInput(
                "The recorded description of the model is not valid.",
                f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}.",
                "Scan the evidence again.",
            ) from None
        return cls(
            network=network,
            architecture=str(spec.get("architecture", candidate.name)),
            family=candidate.family,
            num_classes=traced.answers,
            in_channels=preprocess.channels,
            preprocess=preprocess,
            accuracy=spec.get("accuracy"),
            accuracy_sample=int(spec.get("accuracy_sample", 0)),
            tried=list(spec.get("tried", [])),
            head=traced.head,
            layers=list(traced.layers),
            sha256=weights.sha256,
            notes=list(spec.get("notes", [])),
            doubt=str(spec.get("doubt", "")),
            operations=traced.operations,
            candidate=candidate,
            answers=answers,
            normalised_inside=bool(spec.get("normalised_inside", False)),
            file=str(spec.get("file", "")),
            container=str(spec.get("container", "auto")),
            prefix=str(spec.get("prefix", "")),
            nesting=str(spec.get("nesting", "")),
            candidates=list(spec.get("candidates", [])),
            stated=stated,
            layer=spec.get("layer"),
            class_names=list(spec.get("class_names", [])),
            contents=weights.contents,
            size=weights.size,
        )


def recorded_weights(
    spec: Mapping[str, Any], path: Path, control: Control | None = None
) -> tuple[Candidate, Weights]:
    """Read the weights of a model that a case describes, under the names that its network has.

    Raises
    ------
    BadInput
        The file or the plugin is not the one that was described.
    KeyError, TypeError, ValueError
        The description is not valid.
    """
    stated = ModelSpec.from_dict(spec.get("stated")).stated.get("weights", {})
    # The digest of the case is asked for below, with its own words.
    reading = {key: value for key, value in stated.items() if key != "sha256"}
    weights = read_as_stated(path, reading, control)
    if weights.sha256 != spec.get("sha256"):
        raise BadInput(
            f"{path} is not the file that was examined before.",
            f"Its SHA-256 begins {weights.sha256[:16]}, in the case {str(spec.get('sha256'))[:16]}.",
            "Open the original file, or start a new case.",
        )
    candidate = Candidate(
        str(spec["family"]), str(spec["name"]), str(spec["network"]), dict(spec["args"])
    )
    _same_plugin(candidate, spec)
    return candidate, fitted(weights, candidate, reading)


def plugin_record(name: str) -> dict[str, str]:
    """Return what a case records of the plugin that offers a network."""
    entry = find_architecture(name)
    return {
        "id": entry.id,
        "file": str(entry.file or ""),
        "origin": entry.origin,
        "sha256": entry.sha256,
    }


def _still_recognised(candidate: Candidate, weights: Weights) -> None:
    """Refuse a recorded network that these weights would not be taken for."""
    if candidate.family in ("plugin", "timm"):
        return
    found = recognise(weights.tensors, family=candidate.family)
    if (candidate.family, candidate.network) not in {(one.family, one.network) for one in found}:
        raise KeyError(candidate.network)


def _same_plugin(candidate: Candidate, spec: Mapping[str, Any]) -> None:
    """Refuse a plugin that was changed: what it builds may be another network."""
    if candidate.family != "plugin":
        return
    recorded = dict(spec.get("plugin") or {}).get("sha256")
    if plugin_record(candidate.network)["sha256"] != recorded:
        raise BadInput(
            f"The plugin {candidate.network!r} has changed since the case was made.",
            "Another builder may build another network.",
            "Put the former plugin back, or make a new case.",
        )
