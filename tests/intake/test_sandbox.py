"""Inside the engine evidence can be read and derived files written, and nothing else happens.

The probe is a plugin: its code runs in a real engine, after the lock-down, and tries what code of
an attacker would try there.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import inspector
from inspector.engine.client import Engine

PROBE = r"""
import ctypes, json, os, signal, socket, subprocess, tempfile, threading
from pathlib import Path

place = json.loads(Path("probe-input.json").read_text())
evidence, outside = Path(place["evidence"]), Path(place["outside"])
parent, derived = place["parent"], Path.cwd()
libc = ctypes.CDLL(None, use_errno=True)
done = {}


def attempt(name, act):
    try:
        act()
        done[name] = "done"
    except MemoryError:
        done[name] = "memory"
    except (OSError, RuntimeError) as error:
        done[name] = getattr(error, "strerror", None) or str(error)


def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def limits_of(pid):
    import resource
    resource.prlimit(pid, resource.RLIMIT_NOFILE)


attempt("read evidence", lambda: (evidence / "a.txt").read_text())
attempt("list evidence", lambda: list(evidence.iterdir()))
attempt("write derived", lambda: (derived / "x.npy").write_bytes(b"1"))
attempt("rename derived", lambda: (derived / "x.npy").rename(derived / "y.npy"))
attempt("make folder", lambda: (derived / "sub").mkdir())
attempt("temporary file", lambda: tempfile.NamedTemporaryFile().close())
attempt("own thread", lambda: threading.Thread(target=print).start())
attempt("own limits", lambda: limits_of(0))
attempt("write evidence", lambda: (evidence / "a.txt").open("r+"))
attempt("truncate evidence", lambda: os.truncate(evidence / "a.txt", 0))
attempt("delete evidence", lambda: (evidence / "a.txt").unlink())
attempt("rename evidence", lambda: (evidence / "a.txt").rename(derived / "a.txt"))
attempt("date evidence", lambda: os.utime(evidence / "a.txt", (0, 0)))
attempt("chmod evidence", lambda: (evidence / "a.txt").chmod(0o600))
attempt("read other evidence", lambda: (outside / "secret.txt").read_text())
attempt("list other evidence", lambda: list(outside.iterdir()))
attempt("read passwd", lambda: Path("/etc/passwd").read_text())
attempt("list home", lambda: list(Path.home().iterdir()))
attempt("read the app's environment", lambda: Path(f"/proc/{parent}/environ").read_bytes())
attempt("write outside", lambda: (outside / "new.txt").write_text("x"))
attempt("write temporary", lambda: Path("/tmp/inspector-probe").write_text("x"))
attempt("write shared memory", lambda: Path("/dev/shm/inspector-probe").write_text("x"))
attempt("link out", lambda: os.link(outside / "secret.txt", derived / "stolen.txt"))
attempt("make a link", lambda: os.symlink(outside / "secret.txt", derived / "way.txt"))
attempt("follow a link out", lambda: (derived / "way.txt").read_text())
attempt("device", lambda: os.mknod(derived / "null", 0o020666, os.makedev(1, 3)))
attempt("socket", lambda: socket.socket())
attempt("socket pair", lambda: socket.socketpair())
attempt("connect", lambda: socket.create_connection(("127.0.0.1", place["port"]), 1))
attempt("program", lambda: subprocess.run(["/bin/true"], check=True))
attempt("shell", lambda: exec('raise OSError("refused")') if os.system("true") else None)
attempt("fork", lambda: os.fork() or os._exit(0))
attempt("ptrace", lambda: call("ptrace", 16, parent, 0, 0))
attempt("trace me", lambda: call("ptrace", 0, 0, 0, 0))
attempt("signal", lambda: os.kill(parent, 0))
attempt("signal a thread", lambda: call("tgkill", parent, parent, 0))
attempt("limits of the app", lambda: limits_of(parent))
attempt("leave the namespace", lambda: call("unshare", 0x10000000))
attempt("mount", lambda: call("mount", b"none", bytes(derived), b"tmpfs", 0, None))
attempt("memory", lambda: bytearray(1 << 44))
attempt("huge file", lambda: os.truncate(derived / "y.npy", 1 << 50))
thread = threading.Thread(
    target=lambda: attempt("from a thread", (outside / "secret.txt").read_text)
)
thread.start()
thread.join()
(derived / "probe-output.json").write_text(json.dumps(done))
"""

FILES = """
    write evidence; truncate evidence; delete evidence; rename evidence; read other evidence;
    list other evidence; read passwd; list home; read the app's environment; write outside;
    write temporary; write shared memory; link out; make a link; follow a link out; device;
    from a thread
"""
CALLS = """
    date evidence; chmod evidence; socket; socket pair; connect; program; shell; fork; ptrace;
    trace me; signal; signal a thread; limits of the app; leave the namespace; mount
"""


def names(text):
    return [name.strip() for name in text.split(";")]


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    """Layers in force and the outcome of every attempt, by name."""
    folder = tmp_path_factory.mktemp("sandbox")
    evidence, derived, outside, plugins = (
        folder / name for name in ("evidence", "derived", "outside", "plugins")
    )
    for made in (evidence, derived, outside, plugins):
        made.mkdir()
    (evidence / "a.txt").write_text("evidence")
    (outside / "secret.txt").write_text("secret")
    (plugins / "probe.py").write_text(PROBE)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSPECTOR_PLUGINS", str(plugins))
        place = {"evidence": str(evidence), "outside": str(outside), "parent": os.getpid()}
        place["port"] = server.getsockname()[1]
        (derived / "probe-input.json").write_text(json.dumps(place))
        engine = Engine(derived, read=[evidence, evidence / "missing"])
        engine.start()
        try:
            engine.wait(engine.submit("catalogue"), timeout=120)
        finally:
            engine.close()
    done = json.loads((derived / "probe-output.json").read_text())
    left = sorted(path.name for path in (*evidence.iterdir(), *outside.iterdir()))
    contents = (evidence / "a.txt").read_text()
    scratch = [path.name for path in derived.iterdir() if "scratch" in path.name]
    return {"layers": engine.layers, "missing": engine.missing, "done": done, "left": left} | {
        "contents": contents,
        "scratch": scratch,
    }


def need(probe, *layers):
    for name in layers:
        if name in probe["missing"]:
            pytest.skip(f"no {name} here: {probe['missing'][name]}")


@pytest.mark.parametrize(
    "act",
    names(
        "read evidence; list evidence; write derived; rename derived; make folder; temporary file;"
        "own thread; own limits"
    ),
)
def test_work_goes_on(probe, act):
    assert probe["done"][act] == "done"


@pytest.mark.parametrize("act", names(FILES))
def test_files_out_of_reach(probe, act):
    need(probe, "landlock")
    assert probe["done"][act] != "done"


@pytest.mark.parametrize("act", names(CALLS))
def test_calls_given_up(probe, act):
    need(probe, "seccomp")
    assert probe["done"][act] in ("Operation not permitted", "refused"), probe["done"][act]


def test_limits(probe):
    need(probe, "rlimits")
    assert probe["done"]["memory"] == "memory"
    assert probe["done"]["huge file"] == "File too large"


def test_evidence_is_as_it_was(probe):
    assert probe["left"] == ["a.txt", "secret.txt"]
    assert probe["contents"] == "evidence"


def test_nothing_stays_of_its_temporary_files(probe):
    assert probe["scratch"] == []


def test_every_layer_is_in_force_or_missing_with_a_reason(probe):
    kinds = [layer.split()[0] for layer in probe["layers"]]
    assert len(kinds) == len(set(kinds))
    assert {*kinds, *probe["missing"]} == {"rlimits", "netns", "process", "landlock", "seccomp"}
    assert not {*kinds} & {*probe["missing"]}
    assert all(probe["missing"].values())


def test_the_engine_gets_every_layer_that_this_machine_gives(tmp_path, probe):
    """Libraries that start threads before the lock-down would take layers away, silently."""
    script = (
        "import sys; from pathlib import Path; from inspector.intake.sandbox import lock_down\n"
        "print(sorted(lock_down([], Path(sys.argv[1])).missing))\n"
    )
    bare = subprocess.run(
        [sys.executable, "-P", "-c", script, tmp_path],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(inspector.__file__).resolve().parent.parent)},
    )
    assert bare.stdout.strip() == str(sorted(probe["missing"]))


def test_a_stuck_engine_dies_with_the_app(tmp_path, probe):
    need(probe, "process")
    script = (
        "import sys, time; from pathlib import Path; from inspector.engine.client import Engine\n"
        "import threading\n"
        "engine = Engine(Path(sys.argv[1]))\n"
        # From a thread that ends at once, as the window does it.
        "thread = threading.Thread(target=engine.start); thread.start(); thread.join()\n"
        "engine.wait(engine.submit('catalogue'), timeout=120)\n"
        "print(engine.pid, flush=True); time.sleep(600)\n"
    )
    root = Path(inspector.__file__).resolve().parent.parent
    app = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path / "derived"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert app.stdout is not None
    engine = int(app.stdout.readline())
    # A stopped process hears nothing of its closed input: only the kernel can end it.
    os.kill(engine, signal.SIGSTOP)
    app.kill()
    app.wait()
    end = time.monotonic() + 60
    while time.monotonic() < end and Path(f"/proc/{engine}").exists():
        if "\nState:\tZ" in Path(f"/proc/{engine}/status").read_text():
            break  # Dead; whoever adopted it has not fetched it yet.
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{engine}").exists()


@pytest.mark.slow
def test_torch_computes_inside(tmp_path):
    script = (
        "import sys; from pathlib import Path; from inspector.intake.sandbox import lock_down\n"
        "lock_down([], Path(sys.argv[1]))\n"
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


def test_nothing_that_lies_in_the_case_is_unpickled_by_a_compiler_cache(tmp_path):
    """numba unpickles what its cache holds: the cache must be new, whatever a case came with."""
    derived = tmp_path / "derived"
    for name in (".scratch/numba", "scratch/numba"):
        (derived / name).mkdir(parents=True)
        (derived / name / "planted").write_text("x")
    script = (
        "import os, sys; from pathlib import Path; from inspector.intake.sandbox import lock_down\n"
        "lock_down([], Path(sys.argv[1]))\n"
        "print(os.environ['NUMBA_CACHE_DIR']); print(os.environ['MPLCONFIGDIR'])\n"
    )
    root = Path(inspector.__file__).resolve().parent.parent
    planted = {"NUMBA_CACHE_DIR": str(derived / "scratch" / "numba")}
    told = [
        subprocess.run(
            [sys.executable, "-P", "-c", script, derived],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **planted, "PYTHONPATH": str(root)},
        ).stdout.split()
        for _ in range(2)
    ]
    caches = {Path(path) for path, _ in told}
    assert len(caches) == 2
    assert not any(cache.exists() for cache in caches)
    assert all(derived in cache.parents for cache in caches)
    assert all(Path(path) == Path(cache).parent for cache, path in told)


def test_no_library_is_looked_for_in_the_case(tmp_path, monkeypatch):
    """An empty entry of the search path means the working folder, and the engine's is a case."""
    monkeypatch.setenv("LD_LIBRARY_PATH", ":/opt/lib::lib:.")
    engine = Engine(tmp_path / "derived")
    engine.start()
    try:
        environment = Path(f"/proc/{engine.pid}/environ").read_bytes().split(b"\0")
    finally:
        engine.kill()
    assert b"LD_LIBRARY_PATH=/opt/lib" in environment
