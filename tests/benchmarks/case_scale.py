"""What acts on a large case cost, beside the bare operation underneath, in one run.

``uv run python tests/benchmarks/case_scale.py``
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "case"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from case_makers import describe, store

from dataset_makers import write_idx
from inspector.case import Case, SampleTable, parse_filter, ranking_document
from inspector.case.fingerprint import fingerprint
from inspector.intake.datasets import open_dataset


def seconds(act: Callable[[], object], rounds: int = 3) -> float:
    """Return the shortest of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        act()
        best = min(best, time.perf_counter() - start)
    return best


def show(what: str, ours: float, reference: str, theirs: float) -> None:
    print(f"{what:<46}{ours * 1e3:9.1f} ms   {ours / theirs:7.2f} × {reference}")


def large_case(folder: Path, n: int) -> None:
    """Make a case of n samples with 1,000 single tags and one of 300,000."""
    with Case.create(folder) as case:
        describe(case, n)
        names = np.char.mod("class/%07d.png", np.arange(n)).astype("S")
        store(case, "locator_bytes", np.frombuffer(names.tobytes(), np.uint8))
        store(case, "locator_offsets", np.arange(n + 1) * names.dtype.itemsize)
        rng = np.random.default_rng(0)
        for name in ("labels", "predicted"):
            store(case, name, rng.integers(0, 3, n).astype(np.int32))
        store(case, "combined", rng.random(n, np.float32))
        with case.transaction():
            for row in range(1000):
                case.tags.apply([row], "poison")
        case.tags.apply(np.arange(100_000, min(n, 400_000)), "clean")


def bare_rows(folder: Path) -> None:
    """What tagging would cost as rows of a plain SQLite table."""
    with sqlite3.connect(folder / "bare.db") as plain:
        plain.execute("create table if not exists tags (sample integer, tag text)")
        plain.executemany("insert into tags values (?, 'suspect')", ((i,) for i in range(100_000)))


def bare_reading(database: Path) -> None:
    """What opening would cost as a plain read of the same file, every row and nothing checked."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as plain:
        for table in ("journal", "change", "record"):
            plain.execute(f"select * from {table}").fetchall()


def many_files(folder: Path, count: int) -> list[Path]:
    """Make a folder of small files."""
    files = []
    for at in range(count):
        file = folder / f"class{at % 10}" / f"{at}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"%d" % at)
        files.append(file)
    return files


def watching(folder: Path) -> None:
    """Look at the evidence, and check a case."""
    files = many_files(folder / "many", 5000)
    bare = seconds(lambda: [file.stat() for file in files])
    what = seconds(lambda: fingerprint(folder / "many"))
    show("look at 5,000 files of evidence", what, "bare stat", bare)
    with Case.open(folder / "large.case", read_only=True) as case:
        content = [(case.derived / info.path).read_bytes() for info in case.arrays().values()]
        bare = seconds(lambda: [hashlib.sha256(part).digest() for part in content])
        show("verify the large case", seconds(case.verify), "SHA-256 of its arrays", bare)


def proposing(case: Case, bare: float) -> None:
    """Propose and accept 100,000 tags."""
    rows = np.random.default_rng(1).permutation(case.n)[:100_000]
    start = time.perf_counter()
    proposal = case.proposals.add(rows, "mislabelled", source="search")
    show("propose 100,000", time.perf_counter() - start, "plain rows in SQLite", bare)
    assert proposal is not None
    start = time.perf_counter()
    case.proposals.accept(proposal.number)
    show("accept 100,000", time.perf_counter() - start, "plain rows in SQLite", bare)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, n = Path(name), 1_000_000
        large_case(folder / "large.case", n)

        def reopen() -> None:
            with Case.open(folder / "large.case") as case:
                case.tags.counts()

        bare = seconds(lambda: bare_reading(folder / "large.case" / "case.db"))
        opened = seconds(reopen)
        show("open 1,000,000 samples, 1,001 acts", opened, "reading its rows", bare)
        with Case.open(folder / "large.case") as case:
            rows = np.random.default_rng(0).permutation(n)[:100_000]
            bare = seconds(lambda: bare_rows(folder))
            start = time.perf_counter()
            case.tags.apply(rows, "suspect")
            show("tag 100,000 at once", time.perf_counter() - start, "plain rows in SQLite", bare)
            proposing(case, bare)
            table = SampleTable(case)
            combined = np.asarray(table.columns["combined"])
            bare = seconds(lambda: (combined > 0.2) & (combined <= 0.9))
            ask = parse_filter("0.2 < combined <= 0.9 and label == 'ship' and not tagged")
            show("filter 1,000,000", seconds(lambda: ask(table)), "two numpy comparisons", bare)
            bare = seconds(lambda: np.argsort(-combined))
            show("rank 1,000,000", seconds(lambda: table.rank("combined")), "numpy argsort", bare)
        watching(folder)
        large_case(folder / "medium.case", 60_000)
        with Case.open(folder / "medium.case") as case:
            document = ranking_document(case)
            bare = seconds(lambda: json.dumps(document))
            show(
                "ranking document of 60,000", seconds(lambda: ranking_document(case)), "dumps", bare
            )
        images = np.random.default_rng(0).integers(0, 256, (60_000, 28, 28), dtype=np.uint8)
        write_idx(folder, images, (np.arange(60_000) % 10).astype(np.uint8))
        whole = images.tobytes()

        def hash_rows() -> None:
            dataset = open_dataset(folder / "train-images-idx3-ubyte")
            dataset.digest()
            dataset.stored_sha256()

        bare = seconds(lambda: hashlib.sha256(whole).digest())
        show("open and hash IDX of 60,000", seconds(hash_rows), "one SHA-256 of the bytes", bare)


if __name__ == "__main__":
    main()
