"""The same parsers under a coverage-guided fuzzer, for runs of hours.

Needs ``pip install atheris`` (Python up to 3.13). One target at a time::

    python tests/fuzz/atheris_targets.py parquet -max_total_time=3600

What crashes is written to the working folder; move it to ``tests/corpus/<target>/<name>.bin``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["inspector"]):
    from fuzz_run import corpus_of
    from fuzz_targets import TARGETS

    import inspector.case.filter
    import inspector.engine.protocol
    import inspector.intake.datasets
    import inspector.intake.models
    import inspector.intake.models.checkpoints

assert inspector.intake.models


def main() -> None:
    """Fuzz the target named first; the other arguments are libFuzzer's."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"Name one of: {', '.join(TARGETS)}.")
    target = TARGETS[sys.argv.pop(1)]
    seeds = Path(tempfile.mkdtemp(prefix=f"inspector-fuzz-{target.name}-"))
    for number, content in enumerate([*target.seeds(), *corpus_of(target.name)]):
        (seeds / f"{number}.bin").write_bytes(content)
    atheris.Setup([*sys.argv, str(seeds)], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
