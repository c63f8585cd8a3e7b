"""Where Inspector's own files lie, in a checkout and in an installed wheel alike."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

_PACKAGE = Path(__file__).resolve().parent


def _shipped(name: str) -> Path:
    installed = _PACKAGE / "_shipped" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def resources() -> Path:
    """Return the folder with icons, help pages, schemas and tables."""
    return _shipped("resources")


def bundled_plugins() -> Path:
    """Return the folder with the example detectors that ship."""
    return _shipped("plugins")


def user_plugins() -> Path:
    """Return the folder where an analyst drops detectors (``INSPECTOR_PLUGINS`` overrides)."""
    override = os.environ.get("INSPECTOR_PLUGINS")
    return (
        Path(override) if override else Path(platformdirs.user_config_dir("inspector")) / "plugins"
    )


def user_state() -> Path:
    """Return the folder for recent cases, layout, look and notes (``INSPECTOR_STATE`` overrides)."""
    override = os.environ.get("INSPECTOR_STATE")
    return Path(override) if override else Path(platformdirs.user_state_dir("inspector"))
