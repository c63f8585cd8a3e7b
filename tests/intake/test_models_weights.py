"""Weights come out of honest files unchanged, from wherever training scripts put them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

import pytest
import safetensors.torch
import torch
from torch import nn

from inspector.errors import BadInput
from inspector.intake.models import read_weights


@pytest.fixture
def weights():
    torch.manual_seed(0)
    return {
        "conv1.weight": torch.randn(4, 3, 3, 3),
        "conv1.bias": torch.randn(4),
        "fc.weight": torch.randn(5, 64),
        "fc.bias": torch.randn(5),
    }


def same(tensors, expected):
    assert list(tensors) == list(expected) or set(tensors) == set(expected)
    for key, tensor in expected.items():
        torch.testing.assert_close(tensors[key], tensor, rtol=0, atol=0)


@pytest.mark.parametrize("container", ["safetensors", "torch-zip", "torch-legacy"])
def test_containers(tmp_path, weights, container):
    path = tmp_path / "anything.bin"  # names do not matter
    if container == "safetensors":
        safetensors.torch.save_file(weights, path, metadata={"format": "pt"})
    else:
        zipped = container == "torch-zip"
        torch.save(weights, path, _use_new_zipfile_serialization=zipped)
    read = read_weights(path)
    same(read.tensors, weights)
    assert read.container == container
    assert read.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert read.size == path.stat().st_size
    assert read.notes == []


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("zipped", [True, False])
def test_pickle_protocols(tmp_path, weights, protocol, zipped):
    path = tmp_path / "m.pt"
    torch.save(
        OrderedDict(weights), path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped
    )
    read = read_weights(path)
    same(read.tensors, weights)
    # torch's reader of plain weights knows protocols 2 and 3 only (torch 2.15).
    assert read.contents.method == ("torch.load" if protocol < 4 else "inert")
    assert read.contents.verdict == "weights"


@pytest.mark.parametrize(
    "nesting",
    [
        "state_dict",
        "model",
        "net",
        "model_state_dict",
        "weights",
        "params",
        "ema",
        "model.state_dict",
    ],
)
def test_nestings(tmp_path, weights, nesting):
    loaded = weights
    for name in reversed(nesting.split(".")):
        loaded = {name: loaded, "epoch": 7, "acc": 0.9, "optimizer": {"lr": 0.1, "state": {}}}
    torch.save(loaded, tmp_path / "m.pt")
    read = read_weights(tmp_path / "m.pt")
    same(read.tensors, weights)
    assert read.nesting == nesting


@pytest.mark.parametrize(
    "prefix",
    ["module.", "_orig_mod.", "model.", "net.", "backbone.", "module._orig_mod.model.", "1."],
)
def test_prefixes(tmp_path, weights, prefix):
    torch.save({prefix + key: value for key, value in weights.items()}, tmp_path / "m.pt")
    read = read_weights(tmp_path / "m.pt")
    same(read.tensors, weights)
    assert read.prefix == prefix


def test_a_prefix_that_only_some_share_stays(tmp_path, weights):
    mixed = {
        ("backbone." + key if key.startswith("conv") else key): value
        for key, value in weights.items()
    }
    torch.save(mixed, tmp_path / "m.pt")
    same(read_weights(tmp_path / "m.pt").tensors, mixed)


def test_the_likelier_of_two_sets_is_taken_and_the_other_named(tmp_path, weights):
    averaged = {key: value + 1 for key, value in weights.items()}
    torch.save({"ema": averaged, "state_dict": weights}, tmp_path / "m.pt")
    read = read_weights(tmp_path / "m.pt")
    same(read.tensors, weights)
    assert "ema" in read.notes[0]


def test_what_is_no_weight_is_left_out_and_said(tmp_path, weights):
    extra = {
        "module.n_averaged": torch.tensor(3),
        "module.total_ops": torch.zeros(1),
        "module.total_params": torch.zeros(1),
    }
    torch.save({f"module.{k}": v for k, v in weights.items()} | extra, tmp_path / "m.pt")
    read = read_weights(tmp_path / "m.pt")
    same(read.tensors, weights)
    assert "3 tensors are no weights" in read.notes[0]


def test_a_network_behind_its_own_normalisation(tmp_path, weights):
    mean, std = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.25, 0.3])
    loaded = {"0.mean": mean.view(1, 3, 1, 1), "0.std": std.view(1, 3, 1, 1)}
    loaded |= {f"1.{key}": value for key, value in weights.items()}
    torch.save(loaded, tmp_path / "m.pt")
    read = read_weights(tmp_path / "m.pt")
    same(read.tensors, weights)
    assert read.normalisation is not None
    assert read.normalisation[0] == pytest.approx((0.4, 0.5, 0.6))
    assert read.normalisation[1] == pytest.approx((0.2, 0.25, 0.3))


def test_parameters_half_precision_and_shared_storage(tmp_path):
    base = torch.arange(12.0)
    loaded = {
        "a.weight": nn.Parameter(base.view(3, 4)),
        "b.weight": base.view(4, 3).t(),
        "c.weight": torch.ones(2, 2, dtype=torch.bfloat16),
    }
    torch.save(loaded, tmp_path / "m.pt")
    tensors = read_weights(tmp_path / "m.pt").tensors
    assert not tensors["a.weight"].requires_grad
    assert tensors["b.weight"].is_contiguous()
    tensors["a.weight"].zero_()
    assert tensors["b.weight"].sum() == 66  # no longer the same memory
    assert tensors["c.weight"].dtype is torch.bfloat16


def test_values_that_are_no_numbers_are_noticed(tmp_path, weights):
    weights["fc.weight"][0, 0] = float("nan")
    weights["fc.bias"][0] = float("inf")
    torch.save(weights, tmp_path / "m.pt")
    assert "2 tensors hold NaN" in read_weights(tmp_path / "m.pt").notes[0]


@pytest.mark.parametrize(
    ("loaded", "text"),
    [
        ({"epoch": 3}, "holds no table of weights"),
        ([torch.zeros(2, 2)], "holds no table of weights"),
        (torch.zeros(3), "holds no table of weights"),
        ({"optimizer": {"x": torch.zeros(2, 2)}}, "holds no table of weights"),
        ({"mean": torch.zeros(3)}, "holds no weights of layers"),
    ],
)
def test_files_without_weights(tmp_path, loaded, text):
    torch.save(loaded, tmp_path / "m.pt")
    with pytest.raises(BadInput, match=text) as refused:
        read_weights(tmp_path / "m.pt")
    assert "\n" not in str(refused.value)


def test_data_given_as_model(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"PK\x05\x06" + bytes(18))
    with pytest.raises(BadInput, match=r"x\.npz is"):
        read_weights(tmp_path / "x.npz")
    (tmp_path / "train-images-idx3-ubyte").write_bytes(bytes([0, 0, 8, 3]) + bytes(12))
    with pytest.raises(BadInput, match="--data"):
        read_weights(tmp_path / "train-images-idx3-ubyte")
