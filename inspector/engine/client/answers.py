"""What becomes of an answer of the engine that makes no sense: one sentence, not a lost job."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from inspector.errors import InspectorError

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def understood(job: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
    """Make a job that works with the engine's answers fail in words when it cannot use one.

    The engine has parsed hostile bytes: its results are taken apart as if somebody had made them
    up, and whatever that raises is either a defect of ours or an engine that was taken over.
    """

    @functools.wraps(job)
    def guarded(*args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
        try:
            return job(*args, **kwargs)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            refusal = InspectorError(
                f"The engine's answer cannot be used: {type(error).__name__}: {str(error)[:200]}",
                "Either this is a defect, or code in the evidence took the engine over; nothing"
                " was recorded of this answer.",
                "Details are in the log; please report them.",
            )
            refusal.add_note(traceback.format_exc()[-4000:])
            raise refusal from error

    return guarded
