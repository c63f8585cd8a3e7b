"""The app names the attacks and places that the engine has, without importing its code."""

from __future__ import annotations

from inspector.drill import copies, families, patch
from inspector.engine.client import drill


def test_the_app_names_what_the_engine_has() -> None:
    assert set(drill.ATTACKS) == set(families.FAMILIES)
    assert set(drill.PLACES) == set(patch.PLACES)
    assert drill.ARCHITECTURES == copies.ARCHITECTURES
