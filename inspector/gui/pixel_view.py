"""A small picture drawn large: every pixel a sharp square, masks over it when there are some."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from inspector.gui import theme
from inspector.gui.plain import plain
from inspector.gui.thumbnails import as_image

_WHOLE = QRectF(0, 0, 1, 1)
OVERLAYS = {"trigger": theme.VERDICT_COLOURS["high"], "saliency": theme.SALIENCY}
"""What can lie over a picture, and in which colour."""

_OPACITY = 170
"""Of a mask where it is full, out of 255: the picture below stays readable."""

MAX_SIDE = 1024
"""Longest side of a picture that the engine may send, in pixels."""


class PixelView(QWidget):
    """Shows one image nearest-neighbour scaled, its caption below, or why there is none."""

    def __init__(self, caption: str, parent: QWidget | None = None, side: int = 72) -> None:
        super().__init__(parent)
        self._caption = caption
        self._empty = ""
        self._image: QImage | None = None
        self._overlays: dict[str, tuple[QImage, QRectF]] = {}
        self._hidden: set[str] = set()
        self.setMinimumSize(side, side + self._caption_height())
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(caption)

    @property
    def image(self) -> QImage | None:
        """What is shown."""
        return self._image

    def has_overlay(self, name: str) -> bool:
        """Whether this mask lies over the image and can be seen."""
        return name in self._overlays and name not in self._hidden

    def show_image(self, image: QImage | None, empty: str = "") -> None:
        """Show an image, or the words ``empty`` where there is none."""
        self._image, self._empty = image, empty
        self.update()

    def show_overlay(
        self, name: str, mask: NDArray[np.uint8] | None, area: QRectF = _WHOLE
    ) -> None:
        """Lay a mask (h, w) of 0..255 over the image; None takes it away.

        Parameters
        ----------
        name : str
            One of `OVERLAYS`.
        mask : ndarray or None
        area : QRectF
            Where it lies, in shares of the image's width and height.
        """
        if mask is None:
            self._overlays.pop(name, None)
        else:
            self._overlays[name] = _tinted(mask, OVERLAYS[name]), area
        self.update()

    def toggle_overlay(self, name: str) -> bool:
        """Hide a mask, now and for the images to come, or show it again; return which."""
        self._hidden ^= {name}
        self.update()
        return name not in self._hidden

    def set_caption(self, text: str) -> None:
        """Change the words below the image."""
        self._caption = plain(text, 80)
        self.setAccessibleName(self._caption)
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(140, 140 + self._caption_height())

    def _caption_height(self) -> int:
        return self.fontMetrics().height() + 3 if self._caption else 0

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        area = QRectF(self.rect()).adjusted(0, 0, 0, -self._caption_height())
        painter.fillRect(area, QColor(theme.SURFACE))
        if self._image is not None:
            target = fitted(self._image.size(), area, self.devicePixelRatioF())
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
            painter.drawImage(target, self._image)
            painter.setClipRect(target)
            for name, (layer, share) in self._overlays.items():
                if name not in self._hidden:
                    painter.drawImage(_within(target, share), layer)
            painter.setClipping(False)
        elif self._empty:
            painter.setPen(QColor(theme.MUTED))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(area.adjusted(6, 6, -6, -6), int(flags), self._empty)
        if self._caption:
            painter.setPen(QColor(theme.MUTED))
            text = self.fontMetrics().elidedText(
                self._caption, Qt.TextElideMode.ElideRight, self.width() - 4
            )
            line = QRectF(2, area.bottom() + 2, self.width() - 4, self._caption_height())
            painter.drawText(line, int(Qt.AlignmentFlag.AlignHCenter), text)


def fitted(size: QSize, area: QRectF, ratio: float) -> QRectF:
    """Return where an image goes inside ``area``: centred, by a whole factor if enlarged.

    Parameters
    ----------
    size : QSize
        Size of the image in pixels.
    area : QRectF
        Room, in logical units.
    ratio : float
        Device pixels per logical unit, so that squares are equal on a scaled screen too.
    """
    scale = min(area.width() / max(size.width(), 1), area.height() / max(size.height(), 1)) * ratio
    # A hair too little room still counts, or pictures side by side come out at different sizes.
    scale = max(float(int(scale + 0.05)), 1.0) if scale >= 1 else scale
    width, height = size.width() * scale / ratio, size.height() * scale / ratio
    left = area.x() + round((area.width() - width) / 2 * ratio) / ratio
    top = area.y() + round((area.height() - height) / 2 * ratio) / ratio
    return QRectF(left, top, width, height)


def as_pixels(values: Any) -> NDArray[np.uint8] | None:
    """Return an image (h, w, 1 or 3) uint8 out of nested lists of 0..255, None if it is not one.

    The engine has parsed hostile bytes: what it sends as a picture is checked before it is drawn.
    """
    try:
        pixels = np.asarray(values, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        return None
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    good = pixels.ndim == 3 and pixels.shape[2] in (1, 3) and pixels.size > 0
    if not good or max(pixels.shape[:2]) > MAX_SIDE or not np.isfinite(pixels).all():
        return None
    result: NDArray[np.uint8] = np.clip(np.round(pixels), 0, 255).astype(np.uint8)
    return result


def resized(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return an image (height, width, c) by nearest neighbour."""
    down = np.arange(height) * pixels.shape[0] // height
    across = np.arange(width) * pixels.shape[1] // width
    return pixels[down][:, across]


def stamped(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    pattern: NDArray[np.uint8],
    delta: NDArray[np.int16] | None = None,
) -> NDArray[np.uint8]:
    """Return an image with a trigger put on it, at the size of the mask.

    That is (1 - m) x + m p, or x + delta within 0..255 where the trigger is an added one.

    Parameters
    ----------
    image : ndarray, shape (H, W, 1 or 3), uint8
    mask : ndarray, shape (h, w, 1), uint8
        255 where the pattern replaces the image.
    pattern : ndarray, shape (h, w, 1 or 3), uint8
    delta : ndarray, shape (h, w, 1 or 3), int16, optional
    """
    height, width = mask.shape[:2]
    under = resized(image, height, width).astype(np.float32)
    if delta is not None and delta.shape[:2] == (height, width):
        return np.clip(np.round(under + delta), 0, 255).astype(np.uint8)
    weight = mask[:, :, :1].astype(np.float32) / 255.0
    mixed = (1.0 - weight) * under + weight * resized(pattern, height, width)
    result: NDArray[np.uint8] = np.clip(np.round(mixed), 0, 255).astype(np.uint8)
    return result


def stretched(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image whose brightest value is 255, for what is faint."""
    result: NDArray[np.uint8] = np.rint(
        pixels.astype(np.float32) * (255 / max(int(pixels.max(initial=0)), 1))
    ).astype(np.uint8)
    return result


def beside(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return two images (h, w, c) of one size beside each other, a column of grey between them."""
    gap = np.full((left.shape[0], 1, left.shape[2]), 128, np.uint8)
    return np.concatenate([left, gap, right], axis=1)


def to_image(pixels: NDArray[np.uint8] | None) -> QImage | None:
    """Return pixels as an image for `PixelView`; None stays None."""
    return None if pixels is None else as_image(pixels)


def to_pixels(image: QImage | None) -> NDArray[np.uint8] | None:
    """Return an image as an array (h, w, 3) uint8 of its own."""
    if image is None or image.isNull():
        return None
    rgb = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(rgb.constBits(), np.uint8).reshape(rgb.height(), rgb.bytesPerLine())
    return rows[:, : rgb.width() * 3].reshape(rgb.height(), rgb.width(), 3).copy()


def _within(area: QRectF, share: QRectF) -> QRectF:
    """Return a part of an area, given in shares of it."""
    return QRectF(
        area.x() + share.x() * area.width(),
        area.y() + share.y() * area.height(),
        share.width() * area.width(),
        share.height() * area.height(),
    )


def _tinted(mask: NDArray[np.uint8], colour: str) -> QImage:
    """Return the mask as a see-through layer of one colour."""
    flat = mask[:, :, 0] if mask.ndim == 3 else mask
    height, width = flat.shape
    layer = np.zeros((height, width), np.uint32)
    alpha = (flat.astype(np.uint32) * _OPACITY) // 255
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    layer[:] = alpha << 24 | (red * alpha // 255) << 16 | (green * alpha // 255) << 8
    layer |= blue * alpha // 255
    kind = QImage.Format.Format_ARGB32_Premultiplied
    return QImage(layer.data, width, height, width * 4, kind).copy()
