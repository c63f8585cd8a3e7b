"""Model folders in the layout of Hugging Face: weights, labels, scaling and size."""

from __future__ import annotations

import hashlib
import json

import pytest
import safetensors.torch
import torch
import torchvision

from inspector.errors import BadInput
from inspector.intake.models import read_weights


@pytest.fixture
def weights():
    torch.manual_seed(0)
    return torchvision.models.resnet18(num_classes=3).state_dict()


def write(folder, **files):
    for name, value in files.items():
        (folder / f"{name}.json").write_text(value if isinstance(value, str) else json.dumps(value))


CONFIG = {
    "architectures": ["ResNetForImageClassification"],
    "id2label": {"0": "cat", "1": "dog", "2": "<b>bird</b>"},
    "num_channels": 3,
}
PROCESSOR = {
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "size": {"height": 64, "width": 48},
    "resample": 3,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
}


def test_transformers(tmp_path, weights):
    safetensors.torch.save_file(weights, tmp_path / "model.safetensors")
    write(tmp_path, config=CONFIG, preprocessor_config=PROCESSOR)
    read = read_weights(tmp_path)
    assert all(torch.equal(read.tensors[key], value) for key, value in weights.items())
    hints = read.hints
    assert hints.architecture == "ResNetForImageClassification"
    assert hints.labels == ("cat", "dog", "<b>bird</b>")
    assert (hints.num_classes, hints.in_channels, hints.size) == (3, 3, (64, 48))
    assert hints.mean == pytest.approx((0.485, 0.456, 0.406))
    assert hints.std == pytest.approx((0.229, 0.224, 0.225))
    assert hints.interpolation == "bicubic"
    assert hints.source == "config.json and preprocessor_config.json"
    assert read.container == "folder"
    files = sorted(path.name for path in tmp_path.iterdir())
    lines = "".join(
        f"{name}\0{hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}\n" for name in files
    )
    assert read.sha256 == hashlib.sha256(lines.encode()).hexdigest()
    assert read.size == sum(path.stat().st_size for path in tmp_path.iterdir())
    assert read.contents.tensors == len(weights)


def test_pixels_scaled_to_another_range(tmp_path, weights):
    """2 x / 255 - 1 is mean and deviation one half of pixels between 0 and 1."""
    safetensors.torch.save_file(weights, tmp_path / "model.safetensors")
    processor = {**PROCESSOR, "rescale_factor": 2 / 255}
    processor |= {"image_mean": [1.0, 1.0, 1.0], "image_std": [1.0, 1.0, 1.0]}
    write(tmp_path, preprocessor_config=processor)
    hints = read_weights(tmp_path).hints
    assert hints.mean == pytest.approx((0.5, 0.5, 0.5))
    assert hints.std == pytest.approx((0.5, 0.5, 0.5))


def test_timm(tmp_path, weights):
    torch.save(weights, tmp_path / "pytorch_model.bin")
    cfg = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "input_size": [3, 224, 160]}
    cfg |= {"interpolation": "bicubic", "crop_pct": 0.95}
    write(tmp_path, config={"architecture": "resnet18", "num_classes": 3, "pretrained_cfg": cfg})
    hints = read_weights(tmp_path).hints
    assert (hints.architecture, hints.num_classes) == ("resnet18", 3)
    assert (hints.mean, hints.std) == ((0.5,) * 3, (0.25,) * 3)
    assert (hints.size, hints.interpolation, hints.crop) == ((224, 160), "bicubic", 0.95)


def shards(folder, weights):
    names = list(weights)
    halves = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, keys in halves.items():
        part = {key: weights[key] for key in keys}
        safetensors.torch.save_file(part, folder / file)
    places = {key: file for file, keys in halves.items() for key in keys}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def test_weights_in_parts(tmp_path, weights):
    shards(tmp_path, {f"model.{key}": value for key, value in weights.items()})
    read = read_weights(tmp_path)
    assert set(read.tensors) == set(weights)
    assert all(torch.equal(read.tensors[key], value) for key, value in weights.items())
    assert read.contents.tensors == len(weights)


def test_parts_that_lead_elsewhere_or_contradict_each_other(tmp_path, weights):
    shards(tmp_path, weights)
    index = tmp_path / "model.safetensors.index.json"
    for place in ("../../etc/passwd", "/etc/passwd", "c.safetensors"):
        index.write_text(json.dumps({"weight_map": {"x": place}}))
        with pytest.raises(BadInput, match="not in the folder"):
            read_weights(tmp_path)
    shards(tmp_path, weights)
    (tmp_path / "b.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes())
    with pytest.raises(BadInput, match="in two files"):
        read_weights(tmp_path)


def test_folders_without_a_model_or_with_several(tmp_path, weights):
    with pytest.raises(BadInput, match="holds no weights"):
        read_weights(tmp_path)
    for name in ("one.pt", "two.pt"):
        torch.save(weights, tmp_path / name)
    with pytest.raises(BadInput, match="2 files that could be the model"):
        read_weights(tmp_path)


@pytest.mark.parametrize(
    "text", ["{", "[" * 100_000, "5", '{"id2label": {"0": 5}}', '{"id2label": {"7": "x"}}']
)
def test_descriptions_of_strangers(tmp_path, weights, text):
    safetensors.torch.save_file(weights, tmp_path / "model.safetensors")
    write(tmp_path, config=text, preprocessor_config='{"image_mean": ["x"], "size": -1}')
    read = read_weights(tmp_path)
    assert set(read.tensors) == set(weights)
    assert (read.hints.labels, read.hints.mean, read.hints.size) == ((), None, None)
