"""The window's actions, wired: menus, keys and palette all trigger these."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenuBar, QWidget

from inspector.gui.keys import COMMANDS, MENUS, PANELS, PANELS_WITH_KEYS, Command, own_keys
from inspector.gui.plain import plain
from inspector.gui.workspace import Workspace

_WHY_NOT = {
    "case": "Open a case first.",
    "samples": "The case has no samples yet: analyse first.",
    "tags": "The case is open for reading only, or has no samples yet.",
    "job": "Nothing is running.",
    "early": "No search is running that could end with what it has.",
    "undo": "There is nothing to undo.",
    "redo": "There is nothing to redo.",
}


class Host(Protocol):
    """What the window offers to its commands."""

    def handlers(self) -> dict[str, Callable[[], object]]:
        """Return what each command id does."""
        ...

    def focus_panel(self, name: str) -> None:
        """Bring a panel to the front and give it the keyboard."""
        ...

    def tag_and_advance(self, name: str) -> None:
        """Tag and go on, in the gallery's order when it has the keyboard."""
        ...


class Commands(QObject):
    """Builds the actions, fills the menu bar, and greys out what cannot be done now.

    Parameters
    ----------
    window : QWidget
        Gets the actions, so that their keys work everywhere in it.
    host : Host
        The same window, as the one who acts.
    """

    def __init__(self, window: QWidget, host: Host, workspace: Workspace, bar: QMenuBar) -> None:
        super().__init__(window)
        self._window, self._host, self._workspace = window, host, workspace
        self.by_id: dict[str, QAction] = {}
        self.menus = {name: bar.addMenu(f"&{name}") for name in MENUS}
        self._tag_actions: list[QAction] = []
        self._needs: list[tuple[QAction, str]] = []
        keys = own_keys()
        handlers = host.handlers()
        for command in COMMANDS:
            self._add(command, handlers[command.id], keys.get(command.id, command.keys))
        for number, (name, title) in enumerate(PANELS.items(), start=1):
            key = (f"Ctrl+{number}",) if number <= PANELS_WITH_KEYS else ()
            go = Command(f"panel-{name}", f"Go to {title}", "", key, "case")
            self._add(go, partial(host.focus_panel, name), go.keys)
        self.tag_menu_end = self.menus["Tag"].actions()[0]
        for signal in (
            workspace.case_changed,
            workspace.table_changed,
            workspace.tags_changed,
            workspace.unsaved_changed,
            workspace.job_event,
        ):
            signal.connect(self._enable)
        workspace.case_changed.connect(self.rebuild_tags)
        workspace.kinds_changed.connect(self.rebuild_tags)
        self.rebuild_tags()
        self._enable()

    def all(self) -> list[QAction]:
        """Return every action, for the palette."""
        return [*self.by_id.values(), *self._tag_actions]

    def _add(self, command: Command, run: Callable[[], object], keys: tuple[str, ...]) -> QAction:
        action = self._action(command.title, run, keys)
        self._needs.append((action, command.needs))
        self.by_id[command.id] = action
        if command.menu:
            if command.starts_group:
                self.menus[command.menu].addSeparator()
            self.menus[command.menu].addAction(action)
        return action

    def _action(self, title: str, run: Callable[[], object], keys: tuple[str, ...]) -> QAction:
        action = QAction(title, self._window)
        action.setShortcuts([QKeySequence(key) for key in keys])
        action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        action.triggered.connect(lambda _=False: run())
        self._window.addAction(action)
        return action

    def rebuild_tags(self, *_: object) -> None:
        """Make the actions of the tags that the open case knows."""
        for action in self._tag_actions:
            self._window.removeAction(action)
            for menu in self.menus.values():
                menu.removeAction(action)
            action.deleteLater()
        self._tag_actions = []
        case = self._workspace.case
        if case is None:
            return
        menu = self.menus["Tag"]
        for kind in case.tags.kinds:
            name, key = kind.name, kind.key
            shown = plain(name, 40).replace("&", "&&")
            for title, run, before in (
                (f"Tag {shown}", partial(self._workspace.tag_selection, name), ""),
                (
                    f"Tag {shown}, next",
                    partial(self._host.tag_and_advance, name),
                    "Shift+",
                ),
                (f"Tag class {shown}", partial(self._workspace.tag_group, name), "Alt+"),
            ):
                action = self._action(title, run, (before + key,) if key else ())
                self._tag_actions.append(action)
                if not before:
                    menu.insertAction(self.tag_menu_end, action)
        self._enable()

    def _enable(self, *_: object) -> None:
        space = self._workspace
        tags = None if space.case is None or space.case.read_only else space.case.tags
        there = {
            "": True,
            "case": space.case is not None,
            "samples": space.table is not None,
            "tags": space.table is not None and tags is not None,
            "job": space.running is not None,
            "early": space.ends_early,
            "undo": bool(space.unsaved) or (tags is not None and tags.next_undo() is not None),
            "redo": tags is not None and tags.next_redo() is not None,
        }
        for action, need in self._all_needs():
            if action.isEnabled() != there[need]:
                action.setEnabled(there[need])
            action.setToolTip("" if there[need] else _WHY_NOT[need])

    def _all_needs(self) -> Iterator[tuple[QAction, str]]:
        yield from self._needs
        for action in self._tag_actions:
            yield action, "tags"
