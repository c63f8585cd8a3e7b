"""Files built to attack: nothing runs, nothing expands, and the refusal says what was found.

Payloads do no more than touch a marker file.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import time
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import safetensors.torch
import torch

from inspector.errors import BadInput
from inspector.intake.models import read_weights
from inspector.intake.models.inert import follow
from inspector.intake.models.judging import judge


class Touch:
    """Unpickling an instance would create a file."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def refused(path, *words):
    start = time.process_time()
    with pytest.raises(BadInput) as error:
        read_weights(path)
    assert time.process_time() - start < 10
    text = str(error.value)
    assert "weights_only" not in text
    assert "\x1b" not in text
    assert "\n" not in text
    assert error.value.__cause__ is None
    for word in words:
        assert word in text, text
    return text


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("zipped", [True, False])
def test_weights_beside_a_command_are_read_and_the_command_is_named(tmp_path, zipped, protocol):
    marker = tmp_path / "MARKER"
    weights = torch.randn(2, 3, 3, 3)
    path = tmp_path / "m.pt"
    torch.save(
        {"conv1.weight": weights, "x": Touch(marker)},
        path,
        _use_new_zipfile_serialization=zipped,
        pickle_protocol=protocol,
    )
    read = read_weights(path)
    assert not marker.exists()
    assert torch.equal(read.tensors["conv1.weight"], weights)
    contents = read.contents
    assert (contents.verdict, contents.method) == ("commands", "inert")
    assert contents.names[0].name == "posix.system"
    # The offset is that of the instruction in the file.
    place = contents.names[0].offset
    assert b"posix" in path.read_bytes()[place - 20 : place + 10]
    assert "posix.system" in contents.summary()
    assert "posix.system" in read.notes[0]
    assert "hostile" in read.notes[0]


@pytest.mark.parametrize("zipped", [True, False])
def test_a_command_without_weights_is_refused_by_name(tmp_path, zipped):
    marker = tmp_path / "MARKER"
    path = tmp_path / "m.pt"
    torch.save({"x": Touch(marker)}, path, _use_new_zipfile_serialization=zipped)
    text = refused(path, "posix.system", "file offset 0x", "Nothing was run", "hostile")
    assert not marker.exists()
    place = int(text.partition("offset ")[2].partition(")")[0], 16)
    assert path.read_bytes()[place:].startswith(b"cposix\nsystem\n")


@pytest.mark.parametrize(
    "name",
    [
        *("posix.system", "os.system", "builtins.exec", "__builtin__.eval", "builtins.getattr"),
        *("subprocess.Popen", "logging.FileHandler", "pkgutil.resolve_name", "numpy.load"),
        *("torch.hub.load", "torch.load", "torch.jit.load", "torch.storage._load_from_bytes"),
        *("torch.fx.graph_module.reduce_graph_module", "torch.utils.cpp_extension.load"),
        *("some_package.run_it", "pip.main", "copyreg.extension.7", "computed.name"),
        *("torch.ops.load_library", "functools.reduce", "operator.methodcaller"),
    ],
)
def test_names_that_run_commands(name):
    assert judge(name, called=True) == "commands"


@pytest.mark.parametrize(
    "name",
    [
        *("torchvision.models.resnet.ResNet", "torch.nn.modules.conv.Conv2d", "__main__.Net"),
        *("numpy.ndarray", "numpy.core.multiarray._reconstruct", "argparse.Namespace"),
        *("timm.models.resnet.ResNet", "torch.optim.sgd.SGD", "__torch__.net.Net"),
        *("torch.nn.functional.relu", "collections.defaultdict", "pathlib.PosixPath"),
        *("pytorch_lightning.callbacks.ModelCheckpoint", "omegaconf.dictconfig.DictConfig"),
    ],
)
def test_names_of_classes(name):
    assert judge(name, called=True) == "classes"


@pytest.mark.parametrize(
    "name",
    [
        *("collections.OrderedDict", "torch._utils._rebuild_tensor_v2", "torch.FloatStorage"),
        *("torch.nn.parameter.Parameter", "torch.bfloat16", "torch.cuda.HalfStorage", "torch.Size"),
    ],
)
def test_names_of_weights(name):
    assert judge(name, called=True) == "weights"


def test_a_name_cannot_be_hidden_on_the_stack(tmp_path):
    # A scanner that takes the two strings before STACK_GLOBAL sees "system.harmless".
    short = lambda text: b"\x8c" + bytes([len(text)]) + text  # noqa: E731
    pickled = b"\x80\x04" + short(b"posix") + short(b"system") + short(b"harmless") + b"0\x93."
    assert list(follow(pickled).names) == ["posix.system"]
    memoized = b"\x80\x04" + short(b"posix") + b"\x940" + short(b"x") + b"0h\x00"
    assert list(follow(memoized + short(b"system") + b"\x93.").names) == ["posix.system"]
    # What would be put together by a call stands for itself.
    computed = b"\x80\x04cposixpath\njoin\n" + short(b"a") + b"\x85R" + short(b"b") + b"\x93."
    assert [*follow(computed).names] == ["posixpath.join", "computed.name"]


def test_names_that_would_act_on_a_terminal_are_escaped(tmp_path):
    path = tmp_path / "m.pt"
    path.write_bytes(b"\x80\x02cposix\n\x1b[2Jsys\xe2\x80\xaetem\n)R.")
    refused(path, "posix.\\x1b[2Jsys\\u202etem")


def test_bare_pickles(tmp_path):
    marker = tmp_path / "MARKER"
    path = tmp_path / "m.pt"
    for protocol in range(6):
        path.write_bytes(pickle.dumps(Touch(marker), protocol))
        refused(path, "posix.system", "Nothing was run")
    assert not marker.exists()


@pytest.mark.parametrize("protocol", range(2, 6))
def test_a_bare_pickle_of_weights_is_read(tmp_path, protocol):
    weights = {"fc.weight": torch.randn(3, 4), "fc.bias": torch.randn(3)}
    path = tmp_path / "m.pt"
    path.write_bytes(pickle.dumps({"state_dict": weights, "epoch": 3}, protocol))
    read = read_weights(path)
    assert all(torch.equal(read.tensors[key], weights[key]) for key in weights)
    # torch's own way of pickling a tensor unpickles a second time, inside; that was looked into.
    assert read.contents.verdict == "classes"
    arrays = {key: value.numpy() for key, value in weights.items()}
    path.write_bytes(pickle.dumps(arrays, protocol))
    read = read_weights(path)
    assert all(torch.equal(read.tensors[key], weights[key]) for key in weights)


def test_a_command_inside_of_a_nested_pickle_is_found(tmp_path):
    marker = tmp_path / "MARKER"
    inner = io.BytesIO()
    torch.save(Touch(marker), inner, _use_new_zipfile_serialization=False)

    class Loads:
        def __reduce__(self):
            return torch.storage._load_from_bytes, (inner.getvalue(),)

    path = tmp_path / "m.pt"
    torch.save({"fc.weight": torch.ones(2, 2), "x": Loads()}, path)
    read = read_weights(path)
    found = {named.name: named for named in read.contents.commands}
    assert set(found) == {"torch.storage._load_from_bytes", "posix.system"}
    assert found["posix.system"].member == "nested pickle"
    assert not marker.exists()


def test_environment_cannot_switch_the_restriction_off(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    marker = tmp_path / "MARKER"
    path = tmp_path / "m.pt"
    # logging.FileHandler creates its file; it is on no list of commands, so torch is the guard.
    pickled = (
        b"\x80\x02clogging\nFileHandler\nX"
        + struct.pack("<I", len(str(marker)))
        + str(marker).encode()
        + b"\x85R."
    )
    torch.save({"a": torch.zeros(2, 2)}, path)
    members = {}
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, pickled if name.endswith("data.pkl") else content)
    refused(path)
    assert not marker.exists()


@pytest.fixture
def saved():
    file = io.BytesIO()
    torch.save({"fc.weight": torch.arange(6.0).view(2, 3), "fc.bias": torch.zeros(2)}, file)
    return file.getvalue()


def rebuilt(content, change):
    """Write the members of a checkpoint into a new archive, after ``change(name, data, add)``."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            change(name, old.read(name), new)
    return file.getvalue()


def keep(name, data, new):
    new.writestr(name, data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["data.pkl", "DATA.PKL", "Data.pkl"])
def test_two_members_with_one_name(tmp_path, saved, second):
    def twice(name, data, new):
        keep(name, data, new)
        if name.endswith("data.pkl"):
            new.writestr(name.replace("data.pkl", second), data)

    (tmp_path / "m.pt").write_bytes(rebuilt(saved, twice))
    refused(tmp_path / "m.pt", "two members with one name")


def test_compressed_members(tmp_path, saved):
    def bomb(name, data, new):
        content = bytes(1 << 20) if "/data/" in name else data
        new.writestr(name, content, zipfile.ZIP_DEFLATED)

    (tmp_path / "m.pt").write_bytes(rebuilt(saved, bomb))
    refused(tmp_path / "m.pt", "compressed", "expand")


def test_paths_that_lead_outside(tmp_path, saved):
    def escape(name, data, new):
        keep(name, data, new)
        if name.endswith("data.pkl"):
            new.writestr(name.partition("/")[0] + "/../../x", b"x")

    (tmp_path / "m.pt").write_bytes(rebuilt(saved, escape))
    refused(tmp_path / "m.pt", "outside itself")


@pytest.mark.parametrize("place", ["before", "behind", "cut"])
def test_foreign_bytes_and_cut_files(tmp_path, saved, place):
    content = {"before": b"#!/bin/sh\n" + saved, "behind": saved + b"x", "cut": saved[:-30]}[place]
    (tmp_path / "m.pt").write_bytes(content)
    refused(tmp_path / "m.pt")


def test_a_flipped_bit_is_read_and_reported(tmp_path, saved):
    # torch does not look at the checksums of the archive: without our own look nobody would know.
    place = saved.index(np.float32(5).tobytes())
    content = bytearray(saved)
    content[place] ^= 1
    (tmp_path / "m.pt").write_bytes(bytes(content))
    read = read_weights(tmp_path / "m.pt")
    assert "checksum" in read.notes[0]


def test_tensors_that_claim_more_than_they_hold(tmp_path):
    path = tmp_path / "m.pt"
    torch.save({"w": torch.zeros(1).expand(10**6, 10**6)}, path)
    assert path.stat().st_size < 3000
    refused(path, "1,000,000,000,000 values", "holds 1")


def test_many_views_of_one_storage(tmp_path):
    path = tmp_path / "m.pt"
    storage = torch.zeros(1 << 20)
    torch.save({f"w{k}": storage.view(1024, 1024) for k in range(60)}, path)
    refused(path, "far more memory", "overlap")


@pytest.mark.parametrize(
    ("tensor", "word"),
    [
        (torch.zeros(2, 2, device="meta"), "meta"),
        (torch.eye(2).to_sparse(), "sparse"),
        (torch.zeros(2, 2, dtype=torch.complex64), "complex64"),
    ],
    ids=["meta", "sparse", "complex"],
)
def test_tensors_that_no_state_dict_has(tmp_path, tensor, word):
    torch.save({"w": tensor}, tmp_path / "m.pt")
    refused(tmp_path / "m.pt", word)


def test_containers_that_would_never_end(tmp_path):
    laughs = ()
    for _ in range(60):
        laughs = (laughs, laughs)
    table = OrderedDict({"w.weight": torch.ones(2, 2)})
    torch.save({"x": laughs, "state_dict": table}, tmp_path / "m.pt")
    assert set(read_weights(tmp_path / "m.pt").tensors) == {"w.weight"}


class Shadowing:
    """Pickles as a table with entries, on which its own methods are replaced afterwards."""

    def __init__(self, entries):
        self.entries = entries

    def __reduce__(self):
        shadows = dict.fromkeys(("items", "keys", "values", "get"), torch.Size)
        return OrderedDict, (), shadows, None, iter(self.entries.items())


@pytest.mark.parametrize("nested", [True, False], ids=["nested", "top"])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_table_that_shadows_its_own_methods_is_read(tmp_path, nested, zipped):
    weights = {"fc.weight": torch.arange(6.0).view(2, 3), "fc.bias": torch.ones(2)}
    saved = {"state_dict": Shadowing(weights)} if nested else Shadowing(weights)
    torch.save(saved, tmp_path / "m.pt", _use_new_zipfile_serialization=zipped)
    loaded = torch.load(tmp_path / "m.pt", weights_only=True)
    table = loaded["state_dict"] if nested else loaded
    assert not list(table.items())  # the trap is there
    read = read_weights(tmp_path / "m.pt")
    assert read.contents.method == "torch.load"
    assert set(read.tensors) == set(weights)
    assert all(torch.equal(read.tensors[name], value) for name, value in weights.items())


def test_names_that_are_no_text(tmp_path):
    for name in ("a\nb", "\u202eweight", "x" * 600, 5):
        torch.save({name: torch.zeros(2, 2)}, tmp_path / "m.pt")
        refused(tmp_path / "m.pt", "no plain text")


def header(entries, data=b"", length=None, raw=None):
    text = raw if raw is not None else json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape, start, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


ONCE = b'"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
TWICE = b"{" + ONCE + b"," + ONCE + b"}"
SAFETENSORS = {
    "names a tensor twice": (header({}, bytes(4), raw=TWICE), "twice"),
    "cut off": (header({"w": entry([2, 2], 0, 16)}, bytes(12)), "cut off"),
    "bytes left over": (header({"w": entry([2, 2], 0, 16)}, bytes(20)), "belong to no tensor"),
    "size and shape differ": (header({"w": entry([2, 3], 0, 16)}, bytes(16)), "needs 24 bytes"),
    "overflowing shape": (header({"w": entry([2**40, 2**40], 0, 4)}, bytes(4)), "damaged"),
    "negative shape": (header({"w": entry([-1, -4], 0, 16)}, bytes(16)), "damaged"),
    "unknown type": (header({"w": entry([4], 0, 4, "F8_E4M3")}, bytes(4)), "F8_E4M3"),
    "no description": (header({"w": 5}, bytes(4)), "damaged"),
    "no table": (header([], bytes(4), raw=b"{" + b"[" * 5000), "damaged"),
    "overlapping": (
        header({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, bytes(16)),
        "damaged",
    ),
}


@pytest.mark.parametrize("case", SAFETENSORS)
def test_safetensors(tmp_path, case):
    content, word = SAFETENSORS[case]
    (tmp_path / "m.safetensors").write_bytes(content)
    refused(tmp_path / "m.safetensors", word)


def test_safetensors_with_too_many_tensors(tmp_path):
    entries = {f"t{k}": entry([0], 0, 0) for k in range(100_001)}
    (tmp_path / "m.safetensors").write_bytes(header(entries))
    refused(tmp_path / "m.safetensors", "100,001 tensors")


def read_or_refusal(path):
    try:
        return read_weights(path).tensors
    except BadInput as error:
        return str(error)


def test_mutants_are_read_or_refused_and_nothing_else(tmp_path, saved):
    """Damage at random places: one clear line or plain tensors, never another exception."""
    random = np.random.default_rng(7)
    legacy = io.BytesIO()
    torch.save({"w.weight": torch.ones(3, 2)}, legacy, _use_new_zipfile_serialization=False)
    table = safetensors.torch.save({"w.weight": torch.ones(3, 2)})
    path = tmp_path / "m.pt"
    for content in (saved, legacy.getvalue(), table):
        for _ in range(150):
            damaged = bytearray(content)
            for place in random.integers(0, len(damaged), random.integers(1, 6)):
                damaged[place] = random.integers(256)
            path.write_bytes(bytes(damaged[: random.integers(1, len(damaged) + 1)]))
            outcome = read_or_refusal(path)
            if isinstance(outcome, str):
                assert "weights_only" not in outcome
            else:
                assert all(type(tensor) is torch.Tensor for tensor in outcome.values())
