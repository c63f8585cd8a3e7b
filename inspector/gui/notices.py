"""Lines over the work that stay while something is so: read-only, unsaved, evidence away."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from inspector.case.evidence import Look
from inspector.gui import theme
from inspector.gui.plain import plain
from inspector.gui.workspace import Workspace

READ_ONLY = (
    "Read only: this case lies where nothing can be written. Look at everything; to tag or to "
    "analyse, copy the case to a place where you may write and open the copy."
)


class Notice(QFrame):
    """One line with at most two buttons."""

    def __init__(self, colour: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("notice")
        self.setStyleSheet(
            theme.shade("#notice { background: #252a33; border: none; border-left: 4px solid ")
            + f"{colour}; }}"
        )
        self._text = QLabel(self)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setWordWrap(True)
        self._text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.buttons = [QPushButton(self), QPushButton(self)]
        self._acts: list[Callable[[], object]] = []
        line = QHBoxLayout(self)
        line.setContentsMargins(12, 4, 6, 4)
        line.addWidget(self._text, 1)
        for at, button in enumerate(self.buttons):
            button.clicked.connect(partial(self._act, at))
            line.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        self.hide()

    @property
    def text(self) -> str:
        """What is said."""
        return self._text.text()

    def say(self, text: str, *offers: tuple[str, Callable[[], object]]) -> None:
        """Show a text and what can be done about it."""
        self._text.setText(plain(text, 800))
        self._acts = [act for _, act in offers]
        for button, offer in zip(self.buttons, [*offers, None, None]):
            button.setVisible(offer is not None)
            button.setText("" if offer is None else offer[0])
        self.show()

    def _act(self, at: int) -> None:
        if at < len(self._acts):
            self._acts[at]()


class Notices(QWidget):
    """Follows the workspace; takes no room while all is well."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self.read_only = Notice(theme.ACCENT, self)
        self.unsaved = Notice(theme.MESSAGE_COLOURS["error"], self)
        self.evidence = Notice(theme.MESSAGE_COLOURS["warning"], self)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(1)
        for notice in (self.read_only, self.unsaved, self.evidence):
            column.addWidget(notice)
        workspace.case_changed.connect(self._on_case)
        workspace.unsaved_changed.connect(self._on_unsaved)
        workspace.evidence.changed.connect(self._on_evidence)

    def _on_case(self, _: object = None) -> None:
        case = self._workspace.case
        if case is not None and case.read_only:
            self.read_only.say(READ_ONLY)
        else:
            self.read_only.hide()
        self._on_evidence()

    def _on_unsaved(self, count: int) -> None:
        if not count:
            self.unsaved.hide()
            return
        acts = "The last act is" if count == 1 else f"The last {count} acts are"
        self.unsaved.say(
            f"{acts} kept here and not in the case yet: the disk is full or refuses. Everything "
            "before is saved. Free some space, then try again.",
            ("Try again", self._workspace.save_unsaved),
        )

    def _on_evidence(self) -> None:
        looks = self._workspace.evidence.looks
        missing = [look for look in looks if look.state == "missing"]
        changed = [look for look in looks if look.state == "changed"]
        again = ("Look again", self._workspace.evidence.look)
        case = self._workspace.case
        if changed:
            said = "  ".join(f"{_name(look)} was changed on disk: {look.why}." for look in changed)
            said = said[:1].upper() + said[1:]
            self.evidence.say(
                f"{said}  Results from before belong to the former bytes and are stale.", again
            )
        elif missing and case is not None:
            said = ", ".join(_name(look) for look in missing)
            offers = [("Locate…", partial(self._locate, missing[0]))] if not case.read_only else []
            self.evidence.say(
                f"Not reachable: {said}. Everything computed so far can be browsed and tagged; "
                "to analyse or export, connect its disk or say where it lies now.",
                *offers,
                again,
            )
        else:
            self.evidence.hide()

    def _locate(self, look: Look) -> None:
        item = look.item
        start = str(Path(item.path).parent)
        title = f"Where does the {item.role} lie now?"
        if (item.role == "data" and not item.files) or item.role == "reference":
            place = QFileDialog.getExistingDirectory(self, title, start)
        else:
            place = QFileDialog.getOpenFileName(self, title, start)[0]
        if place:
            self._workspace.evidence.locate(item, Path(place))


def _name(look: Look) -> str:
    return f"the {look.item.role} {plain(look.item.path, 160)}"
