"""Open the suspect model and data once per engine; every job that needs them calls this."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.api import Control
from inspector.engine.session import Session

if TYPE_CHECKING:
    from inspector.intake.datasets import Dataset
    from inspector.intake.models import SuspectModel


def dataset_of(session: Session, data: str, kind: str = "data") -> Dataset:
    """Return the opened dataset; ``kind`` keeps the reference set apart from the suspect one."""
    from inspector.intake.datasets import open_dataset

    return session.keep(kind, {"path": data}, lambda: open_dataset(Path(data)))


def model_of(
    session: Session, control: Control, model: str, data: str, choice: dict[str, Any]
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
    from inspector.intake.models import SuspectModel, load_model

    def make() -> SuspectModel:
        if choice.get("spec"):
            return SuspectModel.from_spec(choice["spec"], Path(model), control)
        return load_model(
            Path(model),
            dataset_of(session, data),
            arch=choice.get("arch"),
            classes=choice.get("classes"),
            seed=int(choice.get("seed", 0)),
            control=control,
        )

    return session.keep("model", {"path": model, "data": data, **choice}, make)
