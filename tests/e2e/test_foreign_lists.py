"""Suspect lists from other programs in, tags for other programs out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from inspector.case import Case
from inspector.cli import main
from inspector.engine.client.lists import read_suspects
from inspector.errors import BadInput
from inspector.export.tags import tags_as
from report_case import HOSTILE, TARGET, N, make_case


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    with make_case(tmp_path / "lists.case", names=("a", "b", "c", "d", "e")) as made:
        yield made


def written(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    if isinstance(content, np.ndarray):
        np.save(path, content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


# ---- in ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", [3, 1, 7]),
        ("b.json", {"poison_indices": [7, 3, 1], "seed": 0}),
        ("c.npy", np.array([1, 3, 7])),
        ("d.npy", np.isin(np.arange(N), [1, 3, 7])),
        ("e.txt", "3\n1\n7\n"),
        ("f.csv", "uri,score\nb/1.png,0.5\nd/3.png,0.2\nc/7.png,0.1\n"),
        ("g.txt", "1, 3, 7"),
        ("h.json", np.isin(np.arange(N), [1, 3, 7]).tolist()),
    ],
)
def test_lists_of_indices_in_every_form(
    case: Case, tmp_path: Path, name: str, content: Any
) -> None:
    found = read_suspects(case, written(tmp_path, name, content))
    assert found.format == "indices"
    (group,) = found.groups
    assert group.rows.tolist() == [1, 3, 7]
    assert group.tag == "suspect"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", [N], "does not exist"),
        ("b.json", [-1], "names no sample"),
        ("c.json", [1.5], "names no sample"),
        ("d.json", {"what": 1}, "no list of samples"),
        ("e.npy", np.array([[1, 2]]), "not indices"),
        ("f.npy", np.array([-3]), "negative"),
        ("g.npy", np.ones(N + 1, bool), "truth values"),
        ("h.txt", "nowhere/1.png\n", "No sample lies at"),
        ("i.json", "[1, 2", "not valid JSON"),
        ("j.json", "[" * 100_000, "not valid JSON"),
        ("k.csv", "is_label_issue\nTrue\n", "the rows must be all samples"),
        ("l.csv", "index,is_label_issue\n1,perhaps\n", "True or False"),
        ("m.csv", "index,is_label_issue\n1,True\n1,True\n", "twice"),
        ("n.json", {"samples": [{"filepath": "x.png", "tags": ["t"]}]}, "None of the 1 tagged"),
        ("o.json", {"samples": [{"filepath": 3, "tags": ["t"]}]}, "tags that are none"),
        ("p.txt", "", "names no samples"),
    ],
)
def test_bad_lists_are_refused_in_one_sentence_each(
    case: Case, tmp_path: Path, name: str, content: Any, said: str
) -> None:
    head = case.journal.head
    with pytest.raises(BadInput, match=said) as caught:
        read_suspects(case, written(tmp_path, name, content))
    assert "\n" not in str(caught.value)
    assert case.journal.head == head


def test_pickles_are_never_opened(case: Case, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    body = f"cos\nsystem\n(S'touch {marker}'\ntR.".encode()
    objects = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        objects, {"descr": "|O", "fortran_order": False, "shape": (1,)}
    )
    for name, content in (
        ("a.pt", b"PK\x03\x04rest"),
        ("b.pkl", b"\x80\x02" + body),
        ("c.npy", objects.getvalue() + body),
        ("d.txt", body),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput):
            read_suspects(case, tmp_path / name)
    assert not marker.exists()


def test_cleanlabs_issues_become_mislabelled_and_suspect(case: Case, tmp_path: Path) -> None:
    lines = [",is_label_issue,label_quality,is_outlier_issue,outlier_score"]
    for row in range(N):
        lines.append(f"{row},{row in (4, 9)},0.5,{row == 9},0.1")
    found = read_suspects(case, written(tmp_path, "issues.csv", "\n".join(lines)))
    assert found.format == "cleanlab"
    groups = {group.reason: (group.tag, group.rows.tolist()) for group in found.groups}
    assert groups == {
        "is_label_issue": ("mislabelled", [4, 9]),
        "is_outlier_issue": ("suspect", [9]),
    }
    plain = ["is_label_issue,label_quality,given_label,predicted_label"]
    plain += [f"{row == 2},0.9,0,1" for row in range(N)]
    (only,) = read_suspects(case, written(tmp_path, "q.csv", "\n".join(plain))).groups
    assert only.rows.tolist() == [2]


def test_fiftyones_tags_find_their_samples_by_path(case: Case, tmp_path: Path) -> None:
    document = {
        "samples": [
            {"filepath": "/elsewhere/train/b/1.png", "tags": ["poison", "odd"]},
            {"filepath": "C:\\data\\c\\7.png", "tags": ["odd"]},
            {"filepath": "/elsewhere/train/b/999.png", "tags": ["odd"]},
            {"filepath": "/elsewhere/untagged.png", "tags": []},
        ]
    }
    found = read_suspects(case, written(tmp_path, "samples.json", document))
    groups = {group.reason: (group.tag, group.rows.tolist()) for group in found.groups}
    assert groups == {"tag poison": ("poison", [1]), "tag odd": ("suspect", [1, 7])}
    assert found.unmatched == ("/elsewhere/train/b/999.png",)


def test_a_list_becomes_proposals_with_its_source(case: Case, tmp_path: Path) -> None:
    path = written(tmp_path, "poison_indices.json", [1, 3])
    case.close()
    run = CliRunner().invoke(main, ["import", str(tmp_path / "lists.case"), "--from", str(path)])
    assert run.exit_code == 0, run.output
    assert "suspect for 2 samples" in run.output
    with Case.open(tmp_path / "lists.case") as again:
        (proposal,) = again.proposals.all("open")
        assert proposal.source == "indices list poison_indices.json"
        assert again.tags.counts()["suspect"] == 0
    arguments = ["import", str(tmp_path / "lists.case"), "--from", str(path)]
    done = CliRunner().invoke(main, [*arguments, "--tag", "poison", "--accept"])
    assert done.exit_code == 0, done.output
    with Case.open(tmp_path / "lists.case") as again:
        assert again.tags.mask("poison")[[1, 3]].all()
        assert len(again.proposals.all("open")) == 1


# ---- out -----------------------------------------------------------------------------------------


def test_fiftyone_goes_out_and_comes_back(case: Case, tmp_path: Path) -> None:
    case.tags.apply([0, 2], "clean")
    document = json.loads(tags_as(case, "fiftyone"))
    first = document["samples"][0]
    assert first["filepath"] == "/evidence/data/a/0.png"
    assert first["tags"] == ["clean"]
    assert first["ground_truth"] == {"_cls": "Classification", "label": "a"}
    back = read_suspects(case, written(tmp_path, "samples.json", document))
    groups = {group.tag: group.rows.tolist() for group in back.groups}
    assert groups["clean"] == [0, 2]
    assert groups["poison"] == np.flatnonzero(case.tags.mask("poison")).tolist()
    document["inspector_dataset"] = "other"
    moved = read_suspects(case, written(tmp_path, "moved.json", document))
    assert {group.tag: group.rows.tolist() for group in moved.groups} == groups


def test_hugging_face_gets_every_sample(case: Case) -> None:
    rows = [json.loads(line) for line in tags_as(case, "huggingface").splitlines()]
    assert len(rows) == N
    assert rows[1] == {"file_name": "b/1.png", "label": "b", "tags": []}
    assert [row["tags"] for row in rows if row["tags"]] == [["poison"]] * 6
    described = case.get("dataset")
    case.close()
    assert described["format"] == "image-folder"


def test_a_table_says_who_when_and_why_without_formulas(tmp_path: Path) -> None:
    with make_case(tmp_path / "hostile.case", names=("=1+1", *HOSTILE[1:])) as made:
        made.tags.apply([0], "suspect", note="=cmd()")
        rows = list(csv.DictReader(io.StringIO(tags_as(made, "csv").decode())))
    assert rows[0]["label_name"] == "'=1+1"
    assert rows[0]["uri"] == "'=1+1/0.png"
    assert rows[0]["note"] == "'=cmd()"
    assert rows[0]["user"]
    assert {row["tag"] for row in rows} == {"suspect", "poison"}
    assert len(rows) == 1 + 6


def test_exporting_tags_writes_a_new_file_and_records_it(case: Case, tmp_path: Path) -> None:
    case.close()
    target = tmp_path / "tags.json"
    arguments = ["export-tags", str(tmp_path / "lists.case"), "--to", str(target)]
    first = CliRunner().invoke(main, [*arguments, "--format", "fiftyone"])
    assert first.exit_code == 0, first.output
    assert "6 tagged samples" in first.output
    assert len(json.loads(target.read_text())["samples"]) == 6
    again = CliRunner().invoke(main, [*arguments, "--format", "csv"])
    assert again.exit_code == 2
    assert "already exists" in again.output
    with Case.open(tmp_path / "lists.case", read_only=True) as closed:
        acts = [entry.act for entry in closed.journal.entries()]
    assert acts.count("tags exported") == 1
    assert TARGET == 4
