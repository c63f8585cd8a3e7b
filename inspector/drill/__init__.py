"""Known poison, planted on purpose, and the small networks that learn it."""

from inspector.drill.demo import DemoTruth, write_demo_evidence
from inspector.drill.digits import digits
from inspector.drill.patch import Patch, poison_dataset, stamp_patch
from inspector.drill.training import Course, train_network

__all__ = [
    "Course",
    "DemoTruth",
    "Patch",
    "digits",
    "poison_dataset",
    "stamp_patch",
    "train_network",
    "write_demo_evidence",
]
