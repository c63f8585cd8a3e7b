"""Starting engines from one thread that lives as long as the app.

An engine asks the kernel to be killed when its parent ends, and the kernel takes the *thread* that
started it for its parent. The window starts jobs in threads that end long before the engine should.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_starter = ThreadPoolExecutor(1, thread_name_prefix="engine-starter")


def start_process(
    command: list[str], environment: Mapping[str, str], folder: Path
) -> subprocess.Popen[bytes]:
    """Start a process with pipes for input, output and errors, and return at once.

    Parameters
    ----------
    command : list of str
        Program and arguments.
    environment : mapping of str to str
        All that it gets to see.
    folder : Path
        Its working folder.

    Raises
    ------
    OSError
        The program cannot be started.
    """
    return _starter.submit(
        subprocess.Popen,
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment),
        cwd=folder,
        start_new_session=True,  # Ctrl-C reaches the client, which cancels in order.
    ).result()
