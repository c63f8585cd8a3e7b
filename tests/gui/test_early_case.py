"""The first seconds of a scan: labels are there, the model has answered nothing yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from placed_case import place_labels_only
from planted_case import put_array
from pytestqt.qtbot import QtBot

from inspector.gui.filter_bar import FilterBar
from inspector.gui.gallery import GalleryPanel
from inspector.gui.hover_card import describe
from inspector.gui.map_panel import MapPanel
from inspector.gui.status_line import StatusLine
from inspector.gui.workspace import Workspace


@pytest.fixture
def workspace(qtbot: QtBot, tmp_path: Path) -> Iterator[Workspace]:
    place_labels_only(tmp_path / "early.case")
    space = Workspace()
    assert space.open_case(tmp_path / "early.case")
    yield space
    space.close_case()


def test_panels_paint_without_a_single_score(qtbot: QtBot, workspace: Workspace) -> None:
    panels = [kind(workspace) for kind in (MapPanel, GalleryPanel, FilterBar, StatusLine)]
    for panel in panels:
        qtbot.addWidget(panel)
        panel.resize(700, 300)
        panel.show()
        panel.grab()
    gallery, status = panels[1], panels[3]
    assert gallery.rows.tolist() == list(range(60))  # type: ignore[attr-defined]
    # Nothing is ranked yet, and nothing says so.
    assert gallery._title.text() == "samples (60), in the order of the data"  # type: ignore[attr-defined]
    assert "60 samples" in status.facts()  # type: ignore[attr-defined]
    assert describe(workspace, 3)[1] == "b"


def test_samples_can_be_chosen_and_tagged_before_any_score(workspace: Workspace) -> None:
    workspace.move(1)
    assert workspace.current == 0
    workspace.select([4, 9])
    assert workspace.tag_selection("suspect")
    assert np.flatnonzero(workspace.tag_code >= 0).tolist() == [4, 9]
    workspace.set_threshold(0.5)
    assert not workspace.proposed.any()


def test_the_map_fills_itself_when_its_array_arrives(qtbot: QtBot, workspace: Workspace) -> None:
    panel = MapPanel(workspace)
    qtbot.addWidget(panel)
    panel.resize(700, 300)
    panel.show()
    assert not panel.canvas.isVisible()
    assert workspace.case is not None
    spots = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    put_array(workspace.case, "map:pca", spots)
    workspace._feed.put({"event": "array", "name": "map:pca"})
    workspace._feed.deliver()
    qtbot.waitUntil(panel.canvas.isVisible)
    panel.canvas.grab()
    assert panel.canvas.picture is not None
    assert panel.canvas.picture.drawn == 60
