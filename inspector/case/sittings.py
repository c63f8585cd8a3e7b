"""What the journal says of a case being opened and closed, and of work that was cut off."""

from __future__ import annotations

import os
import platform
import socket

import inspector
from inspector.case.journal import Journal

_ENDS = tuple(f"scan {how}" for how in ("finished", "failed", "cancelled", "interrupted"))


def note_opening(journal: Journal, act: str, upgraded_from: int | None) -> None:
    """Record who opens the case, with what, and what its last process left unfinished.

    Parameters
    ----------
    journal : Journal
    act : str
        "created" or "opened".
    upgraded_from : int or None
        Version of the case format that was brought up to date, its backup lies beside it.
    """
    _note_interruption(journal)
    upgrade = {}
    if upgraded_from is not None:
        upgrade = {"upgraded_from": upgraded_from, "backup": f"case.db.bak-v{upgraded_from}"}
    journal.append(
        act,
        inspector=inspector.__version__,
        python=platform.python_version(),
        host=socket.gethostname(),
        pid=os.getpid(),
        **upgrade,
    )


def note_closing(journal: Journal) -> None:
    """Record that the case was closed in order."""
    journal.append("closed", pid=os.getpid())


def _note_interruption(journal: Journal) -> None:
    """Say that a scan was under way when its process ended."""
    begun = journal.of_act("scan started")
    if not begun:
        return
    ended = [entry.seq for act in _ENDS for entry in journal.of_act(act)]
    if begun[-1].seq > max(ended, default=0):
        journal.append("scan interrupted", of=begun[-1].seq)
