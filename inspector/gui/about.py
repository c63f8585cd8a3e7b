"""Which Inspector this is, and what it runs on."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QWidget

from inspector import __version__
from inspector.gui import theme
from inspector.gui.start_page import environment_line


def show_about(parent: QWidget) -> None:
    """Show name, version and environment until the analyst closes it."""
    box = QMessageBox(parent)
    box.setWindowTitle("About Inspector")
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setIconPixmap(theme.window_icon().pixmap(64, 64))
    box.setText(f"Inspector {__version__}")
    box.setInformativeText(
        "A forensic inspector for poisoned training data and backdoored image classifiers.\n\n"
        + environment_line().partition(" · ")[2]
    )
    box.exec()
