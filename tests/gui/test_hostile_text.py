"""Evidence strings that try to be markup, to turn direction or to break lines, in every view."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from planted_case import plant, plant_trigger
from PySide6.QtCore import QAbstractItemModel, QModelIndex, Qt
from PySide6.QtGui import Qt as QtOfText
from PySide6.QtGui import QTextDocument
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QComboBox,
    QDockWidget,
    QGraphicsTextItem,
    QGraphicsView,
    QGroupBox,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QTabBar,
    QTextEdit,
    QWidget,
)
from pytestqt.qtbot import QtBot

from inspector.case import Case, Entry
from inspector.gui.main_window import MainWindow

MARK = "EVIL"
HOSTILE = (
    f"<b>{MARK}</b>",
    f"<img src='file:///etc/passwd'>{MARK}",
    f"{MARK}\u202egpj.exe",
    f"{MARK}\nsecond line",
    f"{MARK}" + "x" * 10_000,
)
LONGEST = 4000
ALL = " ".join(HOSTILE[:4])


def evil_case(path: Path) -> None:
    """A case in which every string that comes from evidence is hostile."""
    case, _ = plant(path, 200, names=HOSTILE)
    plant_trigger(case)
    case.add_evidence("model", str(path.parent / f"{MARK}<b>\u202e.pt"), "ab" * 32, 10)
    case.add_evidence("data", str(path.parent / f"{MARK}\n<i>data"), "cd" * 32, 10)
    case.set_unreadable([(5, ALL), (6, HOSTILE[4])])
    for name, finding in case.findings().items():
        case.record_finding(
            name, {**finding, "title": f"{MARK} {name} <b>", "caveats": [ALL], "reason": ALL}
        )
    case.set("warnings", [ALL, HOSTILE[4]])
    case.set("outcome", {**case.get("outcome"), "caveats": [ALL, HOSTILE[4]]})
    case.set("dataset", {**case.get("dataset"), "notes": [ALL, HOSTILE[4]], "format": HOSTILE[0]})
    model = {"architecture": HOSTILE[1], "family": HOSTILE[0], "notes": [ALL, HOSTILE[4]]}
    model |= {"doubt": ALL, "layers": list(HOSTILE[:4]), "head": HOSTILE[2], "accuracy": 0.5}
    model |= {"num_classes": len(HOSTILE), "in_channels": 3, "sha256": "ab" * 32, "tried": []}
    case.set("model", model)
    case.set("sandbox", [HOSTILE[0], HOSTILE[2]])
    case.journal.append("scan failed", reason=ALL)
    case.journal.append(HOSTILE[2], why=HOSTILE[0])
    case.close()


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    evil_case(tmp_path / "evil.case")
    shown = MainWindow()
    qtbot.addWidget(shown)
    shown.resize(1366, 768)
    shown.show()
    qtbot.waitExposed(shown)
    assert shown.opening.open(tmp_path / "evil.case")
    shown.build_panels()
    qtbot.wait(50)
    yield shown
    shown.close()


def size_of(model: QAbstractItemModel, parent: QModelIndex) -> tuple[int, int]:
    """Rows and columns; lists and tables hide the methods that trees have."""
    try:
        return model.rowCount(parent), model.columnCount(parent)
    except TypeError:
        return (0, 0) if parent.isValid() else (model.rowCount(), 1)


def items_of(view: QAbstractItemView) -> Iterator[tuple[str, str]]:
    model = view.model()
    if model is None:
        return
    roles = (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole)
    waiting = [QModelIndex()]
    while waiting:
        parent = waiting.pop()
        rows, columns = size_of(model, parent)
        for row in range(min(rows, 60)):
            for column in range(columns):
                index = model.index(row, column, parent)
                for role in roles:
                    text = model.data(index, role)
                    if isinstance(text, str):
                        tip = role == Qt.ItemDataRole.ToolTipRole
                        yield ("tip" if tip else "item"), text
                if column == 0 and size_of(model, index)[0]:
                    waiting.append(index)
    for orientation in (Qt.Orientation.Horizontal, Qt.Orientation.Vertical):
        across = orientation == Qt.Orientation.Horizontal
        sections = size_of(model, QModelIndex())[1] if across else 20
        for section in range(sections):
            text = model.headerData(section, orientation, roles[0])
            if isinstance(text, str):
                yield "item", text


def document_texts(document: QTextDocument) -> Iterator[tuple[str, str]]:
    """What a rich document shows; pictures in it would have been loaded by markup."""
    pictures = [form for form in document.allFormats() if form.isImageFormat()]
    yield ("picture" if pictures else "rich"), document.toPlainText()


def texts_of(widget: QWidget) -> Iterator[tuple[str, str]]:
    """Every text of one widget with what kind of showing it is."""
    yield "tip", widget.toolTip()
    yield "item", widget.statusTip()
    yield "item", widget.accessibleName()
    if isinstance(widget, QLabel):
        plain = widget.textFormat() == Qt.TextFormat.PlainText
        yield ("item" if plain else "label"), widget.text()
    elif isinstance(widget, QAbstractButton):
        yield "item", widget.text()
    elif isinstance(widget, QGroupBox):
        yield "item", widget.title()
    elif isinstance(widget, QLineEdit):
        yield "item", widget.text()
    elif isinstance(widget, QPlainTextEdit):
        yield "lines", widget.toPlainText()
    elif isinstance(widget, QTextEdit):
        yield from document_texts(widget.document())
    elif isinstance(widget, QComboBox):
        yield from (("item", widget.itemText(at)) for at in range(widget.count()))
    elif isinstance(widget, QTabBar):
        for at in range(widget.count()):
            yield "item", widget.tabText(at)
            yield "tip", widget.tabToolTip(at)
    elif isinstance(widget, QDockWidget):
        yield "item", widget.windowTitle()
    elif isinstance(widget, QAbstractItemView):
        yield from items_of(widget)
    elif isinstance(widget, QGraphicsView) and widget.scene() is not None:
        for item in widget.scene().items():
            if isinstance(item, QGraphicsTextItem):
                yield from document_texts(item.document())


def fault(kind: str, text: str) -> str:
    """Return what is wrong with showing this text so; "" when nothing is."""
    if MARK not in text:
        return ""
    if kind == "picture":
        return "markup loaded a picture"
    if kind == "label" or (kind == "tip" and QtOfText.mightBeRichText(text) and "<b>" in text):
        return "markup would be obeyed"
    if kind == "rich" and "<b>" not in text and "EVIL⟨" not in text and "EVILx" not in text:
        return "markup was obeyed"
    allowed = "\n" if kind in ("tip", "lines", "rich", "item") else ""
    if any(unicodedata.category(c) in ("Cf", "Cs", "Cc") and c not in allowed for c in text):
        return "invisible characters"
    if f"{MARK}\nsecond" in text:
        return "a name broke the line"
    return "too long" if len(text) > LONGEST * (20 if kind in ("lines", "rich") else 1) else ""


def faults(window: MainWindow) -> tuple[list[str], int]:
    """Walk everything that is there; return the faults, and how often hostile text was met."""
    found: list[str] = []
    met = 0
    for top in [window, *QApplication.topLevelWidgets()]:
        for widget in [top, *top.findChildren(QWidget)]:
            for kind, text in texts_of(widget):
                met += MARK in text
                if wrong := fault(kind, text):
                    path = f"{type(widget.parent()).__name__}/{type(widget).__name__}"
                    found.append(f"{path}: {wrong}: {kind} {text[:120]!r}")
    return sorted(set(found)), met


def test_no_view_obeys_what_evidence_says(qtbot: QtBot, window: MainWindow) -> None:
    space = window.workspace
    seen = 0
    for row in (5, 6, 0, 1, 2, 3, 4):
        space.select([row])
        space.set_current(row) if hasattr(space, "set_current") else None
        space.message.emit("error", ALL)
        space.job_event.emit({"event": "log", "text": ALL, "level": "warning"})
        space.job_event.emit(
            {"event": "progress", "stage": HOSTILE[row % 5], "done": 3, "total": 9, "text": ALL}
        )
        space.job_event.emit({"event": "failed", "job": "scan", "what": ALL, "why": "", "fix": ""})
        for dock in window.docks.values():
            dock.raise_()
            qtbot.wait(5)
        wrong, met = faults(window)
        assert not wrong, "\n".join(wrong)
        seen += met
    # In tables, lists, facts, messages and logs: were it not there, nothing would be tested.
    assert seen > 200, seen


def test_tooltips_of_what_is_picked_obey_nothing(window: MainWindow) -> None:
    """The gallery's title names the class, Undo names the tag: both come with a case."""
    gallery, history = window.panels["gallery"], window.panels["history"]
    gallery.show_class(0)
    tip = gallery._title.toolTip()
    assert MARK in tip
    assert not fault("tip", tip)
    entry = Entry(1, "", "", "tag", {"tag": f"<b>{MARK}</b>"}, "")
    history._offer(history.undo, "Undo", entry)
    assert MARK in history.undo.toolTip()
    assert not fault("tip", history.undo.toolTip())


def test_a_hostile_title_of_a_case(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    """The folder of the case itself may be named by an attacker who sent it."""
    folder = tmp_path / f"{MARK}<b>\u202e\n.case"
    evil_case(folder)
    assert window.opening.open(folder)
    qtbot.wait(20)
    wrong, _ = faults(window)
    assert not wrong, "\n".join(wrong)
    assert "\u202e" not in window.windowTitle()
    with Case.open(tmp_path / "evil.case", read_only=True) as case:
        assert case.class_names == HOSTILE


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("label", f"<b>{MARK}</b>"),
        ("tip", f"<b>{MARK}</b>"),
        ("picture", MARK),
        ("rich", MARK),
        ("item", f"{MARK}\u202e"),
        ("item", f"{MARK}\nsecond line"),
        ("item", MARK + "x" * 9000),
    ],
)
def test_the_walk_would_notice(kind: str, text: str) -> None:
    assert fault(kind, text)
