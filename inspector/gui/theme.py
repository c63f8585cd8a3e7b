"""Colours by meaning, one style sheet, icons from ``resources/icons``; dark, or light by choice."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QByteArray, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QImage, QPainter, QPalette, QPixmap
from PySide6.QtWidgets import QApplication, QStyleFactory

from inspector import places
from inspector.gui import looks
from inspector.gui.looks import shade

LIGHT = looks.CURRENT == "light"
"""Whether the window is light in this session."""
BACKGROUND = shade("#1a1d23")
"""Under docks and between panels."""
SURFACE = shade("#16191e")
"""Where data is drawn: map, gallery, tables."""
RAISED = shade("#2a2f38")
"""Buttons, headers, the selected tab."""
LINE = shade("#343a45")
TEXT = shade("#dde2ea")
MUTED = shade("#98a1b0")
"""Second-rank text; 6.6 : 1 against `SURFACE`, so still above WCAG AA."""
ACCENT = shade("#4c8dd6")
FOCUS = shade("#6fb0ff")
PROPOSED = shade("#f2c94c")
"""What the machine proposes and nobody has judged."""
SALIENCY = "#1f7dff"
"""Laid over pictures: seen on black, on white, and beside the red of a trigger."""
SELECTED = "#10151c" if LIGHT else "#ffffff"
FAINT = shade("#3a404b")
"""Samples that the filter hides, kept as context."""

VERDICT_COLOURS = {
    verdict: shade(colour)
    for verdict, colour in (
        ("none", "#7c8696"),
        ("low", "#6fae75"),
        ("medium", "#f2a541"),
        ("high", "#ef5b5b"),
    )
}
MESSAGE_COLOURS = {
    "info": ACCENT,
    "done": shade("#58a866"),
    "warning": VERDICT_COLOURS["medium"],
    "error": VERDICT_COLOURS["high"],
}

_TABLEAU = (
    "#4c78a8",
    "#f58518",
    "#e45756",
    "#72b7b2",
    "#54a24b",
    "#eeca3b",
    "#b279a2",
    "#ff9da6",
    "#9d755d",
    "#bab0ac",
)
_HEAT = ("#2b3350", "#3d4f8a", "#7a4f9a", "#c0517f", "#ee7a52", "#fcb84c", "#fdf3a8")
_HEAT_ON_WHITE = ("#d9dfea", "#f3cf7a", "#ee9a52", "#dd6a5f", "#b5407f", "#6d2f86", "#2a1a5e")


def class_colours(count: int) -> list[str]:
    """Return ``count`` colours for classes: ten well-known ones, then hues by the golden angle."""
    colours = list(_TABLEAU[:count])
    for k in range(len(colours), count):
        hue = (0.07 + 0.618034 * k) % 1.0
        lightness = (0.62, 0.74, 0.5)[k % 3]
        red, green, blue = colorsys.hls_to_rgb(hue, lightness, (0.55, 0.4)[k % 2])
        colours.append(f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}")
    return colours


def veil(colour: str, alpha: int) -> QColor:
    """Return a colour of the dark look, as this one has it, that lets through what is below.

    Parameters
    ----------
    colour : str
    alpha : int
        0 for nothing at all to 255 for a wall.
    """
    answer = QColor(shade(colour))
    answer.setAlpha(alpha)
    return answer


def packed(colour: str) -> int:
    """Return a colour as the 32-bit number that `QImage.Format_RGB32` stores."""
    return 0xFF000000 | int(colour.lstrip("#"), 16)


def heat_table() -> NDArray[np.uint32]:
    """Return 256 packed colours from unremarkable to remarkable, away from the background."""
    scale = _HEAT_ON_WHITE if LIGHT else _HEAT
    knots = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in scale], float)
    at = np.linspace(0, len(knots) - 1, 256)
    rgb = np.stack([np.interp(at, np.arange(len(knots)), knots[:, k]) for k in range(3)], axis=1)
    red, green, blue = np.round(rgb).astype(np.uint32).T
    table: NDArray[np.uint32] = np.uint32(0xFF000000) | red << 16 | green << 8 | blue
    return table


def icon(name: str) -> QIcon:
    """Return an icon of ``resources/icons`` in the colour of text; an empty icon if it is missing.

    The files draw in ``#dde2ea``; the disabled state repeats them in a muted colour.
    """
    path = places.resources() / "icons" / f"{name}.svg"
    try:
        drawing = path.read_text(encoding="utf-8")
    except OSError:
        return QIcon()
    answer = QIcon()
    for mode, colour in ((QIcon.Mode.Normal, TEXT), (QIcon.Mode.Disabled, shade("#5b6472"))):
        answer.addPixmap(_rendered(drawing.replace("#dde2ea", colour), 20), mode)
    return answer


def window_icon() -> QIcon:
    """Return Inspector's own icon."""
    return QIcon(str(places.resources() / "icons" / "inspector.svg"))


def _rendered(svg: str, side: int) -> QPixmap:
    from PySide6.QtSvg import QSvgRenderer

    ratio = 2.0
    image = QImage(QSize(side, side) * ratio, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    QSvgRenderer(QByteArray(svg.encode())).render(painter)
    painter.end()
    image.setDevicePixelRatio(ratio)
    return QPixmap.fromImage(image)


def apply(app: QApplication) -> None:
    """Give the whole application its look."""
    app.setStyle(QStyleFactory.create("Fusion"))
    palette = QPalette()
    roles = QPalette.ColorRole
    for role, colour in {
        roles.Window: BACKGROUND,
        roles.Base: SURFACE,
        roles.AlternateBase: "#1d2128",
        roles.Button: RAISED,
        roles.ToolTipBase: "#303744",
        roles.Text: TEXT,
        roles.WindowText: TEXT,
        roles.ButtonText: TEXT,
        roles.ToolTipText: TEXT,
        roles.PlaceholderText: "#7d8797",
        roles.BrightText: "#ffffff",
        roles.Highlight: "#2f5f9a",
        roles.HighlightedText: "#ffffff",
        roles.Link: FOCUS,
        roles.Light: "#3b424e",
        roles.Midlight: "#303641",
        roles.Mid: LINE,
        roles.Dark: "#101216",
        roles.Shadow: "#0b0c0f",
    }.items():
        palette.setColor(role, QColor(shade(colour)))
    for role in (roles.Text, roles.WindowText, roles.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(shade("#69727f")))
    app.setPalette(palette)
    app.setStyleSheet(shade(STYLE))


_UP = (places.resources() / "icons" / "up.svg").as_posix()
_DOWN = (places.resources() / "icons" / "down.svg").as_posix()
_CHECK = (places.resources() / "icons" / "check.svg").as_posix()

STYLE = f"""
QMainWindow::separator {{ background: {BACKGROUND}; width: 5px; height: 5px; }}
QMainWindow::separator:hover {{ background: {ACCENT}; }}
QSplitter::handle {{ background: {BACKGROUND}; }}
QSplitter::handle:hover {{ background: {ACCENT}; }}
QSplitter::handle:vertical {{ height: 5px; }}
QSplitter::handle:horizontal {{ width: 5px; }}
QMenuBar {{ background: {BACKGROUND}; padding: 1px 4px; }}
QMenuBar::item {{ padding: 4px 9px; border-radius: 4px; background: transparent; }}
QMenuBar::item:selected {{ background: {RAISED}; }}
QMenu {{ background: #22262e; border: 1px solid {LINE}; padding: 4px; }}
QMenu::item {{ padding: 5px 26px 5px 22px; border-radius: 4px; }}
QMenu::item:selected {{ background: #2f5f9a; color: white; }}
QMenu::item:disabled {{ color: #69727f; }}
QMenu::separator {{ height: 1px; background: {LINE}; margin: 4px 8px; }}
QToolBar {{ background: {BACKGROUND}; border: none; border-bottom: 1px solid {LINE};
            padding: 3px 6px; spacing: 4px; }}
QToolBar::separator {{ width: 1px; background: {LINE}; margin: 4px 5px; }}
QToolButton {{ padding: 4px 8px; border: 1px solid transparent; border-radius: 5px; }}
QToolButton:hover {{ background: {RAISED}; }}
QToolButton:pressed, QToolButton:checked {{ background: #2b4a70; border-color: {ACCENT}; }}
QToolButton::menu-indicator {{ image: none; }}
QPushButton {{ background: {RAISED}; border: 1px solid {LINE}; border-radius: 5px;
               padding: 4px 10px; }}
QPushButton:hover {{ background: #343b47; border-color: #465062; }}
QPushButton:pressed, QPushButton:checked {{ background: #2b4a70; border-color: {ACCENT}; }}
QPushButton:disabled {{ color: #69727f; background: #20242b; }}
QPushButton:default {{ border-color: {ACCENT}; }}
QPushButton[primary="true"] {{ background: #2d64a8; border-color: #3f7cc6; color: white; }}
QPushButton[primary="true"]:hover {{ background: #3674c0; }}
QPushButton[primary="true"]:disabled {{
    background: #20242b; border-color: {LINE}; color: #69727f; }}
QCheckBox::indicator, QListView::indicator, QTreeView::indicator {{
    width: 13px; height: 13px; border: 1px solid #566074; border-radius: 3px;
    background: {SURFACE}; }}
QCheckBox::indicator:checked, QListView::indicator:checked, QTreeView::indicator:checked {{
    background: {ACCENT}; border-color: {ACCENT}; image: url("{_CHECK}"); }}
QRadioButton::indicator {{
    width: 11px; height: 11px; border: 1px solid #566074; border-radius: 6px;
    background: {SURFACE}; }}
QRadioButton::indicator:checked {{ border: 3px solid {ACCENT}; width: 7px; height: 7px;
    background: {TEXT}; }}
QLineEdit, QPlainTextEdit, QSpinBox, QDoubleSpinBox {{
    background: {SURFACE}; border: 1px solid {LINE}; border-radius: 5px; padding: 3px 7px;
    selection-background-color: #2f5f9a; }}
QLineEdit:focus, QPlainTextEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus {{
    border-color: {ACCENT}; }}
QLineEdit[wrong="true"] {{ border-color: #ef5b5b; }}
QComboBox {{ background: {RAISED}; border: 1px solid {LINE}; border-radius: 5px;
             padding: 3px 7px; }}
QComboBox:hover {{ border-color: #465062; }}
QComboBox::drop-down {{ border: none; width: 20px; }}
QComboBox::down-arrow {{ image: url("{_DOWN}"); width: 10px; height: 10px; }}
QDialogButtonBox {{ dialogbuttonbox-buttons-have-icons: 0; }}
QComboBox QAbstractItemView {{ background: #22262e; border: 1px solid {LINE}; outline: none;
                               selection-background-color: #2f5f9a; }}
QDockWidget {{ titlebar-close-icon: none; }}
QDockWidget::title {{ background: {BACKGROUND}; padding: 5px 9px; text-align: left;
                      color: {MUTED}; }}
QTabBar::tab {{ background: transparent; color: {MUTED}; padding: 5px 13px;
                border: none; border-top: 2px solid transparent; }}
QTabBar::tab:selected {{ color: {TEXT}; background: {SURFACE}; border-top: 2px solid {ACCENT}; }}
QTabBar::tab:hover:!selected {{ color: {TEXT}; background: {RAISED}; }}
QHeaderView {{ background: {BACKGROUND}; }}
QHeaderView::section {{ background: {BACKGROUND}; color: {MUTED}; border: none;
    border-right: 1px solid {LINE}; border-bottom: 1px solid {LINE}; padding: 4px 7px; }}
QHeaderView::up-arrow, QHeaderView::down-arrow {{
    subcontrol-origin: border; subcontrol-position: top center; top: 1px;
    width: 7px; height: 6px; }}
QHeaderView::up-arrow {{ image: url("{_UP}"); }}
QHeaderView::down-arrow {{ image: url("{_DOWN}"); }}
QTreeView, QTableView, QListView, QAbstractScrollArea {{ border: none; }}
QTreeView, QTableView, QListView {{ background: {SURFACE}; alternate-background-color: #1b1f26;
    outline: none; gridline-color: #232830; }}
QTreeView::item, QListView::item {{ padding: 2px 0; }}
QTreeView::item:hover, QListView::item:hover {{ background: #222730; }}
QTreeView::item:selected, QTableView::item:selected, QListView::item:selected {{
    background: #2f5f9a; color: white; }}
QScrollBar:vertical {{ background: transparent; width: 11px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 11px; margin: 0; }}
QScrollBar::handle {{ background: #3b424e; border-radius: 4px; margin: 2px; }}
QScrollBar::handle:vertical {{ min-height: 28px; }}
QScrollBar::handle:horizontal {{ min-width: 28px; }}
QScrollBar::handle:hover {{ background: #525b6b; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
QSlider::groove:horizontal {{ height: 4px; background: {LINE}; border-radius: 2px; }}
QSlider::sub-page:horizontal {{ background: {ACCENT}; border-radius: 2px; }}
QSlider::handle:horizontal {{ width: 13px; height: 13px; margin: -5px 0; border-radius: 6px;
                              background: {TEXT}; }}
QProgressBar {{ background: {SURFACE}; border: 1px solid {LINE}; border-radius: 5px;
                text-align: center; min-height: 16px; }}
QProgressBar::chunk {{ background: #3a75bd; border-radius: 4px; }}
QStatusBar {{ background: {BACKGROUND}; border-top: 1px solid {LINE}; }}
QStatusBar::item {{ border: none; }}
QToolTip {{ background: #303744; color: {TEXT}; border: 1px solid #465062; padding: 4px 6px; }}
"""
