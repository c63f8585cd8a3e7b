"""What a trace of one answer to the training samples says, as document and in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inspector.case.folder import Case
from inspector.errors import BadInput

TRACE = "trace"
"""Id of the finding that the last trace leaves."""
SCHEMA = "inspector/trace/1"


def trace_document(case: Case) -> dict[str, Any]:
    """Return the last trace, as ``trace --json`` prints it.

    Raises
    ------
    BadInput
        Nothing was traced.
    """
    finding = case.findings().get(TRACE)
    if finding is None:
        raise BadInput("Nothing was traced in this case.", "", "Give --image FILE or --index I.")
    document = {"schema": SCHEMA, **finding["trace"], "verdict": finding["verdict"]}
    return {**document, "caveats": list(finding["caveats"])}


def trace_sentences(document: Mapping[str, Any]) -> list[str]:
    """Put a trace into words."""
    first = (
        f"{document['incident']} is answered {document['answer_name']} with probability "
        f"{document['probability']:.2f}."
    )
    after, controls = document["after"], document["controls"]
    if after is None:
        return [first, "The claim could not be tested: too few samples are left to keep."]
    count = len(document["samples"])
    lines = [
        first,
        f"A copy of the model that unlearned the {count} samples below answers "
        f"{after['name']}; probability of {document['answer_name']}: {after['probability']:.2f}.",
    ]
    if controls:
        said = ", ".join(f"{row['name']} ({row['probability']:.2f})" for row in controls)
        lines.append(
            f"Copies that unlearned as many random, less alike ones of the label answer: {said}."
        )
    else:
        lines.append("The label has too few other samples for a control.")
    return [*lines, _MEANING[document["outcome"]]]


_MEANING = {
    "confirmed": "The answer hangs on these samples.",
    "partly": "These samples matter more to the answer than others do, but do not decide it.",
    "not confirmed": "It is not shown that these samples made the answer: do not act on them alone.",
}
