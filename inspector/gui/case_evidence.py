"""The case tree's lines for evidence: files with their digests, what they hold, what was refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QBrush, QColor
from PySide6.QtWidgets import QTreeWidgetItem

from inspector.case import Case
from inspector.case.checkpoints import checkpoint_rows
from inspector.gui import theme
from inspector.gui.array_table import tooltip
from inspector.gui.contents_facts import facts_of
from inspector.gui.plain import plain
from inspector.gui.workspace import Workspace

COPY = Qt.ItemDataRole.UserRole + 1
"""Role of what a line puts on the clipboard."""


def fill_evidence(group: QTreeWidgetItem, workspace: Workspace, case: Case) -> None:
    """List the evidence of a case, a signature beside its model, and model files that were refused."""
    read = {row["sha256"]: row["contents"] for row in checkpoint_rows(case)}
    for item in case.evidence():
        text = plain(Path(item.path).name or item.path, 120)
        look = workspace.evidence.of(item)
        state = "unchanged" if look is None else look.state
        tip = [f"{item.role}: {item.path}", f"SHA-256 {item.sha256}", f"{item.size:,} bytes"]
        if item.role == "model":
            tip += recognised(case.get("model", None) or {}).split("\n")
        if look is not None and look.why:
            tip.append(f"{state.capitalize()}: {look.why}")
        line = _add(group, text, item.sha256[:8], *tip)
        line.setData(0, COPY, item.sha256)
        if state != "unchanged":
            line.setText(1, "changed!" if state == "changed" else state)
            _alarm(line, 1, "high")
        if item.role == "model":
            _fill_contents(line, (case.get("model") or {}).get("contents") or {})
        elif item.role == "checkpoint":
            _fill_contents(line, read.get(item.sha256, {}))
    _fill_signature(group, case.get("signature"))
    for digest, refused in case.kept("model refused").items():
        tip = [str(refused["reason"]), str(refused["path"]), f"SHA-256 {digest}"]
        line = _add(group, plain(refused["name"], 120), "refused", *tip)
        line.setData(0, COPY, digest)
        _alarm(line, 1, "high")
        _fill_contents(line, refused.get("contents") or {})


def _fill_contents(above: QTreeWidgetItem, contents: Mapping[str, Any]) -> None:
    """List below a model file what it contains; open when there is more than weights to see."""
    for fact in facts_of(contents) if contents else ():
        line = _add(above, fact.text, fact.value, *fact.tip.split("\n"))
        if fact.verdict != "none":
            _alarm(line, 0, fact.verdict)
        else:
            line.setForeground(1, QBrush(QColor(theme.MUTED)))
    above.setExpanded(bool(contents.get("remarkable")))


def _fill_signature(group: QTreeWidgetItem, signature: Any) -> None:
    """Say whether a detached signature speaks of this model; its signer is never checked."""
    if not isinstance(signature, dict):
        return
    said = str(signature.get("comparison", ""))
    words = {"match": "digests match", "differ": "digests differ!"}.get(said, said)
    name, tip = plain(signature.get("file", "signature"), 80), str(signature.get("sentence", ""))
    line = _add(group, name, plain(words, 30), tip)
    if said == "differ":
        _alarm(line, 1, "high")


def _add(above: QTreeWidgetItem, text: str, value: str, *tip: str) -> QTreeWidgetItem:
    line = QTreeWidgetItem(above, [text, value])
    line.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    for column in (0, 1):
        line.setToolTip(column, tooltip(*tip))
    return line


def _alarm(line: QTreeWidgetItem, column: int, verdict: str) -> None:
    line.setForeground(column, QBrush(QColor(theme.VERDICT_COLOURS[verdict])))


def recognised(model: Mapping[str, Any]) -> str:
    """Say what a suspect model was taken for, and how well its tensors agree with that."""
    rows = model.get("candidates") or []
    if not rows:
        return ""
    ranked = ", ".join(f"{plain(row['name'], 60)} {row['score']:.0%}" for row in rows)
    said = f"\nTaken for {plain(str(model.get('architecture')), 160)}\nTensors agree: {ranked}"
    tried = len(model.get("tried") or [])
    accuracy = model.get("accuracy")
    if accuracy is not None:
        said += f"\nRight on {accuracy:.1%} of the labels, best of {tried} settings"
    return said
