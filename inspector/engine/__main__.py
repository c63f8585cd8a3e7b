"""``python -m inspector.engine``: lock down, then listen. Started by the client, never by hand."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

# Nothing else before the lock-down: importing numpy or torch starts threads, which Landlock would
# not cover, and with which the process cannot leave its network.
from inspector import places
from inspector.intake.limits import raise_limits
from inspector.intake.sandbox import lock_down


def _private_pipes() -> tuple[int, int]:
    """Keep stdin and stdout for the protocol; stray prints of libraries go to stderr."""
    commands, events = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return commands, events


def _parted(word: str) -> tuple[str, str, str]:
    return word.partition("=")


def main() -> int:
    """Run the engine until its input ends."""
    parser = argparse.ArgumentParser(prog="inspector.engine")
    parser.add_argument("--derived", type=Path, required=True)
    parser.add_argument("--read", type=Path, action="append", default=[])
    parser.add_argument("--limit", action="append", default=[])
    parser.add_argument("--cuda", action="store_true")
    options = parser.parse_args()
    raise_limits({name: int(value) for name, _, value in map(_parted, options.limit)})
    commands, events = _private_pipes()
    os.nice(5)  # The window shares these cores and must answer first.
    plugins = [places.bundled_plugins(), places.user_plugins()]
    readable = [*options.read, places.resources(), *(p for p in plugins if p.is_dir())]
    reached = lock_down(
        [path.absolute() for path in readable],
        options.derived.absolute(),
        cuda=options.cuda,
    )
    from inspector.engine.jobs import JOBS
    from inspector.engine.runner import Runner
    from inspector.engine.session import Session

    session = Session(options.derived, announce=lambda event: runner.send(event))
    runner = Runner(JOBS, session, os.fdopen(commands, "rb"), os.fdopen(events, "wb"))
    runner.send(
        {
            "event": "ready",
            "pid": os.getpid(),
            "layers": reached.layers,
            "missing": reached.missing,
        }
    )
    runner.listen()
    # Threads inside numba or a stuck decode must not keep a closed engine alive.
    sys.stderr.flush()
    shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
