"""Every parser against past crashes and some fresh damage; ``fuzz_run.py`` does it for longer.

``INSPECTOR_FUZZ_SECONDS`` sets how long each parser is tried here.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from fuzz_mutating import mutant
from fuzz_run import CORPUS, corpus_of
from fuzz_targets import TARGETS

SECONDS = float(os.environ.get("INSPECTOR_FUZZ_SECONDS", "0.3"))

PAST = [(path.parent.name, path) for path in sorted(CORPUS.glob("*/*.bin"))]


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_accepted_or_refused_in_our_words(name: str) -> None:
    for seed in TARGETS[name].seeds():
        TARGETS[name].run(seed)


@pytest.mark.parametrize(("name", "path"), PAST, ids=[f"{n}-{p.stem}" for n, p in PAST])
def test_past_crashes_stay_mended(name: str, path: Path) -> None:
    TARGETS[name].run(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_mutants(name: str) -> None:
    target = TARGETS[name]
    seeds = [*target.seeds(), *corpus_of(name)]
    chance = random.Random(f"quick {name}")
    end = time.monotonic() + SECONDS
    tried = 0
    while time.monotonic() < end or tried < 20:
        data = mutant(seeds, target.words, chance)
        try:
            target.run(data)
        except Exception as error:
            kept = CORPUS.parent / f"crash-{name}.bin"
            kept.write_bytes(data)
            error.add_note(f"The input was kept as {kept}; move it to {CORPUS / name}.")
            raise
        tried += 1


def test_the_same_seed_gives_the_same_mutants() -> None:
    seeds = TARGETS["filter"].seeds()
    first, second = (
        [mutant(seeds, (b"and",), chance) for _ in range(200)]
        for chance in (random.Random("a"), random.Random("a"))
    )
    assert first == second
    assert len(set(first)) > 150


def test_a_crash_is_caught() -> None:
    """A parser that breaks on a byte is found within a few thousand mutants."""
    target = TARGETS["filter"]
    broken = type(target)("broken", lambda data: 1 // (data[:1] != b"\xff"), target.seeds)
    chance = random.Random(0)

    def fuzz() -> None:
        for _ in range(200_000):
            broken.run(mutant(target.seeds(), (), chance))

    with pytest.raises(ZeroDivisionError):
        fuzz()
