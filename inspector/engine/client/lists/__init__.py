"""Suspect lists of other programs: backdoor toolboxes, cleanlab, FiftyOne.

A list is somebody's opinion about samples. It becomes proposals, which count for nothing until the
analyst accepts them.
"""

from inspector.engine.client.lists.reading import FORMATS, read_suspects
from inspector.engine.client.lists.suspects import SuspectList, Suspects

__all__ = ["FORMATS", "SuspectList", "Suspects", "read_suspects"]
