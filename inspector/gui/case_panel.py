"""The case at a glance: evidence, findings, tags, classes and saved views; a click acts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QGuiApplication
from PySide6.QtWidgets import (
    QHeaderView,
    QInputDialog,
    QMenu,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from inspector.case import Case, trigger_document
from inspector.case.document_parts import findings_in_order
from inspector.errors import InspectorError
from inspector.gui import theme
from inspector.gui.array_table import tooltip
from inspector.gui.case_checks import fill_checks
from inspector.gui.case_evidence import COPY, fill_evidence
from inspector.gui.chip import chip
from inspector.gui.classes_panel import mode_of
from inspector.gui.empty_page import EmptyOr
from inspector.gui.judgements import ACT as _ACT
from inspector.gui.judgements import JUDGED, fill_notes, fill_proposals, offer_judgement
from inspector.gui.plain import plain
from inspector.gui.trigger_results import triggers_of
from inspector.gui.turns import soon
from inspector.gui.workspace import Workspace
from inspector.parameters import settings_said, settings_told

ORIGIN = "case"
GROUPS = ("Evidence", "Findings", "Checks", "Proposals", "Tags", "Notes", "Classes", "Saved views")
VIEWS = "views"
_FINDING = Qt.ItemDataRole.UserRole + 3
Act = Callable[[Qt.KeyboardModifier], None]


class CasePanel(QWidget):
    """A tree; Shift, Alt and Ctrl while clicking tags and classes add, remove and keep common."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self.tree = QTreeWidget(self)
        self.tree.setColumnCount(2)
        self.tree.setHeaderHidden(True)
        self.tree.setIndentation(12)
        self.tree.setIconSize(QSize(10, 10))
        self.tree.setUniformRowHeights(True)
        self.tree.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = self.tree.header()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(30)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        holder = QWidget(self)
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.tree)
        self.stack = EmptyOr(self, holder)
        self.groups: dict[str, QTreeWidgetItem] = {}
        for name in GROUPS:
            group = QTreeWidgetItem(self.tree, [name, ""])
            font = group.font(0)
            font.setBold(True)
            group.setFont(0, font)
            group.setExpanded(True)
            group.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.groups[name] = group
        self.tree.itemClicked.connect(self._on_clicked)
        self.tree.itemActivated.connect(self._on_clicked)
        self.tree.customContextMenuRequested.connect(self._ask)
        workspace.case_changed.connect(self.refresh)
        workspace.table_changed.connect(self._on_table)
        workspace.tags_changed.connect(self._fill_judgements)
        workspace.kinds_changed.connect(self._fill_judgements)
        workspace.evidence.changed.connect(self._fill_evidence)
        workspace.job_event.connect(self._on_job)
        self.refresh()

    def _on_table(self, _: object = None) -> None:
        soon(self, self.refresh)

    def _on_job(self, event: dict[str, Any]) -> None:
        if event.get("event") == "failed":  # Perhaps over a model file, which is then evidence.
            soon(self, self._fill_evidence)

    # ---- what is shown --------------------------------------------------------------------------

    def refresh(self, _: object = None) -> None:
        """Read the case anew."""
        case = self._workspace.case
        if case is None:
            self.stack.show_empty(
                "No case open", "Open a model and the data it was trained on, or an existing case."
            )
            return
        self.stack.show_content()
        self._fill_evidence()
        self._fill_findings(case)
        fill_checks(self._emptied("Checks"), self._workspace, case)
        self._fill_judgements()
        self._fill_classes(case)
        self._fill_views()

    def _fill_evidence(self) -> None:
        case = self._workspace.case
        if case is None:
            return
        group = self._emptied("Evidence")
        fill_evidence(group, self._workspace, case)
        self._fill_note(group, "none recorded yet")

    def _fill_findings(self, case: Case) -> None:
        group = self._emptied("Findings")
        outcome = case.get("outcome", None) or {}
        if outcome:
            self._add_verdict(group, "All together", outcome.get("verdict", "none"), "combined")
        for detector, finding in findings_in_order(case).items():
            status = finding.get("status", "done")
            said = finding.get("verdict", "none") if status == "done" else status
            line = self._add_verdict(group, finding.get("title") or detector, said, detector)
            reason = finding.get("reason") or "  ".join(map(str, finding.get("caveats") or []))
            told = plain(settings_said(finding), 200)
            # On a small screen the title is cut short.
            line.setToolTip(0, tooltip(line.text(0), told, str(reason)))
            line.setData(0, _FINDING, detector)
            for each in settings_told(finding):
                below = self._add(line, plain(each, 120), "")
                below.setForeground(0, self.palette().placeholderText())
                below.setFirstColumnSpanned(True)
            line.setExpanded(True)
        triggers = triggers_of(case)
        judged = str(trigger_document(case)["verdict"]) if triggers else "none"
        for trigger in triggers:
            if trigger.significant:
                name = self._class_name(case, trigger.index)
                said = f"{trigger.success:.0%}" if trigger.success == trigger.success else "found"
                line = self._add(group, f"Trigger → {name}", said)
                line.setToolTip(1, tooltip(f"Verdict of the search: {judged}"))
                line.setForeground(
                    1, QBrush(QColor(theme.VERDICT_COLOURS.get(judged, theme.MUTED)))
                )
                line.setData(0, _ACT, self._selecting("label", trigger.index))
        self._fill_note(group, "no detector has run")

    def _add_verdict(
        self, group: QTreeWidgetItem, title: object, said: object, column: str
    ) -> QTreeWidgetItem:
        line = self._add(group, plain(title, 80), plain(said, 20))
        line.setForeground(1, QBrush(QColor(theme.VERDICT_COLOURS.get(str(said), theme.MUTED))))
        line.setData(0, _ACT, lambda _held: self._order_by(column))
        return line

    def _fill_judgements(self, _: object = None) -> None:
        case = self._workspace.case
        if case is not None:
            fill_proposals(self._emptied("Proposals"), self._workspace, case, self._select)
            fill_notes(self._emptied("Notes"), self._workspace, case, self._select)
            self._fill_tags(case)

    def _fill_tags(self, case: Case) -> None:
        group = self._emptied("Tags")
        counts = case.tags.counts()
        for at, kind in enumerate(case.tags.kinds):
            line = self._add(
                group, f"{kind.key} {plain(kind.name, 60)}".strip(), f"{counts[kind.name]:,}"
            )
            line.setIcon(0, chip(kind.colour))
            line.setData(0, _ACT, self._selecting_tag(at))
        group.setText(1, f"{int(case.tags.tagged().sum()):,}" if case.n else "")

    def _fill_classes(self, case: Case) -> None:
        group = self._emptied("Classes")
        table = self._workspace.table
        if table is not None and "label" in table.columns:
            labels, names = table.columns["label"], case.class_names
            counts = np.bincount(
                labels[(labels >= 0) & (labels < len(names))], minlength=len(names)
            )
            colours = theme.class_colours(len(names))
            for at, name in enumerate(names):
                line = self._add(group, plain(name, 80), f"{counts[at]:,}")
                line.setIcon(0, chip(colours[at]))
                line.setData(0, _ACT, self._selecting("label", at))
        self._fill_note(group, "no dataset read yet")

    def _fill_views(self) -> None:
        group = self._emptied("Saved views")
        for view in self._views():
            line = self._add(group, plain(view.get("name", ""), 80), "")
            line.setToolTip(0, tooltip(str(view.get("filter", ""))))
            line.setData(0, _ACT, lambda _held, v=view: self._show_view(v))
            line.setData(0, COPY, str(view.get("filter", "")))
        line = self._add(group, "Save this view …", "")
        line.setForeground(0, self.palette().placeholderText())
        line.setData(0, _ACT, lambda _held: self._ask_name())

    def _emptied(self, name: str) -> QTreeWidgetItem:
        group = self.groups[name]
        group.takeChildren()
        return group

    def _add(self, group: QTreeWidgetItem, text: str, value: str) -> QTreeWidgetItem:
        line = QTreeWidgetItem(group, [text, value])
        line.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        line.setToolTip(0, tooltip(text))
        return line

    def _fill_note(self, group: QTreeWidgetItem, text: str) -> None:
        if not group.childCount():
            line = self._add(group, text, "")
            line.setForeground(0, self.palette().placeholderText())
            line.setFlags(Qt.ItemFlag.ItemIsEnabled)

    def _class_name(self, case: Case, index: int) -> str:
        names = case.class_names
        return plain(names[index], 60) if 0 <= index < len(names) else str(index)

    # ---- acts -----------------------------------------------------------------------------------

    def _selecting(self, column: str, value: int) -> Act:
        def act(held: Qt.KeyboardModifier) -> None:
            table = self._workspace.table
            if table is not None:
                self._select(table.columns[column] == value, held)

        return act

    def _selecting_tag(self, at: int) -> Act:
        def act(held: Qt.KeyboardModifier) -> None:
            self._select((self._workspace.tag_bits >> np.uint32(at)) & 1 == 1, held)

        return act

    def _select(self, mask: Any, held: Qt.KeyboardModifier) -> None:
        workspace = self._workspace
        if workspace.visible is not None:
            mask = mask & workspace.visible
        first = workspace.ranked(mask)
        anchor = int(first[0]) if first.size else None
        workspace.select(mask, mode_of(held), ORIGIN, anchor)

    def _order_by(self, column: str) -> None:
        table = self._workspace.table
        if table is not None and column in table.columns:
            self._workspace.set_order(column)
        else:
            self._workspace.message.emit("info", "This finding has no scores to rank by.")

    def _views(self) -> list[dict[str, Any]]:
        case = self._workspace.case
        views = [] if case is None else case.get(VIEWS, [])
        return [view for view in views if isinstance(view, dict)]

    def _show_view(self, view: dict[str, Any]) -> None:
        table = self._workspace.table
        order = str(view.get("order", "combined"))
        if table is not None and order in table.columns:
            self._workspace.set_order(order)
        self._workspace.set_colour(str(view.get("colour", "label")))
        self._workspace.set_filter(str(view.get("filter", "")))

    def _ask_name(self) -> None:
        name, agreed = QInputDialog.getText(
            self, "Save view", "Filter, order and colour are kept under this name:"
        )
        if agreed and name.strip():
            self.save_view(name.strip()[:80])

    def save_view(self, name: str) -> None:
        """Keep filter, order and colour in the case under a name, in place of one of that name."""
        workspace = self._workspace
        view = {
            "name": name,
            "filter": workspace.filter_text,
            "order": workspace.order_column,
            "colour": workspace.colour,
        }
        self._keep([*(v for v in self._views() if v.get("name") != name), view])

    def remove_view(self, name: str) -> None:
        """Forget a saved view."""
        self._keep([view for view in self._views() if view.get("name") != name])

    def _keep(self, views: list[dict[str, Any]]) -> None:
        case = self._workspace.case
        if case is None:
            return
        try:
            case.set(VIEWS, views)
        except InspectorError as error:
            self._workspace.message.emit("error", str(error))
        self._fill_views()

    def _on_clicked(self, line: QTreeWidgetItem, _: int) -> None:
        act = line.data(0, _ACT)
        if callable(act):
            act(QGuiApplication.keyboardModifiers())

    def _ask(self, at: QPoint) -> None:
        line = self.tree.itemAt(at)
        if line is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if line.data(0, COPY):
            text = str(line.data(0, COPY))
            word = "Copy SHA-256" if line.parent() is self.groups["Evidence"] else "Copy filter"
            menu.addAction(word, lambda: QGuiApplication.clipboard().setText(text))
        if line.parent() is self.groups["Proposals"] and line.data(0, JUDGED):
            offer_judgement(menu, self._workspace, int(line.data(0, JUDGED)))
        if line.parent() is self.groups["Saved views"] and line.data(0, COPY) is not None:
            menu.addAction("Remove view", partial(self.remove_view, line.text(0)))
        if detector := line.data(0, _FINDING):
            menu.addAction(
                "Run again with…", lambda: self._workspace.detector_requested.emit(str(detector))
            )
        menu.addAction("Copy line", lambda: QGuiApplication.clipboard().setText(line.text(0)))
        menu.popup(self.tree.viewport().mapToGlobal(at))
