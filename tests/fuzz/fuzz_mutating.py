"""Damage that depends on a seed alone, so that every run can be repeated."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence

LARGEST = 1 << 18
"""Bytes of a mutant; longer ones are cut."""

_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, 2**63 - 1)
_FORMS = ("B", "<H", ">H", "<I", ">I", "<Q", ">Q")


def mutant(seeds: Sequence[bytes], words: Sequence[bytes], chance: random.Random) -> bytes:
    """Return a damaged copy of one of the seeds.

    Parameters
    ----------
    seeds : sequence of bytes
        Well-formed inputs, and past crashes.
    words : sequence of bytes
        Pieces that mean something to the parser.
    chance : Random
        Where all choices come from.
    """
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5, 9))):
        place = chance.randrange(len(data) + 1)
        kind = chance.randrange(9)
        if kind == 0 and place < len(data):
            data[place] ^= 1 << chance.randrange(8)
        elif kind == 1 and place < len(data):
            data[place] = chance.randrange(256)
        elif kind == 2:
            form = chance.choice(_FORMS)
            size = struct.calcsize(form)
            value = chance.choice(_INTERESTING) & ((1 << 8 * size) - 1)
            data[place : place + size] = struct.pack(form, value)
        elif kind == 3:
            del data[place : place + chance.choice((1, 2, 4, 8, 64, 512))]
        elif kind == 4:
            piece = data[place : place + chance.choice((1, 4, 16, 64, 512))]
            data[place:place] = piece * chance.choice((1, 2, 8))
        elif kind == 5 and words:
            word = chance.choice(words)
            end = place + chance.choice((0, len(word)))
            data[place:end] = word
        elif kind == 6:
            other = chance.choice(seeds)
            start = chance.randrange(len(other) + 1)
            data[place : place + 32] = other[start : start + chance.choice((4, 32, 256))]
        elif kind == 7:
            data[place:place] = chance.randbytes(chance.choice((1, 4, 16)))
        elif kind == 8 and chance.random() < 0.2:
            del data[place:]
    return bytes(data[:LARGEST])
