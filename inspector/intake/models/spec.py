"""What an analyst states about a model, as a TOML file (``model-spec/1``): read and checked here.

A spec may hold everything or one line: what it states is taken as given, the rest is measured. It
may have come with the evidence, so it is read like evidence: no link is followed, nothing in it
is a path that leaves its folder, and nothing in it is run. This file imports no torch.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inspector.errors import BadInput
from inspector.intake.hashing import open_regular, read_regular
from inspector.intake.models.spec_fields import SECTIONS, nearest_key

SCHEMA = "model-spec/1"
LARGEST = 1 << 20
"""Bytes of a spec, and of a file with names of classes."""

_FIX = "Correct the spec; the one that Inspector writes into the case is a complete example."


@dataclass(frozen=True)
class ModelSpec:
    """What is stated about a model; whatever is missing is left to measuring.

    Attributes
    ----------
    stated : dict of str to dict
        Checked values by section and key, as in the file; JSON-able.
    name : str
        The file's name, for messages.
    sha256 : str
        Of the file, hexadecimal; "" for one that came from no file.
    """

    stated: dict[str, dict[str, Any]] = field(default_factory=dict)
    name: str = "the spec"
    sha256: str = ""

    def get(self, section: str, key: str, default: Any = None) -> Any:
        """Return what is stated under a key, or ``default``."""
        return self.stated.get(section, {}).get(key, default)

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able form that `from_dict` takes."""
        return {"stated": self.stated, "name": self.name, "sha256": self.sha256}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> ModelSpec:
        """Rebuild from `as_dict`, checked again; None gives a spec that states nothing.

        Raises
        ------
        BadInput
            It is not valid.
        """
        if not values:
            return cls()
        name = str(values.get("name", "the spec"))
        return cls(checked(values.get("stated", {}), name), name, str(values.get("sha256", "")))


def read_spec(path: Path | str) -> ModelSpec:
    """Read a spec from a file, with the names of classes that it keeps in another one.

    Raises
    ------
    BadInput
        The file cannot be read, is no TOML, or holds what a spec does not: the message names the
        nearest key that there is.
    """
    path = Path(path)
    content, digest = read_regular(path, LARGEST)
    spec = parse_spec(content, path.name)
    names = spec.get("labels", "file")
    if names is not None:
        listed = _text(read_regular(beside(path, names, "labels.file"), LARGEST)[0], names)
        labels = [line.strip() for line in listed.splitlines() if line.strip()]
        merged = {**spec.stated["labels"], "names": labels}
        spec = ModelSpec(checked({**spec.stated, "labels": merged}, path.name), path.name)
    return ModelSpec(spec.stated, path.name, digest.sha256)


def parse_spec(content: bytes | str, name: str = "the spec") -> ModelSpec:
    """Parse the text of a spec.

    Raises
    ------
    BadInput
        See `read_spec`.
    """
    text = content if isinstance(content, str) else _text(content, name)
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise BadInput(f"{name} is no valid TOML.", f"{reason}.".replace("..", "."), _FIX) from None
    schema = document.pop("schema", SCHEMA)
    if schema != SCHEMA:
        raise BadInput(
            f"{name} says schema = {schema!r:.60}.",
            f"This version of Inspector reads {SCHEMA!r}.",
            f'Write schema = "{SCHEMA}", or leave the line out.',
        )
    labels = document.get("labels")
    if isinstance(labels, dict) and {"names", "file"} <= set(labels):
        raise BadInput(f"{name}: [labels] has both names and file.", "One of them is enough.", _FIX)
    return ModelSpec(checked(document, name), name)


def checked(document: Any, name: str) -> dict[str, dict[str, Any]]:
    """Return a parsed spec after looking at every key and value.

    Raises
    ------
    BadInput
        With the first thing that is wrong.
    """
    if not isinstance(document, Mapping):
        raise BadInput(f"{name} is no table.", "", _FIX)
    stated: dict[str, dict[str, Any]] = {}
    for section, values in document.items():
        if section not in SECTIONS:
            raise _unknown(name, f"no section [{_short(section)}]", section, SECTIONS)
        if not isinstance(values, Mapping):
            raise BadInput(f"{name}: {section} must be a section.", f"Write [{section}].", _FIX)
        known = SECTIONS[section]
        stated[section] = {}
        for key, value in values.items():
            if key not in known:
                raise _unknown(name, f"no key {_short(key)!r} in [{section}]", key, known)
            try:
                stated[section][key] = known[key](value)
            except ValueError as error:
                shown = repr(value) if len(repr(value)) < 60 else type(value).__name__
                raise BadInput(
                    f"{name}: [{section}] {key} is {shown}.", f"It must be {error}.", _FIX
                ) from None
    _check_together(stated, name)
    return stated


def beside(spec: Path, relative: str, what: str) -> Path:
    """Return the path of a file that a spec names relative to itself.

    Raises
    ------
    BadInput
        A folder on the way, or the file, is a link, or it is no regular file.
    """
    place = spec.parent
    for part in Path(relative).parts:
        place = place / part
        if place.is_symlink():
            raise BadInput(
                f"{spec.name}: {what} leads through the link {place}.",
                "A spec names files beside it, and no link is followed.",
                _FIX,
            )
    try:
        os.close(open_regular(place))
    except BadInput as error:
        raise BadInput(f"{spec.name}: {what} names {relative!r}.", error.what, _FIX) from None
    return place


def weights_file(path: Path | str) -> Path:
    """Return the model file that a spec names, for when no other is given.

    Raises
    ------
    BadInput
        The spec is not valid or names none, or the file is a link or not there.
    """
    path = Path(path)
    named = read_spec(path).get("weights", "file")
    if named is None:
        raise BadInput(
            f"{path.name} names no model file.",
            "It has no [weights] file.",
            "Give the model with --model.",
        )
    return beside(path, named, "weights.file")


def _text(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"{name} is no text.", "It is not UTF-8.", "Save it as UTF-8.") from None


def _unknown(name: str, what: str, key: str, known: Iterable[str]) -> BadInput:
    near = nearest_key(key, known)
    return BadInput(
        f"{name}: a spec has {what}.",
        f"Did you mean {near!r}?" if near else f"Known are: {', '.join(known)}.",
        _FIX,
    )


def _short(key: str) -> str:
    return key if len(key) <= 60 else key[:57] + "…"


def _check_together(stated: Mapping[str, Mapping[str, Any]], name: str) -> None:
    architecture = stated.get("architecture", {})
    if architecture.get("family") in ("plugin", "timm") and "name" not in architecture:
        raise BadInput(
            f"{name}: [architecture] family is {architecture['family']!r} without a name.",
            "The name says which network is built.",
            _FIX,
        )
    pre = stated.get("preprocess", {})
    counts = {len(pre[key]) for key in ("mean", "std") if key in pre}
    if len(counts) > 1 or (pre.get("mode") == "L" and counts == {3}):
        raise BadInput(
            f"{name}: [preprocess] mean, std and mode do not agree.",
            "There is one value per channel: one for grey (mode L), three for colour.",
            _FIX,
        )
    if pre.get("resize") == "shorter-side" and pre.get("crop") == "none":
        raise BadInput(
            f"{name}: [preprocess] resize is 'shorter-side' without a crop.",
            "Images of different shapes would reach the network in different sizes.",
            'Write crop = "center", or resize = "exact".',
        )
    if "resize_to" in pre and "size" in pre and pre["resize_to"] < min(pre["size"]):
        raise BadInput(
            f"{name}: [preprocess] resize_to is {pre['resize_to']}, smaller than size.",
            "What is resized is cropped to size afterwards.",
            _FIX,
        )
