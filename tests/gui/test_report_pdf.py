"""The report on paper: whole pictures, kept rows, numbered pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSizeF
from PySide6.QtGui import QTextDocument, QTextTable
from pytestqt.qtbot import QtBot

from inspector.case import Case
from inspector.gui.report_pages import _row_span, keep_together
from inspector.gui.report_pdf import pdf_report
from report_case import document_of, make_case


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    with make_case(tmp_path / "paper.case") as made:
        yield made


def pages_of(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def test_pages_and_pictures_are_there(qtbot: QtBot, case: Case) -> None:
    pdf = pdf_report(document_of(case))
    assert pdf.startswith(b"%PDF-")
    assert pages_of(pdf) > 2
    images = re.findall(rb"/Subtype\s*/Image\s*/Width (\d+)\s*/Height (\d+)", pdf)
    assert len([pair for pair in images if pair == (b"96", b"96")]) >= 24
    assert b"/JavaScript" not in pdf
    assert b"/URI" not in pdf


@pytest.mark.parametrize("height", [211.0, 300.0, 517.0])
def test_no_row_stands_on_two_pages(qtbot: QtBot, height: float) -> None:
    rows = "".join(
        f"<tr><td>row {at}</td><td>{'several words that wrap ' * (at % 7 + 1)}</td></tr>"
        for at in range(60)
    )
    page = QTextDocument()
    page.setHtml(
        f"<h2>Heading</h2><table><thead><tr><th>a</th><th>b</th></tr></thead>{rows}</table>"
    )
    page.setPageSize(QSizeF(300, height))
    keep_together(page)
    page.pageCount()
    table = next(frame for frame in page.rootFrame().childFrames() if isinstance(frame, QTextTable))
    torn = []
    for at in range(table.rows()):
        span = _row_span(table, at)
        first, last = span.pages(height)
        if first != last and span.bottom - span.top < height * 0.9:
            torn.append(at)
    assert torn == []
    assert page.pageCount() > 4
