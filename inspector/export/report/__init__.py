"""The report of a case: one document, written as JSON, HTML or (by the window's room) PDF.

`report_document` gathers everything; `html_report` and `print_report` put it into words. What was
observed, what Inspector makes of it and what the analyst decided stand in separate branches of the
document and under separate marks on the page.
"""

from inspector.export.report.document import SCHEMA, report_document
from inspector.export.report.page import html_report, json_report, print_report
from inspector.export.report.writing import check_report_target, record_report

__all__ = [
    "SCHEMA",
    "check_report_target",
    "html_report",
    "json_report",
    "print_report",
    "record_report",
    "report_document",
]
