"""How much evidence may ask of us before it is refused, and what an analyst may raise.

Standard library only: the sandbox reads this before anything else is imported. Values belong to the
process: the app hands those of a case to every engine that it starts for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from inspector.errors import BadInput

_GIB = 1 << 30


@dataclass(frozen=True)
class Limit:
    """One limit.

    Attributes
    ----------
    name : str
        As the command line and the journal name it.
    default, ceiling : int
        What holds without a word, and what no case may exceed.
    unit : str
        "bytes", "pixels", "-fold" or what is counted.
    about : str
        What is limited.
    protects : str
        What a larger value lets in.
    """

    name: str
    default: int
    ceiling: int
    unit: str
    about: str
    protects: str

    def shown(self, value: int) -> str:
        """Return a value with its unit, as a person reads it."""
        if self.unit == "bytes":
            return _bytes_shown(value)
        return f"{value:,}{self.unit if self.unit.startswith('-') else f' {self.unit}'}"


LIMITS = {
    limit.name: limit
    for limit in (
        Limit(
            "image-pixels",
            64_000_000,
            4_000_000_000,
            "pixels",
            "one decoded image",
            "a small file that unpacks to a picture which fills the memory",
        ),
        Limit(
            "image-bytes",
            64 << 20,
            4 * _GIB,
            "bytes",
            "the file of one image",
            "a decoder that is kept busy",
        ),
        Limit(
            "array-bytes",
            8 * _GIB,
            1024 * _GIB,
            "bytes",
            "one array set, unpacked (IDX, NPZ, CIFAR, Arrow)",
            "an archive that unpacks until the memory is full",
        ),
        Limit(
            "array-ratio",
            100,
            100_000,
            "-fold",
            "unpacking of an NPZ archive",
            "an archive that unpacks until the memory is full",
        ),
        Limit(
            "table-ratio",
            200,
            100_000,
            "-fold",
            "unpacking of the images in Parquet files",
            "hours of unpacking the same bytes",
        ),
        Limit(
            "table-rows",
            50_000_000,
            2_000_000_000,
            "rows",
            "Parquet files of one set",
            "a footer that declares more rows than the memory has room for",
        ),
        Limit(
            "manifest-bytes",
            1 << 30,
            64 * _GIB,
            "bytes",
            "a list of files (CSV, TSV, JSON lines)",
            "a list that fills the memory",
        ),
        Limit(
            "manifest-rows",
            5_000_000,
            500_000_000,
            "rows",
            "a list of files",
            "a list that fills the memory",
        ),
        Limit(
            "folder-entries",
            5_000_000,
            500_000_000,
            "entries",
            "a folder tree",
            "a walk without an end",
        ),
        Limit(
            "tar-members",
            20_000_000,
            500_000_000,
            "members",
            "one tar shard",
            "a list of members that fills the memory",
        ),
        Limit(
            "model-bytes",
            16 * _GIB,
            512 * _GIB,
            "bytes",
            "a model file, and all of its tensors together",
            "tensors that fill the memory",
        ),
        Limit(
            "model-tensors",
            100_000,
            5_000_000,
            "tensors",
            "one model file",
            "minutes of reading empty tensors",
        ),
        Limit(
            "model-pickle",
            64 << 20,
            2 * _GIB,
            "bytes",
            "the table of contents of a PyTorch file",
            "a table that takes the interpreter hours to follow",
        ),
        Limit(
            "engine-memory",
            8 * _GIB,
            4096 * _GIB,
            "bytes",
            "what an engine may allocate; half of the machine's memory where that is more",
            "an engine that takes the memory of everything else on this machine",
        ),
    )
}
"""Every limit that can be raised, by name."""

_raised: dict[str, int] = {}
_SIZES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SIZES |= {"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}
_NUMBER = re.compile(r"(\d{1,18}(?:\.\d{1,6})?)([kmgt]i?)?b?", re.IGNORECASE)


def limit(name: str) -> int:
    """Return the value that holds in this process."""
    return _raised.get(name, LIMITS[name].default)


def told(name: str) -> str:
    """Return the value that holds, with its unit and the name under which it is raised."""
    return f"{LIMITS[name].shown(limit(name))} ({name})"


def advice(name: str) -> str:
    """Return what to do about evidence that is larger than a limit, and meant to be."""
    return f"If that is expected, raise the limit: --raise-limit {name}=VALUE."


def raise_limits(values: Mapping[str, int]) -> None:
    """Let higher values hold in this process from now on.

    Parameters
    ----------
    values : mapping of str to int
        Passed by `trusted`.
    """
    _raised.update(trusted(values))


def trusted(values: Mapping[str, object]) -> dict[str, int]:
    """Return what of recorded values may hold: known names, above the default, to the ceiling.

    A case may come from somebody else, and so may the values in it.
    """
    found = {}
    for name, value in values.items():
        known = LIMITS.get(name)
        if known is None or not isinstance(value, int) or isinstance(value, bool):
            continue
        if known.default < value:
            found[name] = min(value, known.ceiling)
    return found


def parsed(words: Iterable[str]) -> dict[str, int]:
    """Return the values that ``NAME=VALUE`` words ask for.

    Parameters
    ----------
    words : iterable of str
        VALUE is a number, 1_000 or 2.5 with a unit: k, M, G, T (thousands), Ki, Mi, Gi, Ti.

    Raises
    ------
    BadInput
        A name is unknown, a value is none, not above the default, or above the ceiling.
    """
    found = {}
    for word in words:
        name, _, text = (part.strip() for part in word.partition("="))
        known = LIMITS.get(name)
        if known is None:
            raise BadInput(
                f"No limit is called {name[:100]!r}.",
                f"Limits are: {', '.join(LIMITS)}.",
                "inspector scan --raise-limit list explains them.",
            )
        match = _NUMBER.fullmatch(text.replace("_", "").replace(",", ""))
        if match is None:
            raise BadInput(
                f"{text[:100]!r} is no value for {name}.",
                "It is a number, with a unit where one likes: 500M, 4GiB.",
                f"For example --raise-limit {name}={2 * known.default}.",
            )
        value = int(float(match[1]) * _SIZES[(match[2] or "").lower()])
        if not known.default < value <= known.ceiling:
            raise BadInput(
                f"{name} cannot be {known.shown(value)}.",
                f"It can be raised from {known.shown(known.default)} to at most "
                f"{known.shown(known.ceiling)}.",
                "Give a value in between.",
            )
        found[name] = value
    return found


def _bytes_shown(value: int) -> str:
    for unit, size in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if value >= size:
            return f"{value / size:,.4g} {unit}"
    return f"{value:,} bytes"
