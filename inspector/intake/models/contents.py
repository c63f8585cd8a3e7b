"""What a model file contains beside its weights, as evidence: recorded in the case and shown.

A finding about the file, not about the network: what it would do to somebody who loaded it the
ordinary way, and what in it no PyTorch program writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from inspector.intake.models.judging import CLASSES, COMMANDS, WEIGHTS, worst

MAX_LISTED = 200
"""Names, faulty tensors and members that are listed each; the counts go on."""


@dataclass(frozen=True)
class NamedObject:
    """A name that a pickle in the file would import.

    Attributes
    ----------
    name : str
        Module and name.
    offset : int
        Byte of the file at which it is named first.
    count : int
        How often it is named.
    verdict : str
        "weights", "classes" or "commands".
    member : str
        Which part of the file names it, such as "archive/data.pkl"; "" when it has no parts.
    """

    name: str
    offset: int
    count: int
    verdict: str
    member: str = ""


@dataclass(frozen=True)
class NotFinite:
    """A tensor with values that are no numbers: a sign of damage or of manipulation."""

    name: str
    nan: int
    infinite: int


@dataclass(frozen=True)
class FileContents:
    """What a model file contains.

    Attributes
    ----------
    container : str
        Its format, one of the keys of `inspector.intake.sniff.NAMES`, or "folder".
    method : str
        How the weights were had: "safetensors", "torch.load" (with weights_only=True), or "inert"
        (described by the file, built by Inspector; nothing imported, nothing run).
    names : tuple of NamedObject
        What its pickles name, worst first.
    complete : bool
        Whether every pickle could be followed to its end.
    anomalies : tuple of str
        What no PyTorch program writes.
    checksum_errors : tuple of str
        Members whose stored checksum does not match.
    programs : tuple of str
        Program texts that the file carries; none was run.
    tensors : int
        How many tensors were read.
    not_finite : tuple of NotFinite
        Those among them with NaN or infinite values.
    """

    container: str
    method: str
    names: tuple[NamedObject, ...] = ()
    complete: bool = True
    anomalies: tuple[str, ...] = ()
    checksum_errors: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    tensors: int = 0
    not_finite: tuple[NotFinite, ...] = ()

    @property
    def verdict(self) -> str:
        """The worst of the names' verdicts."""
        return worst([named.verdict for named in self.names])

    @property
    def commands(self) -> tuple[NamedObject, ...]:
        """The names that can run commands."""
        return tuple(named for named in self.names if named.verdict == COMMANDS)

    @property
    def classes(self) -> tuple[NamedObject, ...]:
        """The names of classes and functions of some program or library."""
        return tuple(named for named in self.names if named.verdict == CLASSES)

    def summary(self) -> str:
        """Say in a few sentences what the file contains."""
        said = [self._contained(), *self.oddities()]
        return " ".join(said)

    def _contained(self) -> str:
        if self.commands:
            more = len(self.commands) - 1
            first = self.commands[0]
            others = f" and {more} more" if more else ""
            return (
                f"Names functions that run commands: {first.name} (offset {first.offset:#x})"
                f"{others}. Nothing was run; treat the file as hostile."
            )
        if self.container == "torchscript":
            return (
                f"A TorchScript program ({len(self.programs)} program texts) with weights; it was"
                " not run."
            )
        if self.classes:
            more = len(self.classes) - 1
            others = f" and {more} more" if more else ""
            texts = f", and carries the text of {len(self.programs)}" if self.programs else ""
            return (
                f"Names classes, not imported: {self.classes[0].name}{others}{texts}. Nothing was"
                " run."
            )
        return "Only weights."

    def oddities(self) -> list[str]:
        """Say what no PyTorch program writes, one sentence each."""
        said = list(self.anomalies)
        if self.checksum_errors:
            others = len(self.checksum_errors) - 1
            more = f", nor do those of {others} more members" if others else ""
            said.append(
                f"The checksum of {self.checksum_errors[0]!r} inside the file does not match{more}:"
                " damaged, edited after it was saved, or written without checksums."
            )
        if not self.complete:
            said.append("A part of the file could not be followed to its end.")
        if self.not_finite:
            first = self.not_finite[0]
            said.append(
                f"{len(self.not_finite)} tensors hold NaN or infinite values, {first.name!r} among"
                f" them ({first.nan:,} NaN, {first.infinite:,} infinite)."
            )
        return said

    @property
    def remarkable(self) -> bool:
        """Whether there is more to say than that it holds weights, or classes that were not run."""
        return bool(self.commands or self.oddities())

    def as_dict(self) -> dict[str, Any]:
        """Return what the case keeps: plain values, lists cut to `MAX_LISTED` with their counts."""
        return {
            "container": self.container,
            "method": self.method,
            "verdict": self.verdict,
            "summary": self.summary(),
            "remarkable": self.remarkable,
            "complete": self.complete,
            "names": [
                {
                    "name": named.name,
                    "offset": named.offset,
                    "count": named.count,
                    "verdict": named.verdict,
                    "member": named.member,
                }
                for named in self.names[:MAX_LISTED]
            ],
            "names_total": len(self.names),
            "anomalies": list(self.anomalies[:MAX_LISTED]),
            "checksum_errors": list(self.checksum_errors[:MAX_LISTED]),
            "programs": len(self.programs),
            "tensors": self.tensors,
            "not_finite": [
                {"name": fault.name, "nan": fault.nan, "infinite": fault.infinite}
                for fault in self.not_finite[:MAX_LISTED]
            ],
            "not_finite_total": len(self.not_finite),
        }


def joined(parts: Sequence[tuple[str, FileContents]], container: str) -> FileContents:
    """Put the contents of several files of one model together.

    Parameters
    ----------
    parts : sequence of (str, FileContents)
        Names of the files, and what each contains.
    container : str
        What they are together.
    """
    return FileContents(
        container,
        parts[0][1].method if parts else "safetensors",
        tuple(
            replace(named, member=f"{file}/{named.member}".rstrip("/"))
            for file, part in parts
            for named in part.names
        ),
        all(part.complete for _, part in parts),
        tuple(f"{file}: {said}" for file, part in parts for said in part.anomalies),
        tuple(f"{file}/{member}" for file, part in parts for member in part.checksum_errors),
        tuple(program for _, part in parts for program in part.programs),
        sum(part.tensors for _, part in parts),
        tuple(fault for _, part in parts for fault in part.not_finite),
    )


def worst_first(names: Sequence[NamedObject]) -> tuple[NamedObject, ...]:
    """Put names in order: commands, then classes, then weights, each as the file has them."""
    order = {COMMANDS: 0, CLASSES: 1, WEIGHTS: 2}
    return tuple(sorted(names, key=lambda named: order[named.verdict]))


def visible(text: str, limit: int = 200) -> str:
    """Return text of a file with everything escaped that is not printed as it is, and cut."""
    kept = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape", "surrogatepass").decode()
        for sign in kept
    )
