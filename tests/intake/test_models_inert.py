"""Whole modules, TorchScript programs and real checkpoints: every tensor, and nothing run."""

from __future__ import annotations

import argparse
import builtins
import importlib
import io
import sys
import types
import warnings

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from inspector.errors import BadInput
from inspector.intake.models import read_weights
from inspector.intake.models.checkpoints import read_checkpoint
from inspector.intake.models.inert import follow
from inspector.intake.models.inert_tables import find_table
from inspector.intake.sniff import sniff


class Block(nn.Module):
    """A part with everything that a state_dict has, and things that it leaves out."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 5, stride=2, padding=2, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.activation = nn.LeakyReLU(0.2)
        self.scale = nn.Parameter(torch.randn(1))
        self.missing = None
        self.register_parameter("nothing", None)
        self.register_buffer("grid", torch.arange(6).view(2, 3))
        self.register_buffer("temporary", torch.zeros(3), persistent=False)


class Net(nn.Module):
    """Shares a module between two names, and keeps half precision."""

    def __init__(self):
        super().__init__()
        self.num_classes = 4
        self.block = Block()
        self.pool = nn.AdaptiveAvgPool2d((2, 2))
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(32, 4).half())
        self.again = self.head

    def forward(self, x):
        return self.head(self.pool(self.block.activation(self.block.norm(self.block.conv(x)))))


def exact(tensors, expected):
    """Every tensor is there, in order, with the same type, shape and bits."""
    assert list(tensors) == list(expected)
    for key, value in expected.items():
        assert tensors[key].dtype is value.dtype, key
        assert tensors[key].shape == value.shape, key
        assert torch.equal(tensors[key].view(-1), value.detach().reshape(-1)), key


def refuse_imports(monkeypatch):
    """Fail when a class that a file names would be imported."""
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if str(name).startswith(("stranger", "torchvision.models", "timm")):
            raise AssertionError(f"{name} was imported")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    monkeypatch.setattr(importlib, "import_module", refuse)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_whole_module_gives_its_state_dict(tmp_path, zipped, protocol):
    torch.manual_seed(0)
    network = Net()
    path = tmp_path / "m.pt"
    torch.save(network, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    read = read_weights(path)
    exact(read.tensors, network.state_dict())
    assert "whole Python object" in read.notes[0]
    assert "Net" in read.notes[0]
    assert read.contents.method == "inert"
    assert read.contents.verdict == "classes"
    hints = read.hints
    assert hints.architecture.endswith(".Net")
    assert hints.num_classes == 4
    conv = hints.layer("block.conv")
    assert conv is not None
    assert conv.kind == "Conv2d"
    assert conv.settings["stride"] == (2, 2)
    assert conv.settings["padding"] == (2, 2)
    assert conv.settings["kernel_size"] == (5, 5)
    assert hints.activations == ("LeakyReLU",)
    assert hints.layer("block.activation").settings["negative_slope"] == 0.2
    assert hints.poolings[0].settings == {"output_size": (2, 2)}


def test_a_module_of_a_program_that_is_not_here(tmp_path, monkeypatch):
    """The class need not exist; and if it does, it is not asked."""
    stranger = types.ModuleType("stranger")

    class Theirs(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 2)

        def __setstate__(self, state):
            raise AssertionError("the file's class was run")

    Theirs.__module__, Theirs.__qualname__ = "stranger", "Theirs"
    stranger.Theirs = Theirs
    sys.modules["stranger"] = stranger
    network = nn.DataParallel(Theirs())
    path = tmp_path / "m.pt"
    try:
        torch.save({"epoch": 3, "model": network}, path)
        with monkeypatch.context() as patched:
            refuse_imports(patched)
            exact(read_weights(path).tensors, network.module.state_dict())
    finally:
        del sys.modules["stranger"]
    read = read_weights(path)
    exact(read.tensors, network.module.state_dict())
    assert read.prefix == "module."
    assert read.nesting == "model"
    assert read.hints.architecture == "stranger.Theirs"
    assert [layer.name for layer in read.hints.layers] == ["fc"]


@pytest.mark.parametrize("how", ["traced", "scripted"])
def test_torchscript_gives_its_state_dict_and_the_settings_of_its_layers(tmp_path, how):
    torch.manual_seed(0)
    network = torchvision.models.resnet18(num_classes=7).eval()
    path = tmp_path / "m.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if how == "traced":
            program = torch.jit.trace(network, torch.zeros(1, 3, 64, 64))
        else:
            program = torch.jit.script(network)
        torch.jit.save(program, path)
    read = read_weights(path)
    exact(read.tensors, network.state_dict())
    assert read.container == "torchscript"
    assert "TorchScript program" in read.notes[0]
    assert "without running it" in read.notes[0]
    assert read.notes[1:] == []
    assert "not run" in read.contents.summary()
    hints = read.hints
    assert hints.architecture == "torchvision.models.resnet.ResNet"
    assert hints.layer("conv1").settings["stride"] == (2, 2)
    assert hints.layer("conv1").settings["padding"] == (3, 3)
    assert hints.layer("layer2.0.conv1").settings["stride"] == (2, 2)
    assert hints.layer("layer2.0.conv2").settings["stride"] == (1, 1)
    assert hints.activations == ("ReLU",)
    assert [layer.kind for layer in hints.poolings] == ["MaxPool2d", "AdaptiveAvgPool2d"]


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_frozen_program_has_no_names_for_its_weights(tmp_path):
    network = torch.jit.freeze(torch.jit.script(nn.Sequential(nn.Linear(3, 2)).eval()))
    torch.jit.save(network, tmp_path / "m.pt")
    with pytest.raises(BadInput, match="frozen.*state_dict"):
        read_weights(tmp_path / "m.pt")


def test_reading_inertly_gives_what_torch_gives(tmp_path):
    """Where both can read a file, they give the same bits."""
    base = torch.randn(40)
    tensors = {
        "a.weight": nn.Parameter(torch.randn(3, 4, 5)),
        "b.weight": base[4:16].view(3, 4),
        "b.transposed": base[:12].view(3, 4).t(),
        "c.double": torch.randn(2, 3, dtype=torch.float64),
        "d.half": torch.randn(5, 2).half(),
        "e.brain": torch.randn(5, 2).bfloat16(),
        "f.bytes": torch.arange(7, dtype=torch.uint8),
        "g.truth": torch.tensor([True, False, True]),
        "h.steps": torch.tensor(12345678901),
        "i.short": torch.arange(-3, 4, dtype=torch.int16),
        "j.empty": torch.empty(0, 5),
        "k.int": torch.arange(6, dtype=torch.int32).view(2, 3),
        "l.int8": torch.arange(-3, 3, dtype=torch.int8),
    }
    for zipped in (True, False):
        path = tmp_path / "m.pt"
        torch.save(tensors, path, _use_new_zipfile_serialization=zipped)
        assert read_weights(path).contents.method == "torch.load"
        theirs = torch.load(path, weights_only=True)
        exact(read_weights(path).tensors, theirs)
        # Beside a class of numpy the same tensors are read the other way.
        torch.save(
            {"state_dict": tensors, "args": argparse.Namespace(arch="net", mean=np.zeros(3))},
            path,
            _use_new_zipfile_serialization=zipped,
        )
        read = read_weights(path)
        assert read.contents.method == "inert"
        exact(read.tensors, theirs)
        assert read.hints.architecture == "net"


@pytest.mark.parametrize(
    "name",
    [
        *("i-bau/badnets_8_02_ckpt.pth", "i-bau/trojan_sq_2_02_ckpt.pth"),
        *("clean-resnet-cifar10/resnet20-12fca82f.th", "clean-resnet-cifar10/resnet56-4bfd9763.th"),
    ],
)
def test_real_files_are_read_inertly_as_torch_reads_them(real_data, name):
    path = real_data / "third_party" / name
    content = path.read_bytes()
    read = read_checkpoint(content, sniff(content), path.name)
    assert read.contents.verdict == "weights"
    assert read.contents.complete
    assert read.contents.anomalies == ()
    theirs = torch.load(path, weights_only=True, map_location="cpu")[read.table.keys[0]]
    assert list(read.tensors) == list(theirs)
    inert = _inertly(content, path.name)
    for key, value in theirs.items():
        assert torch.equal(inert[key], value), key
        assert torch.equal(read.tensors[key], value), key


def _inertly(content, name):
    """Read a file the inert way, although torch could read it."""
    from inspector.intake.models import checkpoints

    torch_reads, checkpoints._loaded = checkpoints._loaded, lambda content, table: None
    try:
        read = read_checkpoint(content, sniff(content), name)
    finally:
        checkpoints._loaded = torch_reads
    assert read.contents.method == "inert"
    return read.tensors


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickled_version_of_a_real_network(tmp_path, real_data, zipped):
    """i-bau's backdoored network as a whole module: the weights, and the layers without weights."""
    source = real_data / "third_party" / "i-bau" / "badnets_8_02_ckpt.pth"
    weights = torch.load(source, weights_only=True, map_location="cpu")["net"]
    layers, inputs = [], 3
    for width in (32, 32, 64, 64, 128, 128):
        layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.BatchNorm2d(width), nn.ELU()]
        if len(layers) % 8 == 6:
            layers += [nn.MaxPool2d(2), nn.Dropout(0.3)]
        inputs = width
    network = nn.Sequential(*layers)
    named = dict(zip(network.state_dict(), weights.values()))
    network.load_state_dict(named)
    path = tmp_path / "victim.pt"
    torch.save(network, path, _use_new_zipfile_serialization=zipped)
    read = read_weights(path)
    exact(read.tensors, network.state_dict())
    assert read.hints.activations == ("ELU",)
    assert [layer.kind for layer in read.hints.poolings] == ["MaxPool2d"] * 3


def test_attack_result_of_backdoorbench(tmp_path):
    """Weights beside arrays of poisoned samples, the architecture's name and the size."""
    weights = torchvision.models.vgg11(num_classes=10).features.state_dict()
    poisoned = {
        "bd_dataset": None,
        "poison_indicator": np.zeros(50, np.int8),
        "original_index_array": np.arange(50),
        "other_info": {5: np.float32(0.1)},
    }
    path = tmp_path / "attack_result.pt"
    torch.save(
        {
            "model_name": "preactresnet18",
            "num_classes": 10,
            "model": weights,
            "data_path": "../data",
            "img_size": (32, 32, 3),
            "clean_data": "cifar10",
            "bd_train": poisoned,
            "bd_test": poisoned,
        },
        path,
    )
    read = read_weights(path)
    exact(read.tensors, weights)
    assert read.nesting == "model"
    assert read.contents.verdict == "classes"
    assert any("numpy" in note for note in read.notes)
    assert read.hints.architecture == "preactresnet18"
    assert (read.hints.num_classes, read.hints.size) == (10, (32, 32))
    torch.save({"model_name": "vgg19", "num_classes": 43, "model": weights}, path)
    read = read_weights(path)
    assert (read.hints.architecture, read.hints.num_classes) == ("vgg19", 43)
    assert read.contents.verdict == "weights"


def test_checkpoint_of_lightning(tmp_path):
    network = torchvision.models.resnet18(num_classes=5)
    path = tmp_path / "epoch=3.ckpt"
    torch.save(
        {
            "epoch": 3,
            "pytorch-lightning_version": "2.4.0",
            "state_dict": {f"model.{key}": value for key, value in network.state_dict().items()},
            "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3, 3)}}}],
            "hyper_parameters": {"arch": "resnet18", "num_classes": 5, "lr": 0.1},
            "callbacks": {"ModelCheckpoint": {"best": argparse.Namespace(path="x")}},
        },
        path,
    )
    read = read_weights(path)
    exact(read.tensors, network.state_dict())
    assert (read.prefix, read.nesting) == ("model.", "state_dict")
    assert (read.hints.architecture, read.hints.num_classes) == ("resnet18", 5)


def test_a_best_accuracy_that_is_a_tensor_does_not_hide_the_weights(tmp_path):
    weights = {"fc.weight": torch.randn(3, 2), "fc.bias": torch.randn(3)}
    path = tmp_path / "m.pt"
    torch.save({"best_acc1": torch.tensor(71.3), "state_dict": weights}, path)
    exact(read_weights(path).tensors, weights)


def test_weights_under_an_unusual_name_are_found_when_they_are_the_only_ones(tmp_path):
    weights = {"fc.weight": torch.randn(3, 2), "fc.bias": torch.randn(3)}
    path = tmp_path / "m.pt"
    torch.save({"victim": weights, "optimizer": {"exp_avg": torch.zeros(2, 2)}}, path)
    assert read_weights(path).nesting == "victim"
    torch.save({"one": weights, "two": weights}, path)
    with pytest.raises(BadInput, match="no table of weights"):
        read_weights(path)


def test_old_kept_source_texts_are_evidence(tmp_path):
    path = tmp_path / "m.pt"
    torch.save(Net(), path, _use_new_zipfile_serialization=False)
    contents = read_weights(path).contents
    assert any(name.endswith("Net") for name in contents.programs)
    assert "carries the text of" in contents.summary()


# ---- bounds -------------------------------------------------------------------------------------


def test_a_memo_that_claims_an_enormous_place_costs_nothing():
    followed = follow(b"\x80\x02}r\xff\xff\xff\x7fj\xff\xff\xff\x7f0.")
    assert followed.value == {}


def test_lengths_beyond_the_file_allocate_nothing():
    for code in (
        b"\x8e" + b"\xff" * 7 + b"\x00",
        b"\x96" + b"\xff" * 7 + b"\x00",
        b"X\xff\xff\xff\xff",
    ):
        assert "damaged argument" in follow(b"\x80\x05" + code + b".").defect


def test_a_nest_of_pairs_is_not_hashed_or_walked():
    followed = follow(b"\x80\x04})" + b"2\x86" * 60 + b"K\x01s.")
    assert followed.defect == ""
    assert len(followed.value) == 1
    assert find_table(followed.value) is None


def test_deep_nesting_is_no_problem():
    followed = follow(b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".")
    assert followed.defect == ""
    assert find_table(followed.value) is None
    del followed


def test_modules_that_hold_themselves_end():
    module = nn.Module()
    module.fc = nn.Linear(2, 2)
    module._modules["self"] = module
    file = io.BytesIO()
    torch.save(module, file)
    read = read_checkpoint(file.getvalue(), "torch-zip", "m.pt")
    assert set(read.tensors) == {"fc.weight", "fc.bias"}


def test_too_many_instructions_stop():
    followed = follow(b"\x80\x02" + b"N0" * 300 + b"N.", budget=500)
    assert "more instructions" in followed.defect


def test_copying_one_table_again_and_again_ends_soon():
    # 2,000 pairs, copied by one instruction each time: without a count 4 million instructions of
    # a few MiB are days of work.
    pairs = b"](" + b"K\x01K\x01\x86" * 2000 + b"eq\x00"
    copies = b"ccollections\nOrderedDict\nq\x010" + b"h\x01h\x00\x85R0" * 1000
    followed = follow(b"\x80\x02" + pairs + copies + b"N.", budget=20_000)
    assert "more copies of its tables" in followed.defect
