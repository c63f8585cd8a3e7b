"""The window. Qt, numpy and pyqtgraph only: torch and its kin live in the engine's process."""
