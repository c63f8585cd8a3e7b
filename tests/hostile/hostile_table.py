"""The table of hostile files, printed at the end of a test run, also with several workers."""

from __future__ import annotations

from typing import Any

PROPERTY = "hostile file"


def rows_of(reporter: Any) -> list[dict[str, Any]]:
    """Return what the tests recorded, in the order of names."""
    found = [
        value
        for outcome in ("passed", "failed")
        for report in reporter.getreports(outcome)
        for name, value in getattr(report, "user_properties", ())
        if name == PROPERTY and getattr(report, "when", "") == "call"
    ]
    return sorted(found, key=lambda row: (row["group"], row["name"]))


def print_table(reporter: Any) -> None:
    """Print one line per hostile file: what it is, what it tries, outcome, seconds, MiB."""
    rows = rows_of(reporter)
    if not rows:
        return
    seconds, largest = sum(r["seconds"] for r in rows), max(r["mebibytes"] for r in rows)
    reporter.section(f"{len(rows)} hostile files: none ran, none wrote", sep="-")
    for row in rows:
        reporter.line(
            f"{row['name']:<26} {row['tries'][:52]:<52} {row['outcome']:<8}"
            f" {row['seconds']:6.2f} s {row['mebibytes']:5.0f} MiB"
        )
    reporter.line(f"together {seconds:.1f} s; at most {largest:.0f} MiB for one of them")
