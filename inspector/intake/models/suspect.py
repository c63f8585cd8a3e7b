"""The suspect model: a network rebuilt from its weights and measured on the data's labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from inspector.api import Control
from inspector.errors import BadInput
from inspector.intake.models.building import build_network
from inspector.intake.models.candidates import Candidate
from inspector.intake.models.preprocess import Preprocess
from inspector.intake.models.recognition import recognise
from inspector.intake.models.tracing import trace
from inspector.intake.models.weights import read_weights


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
        "torchvision" or "builtin".
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
        }

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
        weights = read_weights(path, control)
        if weights.sha256 != spec.get("sha256"):
            raise BadInput(
                f"{path} is not the file that was examined before.",
                f"Its SHA-256 begins {weights.sha256[:16]}, in the case"
                f" {str(spec.get('sha256'))[:16]}.",
                "Open the original file, or start a new case.",
            )
        preprocess = Preprocess.from_dict(spec.get("preprocess", {}))
        try:
            candidate = Candidate(
                str(spec["family"]), str(spec["name"]), str(spec["network"]), dict(spec["args"])
            )
            known = {(other.family, other.network) for other in recognise(weights.tensors)}
            if (candidate.family, candidate.network) not in known:
                raise KeyError(candidate.network)
            network = build_network(candidate, weights.tensors)
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
        )
