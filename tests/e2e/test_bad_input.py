"""Every bad input is one clear line and exit code 2; nothing is left behind under a final name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Command = Callable[..., Any]


def _one_line(done: Any, *words: str) -> None:
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    lines = [line for line in done.stderr.splitlines() if line.startswith("inspector: ")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word.lower() in lines[0].lower(), lines[0]


def _scan(command: Command, model: Path, data: Path, case: Path, *more: str) -> Any:
    return command("scan", "--model", model, "--data", data, "--case", case, *more)


def test_missing_files(demo: Path, command: Command, tmp_path: Path) -> None:
    evidence = demo / "evidence"
    _one_line(
        _scan(command, tmp_path / "no.pt", evidence / "data", tmp_path / "a.case"), "does not exist"
    )
    assert not (tmp_path / "a.case").exists()
    _one_line(
        _scan(command, evidence / "model.safetensors", tmp_path / "none", tmp_path / "b.case"),
        "does not exist",
    )
    _one_line(command("ranking", tmp_path / "none.case"), "none.case")
    _one_line(command("open", tmp_path / "none.case"), "none.case")


def test_a_model_of_the_wrong_format(demo: Path, command: Command, tmp_path: Path) -> None:
    model = tmp_path / "model.pt"
    model.write_bytes(b"this is a letter, not a model\n" * 50)
    _one_line(_scan(command, model, demo / "evidence" / "data", tmp_path / "c.case"), "model.pt")


def test_an_architecture_that_does_not_fit(demo: Path, command: Command, tmp_path: Path) -> None:
    evidence = demo / "evidence"
    model, data = evidence / "model.safetensors", evidence / "data"
    _one_line(_scan(command, model, data, tmp_path / "d.case", "--arch", "resnet18"), "resnet18")
    _one_line(
        _scan(command, model, data, tmp_path / "e.case", "--arch", "resnt18"), "resnt18", "resnet18"
    )


def test_a_layer_and_a_detector_that_do_not_exist(demo: Path, case: Path, command: Command) -> None:
    evidence = demo / "evidence"
    model, data = evidence / "model.safetensors", evidence / "data"
    _one_line(_scan(command, model, data, case, "--layer", "conv99"), "conv99")
    _one_line(_scan(command, model, data, case, "--detectors", "oracle"), "oracle", "spectral")


def test_a_corrupt_image_and_an_empty_class_are_said_and_the_scan_goes_on(
    demo: Path, command: Command, document: Command, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(demo / "evidence" / "data", tmp_path / "data"))
    for image in (data / "9").glob("*.png"):
        image.unlink()
    victim = sorted(data.rglob("*.png"))[7]
    victim.write_bytes(victim.read_bytes()[:40])
    model = demo / "evidence" / "model.safetensors"
    done = _scan(command, model, data, tmp_path / "f.case", "--json")
    found = document(done)
    unreadable = found["dataset"]["unreadable"]
    assert [row["uri"] for row in unreadable] == [victim.relative_to(data).as_posix()]
    assert any("unreadable" in caveat for caveat in found["caveats"])
    assert found["classes"][9]["count"] == 0
    assert len(found["dataset"]["class_names"]) == 10


@pytest.mark.parametrize("count", [1, 2])
def test_a_dataset_of_very_few_samples_of_one_class(
    demo: Path, command: Command, document: Command, tmp_path: Path, count: int
) -> None:
    data = tmp_path / "data"
    (data / "0").mkdir(parents=True)
    for image in sorted((demo / "evidence" / "data" / "0").glob("*.png"))[:count]:
        shutil.copy(image, data / "0")
    model = demo / "evidence" / "model.safetensors"
    found = document(_scan(command, model, data, tmp_path / "g.case", "--json"))
    assert found["dataset"]["count"] == count
    assert any("one class" in caveat for caveat in found["caveats"])


def test_labels_outside_the_models_classes(demo: Path, command: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = tmp_path / "data.npz"
    np.savez(data, x=rng.integers(0, 255, (40, 16, 16), np.uint8), y=np.arange(40) * 1000)
    _one_line(
        _scan(command, demo / "evidence" / "model.safetensors", data, tmp_path / "i.case"), "39000"
    )


def test_a_folder_without_images(demo: Path, command: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    _one_line(
        _scan(
            command,
            demo / "evidence" / "model.safetensors",
            tmp_path / "empty",
            tmp_path / "j.case",
        ),
        "empty",
    )


def test_a_case_inside_the_evidence_is_refused(demo: Path, command: Command) -> None:
    evidence = demo / "evidence"
    done = _scan(
        command, evidence / "model.safetensors", evidence / "data", evidence / "data" / "my.case"
    )
    _one_line(done, "inside the evidence")
    assert not (evidence / "data" / "my.case").exists()


def test_other_evidence_in_the_same_case_is_refused(
    demo: Path, case: Path, command: Command, tmp_path: Path
) -> None:
    model = Path(
        shutil.copy(demo / "evidence" / "model.safetensors", tmp_path / "other.safetensors")
    )
    _one_line(_scan(command, model, demo / "evidence" / "data", case), "another model")


def test_evidence_that_changed_since_is_refused(
    demo: Path, command: Command, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    for name in ("0", "1"):
        shutil.copytree(demo / "evidence" / "data" / name, data / name)
    model = demo / "evidence" / "model.safetensors"
    assert _scan(command, model, data, tmp_path / "k.case").returncode == 0
    first = sorted(data.rglob("*.png"))[0]
    pixels = np.asarray(Image.open(first)).copy()
    pixels[0, 0] ^= 255
    Image.fromarray(pixels).save(first)
    _one_line(_scan(command, model, data, tmp_path / "k.case"), "changed")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(demo: Path, command: Command, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    evidence = demo / "evidence"
    _one_line(
        _scan(command, evidence / "model.safetensors", evidence / "data", locked / "l.case"),
        "locked",
    )


def test_exports_into_around_or_over_something_are_refused(
    demo: Path, case: Path, command: Command, tmp_path: Path
) -> None:
    command("tag", case, "--from-ranking", "combined", "--top", 5)
    data = demo / "evidence" / "data"
    before = sorted(p.as_posix() for p in data.parent.rglob("*"))
    for target in (data / "cleaned", data.parent, tmp_path):
        _one_line(command("export", case, "--to", target))
    assert sorted(p.as_posix() for p in data.parent.rglob("*")) == before
