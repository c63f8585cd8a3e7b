"""Which cases were opened last; kept in Inspector's state folder."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from inspector import places

_MOST = 8


def recent_cases() -> list[Path]:
    """Return the folders of recent cases that still exist, newest first."""
    try:
        given = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    names = given if isinstance(given, list) else []
    return [Path(name) for name in names if isinstance(name, str) and Path(name).is_dir()]


def remember_case(path: Path) -> None:
    """Put a case on top of the list; a state folder that cannot be written is no reason to fail."""
    path = path.absolute()
    names = [str(path), *(str(known) for known in recent_cases() if known != path)][:_MOST]
    file = _file()
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(names, indent=1), encoding="utf-8")
        os.replace(fresh, file)


def _file() -> Path:
    return places.user_state() / "recent.json"
