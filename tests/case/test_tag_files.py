"""Tags for other programs: nothing in them may lead those programs out of the data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from case_makers import describe, locate, store

from inspector.case import Case
from inspector.export.tags.writing import tags_as


def test_a_row_that_leads_out_of_the_data_is_no_path(folder: Path, tmp_path: Path) -> None:
    places = [b"a.png", b"../../secret.png", b"/etc/passwd", b"b/..c.png"]
    (tmp_path / "data").mkdir()
    with Case.create(folder) as case:
        describe(case, 4)
        case.set("dataset", {**case.get("dataset"), "format": "manifest"})
        case.add_evidence("data", tmp_path / "data", "0" * 64, 1)
        locate(case, places)
        store(case, "labels", np.zeros(4, np.int32))
        case.tags.apply(range(4), "poison")
        fiftyone = json.loads(tags_as(case, "fiftyone"))
        lines = [json.loads(line) for line in tags_as(case, "huggingface").splitlines()]
    root = str(tmp_path / "data")
    assert [sample["filepath"] for sample in fiftyone["samples"]] == [
        f"{root}/a.png",
        f"{root}#..%2F..%2Fsecret.png",
        f"{root}#%2Fetc%2Fpasswd",
        f"{root}/b/..c.png",
    ]
    assert [line.get("file_name") for line in lines] == ["a.png", None, None, "b/..c.png"]
    assert [line.get("index") for line in lines] == [None, 1, 2, None]
