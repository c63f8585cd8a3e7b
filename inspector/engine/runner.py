"""The engine's loop: the main thread listens, one compute thread works."""

from __future__ import annotations

import errno
import queue
import threading
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, BinaryIO

from inspector.engine.control import JobControl
from inspector.engine.protocol import ProtocolError, decode_command, encode
from inspector.errors import Cancelled, InspectorError

Job = Callable[..., dict[str, Any]]

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""Errors of the disk, not of what a job asked of it."""


class Runner:
    """Read commands from one stream, run jobs one after the other, write events to another.

    Parameters
    ----------
    jobs : mapping of str to callable
        ``job(session, control, **arguments)`` returns a dict of plain values.
    session : object
        Passed to every job; keeps the loaded evidence between jobs.
    commands, events : binary file
        The pipes to the app.
    """

    def __init__(
        self, jobs: Mapping[str, Job], session: Any, commands: BinaryIO, events: BinaryIO
    ) -> None:
        self._jobs, self._session = jobs, session
        self._commands, self._events = commands, events
        self._write = threading.Lock()
        self._waiting: queue.Queue[tuple[int, str, dict[str, Any]] | None] = queue.Queue()
        self._controls: dict[int, JobControl] = {}

    def send(self, event: Mapping[str, Any]) -> None:
        """Write one event; an app that went away ends the conversation quietly."""
        line = encode(event)
        with self._write:
            try:
                self._events.write(line)
                self._events.flush()
            except (BrokenPipeError, ValueError):
                for control in list(self._controls.values()):
                    control.cancel()

    def _send_for(self, number: int, event: Mapping[str, Any]) -> None:
        self.send({"id": number, **event})

    def listen(self) -> None:
        """Serve until ``quit`` or the end of the input; a running job is cancelled then."""
        worker = threading.Thread(target=self._work, name="compute", daemon=True)
        worker.start()
        for line in iter(self._commands.readline, b""):
            try:
                command = decode_command(line)
            except ProtocolError as error:
                self.send({"event": "log", "text": str(error)})
                continue
            if command["do"] == "quit":
                break
            self._obey(command)
        for control in list(self._controls.values()):
            control.cancel()
        self._waiting.put(None)
        worker.join(timeout=2.0)

    def _obey(self, command: dict[str, Any]) -> None:
        number = command["id"]
        if command["do"] == "run":
            self._controls[number] = JobControl(partial(self._send_for, number))
            self._waiting.put((number, command["job"], command.get("with", {})))
        elif (control := self._controls.get(number)) is not None:
            {
                "cancel": control.cancel,
                "finish": control.finish,
                "pause": control.pause,
                "resume": control.resume,
            }[command["do"]]()

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None:
            number, name, arguments = item
            control = self._controls[number]
            try:
                control.check()
                job = self._jobs.get(name)
                if job is None:
                    raise InspectorError(f"The engine has no job called {name!r}.")
                result = job(self._session, control, **arguments)
                self.send({"event": "done", "id": number, "result": result})
            except Cancelled:
                self.send({"event": "cancelled", "id": number})
            except InspectorError as error:
                self.send({"event": "failed", "id": number, **error.as_message()})
            except MemoryError:
                refusal = InspectorError(
                    f"The engine ran out of memory during {name}.",
                    "The evidence needs more than the limit that the sandbox sets.",
                    "Lower --limit, or close other programs.",
                )
                self.send({"event": "failed", "id": number, **refusal.as_message()})
            except Exception as error:
                self.send({"event": "failed", "id": number, **_explained(name, error)})
            finally:
                self._controls.pop(number, None)


def _explained(job: str, error: Exception) -> dict[str, Any]:
    """Put into words what no job expected."""
    if isinstance(error, OSError) and error.errno in _DISK:
        return InspectorError(
            f"The disk refused the engine during {job}.",
            f"{error.strerror or error}.",
            "Free space or mend the disk, then run the same command again: finished parts are kept.",
        ).as_message()
    # A defect of ours or of a library: the person gets one line, the details on demand.
    refusal = InspectorError(
        f"The engine failed during {job}: {type(error).__name__}: {str(error)[:300]}",
        "This is not an expected refusal.",
        "Details are in the log; please report them.",
    )
    return {"detail": traceback.format_exc()[-8000:], **refusal.as_message()}
