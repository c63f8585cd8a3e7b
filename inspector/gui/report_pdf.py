"""The report on paper: laid out by Qt, with page numbers and the journal head on every page."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QBuffer, QIODevice, QMarginsF, QRectF, QSizeF, Qt, QUrl
from PySide6.QtGui import (
    QAbstractTextDocumentLayout,
    QFont,
    QImage,
    QPageLayout,
    QPageSize,
    QPainter,
    QPdfWriter,
    QTextDocument,
    QTextOption,
)

from inspector import __version__
from inspector.export.report.page import pictures_of, print_report
from inspector.gui.plain import plain
from inspector.gui.report_pages import keep_sizes_of_headings, keep_together

_RESOLUTION = 300
_BAND = 0.38
"""Inches for the lines above and below the text."""


class _Page(QTextDocument):
    """Knows its own pictures and loads nothing else, whatever a page may name."""

    def __init__(self, pictures: list[QImage]) -> None:
        super().__init__()
        self._pictures = pictures

    def loadResource(self, kind: int, name: QUrl | str) -> Any:
        text = name.toString() if isinstance(name, QUrl) else str(name)
        number = text.removeprefix("picture:")
        if text.startswith("picture:") and number.isdigit() and int(number) < len(self._pictures):
            return self._pictures[int(number)]
        return None


def pdf_report(document: Mapping[str, Any]) -> bytes:
    """Return a report as PDF, A4; a QGuiApplication must be there.

    Parameters
    ----------
    document : mapping
        From `inspector.export.report.report_document`.
    """
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    writer = QPdfWriter(buffer)
    writer.setResolution(_RESOLUTION)
    writer.setPageSize(QPageSize(QPageSize.PageSizeId.A4))
    writer.setPageMargins(QMarginsF(15, 10, 15, 10), QPageLayout.Unit.Millimeter)
    writer.setTitle(f"Inspector report: {plain(document['case']['name'], 120)}")
    writer.setCreator(f"Inspector {__version__}")
    page = _laid_out(document, writer)
    painter = QPainter(writer)
    try:
        for number in range(page.pageCount()):
            if number:
                writer.newPage()
            _draw(painter, page, writer, number, document)
    finally:
        painter.end()
    return bytes(buffer.data().data())


def _laid_out(document: Mapping[str, Any], writer: QPdfWriter) -> QTextDocument:
    pictures = [QImage.fromData(base64.b64decode(item["png"])) for item in pictures_of(document)]
    page = _Page(pictures)
    page.documentLayout().setPaintDevice(writer)
    option = QTextOption()
    # Digests and paths have no blanks to break at.
    option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    page.setDefaultTextOption(option)
    page.setDefaultFont(QFont("DejaVu Sans", 9))
    page.setDocumentMargin(0)
    page.setHtml(print_report(document))
    keep_sizes_of_headings(page)
    page.setPageSize(QSizeF(writer.width(), _text_height(writer)))
    keep_together(page)
    return page


def _text_height(writer: QPdfWriter) -> float:
    return writer.height() - 2 * _BAND * _RESOLUTION


def _draw(
    painter: QPainter,
    page: QTextDocument,
    writer: QPdfWriter,
    number: int,
    document: Mapping[str, Any],
) -> None:
    height, band = _text_height(writer), _BAND * _RESOLUTION
    painter.save()
    painter.translate(0, band - number * height)
    area = QRectF(0, number * height, writer.width(), height)
    painter.setClipRect(area)
    context = QAbstractTextDocumentLayout.PaintContext()
    context.clip = area
    page.documentLayout().draw(painter, context)
    painter.restore()
    painter.setFont(QFont("DejaVu Sans", 7))
    painter.setPen(Qt.GlobalColor.darkGray)
    above = QRectF(0, 0, writer.width(), band * 0.6)
    below = QRectF(0, writer.height() - band * 0.6, writer.width(), band * 0.6)
    left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
    right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
    painter.drawText(above, left, f"Inspector report: {plain(document['case']['name'], 60)}")
    painter.drawText(above, right, str(document["created"]))
    painter.drawText(below, left, f"journal head {document['journal']['head']}")
    painter.drawText(below, right, f"{number + 1} / {page.pageCount()}")
