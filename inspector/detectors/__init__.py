"""The bundled detectors, one file each, and what finds, runs and combines all detectors."""

from inspector.detectors.registry import Entry, checked_for, discover
from inspector.detectors.runner import Outcome, run_detectors

__all__ = ["Entry", "Outcome", "checked_for", "discover", "run_detectors"]
