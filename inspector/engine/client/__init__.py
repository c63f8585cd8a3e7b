"""What the window and the command line use of the engine; imports no torch."""

from inspector.engine.client.investigation import Investigation
from inspector.engine.client.options import ScanOptions
from inspector.engine.client.process import Engine

__all__ = ["Engine", "Investigation", "ScanOptions"]
