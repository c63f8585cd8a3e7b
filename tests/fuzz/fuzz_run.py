"""Fuzz every parser for a while: ``python tests/fuzz/fuzz_run.py [--seconds 60] [TARGET …]``.

Prints executions and crashes per target. An input that crashed, hung or ended its process is kept
under ``tests/corpus/<target>/``, where the quick tests run it ever after. Ends with 1 after a crash.
"""

from __future__ import annotations

import argparse
import hashlib
import mmap
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPUS = HERE.parent / "corpus"
MEMORY = 4 << 30
HANG = 20
"""Seconds that one input may take."""

MOST_CRASHES = 5
"""After so many a target has said enough."""


def corpus_of(name: str) -> list[bytes]:
    """Return the inputs that once crashed a target."""
    return [path.read_bytes() for path in sorted((CORPUS / name).glob("*.bin"))]


def fuzz(name: str, seconds: float, seed: int, notes: mmap.mmap) -> int:
    """Run one target in this process; return the number of executions.

    ``notes`` holds what is being tried (length, bytes), for whoever finds this process dead.
    """
    from fuzz_mutating import mutant
    from fuzz_targets import TARGETS

    target = TARGETS[name]
    seeds = [*target.seeds(), *corpus_of(name)]
    chance = random.Random(f"{name} {seed}")
    done = 0
    waiting = list(seeds)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = waiting.pop() if waiting else mutant(seeds, target.words, chance)
        notes[: 8 + len(data)] = struct.pack("<Q", len(data)) + data
        signal.alarm(HANG)
        target.run(data)
        done += 1
    signal.alarm(0)
    return done


def child(name: str, seconds: float, seed: int, notes_path: str) -> None:
    """Fuzz until something happens; a crash is told by the exit code."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with open(notes_path, "r+b") as file:
        notes = mmap.mmap(file.fileno(), 0)
    try:
        print(fuzz(name, seconds, seed, notes))
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(70)
    os._exit(0)


def keep(name: str, notes: Path) -> Path:
    """Save the input that a process died of."""
    content = notes.read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    data = content[8 : 8 + length]
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(data).hexdigest()[:16]}.bin"
    path.write_bytes(data)
    return path


def campaign(name: str, seconds: float, seed: int) -> tuple[str, int]:
    """Fuzz one target in child processes; return a line for the table, and the crashes."""
    scratch = Path(tempfile.mkdtemp(prefix="inspector-fuzz-"))
    notes = scratch / "notes"
    notes.write_bytes(bytes(1 << 20))
    done, crashes, said = 0, 0, ""
    end = time.monotonic() + seconds
    try:
        while (left := end - time.monotonic()) > 0.5 and crashes < MOST_CRASHES:
            ended = subprocess.run(
                [sys.executable, __file__, "--child", name, str(left), str(seed), str(notes)],
                capture_output=True,
                text=True,
                env={**os.environ, "TMPDIR": str(scratch), "OMP_NUM_THREADS": "1"},
            )
            if ended.returncode == 0:
                done += int(ended.stdout.split()[-1])
                break
            crashes += 1
            seed += 1
            last = (ended.stderr.strip().splitlines() or [""])[-1][:200]
            cause = last if ended.returncode > 0 else f"signal {-ended.returncode}"
            said += f"\n    {cause}: kept as {keep(name, notes)}"
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return f"{name:<16}{done:>12,} executions {crashes:>4} crashes{said}", crashes


def main() -> int:
    """Fuzz the targets named on the command line, or all of them."""
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--seed", type=int, default=0, help="the same seed, the same inputs")
    parser.add_argument("--jobs", type=int, default=2, help="targets at a time")
    parser.add_argument("targets", nargs="*")
    options = parser.parse_args()
    from fuzz_targets import TARGETS

    names = options.targets or list(TARGETS)
    if unknown := [name for name in names if name not in TARGETS]:
        parser.error(f"no target {unknown[0]!r}; there are {', '.join(TARGETS)}")
    crashes = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for line, found in pool.map(lambda n: campaign(n, options.seconds, options.seed), names):
            print(line, flush=True)
            crashes += found
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())
