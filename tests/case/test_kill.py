"""``kill -9`` at random moments: every acknowledged act is there, and the chain is whole."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from case_makers import describe

from inspector.case import Case

_TAGGER = """
    import sys
    from inspector.case import Case
    with Case.open(sys.argv[1]) as case:
        tags = case.tags
        done = int(sys.argv[2])
        while True:
            row = done % 5000
            if done % 7 == 5:
                entry = tags.undo()
            elif done % 7 == 6:
                entry = tags.redo()
            else:
                entry = tags.apply(range(row, row + 40), ("poison", "suspect")[done % 2])
            done += 1
            print(0 if entry is None else entry.seq, done, flush=True)
"""


def _kill_once(folder: Path, done: int, wait: float) -> tuple[int, int]:
    """Return the last acknowledged journal entry and act."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_TAGGER), str(folder), str(done)],
        stdout=subprocess.PIPE,
        text=True,
    ) as tagger:
        assert tagger.stdout is not None
        first = tagger.stdout.readline()
        time.sleep(wait)
        tagger.send_signal(signal.SIGKILL)
        lines = (first + tagger.stdout.read()).split("\n")
    seqs = [tuple(map(int, line.split())) for line in lines[:-1]]
    return max(seq for seq, _ in seqs), seqs[-1][1]


def _kill_loop(folder: Path, kills: int) -> None:
    rng = random.Random(5)
    with Case.create(folder) as case:
        describe(case, 6000)
    done = 0
    for _ in range(kills):
        acknowledged, done = _kill_once(folder, done, rng.uniform(0.0, 0.25))
        with Case.open(folder) as case:
            entries = case.journal.entries()
            assert case.problems == []
            assert case.verify() == []
            assert acknowledged <= entries[-1].seq
            assert sum(case.tags.counts().values()) > 0


def test_every_commit_waits_for_the_disk(folder: Path) -> None:
    code = """
        import sys
        from inspector.case import Case
        with Case.create(sys.argv[1]) as case:
            for name in ("synchronous", "locking_mode", "journal_mode", "trusted_schema"):
                print(case._database.rows(f"PRAGMA {name}")[0][0])
    """
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["2", "exclusive", "wal", "0"]


def test_a_few_kills_lose_nothing(folder: Path) -> None:
    _kill_loop(folder, 3)


@pytest.mark.slow
def test_forty_kills_lose_nothing(folder: Path) -> None:
    _kill_loop(folder, 40)
