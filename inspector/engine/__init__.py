"""The engine: a process of its own that reads the evidence and computes; and the client for it.

``inspector.engine.client`` is the only part that the window and the command line touch. Everything
under ``inspector.engine.jobs`` runs inside the engine process, behind the sandbox.
"""
