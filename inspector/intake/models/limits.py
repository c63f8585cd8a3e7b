"""How much of a model file is read, whatever its format."""

from __future__ import annotations

from typing import Any

from inspector.errors import BadInput
from inspector.intake.limits import advice, limit, told

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
        There are more than the limit model-tensors; reading half a million empty ones takes 14 s.
    """
    if count > limit("model-tensors"):
        raise BadInput(
            f"{name} lists {count:,} tensors.",
            f"The limit is {told('model-tensors')}.",
            advice("model-tensors"),
        )
