"""pytest fixtures for plugin authors; loaded in every pytest run, so nothing heavy up here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inspector.api import Context
    from inspector.testing import PlantedCase


@pytest.fixture(scope="session")
def planted_case() -> PlantedCase:
    """A tiny poisoned dataset with a network trained on it, see `inspector.testing.make_case`."""
    from inspector.testing import make_case

    return make_case()


@pytest.fixture
def detector_context() -> tuple[Context, NDArray[np.bool_]]:
    """A context with every signal and the mask of planted samples; numbers only, no network."""
    from inspector.testing import planted_context

    return planted_context()
