"""Whether arrays out of evidence are images and labels that belong together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import BadInput
from inspector.intake.datasets.names import count_of
from inspector.intake.limits import limit, told

MAX_CLASSES = 65_536
"""Classes of one dataset; a larger label is damage, and class tables must fit into memory."""


def image_layout(images: NDArray[Any], where: str) -> NDArray[Any]:
    """Return a view of shape (n, H, W, C), C 1 or 3, of an array of images.

    Accepted are (n, H, W), (n, H, W, C), (n, C, H, W) and flat squares (n, S·S).

    Raises
    ------
    BadInput
        The array has no rows, no pixels, too many pixels, or another layout.
    """
    shape = images.shape
    if images.ndim < 2 or 0 in shape:
        raise BadInput(
            f"{where} holds no images: its shape is {shape}.",
            "",
            "Give an array of shape (n, H, W) or (n, H, W, C) with at least one image.",
        )
    side = int(np.sqrt(shape[1])) if images.ndim == 2 else 0
    view = None
    if images.ndim == 2 and side * side == shape[1]:
        view = images.reshape(shape[0], side, side, 1)
    elif images.ndim == 3:
        view = images[..., None]
    elif images.ndim == 4 and shape[3] in (1, 3):
        view = images
    elif images.ndim == 4 and shape[1] in (1, 3):
        view = images.transpose(0, 2, 3, 1)
    if view is None:
        raise BadInput(
            f"{where} has the shape {shape}, which is no array of grey or RGB images.",
            "Known are (n, H, W), (n, H, W, C) and (n, C, H, W) with C 1 or 3.",
            "Store the images in one of these shapes.",
        )
    if view.shape[1] * view.shape[2] > limit("image-pixels"):
        raise BadInput(
            f"{where} declares images of {view.shape[2]} x {view.shape[1]} pixels.",
            f"The limit for one image is {told('image-pixels')}.",
            "Check whether the file is what it claims to be.",
        )
    return view


def checked_labels(
    raw: NDArray[Any], images: int, where: str, names: Sequence[str] | None
) -> tuple[NDArray[np.int32], list[str]]:
    """Return labels as int32 and notes about them.

    Parameters
    ----------
    raw : ndarray, shape (n,) or (n, 1) or (n, C)
        Integers, whole floats or booleans; (n, C) must be one-hot.
    images : int
        Number of images.
    where : str
        File (and array) for messages.
    names : sequence of str or None
        Class names that the evidence carries.

    Raises
    ------
    BadInput
        Numbers of images and labels differ; a label is negative, no whole number, or has no name.
    """
    notes: list[str] = []
    if raw.ndim == 2 and raw.shape[1] > 1 and raw.dtype.kind in "buif":
        if not (np.isin(raw, (0, 1)).all() and (raw.sum(axis=1) == 1).all()):
            raise BadInput(
                f"{where} has the shape {raw.shape} and is not one-hot.",
                "A label is one number for each image.",
                "Store class indices of shape (n,).",
            )
        notes.append(f"{where} is one-hot; the index of the 1 is taken as label.")
        raw = raw.argmax(axis=1)
    flat = raw.reshape(-1)
    if flat.shape[0] != images:
        raise BadInput(
            f"{count_of(images, 'image')} but {count_of(flat.shape[0], 'label')} in {where}.",
            "Images and labels belong together row by row.",
            "Check that both come from the same set and that neither was cut off.",
        )
    whole = flat.dtype.kind in "bui" or (
        flat.dtype.kind == "f" and bool(np.isfinite(flat).all() and (flat == np.rint(flat)).all())
    )
    if not whole:
        raise BadInput(
            f"{where} holds values that are no class indices (type {flat.dtype}).",
            "A label is a whole number counted from 0.",
            "Store class indices as integers.",
        )
    top = len(names) if names else MAX_CLASSES
    wrong = np.flatnonzero((flat < 0) | (flat >= top))
    if wrong.size:
        reason = f"Class names: {top}." if names else f"At most {top:,} classes are read."
        raise BadInput(
            f"{where} is out of range: row {wrong[0]} has the label {flat[wrong[0]]}"
            + (f", and so have {wrong.size - 1:,} more rows." if wrong.size > 1 else "."),
            f"Labels count from 0. {reason}",
            "Correct the labels in a copy, or add the missing class names.",
        )
    labels = flat.astype(np.int32)
    counts = np.bincount(labels)
    present = int((counts > 0).sum())
    if present == 1:
        notes.append("Only one class has images: detectors have no other class to compare with.")
    elif not names and present < counts.size:
        absent = np.flatnonzero(counts == 0)
        shown = ", ".join(str(label) for label in absent[:5])
        more = f" and {absent.size - 5:,} more" if absent.size > 5 else ""
        notes.append(f"No sample has the label {shown}{more}; the largest is {counts.size - 1}.")
    return labels, notes
