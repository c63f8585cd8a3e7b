"""Every command of the window: its name, its place in the menus, its keys.

None of them destroys anything: tags can be undone, also tomorrow. An analyst changes keys in
``keys.json`` in Inspector's state folder: ``{"find-similar": ["Ctrl+D"]}``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from inspector import places

MENUS = ("Case", "Edit", "Select", "Tag", "Detectors", "View", "Plugins", "Help")


@dataclass(frozen=True)
class Command:
    """One thing that the analyst can ask for.

    Attributes
    ----------
    id : str
        Stable name, the key in ``keys.json``.
    title : str
        In menus and the palette.
    menu : str
        One of `MENUS`, or empty: palette and keys only.
    keys : tuple of str
        Portable key sequences, the first is shown.
    needs : str
        What must be there: "", "case", "samples", "tags" (samples in a case that can be written
        to), "job", a job that can end "early", or an act to
        "undo" or "redo"; otherwise the command is greyed out and says so.
    starts_group : bool
        A line is drawn above it in the menu.
    """

    id: str
    title: str
    menu: str = ""
    keys: tuple[str, ...] = ()
    needs: str = ""
    starts_group: bool = False


COMMANDS: tuple[Command, ...] = (
    Command("new-case", "Open model and dataset…", "Case", ("Ctrl+N",)),
    Command("open-case", "Open case…", "Case", ("Ctrl+O",)),
    Command("demo", "Try the demo case", "Case"),
    Command("analyse", "Analyse…", "Case", ("Ctrl+R",), "case", True),
    Command("export", "Export cleaned dataset…", "Case", ("Ctrl+E",), "samples"),
    Command("report", "Write a report…", "Case", ("Ctrl+Shift+R",), "case"),
    Command("verify", "Verify this case", "Case", (), "case"),
    Command("limits", "Limits on evidence…", "Case", (), "case"),
    Command("close-case", "Close case", "Case", ("Ctrl+W",), "case", True),
    Command("quit", "Quit", "Case", ("Ctrl+Q",)),
    Command("undo", "Undo", "Edit", ("Ctrl+Z",), "undo"),
    Command("redo", "Redo", "Edit", ("Ctrl+Shift+Z", "Ctrl+Y"), "redo"),
    Command("filter", "Filter…", "Edit", ("Ctrl+F",), "samples", True),
    Command("palette", "Command palette…", "Edit", ("Ctrl+Shift+P",)),
    Command("select-all", "All in view", "Select", ("Ctrl+A",), "samples"),
    Command("invert", "Invert", "Select", ("Ctrl+I",), "samples"),
    Command("escape", "Clear selection, then filter", "Select", ("Esc",), "samples"),
    Command("lasso", "Lasso on the map", "Select", ("L",), "samples", True),
    Command("box", "Box on the map", "Select", ("B",), "samples"),
    Command("pan", "Move the map", "Select", ("V",), "samples"),
    Command("next", "Next in the ranking", "Select", ("J",), "samples", True),
    Command("previous", "Previous in the ranking", "Select", ("K",), "samples"),
    Command("next-class", "Next class", "Select", ("N",), "samples"),
    Command("previous-class", "Previous class", "Select", ("P",), "samples"),
    Command("find-similar", "Find similar", "Select", ("S",), "samples"),
    Command("clear-tags", "Clear tags", "Tag", ("0",), "tags"),
    Command("note", "Add a note", "Tag", ("M",), "tags"),
    Command("propose", "Propose “suspect” for later", "Tag", (), "tags"),
    Command("tag-kinds", "Kinds of tags…", "Tag", (), "case"),
    Command("detectors", "Detectors and their values…", "Detectors", (), "samples"),
    Command("audit", "Audit a class…", "Detectors", (), "samples"),
    Command("search-triggers", "Search for triggers…", "Detectors", (), "samples"),
    Command("shadows", "Compare with shadow networks…", "Detectors", (), "samples"),
    Command("trace", "Trace this sample…", "Detectors", (), "samples"),
    Command("drill", "Plan a drill…", "Detectors", (), "samples"),
    Command("check-cleaning", "Check the cleaning…", "Detectors", (), "samples"),
    Command("compute-map", "Compute the UMAP", "Detectors", (), "samples"),
    Command("finish", "Stop the running search, keep what it has", "Detectors", (), "early", True),
    Command("cancel", "Cancel the running job", "Detectors", (), "job"),
    Command("fit", "Fit map to selection", "View", ("F",), "samples"),
    Command("fit-all", "Show the whole map", "View", ("Shift+F", "Home"), "samples"),
    Command("enlarge", "Enlarge the sample", "View", ("Space",), "samples"),
    Command("pin", "Pin the sample beside others", "View", ("C",), "samples"),
    Command("trigger-overlay", "Trigger on and off", "View", ("T",), "samples"),
    Command("saliency", "Saliency on and off", "View", ("H",), "samples"),
    Command("focus-mode", "Focus mode", "View", ("F11",), "", True),
    Command("look", "Dark or light, from the next start", "View"),
    Command("workspace-triage", "Workspace: Triage", "View", ("Ctrl+Alt+1",), "case", True),
    Command("workspace-trigger", "Workspace: Trigger", "View", ("Ctrl+Alt+2",), "case"),
    Command("workspace-review", "Workspace: Review", "View", ("Ctrl+Alt+3",), "case"),
    Command("reset-layout", "Reset layout", "View", (), "case"),
    Command("plugins", "Detectors and plugins…", "Plugins"),
    Command("help", "Help", "Help", ("F1",)),
    Command("keys", "Keys", "Help", ("?",)),
    Command("about", "About Inspector", "Help"),
)
"""Commands but the ones that depend on the case's tags and on the panels."""

PANELS = {
    "map": "Map",
    "gallery": "Gallery",
    "ranking": "Ranking",
    "sample": "Sample",
    "case": "Case",
    "trigger": "Trigger lab",
    "classes": "Classes",
    "audit": "Audit",
    "jobs": "Jobs",
    "log": "Log",
    "history": "History",
}
"""Panels that can be gone to, with what people call them."""

PANELS_WITH_KEYS = 6
"""Ctrl+1 … Ctrl+6 go to the first of them, in this order."""


def own_keys() -> dict[str, tuple[str, ...]]:
    """Return the analyst's own keys by command id; none when the file is missing or unusable."""
    try:
        given = json.loads((places.user_state() / "keys.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(given, dict):
        return {}
    return {
        str(name): tuple(str(key) for key in keys)
        for name, keys in given.items()
        if isinstance(keys, list)
    }


GESTURES: tuple[tuple[str, str], ...] = (
    ("1 … 9", "put a tag on the selection"),
    ("Shift+1 … 9", "tag and go to the next untagged sample"),
    ("Alt+1 … 9", "tag the whole class of the sample, as far as the filter shows it"),
    ("Shift / Alt / Ctrl", "while selecting on the map: add / remove / keep common"),
    ("← ↑ → ↓", "move in the gallery"),
    ("C, X, W, U", "in an audit: clean, poison, wrong label, unsure; Backspace takes back"),
    ("Enter", "in an audit: the rest of the page is clean"),
    ("Ctrl+1 … 6", "go to map, gallery, ranking, sample, case, trigger lab"),
    ("Wheel, middle button", "zoom and move the map with any tool"),
)
"""What the list of keys shows besides `COMMANDS`."""
