"""Reconstruction of triggers, and how unusual each class is among the others."""

from inspector.triggers.anomaly import Anomaly, anomaly_index, standing
from inspector.triggers.document import NEVER_CLEAN, network_verdict, trigger_document
from inspector.triggers.forms import Form
from inspector.triggers.measuring import conclude
from inspector.triggers.method import Method, MethodInfo
from inspector.triggers.neural_cleanse import METHOD, neural_cleanse
from inspector.triggers.penalty import Settings
from inspector.triggers.pictures import sample_rows
from inspector.triggers.registry import MethodEntry, chosen_methods, discover_methods
from inspector.triggers.result import TriggerResult, wilson_interval
from inspector.triggers.search import Search, prepare_search
from inspector.triggers.smallest import STEPS, smallest_triggers
from inspector.triggers.stamp import Stamp

__all__ = [
    "METHOD",
    "NEVER_CLEAN",
    "STEPS",
    "Anomaly",
    "Form",
    "Method",
    "MethodEntry",
    "MethodInfo",
    "Search",
    "Settings",
    "Stamp",
    "TriggerResult",
    "anomaly_index",
    "chosen_methods",
    "conclude",
    "discover_methods",
    "network_verdict",
    "neural_cleanse",
    "prepare_search",
    "sample_rows",
    "smallest_triggers",
    "standing",
    "trigger_document",
    "wilson_interval",
]
