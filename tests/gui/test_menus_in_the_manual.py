"""What the manual calls a menu, a command or a key is there under that name."""

from __future__ import annotations

import re

import pytest

from inspector import places
from inspector.gui.keys import COMMANDS, GESTURES, MENUS
from inspector.gui.main_window import DOCKS

ROOT = places.resources().parent
PAGES = [*sorted((places.resources() / "help").glob("*.md")), ROOT / "README.md"]
PATH = re.compile(r"\*([^*`|]+?) ▸ ([^*`|]+?)\*")


def paths_in(text: str) -> list[tuple[str, str]]:
    """Return menu and command of everything that is written like *Menu ▸ Command*."""
    found = PATH.findall(" ".join(text.split()))
    return [(menu, command) for menu, command in found if menu in MENUS]


def keys_in(text: str) -> set[str]:
    return set(re.findall(r"\bCtrl(?:\+(?:Shift|Alt))*\+[A-Z0-9]\b", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_menu_paths_and_keys_are_real(page: object) -> None:
    text = page.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    titles = {(command.menu, command.title) for command in COMMANDS}
    titles |= {("View", title) for _, title, _, _ in DOCKS}
    assert [path for path in paths_in(text) if path not in titles] == []
    keys = {key for command in COMMANDS for key in command.keys}
    keys |= {f"Ctrl+{number}" for number in range(1, 7)}
    assert keys_in(text) - keys == set()


def test_the_manual_names_menus_at_all() -> None:
    manual = (places.resources() / "help" / "manual.md").read_text(encoding="utf-8")
    assert ("Case", "Export cleaned dataset…") in paths_in(manual)
    assert len(paths_in(manual)) >= 9
    assert "Ctrl+Z" in keys_in(manual)


def test_no_key_asks_for_two_things() -> None:
    keys = [key for command in COMMANDS for key in command.keys]
    assert len(keys) == len(set(keys))
    assert not {key for key in keys if key.isdigit() and key != "0"}  # Those are for tags.
    assert GESTURES
