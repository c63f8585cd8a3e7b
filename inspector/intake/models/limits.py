"""How much of a model file is read, whatever its format."""

from __future__ import annotations

from typing import Any

from inspector.errors import BadInput

MAX_BYTES = 16 * 1024**3
"""Bytes of one file, and of all its tensors together."""

MAX_TENSORS = 100_000
"""More tensors than any real network has; reading half a million empty ones takes 14 s."""

MAX_NAME = 512
"""Characters of a tensor's name."""

ASK_AGAIN = "Ask for the weights again, as a state_dict or a safetensors file."


def check_name(key: Any, name: str) -> None:
    """Make sure that the name of a tensor is plain text of a sensible length.

    Parameters
    ----------
    key : object
        The name of the tensor; anything, since a file decides what it is.
    name : str
        Name of the file, for the message.

    Raises
    ------
    BadInput
        It is not.
    """
    if type(key) is not str or len(key) > MAX_NAME or not key.isprintable():
        raise BadInput(
            f"{name} holds a tensor whose name is no plain text.", "No model has one.", ASK_AGAIN
        )


def check_count(count: int, name: str) -> None:
    """Refuse more tensors than any network has.

    Raises
    ------
    BadInput
        There are more than `MAX_TENSORS`.
    """
    if count > MAX_TENSORS:
        raise BadInput(
            f"{name} lists {count:,} tensors.", f"At most {MAX_TENSORS:,} are read.", ASK_AGAIN
        )
