"""One engine process: started, spoken to, and explained when it dies."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

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
    """

    def __init__(
        self,
        derived: Path,
        on_event: Callable[[dict[str, Any]], None] = lambda event: None,
        *,
        read: Sequence[Path] = (),
        cuda: bool = False,
    ) -> None:
        self.derived, self.read, self.cuda = derived, tuple(read), cuda
        self.layers: list[str] = []
        self._on_event = on_event
        self._process: subprocess.Popen[bytes] | None = None
        self._next = 0
        self._lock = threading.Lock()
        self._outcomes: dict[int, dict[str, Any]] = {}
        self._changed = threading.Condition(self._lock)
        self._stderr: deque[str] = deque(maxlen=100)
        self._gone = False
        self._asked_to_stop = False

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
        if self.cuda:
            command.append("--cuda")
        environment = {k: os.environ[k] for k in _KEPT_ENVIRONMENT if k in os.environ}
        environment |= {
            "HF_HUB_OFFLINE": "1",
            # Waiting threads of torch would spin: eight times slower where another process has a core.
            "OMP_WAIT_POLICY": "PASSIVE",
            "NUMBA_CACHE_DIR": str(self.derived / "scratch" / "numba"),
            "MPLCONFIGDIR": str(self.derived / "scratch"),
        }
        self.derived.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=self.derived,
            start_new_session=True,  # Ctrl-C reaches the client, which cancels in order.
        )
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
        self._send({"do": "run", "id": number, "job": job, "with": arguments})
        return number

    def cancel(self, number: int) -> None:
        """Ask a job to stop; it answers within half a second between two chunks."""
        self._send({"do": "cancel", "id": number})

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
        with self._changed:
            done = self._changed.wait_for(
                lambda: number in self._outcomes or self._gone, timeout=timeout
            )
            if not done:
                raise TimeoutError
            outcome = self._outcomes.pop(number, None)
        if outcome is None:
            raise self._explain()
        if outcome["event"] == "cancelled":
            raise Cancelled()
        if outcome["event"] == "failed":
            error = from_message(outcome)
            if outcome.get("detail"):
                error.add_note(str(outcome["detail"]))
            raise error
        result = outcome.get("result")
        return result if isinstance(result, dict) else {}

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
            if event["event"] == "ready":
                self.layers = [str(layer) for layer in event.get("layers", [])]
            if event["event"] in ("done", "failed", "cancelled"):
                with self._changed:
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

    def _explain(self) -> InspectorError:
        if self._asked_to_stop:
            return Cancelled()
        code = self._process.poll() if self._process else None
        if code is not None and code < 0:
            try:
                cause = f"signal {-code}, {signal.Signals(-code).name}"
            except ValueError:
                cause = f"signal {-code}"
        else:
            cause = f"exit code {code}"
        error = EngineStopped(
            f"The engine stopped ({cause}).",
            "Finished parts are kept in the case; the evidence was not touched.",
            "Run the same command again to go on where it stopped.",
        )
        if self._stderr:
            error.add_note("\n".join(self._stderr))
        return error
