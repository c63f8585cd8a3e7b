"""Exports that fail half-way: one line, nothing left under the final name, source whole."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataset_checks import export_here, state_of
from dataset_makers import samples, write_cifar10, write_folder, write_idx
from inspector.api import Control
from inspector.case import renaming
from inspector.errors import Cancelled, CaseError, InspectorError
from inspector.export import atomic as atomic_module
from inspector.export import leftovers
from inspector.export.dataset import filling
from inspector.intake.datasets import Dataset, open_dataset

TESTS_FOUND = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
"""For processes that fill a folder as these tests do."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    images, labels = samples(n=12)
    return write_folder(tmp_path / "source", images, labels)


def make_all(root: Path) -> list[Path]:
    images, labels = samples(n=40)
    write_folder(root / "folder", images, labels)
    write_idx(root / "idx", images[..., 0], labels)
    write_idx(root / "idx-gz", images[..., 0], labels, gz=True)
    write_cifar10(root / "cifar")
    np.savez(root / "a.npz", x=images, y=labels)
    return [root / name for name in ("folder", "idx", "idx-gz", "cifar", "a.npz")]


def check_nothing_left(tmp_path: Path, before: dict[str, tuple], source: Path) -> None:
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evidence"]
    assert state_of(source) == before


@pytest.mark.parametrize("number", range(5))
def test_disk_that_fills_at_every_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Fail the first write, the second, the third … until an export gets through."""
    source = make_all(tmp_path / "evidence")[number]
    before = state_of(source)
    dataset = open_dataset(source)
    real_open, real_write, real_utime = os.open, os.write, os.utime
    left = 0

    def failing(real):
        def call(*args, **kwargs):
            nonlocal left
            writes = real is not real_open or args[1] & os.O_CREAT
            if writes:
                left -= 1
                if left < 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args, **kwargs)

        return call

    for attempt in range(400):
        left = attempt
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", failing(real_open))
            patch.setattr(os, "write", failing(real_write))
            patch.setattr(os, "utime", failing(real_utime))
            try:
                export_here(dataset, [0], tmp_path / "out")
                break
            except CaseError as error:
                message = str(error)
        assert "the disk is full" in message
        assert "Nothing was left behind" in message
        check_nothing_left(tmp_path, before, source)
    assert attempt >= 4
    assert (tmp_path / "out" / "manifest.sha256").exists()


@pytest.mark.parametrize("limit", [0, 100, 1_000, 3_000, 20_000])
def test_file_size_limit_stops_every_writer_cleanly(tmp_path: Path, limit: int) -> None:
    """RLIMIT_FSIZE is a full disk that needs no root."""
    sources = make_all(tmp_path / "evidence")
    before = state_of(tmp_path / "evidence")
    code = textwrap.dedent(
        """
        import resource, sys
        from pathlib import Path
        import numpy as np
        from dataset_checks import export_here
        from inspector.errors import CaseError
        from inspector.intake.datasets import open_dataset
        limit, *sources = sys.argv[1:]
        for source in sources:
            dataset = open_dataset(source)
            target = Path(source).parent.parent / "out"
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
            try:
                export_here(dataset, [0], target)
                print("done")
                target.rename(target.with_name("finished"))
                import shutil; shutil.rmtree(target.with_name("finished"))
            except CaseError as error:
                print(error)
            resource.setrlimit(resource.RLIMIT_FSIZE, (-1, resource.RLIM_INFINITY))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(limit), *map(str, sources)],
        capture_output=True,
        text=True,
        env=TESTS_FOUND,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(sources)
    failed = [line for line in lines if line != "done"]
    assert all("was not written: a file became larger than allowed here" in line for line in failed)
    assert len(failed) >= 4 or limit == 20_000
    check_nothing_left(tmp_path, before, tmp_path / "evidence")


def test_full_disk_is_seen_before_writing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(source)
    monkeypatch.setattr(
        "inspector.export.dataset.filling.shutil.disk_usage",
        lambda path: type("U", (), {"free": 10})(),
    )
    with pytest.raises(CaseError, match="the disk is too full"):
        export_here(dataset, [0], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_flush_and_rename_failures_leave_nothing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(source)

    def fail(*args: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    for module, name in ((atomic_module, "_flush"), (renaming, "rename_without_replacing")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, fail)
            with pytest.raises(CaseError, match="the disk reports an error"):
                export_here(dataset, [0], tmp_path / "out")
        assert sorted(os.listdir(tmp_path)) == ["source"]


def test_target_that_appears_meanwhile_is_not_replaced(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(source)
    real = filling.write_kept

    def appearing(*given: Any) -> None:
        (tmp_path / "out").mkdir()
        real(*given)

    for without_renameat2 in (False, True):
        with monkeypatch.context() as patch:
            patch.setattr(filling, "write_kept", appearing)
            if without_renameat2:
                patch.setattr(renaming, "libc_function", lambda name: None)
            with pytest.raises(CaseError, match="something of that name appeared meanwhile"):
                export_here(dataset, [0], tmp_path / "out")
        assert sorted(os.listdir(tmp_path)) == ["out", "source"]
        assert not os.listdir(tmp_path / "out")
        (tmp_path / "out").rmdir()
    export_here(dataset, [0], tmp_path / "out")
    assert (tmp_path / "out" / "kept.csv").exists()


class _CancelsAt(Control):
    def __init__(self, count: int) -> None:
        self.count = count
        self.stages: list[tuple[str, int, int]] = []

    def check(self) -> None:
        self.count -= 1
        if self.count < 0:
            raise Cancelled

    def progress(self, stage: str, done: int, total: int, text: str = "") -> None:
        self.stages.append((stage, done, total))


@pytest.mark.parametrize("number", range(5))
def test_cancel_at_every_point_leaves_nothing(tmp_path: Path, number: int) -> None:
    source = make_all(tmp_path / "evidence")[number]
    before = state_of(source)
    for count in range(200):
        dataset = open_dataset(source)
        control = _CancelsAt(count)
        try:
            export_here(dataset, [0], tmp_path / "out", control=control)
            break
        except Cancelled:
            check_nothing_left(tmp_path, before, source)
    assert count >= 3
    for stage in {stage for stage, _, _ in control.stages}:
        done = [d for s, d, _ in control.stages if s == stage]
        assert stage in ("hash", "export", "verify")
        assert done == sorted(done)


def test_difference_found_when_reading_back_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that corrupts what is written is found before the export gets its name."""
    for source in make_all(tmp_path / "evidence"):
        dataset = open_dataset(source)
        real = open_dataset

        def corrupted(path: Path, real=real, **more: Any) -> Dataset:
            files = [path] if path.is_file() else sorted(path.rglob("*"))
            file = next(found for found in files if found.is_file())
            content = bytearray(file.read_bytes())
            content[len(content) // 2] ^= 1
            file.write_bytes(content)
            return real(path, **more)

        with monkeypatch.context() as patch:
            patch.setattr("inspector.export.dataset.filling.open_dataset", corrupted)
            with pytest.raises(InspectorError, match="The export was not kept"):
                export_here(dataset, [0], tmp_path / "out")
        assert sorted(os.listdir(tmp_path)) == ["evidence"]


def test_killed_export_is_recognised_and_the_next_one_says_so(tmp_path: Path) -> None:
    images, labels = samples(n=12)
    source = write_folder(tmp_path / "source", images, labels)
    code = textwrap.dedent(
        f"""
        import os, signal
        import numpy as np
        from pathlib import Path
        from dataset_checks import export_here
        from inspector.intake.datasets import open_dataset
        import inspector.export.dataset.filling as filling
        dataset = open_dataset({str(source)!r})
        filling.write_kept = lambda *a: os.kill(os.getpid(), signal.SIGKILL)
        export_here(dataset, [0], Path({str(tmp_path / "out")!r}))
        """
    )
    done = subprocess.run([sys.executable, "-c", code], env=TESTS_FOUND)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    (rest,) = leftovers(tmp_path / "out")
    assert rest.name.startswith(".out.partial-")
    dataset = open_dataset(source)
    export_here(dataset, [0], tmp_path / "out")
    assert rest.name in (tmp_path / "out" / "provenance.json").read_text()
    assert (tmp_path / "out" / "kept.csv").exists()
