"""A pass that was killed, or that a full disk stopped, goes on where it was and ends the same."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from signal_evidence import SmallNet, suspect

from inspector.errors import InspectorError
from inspector.signals import compute_signals, one_pass, store, writing

KILLED = """
import sys, threading, time
from pathlib import Path
sys.path.insert(0, {here!r})
import numpy as np, torch
from signal_evidence import MemoryDataset, SmallNet, suspect
from inspector.signals import compute_signals, writing

class Stuck(MemoryDataset):
    def decode(self, i):
        # The size of thumbnails is looked for before the pass, in the main thread.
        if i >= 150 and threading.current_thread() is not threading.main_thread():
            time.sleep(600)
        return super().decode(i)

writing.CHUNK_SECONDS = 0.0
torch.manual_seed(0)
images = list(np.random.default_rng(1).integers(0, 256, (200, 8, 8, 1), dtype=np.uint8))
images[7] = "broken"
model = suspect(SmallNet())
model.operations = 1e9
data = Stuck(images, np.arange(200) % 4, Path({root!r}))
compute_signals(model, data, Path({folder!r}), batch=4, sketch=3)
"""


def all_bytes(signals):
    return {name: path.read_bytes() for name, path in signals.arrays.items()}


@pytest.fixture
def every_block_is_a_chunk(monkeypatch):
    monkeypatch.setattr(writing, "CHUNK_SECONDS", 0.0)


@pytest.fixture
def evidence(make_model, make_data):
    """A model and 200 samples, one unreadable, so costly that blocks are small."""
    torch.manual_seed(0)
    model = suspect(SmallNet())
    model.operations = 1e9
    images = list(np.random.default_rng(1).integers(0, 256, (200, 8, 8, 1), dtype=np.uint8))
    images[7] = "broken"
    return model, make_data(images=images)


def test_a_killed_pass_goes_on_and_ends_with_the_same_bytes(evidence, tmp_path):
    model, data = evidence
    folder = tmp_path / "killed"
    script = KILLED.format(here=str(Path(__file__).parent), root=str(data.root), folder=str(folder))
    victim = subprocess.Popen([sys.executable, "-c", script])
    try:
        progress = folder / store.PROGRESS
        deadline = time.monotonic() + 300
        while not (progress.exists() and json.loads(progress.read_bytes())["done"] >= 30):
            assert victim.poll() is None, "the pass ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    resumed = compute_signals(model, data, folder, batch=4, sketch=3)
    assert 30 <= resumed.resumed_from < 200
    whole = compute_signals(model, data, tmp_path / "whole", batch=4, sketch=3)
    assert whole.resumed_from == 0
    assert all_bytes(resumed) == all_bytes(whole)
    assert resumed.unreadable == whole.unreadable == [(7, "broken")]


def test_a_finished_pass_is_not_computed_again(evidence, tmp_path, monkeypatch):
    model, data = evidence
    first = compute_signals(model, data, tmp_path / "s")
    monkeypatch.setattr(one_pass.Decoder, "block", lambda *_: pytest.fail("decoded again"))
    again = compute_signals(model, data, tmp_path / "s")
    assert again.resumed_from == 200
    assert again.unreadable == [(7, "broken")]
    assert again.seconds >= first.seconds


@pytest.mark.parametrize(
    "change",
    [
        {"layer": "conv2"},
        {"rows": np.arange(10)},
        {"sketch": 2},
        {"batch": 3},
    ],
)
def test_other_settings_start_the_folder_anew(evidence, tmp_path, change):
    model, data = evidence
    compute_signals(model, data, tmp_path / "s", sketch=5)
    other = compute_signals(model, data, tmp_path / "s", **change)
    fresh = compute_signals(model, data, tmp_path / "t", **change)
    assert other.resumed_from == 0
    assert all_bytes(other) == all_bytes(fresh)
    assert {path.name for path in (tmp_path / "s").glob("*.npy")} == {
        path.name for path in other.arrays.values()
    }


def test_other_evidence_starts_the_folder_anew(evidence, make_model, make_data, tmp_path):
    model, data = evidence
    compute_signals(model, data, tmp_path / "s")
    relabelled = make_data(images=data.images)
    relabelled.labels = data.labels[::-1].copy()
    assert compute_signals(model, relabelled, tmp_path / "s").resumed_from == 0
    assert compute_signals(make_model(), relabelled, tmp_path / "s").resumed_from == 0


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / "logits.npy").unlink(),
        lambda folder: (folder / "loss.npy").write_bytes(b"short"),
        lambda folder: (folder / store.PROGRESS).write_bytes(b"{ not json"),
        lambda folder: (folder / store.PROGRESS).write_text("[]"),
        lambda folder: (folder / store.UNREADABLE).unlink(),
    ],
    ids=["array missing", "array cut", "progress damaged", "progress of another kind", "no list"],
)
def test_damaged_files_are_computed_again(evidence, tmp_path, harm):
    model, data = evidence
    whole = all_bytes(compute_signals(model, data, tmp_path / "s"))
    harm(tmp_path / "s")
    again = compute_signals(model, data, tmp_path / "s")
    assert again.resumed_from == 0
    assert all_bytes(again) == whole
    assert again.unreadable == [(7, "broken")]


@pytest.mark.usefixtures("every_block_is_a_chunk")
@pytest.mark.parametrize(
    ("call", "number"),
    [("pwrite", errno.ENOSPC), ("pwrite", errno.EDQUOT), ("fsync", errno.EIO)],
)
def test_a_disk_that_fills_is_one_clear_line_and_loses_nothing(
    evidence, tmp_path, monkeypatch, number, call
):
    model, data = evidence
    real = getattr(os, call)
    calls = 0

    def refusing(*arguments):
        nonlocal calls
        calls += 1
        if calls > 100:
            raise OSError(number, os.strerror(number))
        return real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(os, call, refusing)
        with pytest.raises(InspectorError) as caught:
            compute_signals(model, data, tmp_path / "s", batch=4)
    assert "could not be written" in caught.value.what
    assert os.strerror(number) in caught.value.why
    assert "Free space" in caught.value.fix
    resumed = compute_signals(model, data, tmp_path / "s", batch=4)
    assert 0 < resumed.resumed_from < 200
    assert all_bytes(resumed) == all_bytes(compute_signals(model, data, tmp_path / "t", batch=4))


@pytest.mark.usefixtures("every_block_is_a_chunk")
def test_wherever_the_disk_fills_the_next_run_ends_the_same(evidence, tmp_path, monkeypatch):
    model, data = evidence
    rows = np.arange(30)
    whole = all_bytes(compute_signals(model, data, tmp_path / "whole", rows=rows, batch=8))
    real, limit, calls = os.pwrite, 0, 0

    def refusing(*arguments):
        nonlocal calls
        calls += 1
        if calls > limit:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(os, "pwrite", refusing)
    for number in range(0, 1000, 3):
        folder = tmp_path / str(number)
        limit, calls = number, 0
        refusal = ""
        try:
            found = compute_signals(model, data, folder, rows=rows, batch=8)
        except InspectorError as error:
            refusal = str(error)
        if not refusal:
            assert number > 30
            assert all_bytes(found) == whole
            return
        assert "No space left on device" in refusal
        limit = 10**6
        assert all_bytes(compute_signals(model, data, folder, rows=rows, batch=8)) == whole


def test_a_disk_that_is_too_small_is_refused_before_anything_is_computed(
    evidence, tmp_path, monkeypatch
):
    model, data = evidence
    monkeypatch.setattr(one_pass, "_RESERVE", 1 << 60)
    with pytest.raises(InspectorError, match="do not fit on the disk") as caught:
        compute_signals(model, data, tmp_path / "s")
    assert "200 samples" in caught.value.what


def test_a_folder_that_cannot_be_written_is_one_clear_line(evidence, tmp_path):
    model, data = evidence
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InspectorError, match="could not be written"):
        compute_signals(model, data, tmp_path / "file" / "s")


def test_a_link_in_place_of_an_array_is_not_followed(evidence, tmp_path):
    model, data = evidence
    folder, victim = tmp_path / "s", tmp_path / "victim"
    folder.mkdir()
    victim.write_text("precious")
    (folder / store.UNREADABLE).symlink_to(victim)
    (folder / "logits.npy").symlink_to(victim)
    compute_signals(model, data, folder)
    assert victim.read_text() == "precious"


def test_rows_that_were_not_asked_for_take_no_space(make_model, make_data, tmp_path):
    data = make_data(20_000, side=8)
    signals = compute_signals(make_model(), data, tmp_path / "s", rows=np.arange(10))
    path = signals.arrays["thumbnails"]
    assert path.stat().st_size > 64 * 20_000
    assert path.stat().st_blocks * 512 < 100_000
