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
    session: Session, data: str, kind: str = "data", split: str | None = None
) -> Dataset:
    """Return the opened dataset; ``kind`` keeps the reference set apart from the suspect one."""
    from inspector.intake.datasets import open_dataset

    def make() -> Dataset:
        with session.reading(Path(data)):
            return open_dataset(Path(data), split=split)

    return session.keep(kind, {"path": data, "split": split}, make)


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
        ``arch``, ``classes``, ``seed``.
    """

    def make() -> SuspectModel:
        dataset = None if choice.get("spec") else dataset_of(session, data, split=split)
        with session.reading(Path(model)):
            from inspector.intake.models import SuspectModel, load_model

            if dataset is None:
                return SuspectModel.from_spec(choice["spec"], Path(model), control)
            return load_model(
                Path(model),
                dataset,
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

    def make() -> SuspectModel:
        # The description names the suspect file; this one stands for it.
        suspect = SuspectModel.from_spec({**choice["spec"], "sha256": sha256}, Path(path), control)
        suspect.sha256 = str(choice["spec"]["sha256"])
        return suspect

    return session.keep("model", {"cleaned": path, "sha256": sha256, **choice}, make)
