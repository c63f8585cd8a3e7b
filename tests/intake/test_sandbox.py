"""Inside the lock-down evidence can be read and derived files written, and nothing else happens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import inspector

PROBE = r"""
import json, os, socket, subprocess, sys
from pathlib import Path
from inspector.intake.sandbox import lock_down
evidence, derived, outside = map(Path, sys.argv[1:4])
parent = int(sys.argv[4])
layers = lock_down([evidence, evidence / "missing"], derived)
done = {}
def attempt(name, act):
    try:
        act()
        done[name] = "done"
    except MemoryError:
        done[name] = "memory"
    except OSError as error:
        done[name] = error.strerror
attempt("read evidence", lambda: (evidence / "a.txt").read_text())
attempt("list evidence", lambda: list(evidence.iterdir()))
attempt("write derived", lambda: (derived / "x.npy").write_bytes(b"1"))
attempt("rename derived", lambda: (derived / "x.npy").rename(derived / "y.npy"))
attempt("make folder", lambda: (derived / "sub").mkdir())
attempt("write evidence", lambda: (evidence / "a.txt").open("r+"))
attempt("delete evidence", lambda: (evidence / "a.txt").unlink())
attempt("date evidence", lambda: os.utime(evidence / "a.txt", (0, 0)))
attempt("chmod evidence", lambda: (evidence / "a.txt").chmod(0o600))
attempt("read outside", lambda: (outside / "secret.txt").read_text())
attempt("read passwd", lambda: Path("/etc/passwd").read_text())
attempt("write outside", lambda: (outside / "new.txt").write_text("x"))
attempt("link out", lambda: os.link(outside / "secret.txt", derived / "stolen.txt"))
attempt("socket", lambda: socket.socket())
attempt("program", lambda: subprocess.run(["/bin/true"], check=True))
attempt("signal", lambda: os.kill(parent, 0))
attempt("memory", lambda: bytearray(1 << 44))
import tempfile
attempt("temporary file", lambda: tempfile.NamedTemporaryFile().close())
import inspector.places
attempt("own resources", lambda: list(inspector.places.resources().iterdir()))
import threading
read = (outside / "secret.txt").read_text
thread = threading.Thread(target=lambda: attempt("thread outside", read))
thread.start()
thread.join()
print(json.dumps({"layers": layers, "done": done}))
"""


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sandbox")
    evidence, derived, outside = (folder / name for name in ("evidence", "derived", "outside"))
    evidence.mkdir()
    outside.mkdir()
    (evidence / "a.txt").write_text("evidence")
    (outside / "secret.txt").write_text("secret")
    root = Path(inspector.__file__).resolve().parent.parent
    ended = subprocess.run(
        [sys.executable, "-c", PROBE, evidence, derived, outside, str(os.getpid())],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root)},
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def layer(probe, name):
    if not any(entry.startswith(name) for entry in probe["layers"]):
        pytest.skip(f"this kernel or container does not give {name}: {probe['layers']}")


def test_work_goes_on(probe):
    for act in ("read evidence", "list evidence", "write derived", "rename derived", "make folder"):
        assert probe["done"][act] == "done"
    assert probe["done"]["temporary file"] == "done"
    assert probe["done"]["own resources"] == "done"


def test_files(probe):
    layer(probe, "landlock")
    acts = ["write evidence", "delete evidence", "read outside", "read passwd", "write outside"]
    for act in [*acts, "link out", "thread outside"]:
        assert probe["done"][act] != "done", act


def test_calls(probe):
    layer(probe, "seccomp")
    for act in ("socket", "program", "signal", "date evidence", "chmod evidence"):
        assert probe["done"][act] == "Operation not permitted", act


def test_memory(probe):
    layer(probe, "rlimits")
    assert probe["done"]["memory"] == "memory"


def test_layers_are_named_without_duplicates(probe):
    assert len(probe["layers"]) == len(set(probe["layers"]))
    assert {entry.split()[0] for entry in probe["layers"]} <= {
        "rlimits",
        "netns",
        "landlock",
        "seccomp",
    }


@pytest.mark.slow
def test_torch_computes_inside(tmp_path):
    script = (
        "import sys; from pathlib import Path; from inspector.intake.sandbox import lock_down\n"
        "layers = lock_down([], Path(sys.argv[1]))\n"
        "import torch, torchvision, numpy as np\n"
        "m = np.lib.format.open_memmap(sys.argv[1] + '/m.npy', 'w+', 'f4', (1000, 8)); m[:] = 1\n"
        "x = torch.nn.functional.conv2d(torch.ones(2, 3, 8, 8), torch.ones(4, 3, 3, 3))\n"
        "print(float(x.sum()), float(m.sum()))\n"
    )
    root = Path(inspector.__file__).resolve().parent.parent
    ended = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "derived"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == [str(2 * 4 * 36 * 27.0), "8000.0"]
