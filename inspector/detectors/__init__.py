"""Detectors: the bundled ones, each a file of its own, and what finds, runs and combines them all."""

from inspector.detectors.registry import Entry, discover
from inspector.detectors.runner import Outcome, run_detectors

__all__ = ["Entry", "Outcome", "discover", "run_detectors"]
