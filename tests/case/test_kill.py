"""``kill -9`` at random moments: every acknowledged act is there, and the chain is whole.

The killed process tags through the library, through the window (offscreen) or by commands, exports,
or scans. It prints what was acknowledged; whatever it printed must be in the case afterwards, and
under no final name may half an export lie.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from case_makers import describe, locate, store
from numpy.typing import NDArray

from inspector.case import Case
from inspector.errors import CaseError
from inspector.intake.datasets import open_dataset

N = 6000
KILLS = int(os.environ.get("INSPECTOR_KILLS", "90"))
"""How many kills the slow tests share: 300, by hand, were seen to lose nothing."""

_TAGGER = """
    import sys
    from inspector.case import Case
    with Case.open(sys.argv[1]) as case:
        tags = case.tags
        done = int(sys.argv[2])
        while True:
            row = done % 5000
            if done % 7 == 5:
                entry = tags.undo()
            elif done % 7 == 6:
                entry = tags.redo()
            else:
                entry = tags.apply(range(row, row + 40), ("poison", "suspect")[done % 2])
            done += 1
            print(0 if entry is None else entry.seq, done, flush=True)
"""

_WINDOW = """
    import sys
    from pathlib import Path
    import numpy as np
    from PySide6.QtWidgets import QApplication
    from inspector.gui.workspace import Workspace
    application = QApplication(["inspector", "-platform", "offscreen"])
    space = Workspace()
    assert space.open_case(Path(sys.argv[1]))
    done = int(sys.argv[2])
    while True:
        row = done % 5000
        if done % 5 == 3:
            space.undo()
        elif done % 5 == 4:
            space.write_note(f"note {done}", np.array([row]))
        else:
            space.tag_rows(np.arange(row, row + 40), ("poison", "suspect")[done % 2])
        application.processEvents()
        done += 1
        print(space.case.journal.next_seq - 1, done, flush=True)
"""

_COMMANDS = """
    import subprocess, sys
    from pathlib import Path
    folder, done = sys.argv[1], int(sys.argv[2])
    ids = Path(folder).with_name("ids.txt")
    print(0, done, flush=True)
    while True:
        ids.write_text(str(done % 5000))
        command = [sys.executable, "-m", "inspector", "tag", folder, "--ids", str(ids)]
        code = subprocess.call(command, stdout=subprocess.DEVNULL)
        assert code == 0, code
        done += 1
        print(0, done, flush=True)
"""

_EXPORTER = """
    import sys
    from inspector.case import Case
    from inspector.engine.client.exporting import export_case
    with Case.open(sys.argv[1]) as case:
        done = int(sys.argv[2])
        print(0, done, flush=True)
        while True:
            target = case.exports / f"cleaned {done}"
            if not target.exists():
                export_case(case, case.tags.mask("poison"), target, tags=["poison"])
            done += 1
            print(case.journal.next_seq - 1, done, flush=True)
"""


_WINDOW_EXPORTER = """
    import sys, time
    from pathlib import Path
    from PySide6.QtWidgets import QApplication
    from inspector.gui.workspace import Workspace
    application = QApplication(["inspector", "-platform", "offscreen"])
    space = Workspace()
    assert space.open_case(Path(sys.argv[1]))
    done = int(sys.argv[2])
    print(0, done, flush=True)
    while True:
        target = space.case.exports / f"cleaned {done}"
        if not target.exists():
            ended = []
            space.job_event.connect(lambda event: ended.append(event.get("event")))
            assert space.start_export(target, ["poison"])
            while "done" not in ended:
                assert "failed" not in ended
                application.processEvents()
                time.sleep(0.01)
            while space.running is not None:
                time.sleep(0.01)
        done += 1
        print(space.case.journal.next_seq - 1, done, flush=True)
"""

_WINDOW_SCANNER = """
    import sys, time
    from pathlib import Path
    from PySide6.QtWidgets import QApplication
    from inspector.engine.client import ScanOptions
    from inspector.gui.workspace import Workspace
    application = QApplication(["inspector", "-platform", "offscreen"])
    space, folder = Workspace(), Path(sys.argv[1])
    known = (folder / "case.db").exists()
    assert space.open_case(folder) if known else space.create_case(folder)
    told = []
    space.job_event.connect(lambda event: told.append(event))
    assert space.start_scan(ScanOptions(model=Path(sys.argv[2]), data=Path(sys.argv[3])))
    print("begun", flush=True)
    said = 0
    while not any(event.get("job") == "scan" and event["event"] != "progress" for event in told):
        application.processEvents()
        for event in told[said:]:
            if event["event"] == "stage":
                print(f"{event['stage']}: {event['state']}", flush=True)
        said = len(told)
        time.sleep(0.005)
    print(*[event["event"] for event in told if event.get("job") == "scan"][-1:], flush=True)
    while space.running is not None:
        application.processEvents()
        time.sleep(0.01)
    space.close_case()
"""


def _kill_once(script: str, folder: Path, done: int, wait: float) -> tuple[int, int]:
    """Return the last acknowledged journal entry and act of a process that was killed."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(folder), str(done)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as acting:
        assert acting.stdout is not None
        first = acting.stdout.readline()
        assert first, "it ended before its first act"
        time.sleep(wait)
        # The commands that it has started die in the same moment.
        _kill_group(acting)
        lines = (first + acting.stdout.read()).split("\n")
    seqs = [tuple(map(int, line.split())) for line in lines[:-1]]
    return max(seq for seq, _ in seqs), seqs[-1][1]


def _kill_group(process: subprocess.Popen[str]) -> None:
    """Kill a process that leads its session, with everything that it has started."""
    os.killpg(process.pid, signal.SIGKILL)


def _opened(folder: Path) -> Case:
    """Open a case whose holder was just killed: the kernel takes a moment to let go of its lock."""
    for _ in range(200):
        try:
            return Case.open(folder)
        except CaseError as error:
            assert "already open" in str(error)
            time.sleep(0.05)
    raise AssertionError("the killed process still holds the case")


def _whole(folder: Path, acknowledged: int) -> Case:
    """Open a case after a kill, check all of it, and leave it open."""
    case = _opened(folder)
    entries = case.journal.entries()
    assert case.problems == []
    assert case.verify() == []
    assert acknowledged <= entries[-1].seq
    return case


@pytest.fixture
def large(folder: Path) -> Path:
    with Case.create(folder) as case:
        describe(case, N)
        locate(case, [b"%d" % row for row in range(N)])
        store(case, "labels", (np.arange(N) % 3).astype(np.int32))
    return folder


@pytest.fixture
def exporting(folder: Path, tmp_path: Path) -> Path:
    """A case about a dataset that takes a moment to export, with a few samples tagged."""
    data = tmp_path / "data.npz"
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (N // 4, 16, 16), dtype=np.uint8)
    np.savez(data, x=images, y=np.arange(N // 4) % 3)
    with Case.create(folder) as case:
        describe(case, N // 4)
        case.add_evidence("data", data, open_dataset(data).digest(), data.stat().st_size)
        case.tags.apply(range(0, N // 4, 9), "poison")
    return folder


def _kill_taggers(script: str, folder: Path, kills: int, longest: float) -> None:
    rng, done = random.Random(5), 0
    for _ in range(kills):
        acknowledged, done = _kill_once(script, folder, done, rng.uniform(0.0, longest))
        with _whole(folder, acknowledged) as case:
            assert sum(case.tags.counts().values()) > 0 or done == 0


def _kill_commands(folder: Path, kills: int) -> None:
    rng, done = random.Random(6), 0
    for _ in range(kills):
        _, done = _kill_once(_COMMANDS, folder, done, rng.uniform(0.2, 1.6))
        with _whole(folder, 0) as case:
            tagged = np.flatnonzero(case.tags.mask("suspect"))
            assert set(range(done)) <= set(tagged.tolist()), (done, tagged)


def _kill_exports(script: str, folder: Path, kills: int) -> None:
    rng, done = random.Random(7), 0
    for _ in range(kills):
        acknowledged, done = _kill_once(script, folder, done, rng.uniform(0.0, 0.5))
        with _whole(folder, acknowledged) as case:
            recorded = {export.place.name for export in case.exported()}
            assert {f"cleaned {at}" for at in range(done)} <= recorded | _unrecorded(case)
        for place in (folder / "exports").iterdir():
            if place.name.startswith("."):
                continue  # Unfinished, and named so.
            checked = subprocess.run(
                ["sha256sum", "-c", "--quiet", "manifest.sha256"],
                cwd=place,
                capture_output=True,
                text=True,
                check=False,
            )
            assert checked.returncode == 0, checked.stdout + checked.stderr
            kept = open_dataset(place / "data.npz")
            assert len(kept) == N // 4 - len(range(0, N // 4, 9))


def _unrecorded(case: Case) -> set[str]:
    """Return exports that are whole and were killed before their journal entry."""
    return {path.name for path in case.exports.iterdir() if not path.name.startswith(".")}


def test_every_commit_waits_for_the_disk(folder: Path) -> None:
    code = """
        import sys
        from inspector.case import Case
        with Case.create(sys.argv[1]) as case:
            for name in ("synchronous", "locking_mode", "journal_mode", "trusted_schema"):
                print(case._database.rows(f"PRAGMA {name}")[0][0])
    """
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["2", "exclusive", "wal", "0"]


def test_a_few_kills_while_tagging(large: Path) -> None:
    _kill_taggers(_TAGGER, large, 6, 0.25)


def test_a_few_kills_of_the_window(large: Path) -> None:
    _kill_taggers(_WINDOW, large, 5, 0.4)


def test_a_few_kills_of_commands(large: Path) -> None:
    _kill_commands(large, 4)


@pytest.mark.parametrize("script", [_EXPORTER, _WINDOW_EXPORTER], ids=["library", "window"])
def test_a_few_kills_while_exporting(exporting: Path, script: str) -> None:
    _kill_exports(script, exporting, 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "part", "longest"),
    [(_TAGGER, 2 / 5, 0.25), (_WINDOW, 1 / 5, 0.4)],
    ids=["library", "window"],
)
def test_many_kills_while_tagging(large: Path, script: str, part: float, longest: float) -> None:
    _kill_taggers(script, large, round(KILLS * part), longest)


@pytest.mark.slow
def test_many_kills_of_commands(large: Path) -> None:
    _kill_commands(large, round(KILLS * 2 / 15))


@pytest.mark.slow
@pytest.mark.parametrize("script", [_EXPORTER, _WINDOW_EXPORTER], ids=["library", "window"])
def test_many_kills_while_exporting(exporting: Path, script: str) -> None:
    _kill_exports(script, exporting, round(KILLS / 10))


@pytest.fixture
def scanned(folder: Path, tmp_path: Path) -> tuple[Path, Path, NDArray[np.float32], float]:
    """Evidence, what a scan of it that nobody kills finds, and the seconds that it takes."""
    from safetensors.torch import save_file

    from inspector.testing import make_case

    planted = make_case(n=400)
    model, data = tmp_path / "model.safetensors", tmp_path / "data.npz"
    save_file(dict(planted.network.state_dict()), model)
    np.savez(data, x=planted.images[..., 0], y=planted.labels)
    started = time.monotonic()
    command = [sys.executable, "-m", "inspector", "scan", "--model", str(model)]
    command += ["--data", str(data), "--case", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    whole = time.monotonic() - started
    with Case.open(folder, read_only=True) as case:
        return model, data, np.array(case.array("score:spectral")), whole


def _kill_scans(
    scanned: tuple[Path, Path, NDArray[np.float32], float],
    folder: Path,
    kills: int,
    command: Callable[[Path], list[str]],
) -> None:
    """Kill scans between their start and their end; what they said is there, and all go on."""
    *_, expected, whole = scanned
    rng = random.Random(8)
    for at in range(kills):
        place = folder.with_name(f"killed {at}.case")
        with subprocess.Popen(
            command(place), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as scan:
            assert scan.stderr is not None
            assert scan.stdout is not None
            time.sleep(rng.uniform(0.1, whole * 1.1))
            # Only the client: its engine has to notice by itself.
            scan.kill()
            said = scan.stderr.read() + scan.stdout.read()
        if not (place / "case.db").exists():
            assert not place.exists()
            continue
        with _whole(place, 0) as case:
            for stage, setting in (("Signals: done", "signals"), ("Detectors: done", "outcome")):
                assert (stage not in said) or case.get(setting)
        done = subprocess.run(command(place), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        with _whole(place, 0) as case:
            np.testing.assert_array_equal(case.array("score:spectral"), expected)


def _by_command(model: Path, data: Path, place: Path) -> list[str]:
    words = ["scan", "--model", str(model), "--data", str(data), "--case", str(place)]
    return [sys.executable, "-m", "inspector", *words]


def _by_window(model: Path, data: Path, place: Path) -> list[str]:
    script = textwrap.dedent(_WINDOW_SCANNER)
    return [sys.executable, "-c", script, str(place), str(model), str(data)]


@pytest.mark.slow
@pytest.mark.parametrize("way", [_by_command, _by_window], ids=["command", "window"])
def test_many_kills_while_scanning(
    folder: Path,
    scanned: tuple[Path, Path, NDArray[np.float32], float],
    way: Callable[[Path, Path, Path], list[str]],
) -> None:
    model, data, *_ = scanned
    _kill_scans(scanned, folder, round(KILLS / 30), lambda place: way(model, data, place))
