"""Open the suspect model and data once per engine; every job that needs them calls this."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.api import Control
from inspector.engine.session import Session

if TYPE_CHECKING:
    from inspector.intake.datasets import Dataset
    from inspector.intake.models import SuspectModel


def dataset_of(
    session: Session,
    data: str,
    kind: str = "data",
    split: str | None = None,
    orientation: str = "ignore",
) -> Dataset:
    """Return the opened dataset.

    Parameters
    ----------
    session, data
        The engine's; path of the evidence.
    kind : str
        Keeps the reference set apart from the suspect one.
    split : str, optional
        Which part of it, where it has parts.
    orientation : str
        "exif" turns images as their EXIF data say; see `orientation_of`.
    """
    from inspector.intake.datasets import open_dataset

    def make() -> Dataset:
        with session.reading(Path(data)):
            dataset = open_dataset(Path(data), split=split)
        dataset.orientation = orientation
        return dataset

    key = {"path": data, "split": split, "orientation": orientation}
    return session.keep(kind, key, make)


def orientation_of(choice: dict[str, Any]) -> str:
    """Return how images are turned before the model of a ``choice`` sees them; see `model_of`."""
    stated = (choice.get("spec") or choice).get("stated") or {}
    return str(stated.get("stated", {}).get("preprocess", {}).get("orientation", "ignore"))


def model_of(
    session: Session,
    control: Control,
    model: str,
    data: str,
    choice: dict[str, Any],
    split: str | None = None,
) -> SuspectModel:
    """Return the rebuilt network.

    Parameters
    ----------
    session, control
        The engine's.
    model, data : str
        Paths of the evidence.
    choice : dict
        Either ``{"spec": …}`` as recorded in the case, or what the analyst asked for:
        ``arch``, ``classes``, ``seed``, and ``stated``, what the model spec says.
    """

    turned = orientation_of(choice)

    def make() -> SuspectModel:
        dataset = None
        if not choice.get("spec"):
            dataset = dataset_of(session, data, split=split, orientation=turned)
        with session.reading(Path(model)):
            from inspector.intake.models import SuspectModel, load_model
            from inspector.intake.models.spec import ModelSpec

            if dataset is None:
                return SuspectModel.from_spec(choice["spec"], Path(model), control)
            return load_model(
                Path(model),
                dataset,
                spec=ModelSpec.from_dict(choice.get("stated")),
                arch=choice.get("arch"),
                classes=choice.get("classes"),
                seed=int(choice.get("seed", 0)),
                control=control,
            )

    return session.keep("model", {"path": model, "data": data, **choice}, make)


def cleaned_model(
    session: Session, control: Control, choice: dict[str, Any], *, path: str, sha256: str
) -> SuspectModel:
    """Return the network rebuilt from the weights that the strict engine wrote into the case.

    Parameters
    ----------
    session, control
        The engine's.
    choice : dict
        ``{"spec": …}`` as recorded in the case.
    path, sha256 : str
        What the job "clean" returned.
    """
    from inspector.intake.models import SuspectModel
    from inspector.intake.models.spec import ModelSpec

    def make() -> SuspectModel:
        # The description names the suspect file; this one stands for it, and its names are those
        # of the network already.
        spec = choice["spec"]
        names: dict[str, Any] = {"stated": {"weights": {"strip_prefix": []}}}
        suspect = SuspectModel.from_spec(
            {**spec, "sha256": sha256, "stated": names}, Path(path), control
        )
        suspect.sha256 = str(spec["sha256"])
        suspect.stated = ModelSpec.from_dict(spec.get("stated"))
        return suspect

    return session.keep("model", {"cleaned": path, "sha256": sha256, **choice}, make)
