"""Reads hostile files one after the other, in a process that is *not* behind the sandbox.

A payload that ran would leave its marker: what is tested here are the readers, not the fence around
them. Only memory and time are bounded. Started by the tests: one JSON object per line in and out.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

MEMORY = 3 << 30
"""Bytes that the process may take; a bomb that asks for more meets MemoryError."""

SECONDS = 90
"""After which a file has hung its reader; the signal ends the process."""

MODEL_NOTES, ROWS = 20, 400


def read_model(path: Path) -> dict[str, Any]:
    from inspector.intake.models import read_weights

    weights = read_weights(path)
    values = sum(tensor.numel() for tensor in weights.tensors.values())
    said = [str(note) for note in weights.notes]
    return {"outcome": "reads", "says": " | ".join(said[:MODEL_NOTES]), "values": values}


def read_data(path: Path) -> dict[str, Any]:
    from inspector.intake.datasets import open_dataset

    dataset = open_dataset(path)
    dataset.digest()
    dataset.stored_sha256()
    rows = range(min(len(dataset), ROWS))
    texts = [*dataset.class_names, *(dataset.locator(row) for row in rows)]
    decoded = dataset.decode_batch(list(rows))
    reasons = [str(image) for image in decoded if isinstance(image, Exception)]
    outcome = "row" if reasons else "reads"
    says = " | ".join([*reasons[:5], *dataset.notes])
    return {"outcome": outcome, "says": says, "texts": texts, "rows": len(dataset)}


def peak_reset() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def peak() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0


def main() -> None:
    for name in ("inspector.intake.datasets", "inspector.intake.models", "pyarrow.parquet"):
        importlib.import_module(name)  # before anything is measured
    from inspector.errors import InspectorError

    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        task = json.loads(line)
        read = read_model if task["kind"] == "model" else read_data
        peak_reset()
        before, start = peak(), time.monotonic()
        signal.alarm(SECONDS)
        try:
            found = read(Path(os.fsdecode(bytes.fromhex(task["path"]))))
        except InspectorError as error:
            found = {"outcome": "refused", "says": str(error), "error": type(error).__name__}
        except BaseException as error:
            detail = traceback.format_exc()[-2000:]
            found = {"outcome": f"raised {type(error).__name__}", "says": detail}
        signal.alarm(0)
        found["seconds"] = time.monotonic() - start
        found["mebibytes"] = max(0, peak() - before) / (1 << 20)
        print(json.dumps({"name": task["name"], **found}), file=answers, flush=True)


if __name__ == "__main__":
    main()
