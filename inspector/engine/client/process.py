"""One engine process: started, spoken to, and explained when it dies."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from inspector.engine.client.protection import after_a_crash
from inspector.engine.client.silence import Silence
from inspector.engine.client.starting import start_process
from inspector.engine.protocol import MAX_LINE, ProtocolError, decode_event, encode
from inspector.errors import Cancelled, EngineStopped, InspectorError, from_message

# The engine parses hostile bytes: it gets no secrets and no switches that widen what may load.
_KEPT_ENVIRONMENT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "CUDA_VISIBLE_DEVICES",
    "LD_LIBRARY_PATH",
    "INSPECTOR_PLUGINS",
    "INSPECTOR_STATE",
)


ENDS = ("done", "failed", "cancelled")

JOBS_IN_WORDS = {
    "signals": "the pass over the samples",
    "detect": "the detectors",
    "pca": "the map",
    "umap": "the map",
    "trigger": "the trigger search",
    "export": "the export",
}


class Engine:
    """The client's side of an engine process.

    Parameters
    ----------
    derived : Path
        The only folder that the engine may write into.
    on_event : callable
        Called with every event from a background thread; never from the caller's.
    read : sequence of Path
        Evidence that the engine may read.
    cuda : bool
        Leave the doors open that a GPU driver needs.
    limits : mapping of str to int, optional
        Limits on evidence that were raised; see `inspector.intake.limits`.

    Attributes
    ----------
    ready : bool
        Whether the process has locked itself down and listens.
    layers : list of str
        Layers of the sandbox in force, once ready.
    missing : dict of str to str
        The other layers, each with the reason.
    """

    def __init__(
        self,
        derived: Path,
        on_event: Callable[[dict[str, Any]], None] = lambda event: None,
        *,
        read: Sequence[Path] = (),
        cuda: bool = False,
        limits: Mapping[str, int] | None = None,
    ) -> None:
        self.derived, self.read, self.cuda = derived, tuple(read), cuda
        self.limits = dict(limits or {})
        self.layers: list[str] = []
        self.missing: dict[str, str] = {}
        self.ready = False
        self._on_event = on_event
        self._process: subprocess.Popen[bytes] | None = None
        self._next = 0
        self._lock = threading.Lock()
        self._outcomes: dict[int, dict[str, Any]] = {}
        self._changed = threading.Condition(self._lock)
        self._stderr: deque[str] = deque(maxlen=100)
        self._gone = False
        self._asked_to_stop = False
        self._jobs: dict[int, str] = {}
        self._silence = Silence()
        self._timed_out = ""

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Process id, for tests and the doctor."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process; returns at once, before it has imported anything."""
        command = [sys.executable, "-P", "-B", "-m", "inspector.engine"]
        command += ["--derived", str(self.derived)]
        for path in self.read:
            command += ["--read", str(Path(path).absolute())]
        for name, value in self.limits.items():
            command += ["--limit", f"{name}={value}"]
        if self.cuda:
            command.append("--cuda")
        environment = {k: os.environ[k] for k in _KEPT_ENVIRONMENT if k in os.environ}
        if libraries := environment.pop("LD_LIBRARY_PATH", ""):
            # An empty entry stands for the working folder, which lies in a case.
            places = [place for place in libraries.split(":") if os.path.isabs(place)]
            environment["LD_LIBRARY_PATH"] = ":".join(places) or "/usr/lib"
        environment |= {
            "HF_HUB_OFFLINE": "1",
            # Waiting threads of torch and numpy would spin: eight and twenty times slower where another
            # process has a core.
            "OMP_WAIT_POLICY": "PASSIVE",
            "OPENBLAS_THREAD_TIMEOUT": "4",
        }
        self.derived.mkdir(parents=True, exist_ok=True)
        self._process = start_process(command, environment, self.derived)
        threading.Thread(target=self._listen, name="engine-events", daemon=True).start()
        threading.Thread(target=self._collect_errors, name="engine-stderr", daemon=True).start()

    def submit(self, job: str, **arguments: Any) -> int:
        """Queue a job and return its number.

        Raises
        ------
        EngineStopped
            The process is not there any more.
        """
        with self._lock:
            self._next += 1
            number = self._next
            self._jobs[number] = job
        self._send({"do": "run", "id": number, "job": job, "with": arguments})
        return number

    def cancel(self, number: int) -> None:
        """Ask a job to stop; it answers within half a second between two chunks."""
        self._send({"do": "cancel", "id": number})

    def finish(self, number: int) -> None:
        """Ask a job to conclude with what it has; one that cannot goes on."""
        self._send({"do": "finish", "id": number})

    def pause(self, number: int) -> None:
        """Ask a job to hold."""
        self._send({"do": "pause", "id": number})

    def resume(self, number: int) -> None:
        """Let a held job go on."""
        self._send({"do": "resume", "id": number})

    def wait(self, number: int, timeout: float | None = None) -> dict[str, Any]:
        """Return the result of a job.

        Raises
        ------
        InspectorError
            What the job refused; `Cancelled`, or `EngineStopped` when the process died.
        TimeoutError
            Not finished within ``timeout`` seconds.
        """
        self._wait_until(lambda: number in self._outcomes, timeout)
        with self._lock:
            outcome = self._outcomes.pop(number, None)
        if outcome is None:
            raise self._explain()
        self._jobs.pop(number, None)
        if outcome["event"] == "cancelled":
            raise Cancelled()
        if outcome["event"] == "failed":
            error = from_message(outcome)
            if outcome.get("detail"):
                error.add_note(str(outcome["detail"]))
            raise error
        result = outcome.get("result")
        return result if isinstance(result, dict) else {}

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until the process has locked itself down, so that `layers` can be read.

        Raises
        ------
        EngineStopped
            It died before that, or was not ready within ``timeout`` seconds and was killed.
        """
        try:
            self._wait_until(lambda: self.ready, timeout)
        except TimeoutError:
            self.kill()
            raise EngineStopped(
                f"The engine did not get ready within {timeout:,.0f} s.",
                "It had not read anything yet.",
                "Try again when this machine has less to do.",
            ) from None
        if not self.ready:
            raise self._explain()

    def _wait_until(self, reached: Callable[[], bool], timeout: float | None) -> None:
        """Wait for a state or for the end of the process; kill it when it hangs on a file."""
        end = float("inf") if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not (reached() or self._gone):
                left = end - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                self._changed.wait(min(left, 0.5))
                if self._silence.overdue() and self.alive and not self._timed_out:
                    self._timed_out = f"{self._silence.name} for {self._silence.allowed:,.0f} s"
                    assert self._process is not None
                    self._process.kill()

    def close(self, timeout: float = 2.0) -> None:
        """Ask the process to end, then end it."""
        self._asked_to_stop = True
        if self._process is None:
            return
        with contextlib.suppress(InspectorError):
            self._send({"do": "quit"})
        with contextlib.suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the process now; at most one chunk of work is lost."""
        self._asked_to_stop = True
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _send(self, message: dict[str, Any]) -> None:
        if self._process is None or self._process.stdin is None:
            raise EngineStopped("The engine was not started.")
        try:
            with self._lock:
                self._process.stdin.write(encode(message))
                self._process.stdin.flush()
        except (OSError, ValueError):
            self._process.wait()
            raise self._explain() from None

    def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        stream = self._process.stdout
        while line := stream.readline(MAX_LINE + 2):
            try:
                event = decode_event(line)
            except ProtocolError as error:
                # Whatever speaks there is not our engine any more.
                self._stderr.append(str(error))
                self._process.kill()
                break
            with self._changed:
                self._silence.hear(event)
                # Said once, before anything was read; who says it later may claim what he likes.
                if event["event"] == "ready" and not self.ready:
                    self._note_ready(event)
                elif event["event"] in ENDS and event["id"] in self._jobs:
                    self._outcomes[event["id"]] = event
                self._changed.notify_all()
            self._on_event(event)
        self._process.wait()
        with self._changed:
            self._gone = True
            self._changed.notify_all()

    def _collect_errors(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        while line := self._process.stderr.readline(4096):
            self._stderr.append(line.decode("utf-8", "replace").rstrip())

    def _note_ready(self, event: dict[str, Any]) -> None:
        layers, missing = event.get("layers"), event.get("missing")
        self.layers = [str(layer)[:40] for layer in layers] if isinstance(layers, list) else []
        if isinstance(missing, dict):
            self.missing = {str(name)[:40]: str(why)[:200] for name, why in missing.items()}
        self.ready = True

    def _explain(self) -> InspectorError:
        if self._asked_to_stop:
            return Cancelled()
        name = self._silence.name
        doing = f" while reading {name}" if name else self._during()
        again = "Run the same command again to go on where it stopped; finished parts are kept."
        if name:
            again += " If it stops there again, the file makes it stop: treat it as hostile."
        if self._timed_out:
            what = f"The engine was stopped: it had been busy with {self._timed_out}, in silence."
        else:
            what = f"The engine stopped ({self._cause()}){doing}."
        error = EngineStopped(what, after_a_crash(self.ready, self.layers), again)
        if self._stderr:
            error.add_note("\n".join(self._stderr))
        return error

    def _during(self) -> str:
        job = next(iter(self._jobs.values()), "") if self.ready else ""
        return f" during {JOBS_IN_WORDS[job]}" if job in JOBS_IN_WORDS else ""

    def _cause(self) -> str:
        code = self._process.poll() if self._process else None
        if code is None or code >= 0:
            return f"exit code {code}"
        try:
            known = signal.Signals(-code).name
        except ValueError:
            return f"signal {-code}"
        # The kernel's way to free memory, where no limit of the engine's own came first.
        short = ", perhaps for want of memory" if -code == signal.SIGKILL else ""
        return f"signal {-code}, {known}{short}"
