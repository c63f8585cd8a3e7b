"""Reconstruction of triggers, and how unusual the smallest one is."""

from inspector.triggers.anomaly import Anomaly, anomaly_index
from inspector.triggers.document import NEVER_CLEAN, trigger_document
from inspector.triggers.neural_cleanse import METHOD, STEPS, neural_cleanse
from inspector.triggers.penalty import PUBLISHED, Settings
from inspector.triggers.pictures import sample_rows
from inspector.triggers.result import TriggerResult, wilson_interval

__all__ = [
    "METHOD",
    "NEVER_CLEAN",
    "PUBLISHED",
    "STEPS",
    "Anomaly",
    "Settings",
    "TriggerResult",
    "anomaly_index",
    "neural_cleanse",
    "sample_rows",
    "trigger_document",
    "wilson_interval",
]
