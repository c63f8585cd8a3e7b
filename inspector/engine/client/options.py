"""What an analyst asks of a scan."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from inspector.api import BY_OPTION
from inspector.case import Case
from inspector.errors import BadInput
from inspector.intake.datasets.given import is_there
from inspector.intake.models.spec import read_spec
from inspector.parameters import Settings, other_values

DEVICES = ("auto", "cpu", "cuda")
FEWEST, MOST = 256, 4096
"""Dimensions of the gradient directions: their cosines are off by about 1.7/√m."""


def layer_names(text: str) -> tuple[str, ...]:
    """Return the layers that a line names: "auto", "none", or names with commas between."""
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    return () if names == ("none",) else names or ("auto",)


@dataclass(frozen=True)
class ScanOptions:
    """One scan: the evidence and how to look at it.

    Attributes
    ----------
    model, data : Path
        The suspect model file and its training data.
    split : str, optional
        Which split of the data is scanned; the training split when missing.
    arch : str, optional
        Architecture by name; recognised from the weights when missing.
    classes : int, optional
        Number of classes, when the weights do not say.
    spec : Path, optional
        A model spec (``model-spec/1``): what it states is taken as given, the rest is measured.
    reference : Path, optional
        A trusted dataset: material for trigger reconstruction, never a calibration.
    verified : Path, optional
        Ids of training samples that somebody verified one by one.
    detectors : tuple of str, optional
        Detectors to run; the default set when missing. With a plus before each they are added to it.
    layer : str, optional
        Layer whose output is taken as activations; the input of the last linear layer when missing.
    layers : tuple of str
        Earlier layers that are swept over: ("auto",) for the ends of the stages before the last,
        names, or none.
    limit : int, optional
        Assess a seeded random subset of this many samples.
    device : str
        "auto", "cpu" or "cuda".
    seed : int
        Seed of everything random.
    sketch : int
        Dimensions of the projected full-network gradients; 0 leaves them out.
    conv_sketch : int
        Dimensions of the gradient directions at the last convolutions; 0 leaves them out.
    checkpoints : tuple of Path
        Earlier checkpoints of the training run that the model came from, oldest first.
    parameters : mapping of str to mapping
        Values of detectors' parameters by name, by detector id; the others have their defaults.
    """

    model: Path
    data: Path
    arch: str | None = None
    classes: int | None = None
    reference: Path | None = None
    verified: Path | None = None
    detectors: tuple[str, ...] | None = None
    layer: str | None = None
    limit: int | None = None
    device: str = "auto"
    seed: int = 0
    sketch: int = 0
    split: str | None = None
    spec: Path | None = None
    checkpoints: tuple[Path, ...] = ()
    layers: tuple[str, ...] = ("auto",)
    conv_sketch: int = 0
    parameters: Settings = field(default_factory=dict)

    def check(self, case: Path) -> None:
        """Refuse what cannot work before anything starts, and before the case folder is made.

        Parameters
        ----------
        case : Path
            Folder of the case, there or not.

        Raises
        ------
        BadInput
            A missing file, a value out of range, or a case inside the evidence.
        """
        for role, path in (
            ("model", self.model),
            ("data", self.data),
            ("reference", self.reference),
            ("verified", self.verified),
            ("spec", self.spec),
            *(("checkpoint", path) for path in self.checkpoints),
        ):
            if path is not None and not is_there(path):
                raise BadInput(
                    f"The {role} {path} does not exist.",
                    "Nothing lies at this path.",
                    f"Check the path given with --{role}.",
                )
        twice = [one for one in self.checkpoints if self.checkpoints.count(one) > 1]
        if twice or self.model in self.checkpoints:
            raise BadInput(
                f"{twice[0] if twice else self.model} is given twice.",
                "Checkpoints are those before the model, each once.",
                "Leave one out.",
            )
        for name, value, low in (
            ("classes", self.classes, 1),
            ("limit", self.limit, 1),
            ("seed", self.seed, 0),
            ("gradients", self.sketch, 0),
        ):
            if value is not None and value < low:
                raise BadInput(
                    f"--{name} is {value}.", "It counts something.", f"Give {low} or more."
                )
        if self.conv_sketch and not FEWEST <= self.conv_sketch <= MOST:
            raise BadInput(
                f"--conv-gradients is {self.conv_sketch}.",
                "Fewer dimensions blur the directions, more tell nothing else.",
                f"Give 0 for none, or {FEWEST} to {MOST}.",
            )
        if self.spec is not None:
            self._check_spec(Path(self.spec))
        data = Path(self.data).resolve()
        if data.is_dir() and Path(case).resolve().is_relative_to(data):
            raise BadInput(
                f"The case {case} would lie inside the evidence {data}.",
                "Inspector never writes into evidence.",
                "Choose a case folder elsewhere.",
            )
        if self.device not in DEVICES:
            raise BadInput(
                f"--device is {self.device!r}.", "", f"Choose one of {', '.join(DEVICES)}."
            )

    def _check_spec(self, path: Path) -> None:
        spec = read_spec(path)
        named = spec.get("weights", "file")
        if named is None or spec.get("weights", "sha256") is not None:
            return  # the digest says more than a name
        if Path(named).name != Path(self.model).name:
            raise BadInput(
                f"The spec {path.name} is about {named}, not about {Path(self.model).name}.",
                "It names another file in [weights].",
                "Give the model that belongs to it, or take the line out of the spec.",
            )

    @property
    def absent(self) -> set[str]:
        """Signals that this scan does not take, out of those that are taken by option."""
        there: dict[str, object] = {
            "gradients": self.sketch,
            "conv_gradients": self.conv_sketch,
            "layers": self.layers,
            "loss_course": self.checkpoints,
            "margin_course": self.checkpoints,
        }
        return {name for name in BY_OPTION if not there[name]}

    def absolute(self) -> ScanOptions:
        """Return the same options with absolute paths."""
        paths: dict[str, Any] = {
            name: Path(value).expanduser().absolute()
            for name in ("model", "data", "reference", "verified", "spec")
            if (value := getattr(self, name)) is not None
        }
        paths["checkpoints"] = tuple(Path(one).expanduser().absolute() for one in self.checkpoints)
        return replace(self, **paths)

    def as_record(self) -> dict[str, Any]:
        """Return plain values for the case."""
        return {
            key: str(value)
            if isinstance(value, Path)
            else [str(part) for part in value]
            if isinstance(value, tuple)
            else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> ScanOptions:
        """Rebuild options that a case recorded; unknown keys of later versions are ignored."""
        known = {one.name for one in fields(cls)}
        values = {key: value for key, value in record.items() if key in known}
        for name in ("model", "data", "reference", "verified", "spec"):
            if values.get(name) is not None:
                values[name] = Path(values[name])
        if values.get("detectors") is not None:
            values["detectors"] = tuple(values["detectors"])
        values["layers"] = tuple(values.get("layers", ("auto",)))
        values["checkpoints"] = tuple(map(Path, values.get("checkpoints") or ()))
        told = values.get("parameters")
        values["parameters"] = {
            str(detector): dict(own)
            for detector, own in (told.items() if isinstance(told, dict) else ())
            if isinstance(own, dict)
        }
        return cls(**values)


def as_looked(case: Case) -> ScanOptions:
    """Return the options of a case's scan, with the values that its detectors had.

    Those come from what they found: a later scan that asked for others may have been cancelled.
    """
    found = [one for one in case.findings().items() if one[1].get("status") != "failed"]
    told = {name: own for name, finding in found if (own := other_values(finding))}
    return replace(ScanOptions.from_record(case.get("scan")), parameters=told)
