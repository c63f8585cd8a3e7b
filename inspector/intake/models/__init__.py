"""Suspect models: weights are read without running anything, recognised, rebuilt and measured."""

from inspector.intake.models.building import build_network
from inspector.intake.models.candidates import Candidate
from inspector.intake.models.hints import Hints, LayerHint
from inspector.intake.models.loading import load_model
from inspector.intake.models.preprocess import Preprocess
from inspector.intake.models.recognition import recognise
from inspector.intake.models.suspect import SuspectModel
from inspector.intake.models.weights import Weights, read_weights

__all__ = [
    "Candidate",
    "Hints",
    "LayerHint",
    "Preprocess",
    "SuspectModel",
    "Weights",
    "build_network",
    "load_model",
    "read_weights",
    "recognise",
]
