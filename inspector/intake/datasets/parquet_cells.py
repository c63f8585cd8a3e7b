"""The image column of Parquet shards, row by row: decompressed in blocks, bounded in memory."""

from __future__ import annotations

import bisect
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

from inspector.errors import BadInput
from inspector.intake.datasets.arrow_columns import cells_of
from inspector.intake.datasets.names import shown
from inspector.intake.datasets.parquet_file import damaged, opened_parquet

BLOCK = 32
"""Rows that are decompressed at once: what a dictionary expands to shows only afterwards."""

CACHE = 512 << 20
"""Bytes of cells that are kept. A row group that fits is decompressed once, whatever the order."""


class ParquetCells:
    """Random access to one column of binary cells over several files.

    Parameters
    ----------
    root : Path
        The evidence.
    groups : list of (str, int, int)
        File below the root ("" for the root itself), row group and its rows, in row order.
    leaf : str
        Column, as Parquet names its leaf.
    """

    def __init__(self, root: Path, groups: list[tuple[str, int, int]], leaf: str) -> None:
        self._root = root
        self._groups = groups
        self._leaf = leaf
        self._starts = [0]
        for _, _, rows in groups:
            self._starts.append(self._starts[-1] + rows)
        self._kept: OrderedDict[tuple[int, int], list[bytes | None]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._walk: Iterator[list[bytes | None]] | None = None
        self._place = (-1, 0)

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, row: int) -> bytes | None:
        """Return the bytes of a row, None where the table has none.

        Raises
        ------
        BadInput
            The file is damaged there.
        """
        if not 0 <= row < len(self):
            raise IndexError(row)
        group = bisect.bisect_right(self._starts, row) - 1
        number, inside = divmod(row - self._starts[group], BLOCK)
        with self._lock:
            cells = self._kept.get((group, number))
            if cells is None:
                cells = self._advance(group, number)
            else:
                self._kept.move_to_end((group, number))
            if inside >= len(cells):
                raise self._short(group)
            return cells[inside]

    def close(self) -> None:
        """Forget what is kept and close the file that is being read."""
        with self._lock:
            self._walk, self._place = None, (-1, 0)
            self._kept.clear()
            self._bytes = 0

    def _advance(self, group: int, number: int) -> list[bytes | None]:
        if self._walk is None or self._place[0] != group or self._place[1] > number:
            self._walk, self._place = self._blocks(group), (group, 0)
        while True:
            cells = next(self._walk, None)
            if cells is None:
                raise self._short(group)
            reached = self._place[1]
            self._place = (group, reached + 1)
            self._keep((group, reached), cells)
            if reached == number:
                return cells

    def _short(self, group: int) -> BadInput:
        name, at, rows = self._groups[group]
        return BadInput(
            f"{shown(self._root / name)} is damaged: row group {at} declares {rows:,} rows "
            "and holds fewer.",
            "",
            "Fetch or copy it again.",
        )

    def _keep(self, key: tuple[int, int], cells: list[bytes | None]) -> None:
        if key not in self._kept:
            self._kept[key] = cells
            self._bytes += sum(len(cell) for cell in cells if cell)
        while self._bytes > CACHE and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= sum(len(cell) for cell in gone if cell)

    def _blocks(self, group: int) -> Iterator[list[bytes | None]]:
        """Yield the cells of a row group in blocks of exactly `BLOCK`, the last one shorter."""
        name, at, _ = self._groups[group]
        waiting: list[bytes | None] = []
        with opened_parquet(self._root, name) as file:
            try:
                for batch in file.iter_batches(
                    batch_size=BLOCK, row_groups=[at], columns=[self._leaf], use_threads=False
                ):
                    waiting += cells_of(batch.column(0))
                    while len(waiting) >= BLOCK:
                        yield waiting[:BLOCK]
                        waiting = waiting[BLOCK:]
            except GeneratorExit:
                raise
            except Exception as error:
                raise damaged(shown(self._root / name), error) from None
        if waiting:
            yield waiting
