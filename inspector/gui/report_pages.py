"""Where pages break: no heading at the foot of a page, no row of a table across two.

Qt breaks between any two lines. Here the laid-out document is looked through from the top, and
whatever a break would tear apart is pushed down: a heading by a break before it, a row by padding
under the row above.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from PySide6.QtGui import (
    QTextBlock,
    QTextCursor,
    QTextDocument,
    QTextFormat,
    QTextFrame,
    QTextTable,
    QTextTableCell,
)

_MOST_PUSHES = 2000
_SLACK = 4.0
"""Device pixels that are left above the break: too few for a line of text."""


@dataclass(frozen=True)
class _Span:
    """From the top of the first line to the bottom of the last, in the document."""

    top: float
    bottom: float

    def pages(self, height: float) -> tuple[int, int]:
        """Return the first and the last page that it stands on."""
        return int(self.top // height), int(max(self.bottom - 1, self.top) // height)


def keep_sizes_of_headings(page: QTextDocument) -> None:
    """Let style sheets decide the size of text in headings: Qt would enlarge it once more."""
    block = page.begin()
    while block.isValid():
        if block.blockFormat().headingLevel():
            _without_adjustment(block)
        block = block.next()


def _without_adjustment(block: QTextBlock) -> None:
    pieces = []
    walk = block.begin()
    while not walk.atEnd():
        fragment = walk.fragment()
        pieces.append((fragment.position(), fragment.length(), fragment.charFormat()))
        walk += 1
    for position, length, style in pieces:
        if not style.hasProperty(QTextFormat.Property.FontPointSize):
            continue
        style.clearProperty(QTextFormat.Property.FontSizeAdjustment)
        cursor = QTextCursor(block)
        cursor.setPosition(position)
        cursor.setPosition(position + length, QTextCursor.MoveMode.KeepAnchor)
        cursor.setCharFormat(style)


def keep_together(page: QTextDocument) -> None:
    """Push down what a page break would tear apart; the document must have its page size."""
    for _ in range(_MOST_PUSHES):
        if not _push_one(page):
            return


def _push_one(page: QTextDocument) -> bool:
    """Mend the first torn place; whether there was one."""
    height = page.pageSize().height()
    page.pageCount()  # Qt lays out lazily: nothing below has a place before this.
    heading: QTextBlock | None = None
    for part in _parts(page.rootFrame()):
        if isinstance(part, QTextTable):
            if _push_row(part, height, heading):
                return True
            heading = None
            continue
        if part.blockFormat().headingLevel():
            heading = part
        elif part.text().strip() and heading is not None:
            # The first lines under a heading belong to it.
            if _foot(heading, part, height) and _break_before(heading):
                return True
            if not _leads_to_table(part):
                heading = None
    return False


def _leads_to_table(block: QTextBlock) -> bool:
    """Tell whether a table comes next: then the heading stays in charge of it."""
    after = block.next()
    return after.isValid() and QTextCursor(after).currentTable() is not None


def _foot(heading: QTextBlock, part: QTextBlock, height: float) -> bool:
    spans = _span_of([heading]), _span_of([part])
    if spans[0] is None or spans[1] is None:
        return False
    return spans[0].pages(height)[0] != spans[1].pages(height)[0]


def _break_before(heading: QTextBlock) -> bool:
    style = heading.blockFormat()
    if style.pageBreakPolicy() & QTextFormat.PageBreakFlag.PageBreak_AlwaysBefore:
        return False
    style.setPageBreakPolicy(QTextFormat.PageBreakFlag.PageBreak_AlwaysBefore)
    QTextCursor(heading).setBlockFormat(style)
    return True


def _push_row(table: QTextTable, height: float, heading: QTextBlock | None) -> bool:
    headers = table.format().toTableFormat().headerRowCount()
    rows = [_row_span(table, row) for row in range(table.rows())]
    first = rows[headers] if headers < len(rows) else None
    title = _span_of([heading]) if heading is not None else None
    if heading is not None and title is not None and first is not None:
        # Whatever stands between the two, such as a head of the table, lies on pages in between.
        torn = title.pages(height)[0] != first.pages(height)[1]
        if torn and _break_before(heading):
            return True
    for row in range(max(1, headers + 1), len(rows)):
        span = rows[row]
        if span is None:
            continue
        start, end = span.pages(height)
        if start != end and span.bottom - span.top < height * 0.9:
            return _lengthen(table, row - 1, (start + 1) * height - span.top - _SLACK)
    return False


def _lengthen(table: QTextTable, row: int, by: float) -> bool:
    """Put blank space under a row, so that the next one starts on the next page."""
    if by <= 0:
        return False
    for column in range(table.columns()):
        cell = table.cellAt(row, column)
        style = cell.format().toTableCellFormat()
        style.setBottomPadding(style.bottomPadding() + _to_points(table, by))
        cell.setFormat(style)
    return True


def _to_points(table: QTextTable, pixels: float) -> float:
    """Paddings are given at 96 dots per inch and scaled to the device by the layout."""
    device = table.document().documentLayout().paintDevice()
    return pixels if device is None else pixels * 96 / device.logicalDpiY()


def _row_span(table: QTextTable, row: int) -> _Span | None:
    blocks = [
        block
        for column in range(table.columns())
        for block in _blocks_of(table.cellAt(row, column))
    ]
    return _span_of(blocks)


def _blocks_of(cell: QTextTableCell) -> Iterator[QTextBlock]:
    block, last = cell.firstCursorPosition().block(), cell.lastCursorPosition().block()
    while block.isValid():
        yield block
        if block == last:
            return
        block = block.next()


def _span_of(blocks: list[QTextBlock]) -> _Span | None:
    """Return where the lines of some blocks stand; None when they have none."""
    tops, bottoms = [], []
    for block in blocks:
        layout = block.layout()
        # A layout's own position counts from its cell; this counts from the document.
        place = block.document().documentLayout().blockBoundingRect(block)
        at = place.y() - layout.boundingRect().y()
        for number in (0, layout.lineCount() - 1):
            if number >= 0 and layout.lineCount():
                line = layout.lineAt(number)
                tops.append(at + line.y())
                bottoms.append(at + line.y() + line.height())
    return _Span(min(tops), max(bottoms)) if tops else None


def _parts(frame: QTextFrame) -> Iterator[QTextBlock | QTextTable]:
    """Yield blocks and tables of a frame from the top."""
    walk = frame.begin()
    while not walk.atEnd():
        inner = walk.currentFrame()
        if isinstance(inner, QTextTable):
            yield inner
        elif walk.currentBlock().isValid():
            yield walk.currentBlock()
        walk += 1
