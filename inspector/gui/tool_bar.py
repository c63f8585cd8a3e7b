"""The bar above the panels: the commands that are used most, the filter, the palette."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QToolBar, QToolButton, QWidget

from inspector.gui import theme
from inspector.gui.commands import Commands
from inspector.gui.filter_bar import FilterBar

BUTTONS: tuple[tuple[str, str, str], ...] = (
    ("new-case", "open", "Open…"),
    ("analyse", "analyse", "Analyse"),
    ("export", "export", "Export"),
    ("", "", ""),
    ("undo", "undo", ""),
    ("redo", "redo", ""),
    ("", "", ""),
)
"""Command, picture and text of every button; empty ones are separators."""


class ToolBar(QToolBar):
    """Buttons of the window's commands; stays where it is."""

    def __init__(
        self,
        commands: Commands,
        filter_bar: FilterBar,
        open_palette: Callable[[], None],
        parent: QWidget,
    ) -> None:
        super().__init__("Tools", parent)
        self.setObjectName("tools")
        self.setMovable(False)
        self.setIconSize(QSize(18, 18))
        self.toggleViewAction().setEnabled(False)
        style = Qt.ToolButtonStyle
        for name, picture, text in BUTTONS:
            if not name:
                self.addSeparator()
                continue
            action = commands.by_id[name]
            button = QToolButton(self)
            button.setDefaultAction(action)
            action.setIcon(theme.icon(picture))
            if text:
                action.setIconText(text)
            button.setToolButtonStyle(
                style.ToolButtonTextBesideIcon if text else style.ToolButtonIconOnly
            )
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            self.addWidget(button)
        self.addWidget(filter_bar)
        palette = QToolButton(self)
        palette.setText("Ctrl+Shift+P")
        palette.setIcon(theme.icon("search"))
        palette.setToolButtonStyle(style.ToolButtonTextBesideIcon)
        palette.setToolTip("Find any command")
        palette.clicked.connect(open_palette)
        self.addWidget(palette)
