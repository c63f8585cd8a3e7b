"""Datasets out of evidence: one reader per format behind one protocol.

``open_dataset(path)`` recognises the format and returns a `Dataset`. Importing this costs numpy
only: Pillow is imported when the first image is decoded, torch never.
"""

from inspector.intake.datasets.dataset import Dataset, UnreadableSample
from inspector.intake.datasets.names import escape_name, unescape_name
from inspector.intake.datasets.opening import open_dataset

__all__ = ["Dataset", "UnreadableSample", "escape_name", "open_dataset", "unescape_name"]
