"""What the window shows before a case is open: what to do first, and what it was last."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QPainter,
    QPaintEvent,
)
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from inspector import __version__, places
from inspector.gui import theme
from inspector.gui.job_feed import Event
from inspector.gui.plain import plain
from inspector.gui.recent import recent_cases

_STEPS = (
    ("Ctrl+N", "open model and dataset"),
    ("L", "lasso points on the map"),
    ("1 … 4", "tag the selection"),
    ("Ctrl+Shift+P", "find any command"),
)


class StartPage(QWidget):
    """A card in the middle of the empty window.

    Signals
    -------
    asked : str
        Id of a command.
    case_chosen : Path
        One of the recent cases.
    dropped : list of Path
        Files or folders dropped on the page.
    """

    asked = Signal(str)
    case_chosen = Signal(object)
    dropped = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAcceptDrops(True)
        self._dragged_over = False
        card = QFrame(self)
        card.setObjectName("card")
        card.setFixedWidth(600)
        card.setStyleSheet(
            theme.shade("#card { background: #1f232a; border-radius: 10px; border: 1px solid ")
            + f"{theme.LINE}; }}"
        )
        column = QVBoxLayout(card)
        column.setContentsMargins(32, 26, 32, 24)
        column.setSpacing(10)
        column.addLayout(_title())
        column.addWidget(
            _words(
                "Finds poisoned training data and backdoors in image classifiers. "
                "Open a suspect model with the data that it was trained on.",
                muted=True,
            )
        )
        column.addSpacing(6)
        column.addLayout(self._buttons())
        self._progress = QProgressBar(card)
        self._progress.hide()
        self._progress_text = _words("", muted=True)
        self._progress_text.hide()
        column.addWidget(self._progress)
        column.addWidget(self._progress_text)
        column.addSpacing(6)
        self._recent_title = _words("Recent cases", muted=True)
        column.addWidget(self._recent_title)
        self._recent = QVBoxLayout()
        self._recent.setSpacing(2)
        column.addLayout(self._recent)
        column.addSpacing(6)
        column.addLayout(self._keys())
        column.addSpacing(8)
        column.addWidget(_words(environment_line(), muted=True, size_step=-1))
        outer = QVBoxLayout(self)
        outer.addStretch(1)
        # Aligned in one column, the card would get the height that its lines need when they are wide.
        across = QHBoxLayout()
        across.addStretch(1)
        across.addWidget(card)
        across.addStretch(1)
        outer.addLayout(across)
        outer.addStretch(1)
        self.refresh()

    def _buttons(self) -> QHBoxLayout:
        line = QHBoxLayout()
        line.setSpacing(8)
        self.demo_button = QPushButton("Try the demo case", self)
        for button, command, tip in (
            (
                QPushButton("Open model and dataset…", self),
                "new-case",
                "Weights are read as data: nothing in the model file is executed",
            ),
            (QPushButton("Open case…", self), "open-case", "Go on with an investigation"),
            (
                self.demo_button,
                "demo",
                "Plants a patch attack in real handwritten digits, trains a small network on them "
                "and scans it, on this machine, without a download; about half a minute",
            ),
        ):
            button.setProperty("primary", command == "new-case")
            button.setMinimumHeight(32)
            button.setToolTip(tip)
            button.clicked.connect(lambda _=False, name=command: self.asked.emit(name))
            line.addWidget(button)
        line.addStretch(1)
        return line

    def _keys(self) -> QVBoxLayout:
        lines = QVBoxLayout()
        lines.setSpacing(6)
        for pair in (_STEPS[:2], _STEPS[2:]):
            line = QHBoxLayout()
            line.setSpacing(8)
            for keys, meaning in pair:
                key = _words(keys)
                key.setStyleSheet(
                    f"background: {theme.RAISED}; border-radius: 4px; padding: 2px 6px;"
                )
                # A style sheet's padding is not in the height that a label asks for by itself.
                key.setMinimumHeight(key.fontMetrics().height() + 6)
                line.addWidget(key, 0, Qt.AlignmentFlag.AlignVCenter)
                line.addWidget(_words(meaning, muted=True))
                line.addSpacing(14)
            line.addStretch(1)
            lines.addLayout(line)
        return lines

    def refresh(self) -> None:
        """Show the recent cases as they are now."""
        while self._recent.count():
            item = self._recent.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.deleteLater()
        cases = recent_cases()[:5]
        self._recent_title.setVisible(bool(cases))
        for path in cases:
            button = QPushButton(_shown(path), self)
            button.setFlat(True)
            button.setCursor(Qt.CursorShape.PointingHandCursor)
            button.setStyleSheet(
                f"QPushButton {{ text-align: left; border: none; background: transparent;"
                f" padding: 4px 6px; color: {theme.FOCUS}; }}"
                f"QPushButton:hover {{ background: {theme.RAISED}; }}"
            )
            button.clicked.connect(lambda _=False, chosen=path: self.case_chosen.emit(chosen))
            self._recent.addWidget(button)

    def show_progress(self, event: Event) -> None:
        """Show how far the demo case is; its end hides the bar."""
        going = event.get("event") == "progress"
        self._progress.setVisible(going)
        self._progress_text.setVisible(going)
        self.demo_button.setEnabled(not going)
        if going:
            total = int(event.get("total") or 0)
            self._progress.setRange(0, total)
            self._progress.setValue(int(event.get("done") or 0))
            text = event.get("text") or event.get("stage") or ""
            self._progress_text.setText(plain(text))

    # ---- drop target ----------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls():
            event.acceptProposedAction()
            self._dragged_over = True
            self.update()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._dragged_over = False
        self.update()

    def dropEvent(self, event: QDropEvent) -> None:
        self._dragged_over = False
        self.update()
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.dropped.emit(paths)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(theme.SURFACE))
        painter.setPen(QColor(theme.FOCUS if self._dragged_over else theme.shade("#5f6977")))
        painter.drawText(
            self.rect().adjusted(0, 0, 0, -18),
            Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom,
            "or drop a model, a dataset or a case folder anywhere",
        )
        if self._dragged_over:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.drawRoundedRect(self.rect().adjusted(10, 10, -10, -10), 12, 12)


def _title() -> QHBoxLayout:
    picture = QLabel()
    picture.setPixmap(theme.window_icon().pixmap(38, 38))
    line = QHBoxLayout()
    line.setSpacing(12)
    line.addWidget(picture)
    line.addWidget(_words("Inspector", size=19, bold=True))
    line.addStretch(1)
    return line


def environment_line() -> str:
    """Return what this machine has, found without importing any of it."""
    parts = [f"Inspector {__version__}", f"Python {platform.python_version()}"]
    try:
        parts.append(f"torch {metadata.version('torch')}")
    except metadata.PackageNotFoundError:
        parts.append("torch is missing: run inspector doctor")
    gpu = Path("/dev/nvidiactl").exists()
    parts.append(f"{'NVIDIA GPU and ' if gpu else ''}{os.cpu_count()} processor cores")
    folders = (places.bundled_plugins(), places.user_plugins())
    found = sum(len(list(folder.glob("*.py"))) for folder in folders if folder.is_dir())
    if found:
        parts.append(f"{found} plugin file{'' if found == 1 else 's'}")
    return " · ".join(parts)


def _words(
    text: str, *, size: int = 0, size_step: int = 0, bold: bool = False, muted: bool = False
) -> QLabel:
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(len(text) > 40)
    font = label.font()
    font.setPointSize(size or font.pointSize() + size_step)
    font.setBold(bold)
    label.setFont(font)
    if muted:
        label.setStyleSheet(f"color: {theme.MUTED}")
    return label


def _shown(path: Path) -> str:
    home = str(Path.home())
    folder = str(path.parent)
    if folder == home or folder.startswith(home + os.sep):
        folder = "~" + folder[len(home) :]
    # An ampersand would become a mnemonic.
    return plain(f"{path.name}   —   {folder}", 90).replace("&", "&&")
