"""Parquet and Arrow tables: which column holds the images, which the labels, and what they mean.

pyarrow is an optional extra. Only column types that hold plain bytes, numbers and text are read;
the path beside the bytes of a Hugging Face image is never looked at, since it may lead anywhere.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from inspector.errors import BadInput
from inspector.intake.datasets.names import escape_name, listing

OLDEST = (23, 0, 1)
"""pyarrow below reads hostile files unsafely (CVE-2023-47248, CVE-2026-25087)."""

_IMAGES = ("image", "img", "images", "picture", "pixel_values", "jpg", "png")
_LABELS = ("label", "labels", "fine_label", "target", "class", "y")
_SPLITS = ("split",)
_LONGEST_METADATA = 32 << 20


@dataclass(frozen=True)
class Columns:
    """What is read of a table.

    Attributes
    ----------
    image : str
        Column of the images.
    leaf : str
        The same with ``.bytes`` where it is a struct: what Parquet calls the leaf.
    label : str
        Column of the labels.
    names : tuple of str
        Class names that the table carries; empty without.
    beside : tuple of str
        Other columns that could be labels and are not read.
    """

    image: str
    leaf: str
    label: str
    names: tuple[str, ...]
    beside: tuple[str, ...]


def arrow() -> Any:
    """Import pyarrow.

    Raises
    ------
    BadInput
        It is not installed, or too old to be given hostile files.
    """
    try:
        import pyarrow as pa
    except ImportError:
        raise BadInput(
            "Parquet and Arrow datasets cannot be read: pyarrow is not installed.",
            "It is an optional part of Inspector.",
            "Install it with: pip install 'inspector-forensics[parquet]'",
        ) from None
    version = tuple(int(part) for part in pa.__version__.split(".")[:3] if part.isdigit())
    if version < OLDEST:
        raise BadInput(
            f"Parquet and Arrow datasets are not read with pyarrow {pa.__version__}.",
            "Versions below 23.0.1 can be made to corrupt memory by a hostile file.",
            "Upgrade it with: pip install --upgrade pyarrow",
        )
    return pa


def choose_columns(schema: Any, where: str) -> Columns:
    """Choose the columns of images and labels from an Arrow schema.

    Raises
    ------
    BadInput
        Two columns could not be told or share a name, or one has a type that is not read.
    """
    twice = [name for name, count in Counter(schema.names).items() if count > 1]
    if twice:
        raise BadInput(
            f"{where} has several columns of one name: {listing(twice)}.",
            "Readers disagree about which one is meant.",
            "Rename the columns in a copy.",
        )
    features = features_of(schema)
    types = arrow().types
    pictures = [field.name for field in schema if leaf_of(field)]
    said = [name for name in pictures if features.get(name, {}).get("_type") == "Image"]
    usual = [name for name in _IMAGES if name in pictures]
    structs = [name for name in pictures if types.is_struct(schema.field(name).type)]
    image = next(iter([*said, *usual, *structs, *pictures]), "")
    classes = [
        field.name
        for field in schema
        if types.is_integer(field.type) or is_text(field.type) or types.is_boolean(field.type)
    ]
    labelled = [name for name in classes if features.get(name, {}).get("_type") == "ClassLabel"]
    label = next(
        iter(
            [
                *(name for name in _LABELS if name in labelled),
                *labelled,
                *(name for name in _LABELS if name in classes),
            ]
        ),
        "",
    )
    if not image or not label:
        raise BadInput(
            f"{where} holds no {'labels' if image else 'encoded images'} that are read.",
            f"Its columns are {listing(list(schema.names), 8)}; known are images as bytes (image "
            "with bytes and path, or binary) and a label as number or text.",
            "Rename or convert the columns in a copy.",
        )
    names = features.get(label, {}).get("names") or ()
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        names = ()
    beside = tuple(name for name in labelled if name != label)
    return Columns(image, leaf_of(schema.field(image)), label, tuple(names), beside)


def has_image_bytes(schema: Any) -> bool:
    """Tell whether any column holds encoded images."""
    return any(leaf_of(field) for field in schema)


def leaf_of(field: Any) -> str:
    """Return the dotted name of the bytes in a column that can hold images; "" if it cannot."""
    types = arrow().types
    if _is_bytes(field.type):
        return str(field.name)
    if types.is_struct(field.type):
        index = field.type.get_field_index("bytes")
        if index >= 0 and _is_bytes(field.type.field(index).type):
            return f"{field.name}.bytes"
    return ""


def features_of(schema: Any) -> dict[str, dict[str, Any]]:
    """Return what Hugging Face wrote of each column into the schema's metadata."""
    raw = (schema.metadata or {}).get(b"huggingface", b"")
    if not raw or len(raw) > _LONGEST_METADATA:
        return {}
    try:
        found = json.loads(raw)["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(name): value for name, value in found.items() if isinstance(value, dict)}


def refuse_extensions(schema: Any, where: str) -> None:
    """Refuse types that a program outside of Arrow gives a meaning to.

    Raises
    ------
    BadInput
        One is there.
    """
    extension = arrow().ExtensionType
    odd = [field.name for field in schema if isinstance(field.type, extension)]
    if odd:
        raise BadInput(
            f"{where} has columns of an extension type: {listing(odd)}.",
            "What such a type does is code, and a set of images needs none.",
            "Store the columns with plain types.",
        )


def cells_of(column: Any) -> list[bytes | None]:
    """Return the bytes in a chunk of the image column, None where there are none."""
    if arrow().types.is_struct(column.type):
        # flatten() and not field(): a null struct may lie over bytes of something else.
        column = column.flatten()[column.type.get_field_index("bytes")]
    return list(column.to_pylist())


def one_line(error: BaseException) -> str:
    """Return what pyarrow says of a damaged file, in one printable line."""
    if isinstance(error, MemoryError):
        return "not enough memory"
    return escape_name(" ".join(str(error).split())[:160].rstrip(".")) or type(error).__name__


def _is_bytes(kind: Any) -> bool:
    types = arrow().types
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_fixed_size_binary(kind)
    )


def is_text(kind: Any) -> bool:
    """Tell whether an Arrow type is text."""
    types = arrow().types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))
