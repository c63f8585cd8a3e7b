"""The bytes of a report by the ending of its file: JSON, HTML or PDF."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inspector.export.report import html_report, json_report
from inspector.gui.report_pdf import pdf_report


def report_bytes(document: Mapping[str, Any], ending: str) -> bytes:
    """Return a report as a file of this kind; PDF needs a QGuiApplication.

    Parameters
    ----------
    document : mapping
        From `inspector.export.report.report_document`.
    ending : str
        ".json", ".html" or ".pdf".
    """
    kind = ending.lower()
    if kind == ".pdf":
        return pdf_report(document)
    if kind == ".html":
        return html_report(document).encode("utf-8")
    return json_report(document)
