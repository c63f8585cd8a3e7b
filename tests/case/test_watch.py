"""Evidence that changes on disk is noticed and marked; evidence that is away takes nothing along."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from case_makers import fill

from inspector.case import Case, scan_document
from inspector.case.fingerprint import fingerprint
from inspector.engine.client.evidence import relocate, settle_doubts
from inspector.errors import BadInput, CaseError
from inspector.intake.datasets import open_dataset


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    """A folder with a model and an image folder."""
    from PIL import Image

    folder = tmp_path / "evidence"
    for row in range(6):
        place = folder / "data" / f"class{row % 2}" / f"{row}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 40 * row, np.uint8)).save(place)
    (folder / "model.pt").write_bytes(b"weights")
    return folder


@pytest.fixture
def held(case: Case, evidence: Path) -> Case:
    """A scanned case about that evidence."""
    fill(case)
    model, data = evidence / "model.pt", evidence / "data"
    case.add_evidence("model", model, sha(model), 7)
    case.add_evidence("data", data, open_dataset(data).digest(), 600)
    case.set("scan", {"model": str(model), "data": str(data), "seed": 0})
    case.record_finding("spectral", {"verdict": "low", "classes": []})
    return case


def states(case: Case) -> dict[str, str]:
    return {look.item.role: look.state for look in case.watch.look()}


def test_untouched_evidence_is_not_read_again(held: Case) -> None:
    assert states(held) == {"model": "unchanged", "data": "unchanged"}
    head = held.journal.head
    assert settle_doubts(held) == []
    assert held.journal.head == head


def test_a_file_changed_added_or_removed_deep_in_a_dataset_is_noticed(
    held: Case, evidence: Path
) -> None:
    data = evidence / "data"
    before = fingerprint(data)
    picture = data / "class1" / "3.png"
    kept = picture.read_bytes()
    for change, back in (
        (lambda: picture.write_bytes(kept[:-1] + b"x"), lambda: picture.write_bytes(kept)),
        (lambda: picture.rename(data / "3.png"), lambda: (data / "3.png").rename(picture)),
        (lambda: (data / "new.png").write_bytes(b"x"), lambda: (data / "new.png").unlink()),
    ):
        change()
        assert fingerprint(data) != before
        assert states(held)["data"] == "touched"
        back()


def test_a_touched_file_of_equal_bytes_is_verified_and_trusted_again(
    held: Case, evidence: Path
) -> None:
    os.utime(evidence / "data" / "class0" / "0.png", ns=(1, 1))
    (evidence / "model.pt").write_bytes(b"weights")
    assert states(held) == {"model": "touched", "data": "touched"}
    assert settle_doubts(held) == []
    assert states(held) == {"model": "unchanged", "data": "unchanged"}
    assert [entry.details["role"] for entry in held.journal.of_act("evidence verified")] == [
        "model",
        "data",
    ]
    assert held.verify() == []


def test_changed_bytes_are_marked_with_the_results_that_are_stale(
    held: Case, evidence: Path, folder: Path
) -> None:
    before = held.array("combined").tolist()
    (evidence / "model.pt").write_bytes(b"WEIGHTS")
    (found,) = settle_doubts(held)
    assert found.item.role == "model"
    assert states(held)["model"] == "changed"
    entry = held.journal.of_act("evidence changed")[-1]
    assert entry.details["recorded_sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert entry.details["sha256"] == hashlib.sha256(b"WEIGHTS").hexdigest()
    assert entry.details["stale"] == ["finding spectral"]
    assert held.watch.stale() == {"model": ["finding spectral"]}
    with pytest.raises(BadInput, match=r"model .* has changed since the case was made"):
        held.watch.refuse_changed()
    document = scan_document(held)
    assert [item["state"] for item in document["evidence"]] == ["changed", "unchanged"]
    assert any("finding spectral" in line and "Stale" in line for line in document["caveats"])
    # Marked for good, also after reopening; what was derived stays as it was.
    held.close()
    with Case.open(folder) as again:
        assert states(again)["model"] == "changed"
        assert again.array("combined").tolist() == pytest.approx(before, nan_ok=True)
        assert again.verify() == []
        (evidence / "model.pt").write_bytes(b"weights")
        assert settle_doubts(again) == []
        assert states(again)["model"] == "unchanged"
        assert again.watch.stale() == {}


def test_evidence_that_cannot_be_read_any_more_counts_as_changed(
    held: Case, evidence: Path
) -> None:
    shutil.rmtree(evidence / "data" / "class0")
    shutil.rmtree(evidence / "data" / "class1")
    assert [one.item.role for one in settle_doubts(held)] == ["data"]
    assert states(held)["data"] == "changed"


def test_evidence_on_a_disk_that_is_away_leaves_everything_derived(
    held: Case, evidence: Path
) -> None:
    evidence.rename(evidence.with_name("unplugged"))
    assert states(held) == {"model": "missing", "data": "missing"}
    head = held.journal.head
    assert settle_doubts(held) == []
    assert held.journal.head == head
    assert held.array("labels").tolist() == [0, 0, 1, 1, 2, 2]
    held.tags.apply([1], "poison")
    assert [item["state"] for item in scan_document(held)["evidence"]] == ["missing", "missing"]
    with pytest.raises(BadInput, match=r"is missing.*inspector relocate"):
        held.watch.refuse_changed()


def test_evidence_that_was_moved_is_found_by_its_hash(held: Case, evidence: Path) -> None:
    moved = evidence.with_name("elsewhere")
    evidence.rename(moved)
    for role, name in (("model", "model.pt"), ("data", "data")):
        item = relocate(held, role, moved / name)
        assert item.path == str(moved / name)
    assert states(held) == {"model": "unchanged", "data": "unchanged"}
    assert [item.path for item in held.evidence()] == [str(moved / "model.pt"), str(moved / "data")]
    assert held.get("scan")["data"] == str(moved / "data")
    assert held.journal.of_act("evidence relocated")[0].details["former_path"] == str(
        evidence / "model.pt"
    )
    assert held.verify() == []
    # Moved back, and recorded again under the place where it lies: still one piece of evidence.
    relocate(held, str(moved / "model.pt"), moved / "model.pt")
    held.add_evidence("model", moved / "model.pt", sha(moved / "model.pt"), 7)
    assert len(held.evidence()) == 2


def test_other_bytes_are_never_taken_for_the_evidence(held: Case, evidence: Path) -> None:
    other = evidence / "other.pt"
    other.write_bytes(b"WEIGHTS")
    head = held.journal.head
    with pytest.raises(CaseError, match="is not the model of this case"):
        relocate(held, "model", other)
    with pytest.raises(BadInput, match="cannot be read at"):
        relocate(held, "model", evidence / "nothing")
    with pytest.raises(BadInput, match="No piece of evidence here is called 'modl'"):
        relocate(held, "modl", other)
    assert held.journal.head == head


def test_files_beside_the_named_one_are_watched(case: Case, tmp_path: Path) -> None:
    images, labels = tmp_path / "train-images", tmp_path / "train-labels"
    images.write_bytes(b"images")
    labels.write_bytes(b"labels")
    case.add_evidence("data", images, "ab" * 32, 12, {"files": [str(images), str(labels)]})
    assert states(case) == {"data": "unchanged"}
    labels.write_bytes(b"LABELS")
    assert states(case) == {"data": "touched"}


def test_evidence_that_moved_together_with_the_case_is_pointed_to(
    held: Case, evidence: Path, folder: Path, tmp_path: Path
) -> None:
    held.close()
    stick = tmp_path / "stick"
    stick.mkdir()
    shutil.move(folder, stick / folder.name)
    shutil.move(evidence, stick / evidence.name)
    with Case.open(stick / folder.name) as case:
        (model, _) = case.evidence()
        assert case.watch.candidate(model) == stick / "evidence" / "model.pt"
        with pytest.raises(BadInput, match=f"--to {stick / 'evidence' / 'model.pt'}"):
            case.watch.refuse_changed()


def test_a_model_that_is_a_folder_is_watched_and_found_again(case: Case, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from inspector.intake.models import read_weights

    folder = tmp_path / "model"
    folder.mkdir()
    weights = {"fc.weight": torch.ones(3, 4), "fc.bias": torch.zeros(3)}
    save_file(weights, folder / "model.safetensors")
    item = case.add_evidence("model", folder, read_weights(folder).sha256, 1)
    os.utime(folder / "model.safetensors", ns=(1, 1))
    assert states(case) == {"model": "touched"}
    assert settle_doubts(case) == []
    assert states(case) == {"model": "unchanged"}
    folder.rename(tmp_path / "moved")
    assert relocate(case, "model", tmp_path / "moved").sha256 == item.sha256
    save_file({**weights, "fc.bias": torch.ones(3)}, tmp_path / "moved" / "model.safetensors")
    assert [found.item.role for found in settle_doubts(case)] == ["model"]
    assert states(case) == {"model": "changed"}
