"""The picture of the map and the gestures on it: lasso, box, pan, zoom, hover."""

from __future__ import annotations

import time
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QEnterEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from inspector.gui import lasso, theme
from inspector.gui.end_typing import HOME
from inspector.gui.selection import Mode
from inspector.gui.splat import DRAFT, Picture, Points, View

Tool = Literal["lasso", "box", "pan"]
SLOW_FRAME = 0.012
"""Seconds; a full drawing that takes longer is replaced by a draft while the view moves."""
SETTLE = 80
"""Milliseconds after the last movement until the full set is drawn."""
_HINTS = {
    "new": "Shift add · Alt remove · Ctrl keep common",
    "add": "add to the selection",
    "remove": "remove from the selection",
    "intersect": "keep what both have",
}


class MapCanvas(QWidget):
    """Points in one image, painted with the raster engine: it works over RDP and without a GPU.

    Signals
    -------
    outlined : ndarray of bool (n,), str
        A lasso or box was finished; the mode is one of "new", "add", "remove", "intersect".
    clicked : int, str
        A point was clicked in one of these modes.
    hovered : int
        The sample under the mouse, -1 for none.
    """

    outlined = Signal(object, str)
    clicked = Signal(int, str)
    hovered = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setObjectName(HOME)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.points: Points | None = None
        self.picture: Picture | None = None
        self.view = View()
        self.note = ""
        self._n = 0
        self._own_view = False
        self._stale = True
        self._moving = False
        self._full_cost = 0.0
        self._ratio = 1.0
        self._image = QImage()
        self._tool: Tool = "lasso"
        self._mode: Mode = "new"
        self._stroke: lasso.Stroke | None = None
        self._placed: tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]] | None
        self._placed = None
        self._grabbed: QPointF | None = None
        self._mouse = QPointF()
        self._hover = -1
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE)
        self._settle.timeout.connect(self._on_settled)

    def sizeHint(self) -> QSize:
        return QSize(700, 360)

    def minimumSizeHint(self) -> QSize:
        return QSize(160, 100)

    # ---- what is shown --------------------------------------------------------------------------

    def set_points(self, xy: NDArray[np.float32] | None) -> None:
        """Show other points, shape (n, 2), and all of them; None shows none."""
        self.points = None
        self._n = 0
        if xy is not None:
            xy = np.asarray(xy, np.float32)
            self.points, self._n = Points(xy[:, 0], xy[:, 1]), xy.shape[0]
        self._stroke = None
        self.fit_all()

    def set_layers(
        self,
        visible: NDArray[np.bool_] | None,
        tagged: NDArray[np.bool_] | None,
        selected: NDArray[np.bool_] | None,
    ) -> None:
        """Say which points are hidden by the filter, and which are drawn on top."""
        if self.points is not None:
            self.points.arrange(visible, tagged, selected)
            self._redraw()

    def set_colours(self, colours: NDArray[np.uint32]) -> None:
        """Set the packed colour of each sample, shape (n,)."""
        if self.points is not None:
            self.points.paint(colours)
            self._redraw()

    def set_tool(self, tool: Tool) -> None:
        """Choose what dragging does."""
        self._tool = tool
        self._stroke = None
        self.setCursor(
            Qt.CursorShape.OpenHandCursor if tool == "pan" else Qt.CursorShape.CrossCursor
        )
        self.update()

    def set_note(self, text: str) -> None:
        """Write a line on the canvas."""
        if text != self.note:
            self.note = text
            self.update()

    def fit_all(self) -> None:
        """Show all points, also after the canvas gets another size."""
        self._own_view = False
        self._redraw()

    def fit_rows(self, mask: NDArray[np.bool_]) -> None:
        """Show the samples of a mask; all points when none of them is on the map."""
        if self.points is None:
            return
        x, y = (axis[mask[: self._n]] for axis in self.points.coordinates)
        finite = np.isfinite(x) & np.isfinite(y)
        if not finite.any():
            self.fit_all()
            return
        most = self.points.view_of_all(self.width(), self.height()).scale * 60
        view = View.fitting(x[finite], y[finite], self.width(), self.height(), border=60)
        self.set_view(View(view.x, view.y, min(view.scale, most)))

    def set_view(self, view: View) -> None:
        """Show another part of the plane; a movement, so a slow drawing becomes a draft."""
        self.view, self._own_view = view, True
        self._moving = True
        self._settle.start()
        self._redraw()

    # ---- drawing --------------------------------------------------------------------------------

    def _redraw(self) -> None:
        self._stale = True
        self.update()

    def _on_settled(self) -> None:
        self._moving = False
        picture = self.picture
        if picture is None:
            return
        if picture.drawn < picture.total or self._ratio != self.devicePixelRatioF():
            self._redraw()

    def _draw(self) -> None:
        ratio = self.devicePixelRatioF()
        width, height = round(self.width() * ratio), round(self.height() * ratio)
        self._stale = False
        if self.points is None or width < 1 or height < 1:
            self.picture, self._image = None, QImage()
            return
        if not self._own_view:
            self.view = self.points.view_of_all(self.width(), self.height())
        draft = self._moving and self._full_cost > SLOW_FRAME
        if draft and ratio >= 2:
            # Half the resolution is a quarter of the work, and nobody sees it in a moving picture.
            ratio, width, height = ratio / 2, -(-width // 2), -(-height // 2)
        began = time.perf_counter()
        self.picture = self.points.draw(
            View(self.view.x, self.view.y, self.view.scale * ratio),
            width,
            height,
            background=theme.packed(theme.SURFACE),
            hidden=theme.packed(theme.FAINT),
            rim=theme.packed(theme.SELECTED),
            limit=DRAFT if draft else None,
            ratio=ratio,
        )
        if not draft:
            self._full_cost = time.perf_counter() - began
        self._ratio = ratio
        self._image = _as_image(self.picture.pixels, ratio)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._stale:
            self._draw()
        painter = QPainter(self)
        if self._image.isNull():
            painter.fillRect(self.rect(), QColor(theme.SURFACE))
        else:
            painter.drawImage(0, 0, self._image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._stroke is not None:
            self._paint_stroke(painter, self._stroke)
        self._paint_words(painter)
        painter.end()

    def _paint_stroke(self, painter: QPainter, stroke: lasso.Stroke) -> None:
        painter.setPen(QPen(QColor(theme.SELECTED), 1.4, Qt.PenStyle.DashLine))
        painter.setBrush(theme.veil(theme.SELECTED, 26))
        painter.drawPolygon(stroke.polygon, Qt.FillRule.OddEvenFill)
        if self._placed is None or stroke.is_click:
            return
        _, right, down = self._placed
        count = int(np.count_nonzero(lasso.roughly_inside(right, down, stroke.outline)))
        _paint_chip(painter, self._mouse + QPointF(14, -10), f"{count:,}", self.rect().toRectF())

    def _paint_words(self, painter: QPainter) -> None:
        metrics = painter.fontMetrics()
        bottom = self.height() - 8
        if self.points is not None and self._tool != "pan" and self._shows_hint():
            painter.setPen(QColor(theme.MUTED))
            painter.drawText(10, bottom, _HINTS[self._mode])
        if self.picture is not None:
            text = _drawn(self.picture)
            painter.setPen(QColor(theme.MUTED))
            painter.drawText(self.width() - 10 - metrics.horizontalAdvance(text), bottom, text)
        if self.note:
            painter.setPen(QColor(theme.TEXT))
            shown = metrics.elidedText(self.note, Qt.TextElideMode.ElideRight, self.width() - 20)
            painter.drawText(10, 8 + metrics.ascent(), shown)

    def _shows_hint(self) -> bool:
        return self.underMouse() or self._stroke is not None

    # ---- gestures -------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._mouse = event.position()
        pans = self._tool == "pan" and event.button() == Qt.MouseButton.LeftButton
        if pans or event.button() == Qt.MouseButton.MiddleButton:
            self._grabbed = event.position()
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif event.button() == Qt.MouseButton.LeftButton and self.points is not None:
            self._mode = lasso.mode_of(event.modifiers())
            self._stroke = lasso.Stroke(self._clamped(event.position()), self._tool == "box")
            self._placed = self.points.pixels(self.view, self.width(), self.height())
        self._point_at(-1)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._mouse = event.position()
        if self._grabbed is not None:
            step = event.position() - self._grabbed
            self._grabbed = event.position()
            self.set_view(self.view.panned(step.x(), step.y()))
        elif self._stroke is not None:
            self._mode = lasso.mode_of(event.modifiers())
            if self._stroke.extend(self._clamped(event.position())):
                self.update()
        else:
            mode = lasso.mode_of(event.modifiers())
            if mode != self._mode:
                self._mode = mode
                self.update()
            self._point_at(self.row_under(event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._grabbed is not None:
            self._grabbed = None
            self.set_tool(self._tool)
            return
        stroke, placed = self._stroke, self._placed
        self._stroke = self._placed = None
        self.update()
        if stroke is None or placed is None:
            return
        mode = lasso.mode_of(event.modifiers())
        if stroke.is_click:
            row = self.row_under(event.position())
            if row >= 0:
                self.clicked.emit(row, mode)
            return
        rows, right, down = placed
        mask = np.zeros(self._n, bool)
        mask[rows[lasso.inside(right, down, stroke.outline)]] = True
        self.outlined.emit(mask, mode)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.points is None or self._stroke is not None:
            return
        factor = 1.0015 ** event.angleDelta().y()
        spot = event.position()
        self.set_view(self.view.zoomed(factor, spot.x(), spot.y(), self.width(), self.height()))
        event.accept()

    def event(self, event: QEvent) -> bool:
        # Escape gives up the stroke before the window takes it for "clear the selection".
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and self._stroke is not None
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Escape
        ):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self._stroke is not None:
            self._stroke = self._placed = None
            self.update()
            return
        super().keyPressEvent(event)

    @property
    def drawing(self) -> bool:
        """Whether a stroke is being drawn."""
        return self._stroke is not None

    def enterEvent(self, event: QEnterEvent) -> None:
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        self._point_at(-1)
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._redraw()

    def row_under(self, spot: QPointF) -> int:
        """Return the sample drawn at a spot of the canvas, -1 for none."""
        if self.points is None or self.picture is None or self._stale:
            return -1
        right, down = int(spot.x() * self._ratio), int(spot.y() * self._ratio)
        return self.points.row_at(self.picture, right, down, reach=round(4 * self._ratio))

    def _point_at(self, row: int) -> None:
        if row != self._hover or row >= 0:
            self._hover = row
            self.hovered.emit(row)

    def _clamped(self, spot: QPointF) -> QPointF:
        return QPointF(
            min(max(spot.x(), 0.0), float(self.width())),
            min(max(spot.y(), 0.0), float(self.height())),
        )


def _as_image(pixels: NDArray[np.uint32], ratio: float) -> QImage:
    """Return pixels as an image that shares their memory, which the caller keeps alive."""
    height, width = pixels.shape
    stride = pixels.strides[0]
    # A numpy view of some columns is no plain buffer; the memory from its first pixel on is one.
    length = (height - 1) * stride // 4 + width
    flat = np.lib.stride_tricks.as_strided(pixels, shape=(length,), strides=(4,))
    image = QImage(flat.data, width, height, stride, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(ratio)
    return image


def _drawn(picture: Picture) -> str:
    if picture.drawn < picture.total:
        return f"drawn {picture.drawn:,} of {picture.total:,}"
    return f"{picture.total:,} points" + (" · brightness = density" if picture.dense else "")


def _paint_chip(painter: QPainter, spot: QPointF, text: str, area: QRectF) -> None:
    metrics = painter.fontMetrics()
    box = QRectF(spot.x(), spot.y() - metrics.height(), metrics.horizontalAdvance(text) + 12, 0)
    box.setHeight(metrics.height() + 4)
    box.moveRight(min(box.right(), area.right() - 4))
    box.moveTop(max(box.top(), area.top() + 4))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.veil("#14181e", 220))
    painter.drawRoundedRect(box, 4, 4)
    painter.setPen(QColor(theme.SELECTED))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
