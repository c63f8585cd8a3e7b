"""Every parser of ours as a function of bytes, with well-formed inputs to start from.

A target may raise `InspectorError`, our one clear line, and nothing else.
"""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from inspector.errors import InspectorError


@dataclass(frozen=True)
class Target:
    """One parser.

    Attributes
    ----------
    name : str
    parse : callable
        Takes bytes; raises `InspectorError` or nothing.
    seeds : callable
        Returns well-formed inputs.
    words : tuple of bytes
        What means something to this parser, for the mutations to insert.
    """

    name: str
    parse: Callable[[bytes], Any]
    seeds: Callable[[], list[bytes]]
    words: tuple[bytes, ...] = ()

    def run(self, data: bytes) -> None:
        """Parse; a refusal in our words is a good outcome, any other exception is a crash."""
        try:
            self.parse(data)
        except InspectorError as error:
            # What a person would read must be one line, whatever the bytes were.
            assert "\n" not in str(error), repr(str(error))


# ---- seeds ---------------------------------------------------------------------------------------


def saved(value: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def state() -> dict[str, Any]:
    return {"state_dict": {"fc.weight": torch.ones(3, 2), "fc.bias": torch.zeros(3)}, "epoch": 3}


def zips() -> list[bytes]:
    return [saved(state()), saved(torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3)))]


def legacies() -> list[bytes]:
    return [saved(state(), _use_new_zipfile_serialization=False)]


def pickles() -> list[bytes]:
    found = []
    for archive in zips():
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            found += [opened.read(name) for name in opened.namelist() if name.endswith(".pkl")]
    return found + [pickle.dumps({"a": [1, 2.5, "x", b"y", None], "b": (1, {2})}, k) for k in (0, 2, 4)]  # fmt: skip


def safetensors_files() -> list[bytes]:
    import safetensors.torch

    return [safetensors.torch.save({"fc.weight": torch.ones(3, 2)}, {"format": "pt"})]


def configs() -> list[bytes]:
    return [
        json.dumps({"architectures": ["ResNet"], "id2label": {"0": "a"}, "num_channels": 3}).encode(),
        json.dumps({"image_mean": [0.5], "image_std": [0.5], "size": {"height": 8, "width": 8}}).encode(),
    ]  # fmt: skip


def array() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 256, (6, 4, 4), dtype=np.uint8)


def idx_files() -> list[bytes]:
    plain = struct.pack(">BBBBIII", 0, 0, 8, 3, 6, 4, 4) + array().tobytes()
    return [plain, gzip.compress(plain)]


def npzs() -> list[bytes]:
    found = []
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, x=array(), y=np.arange(6) % 2)
        found.append(file.getvalue())
    return found


def cifar_bins() -> list[bytes]:
    return [(b"\x01" + bytes(3072)) * 2]


def cifar_pickles() -> list[bytes]:
    batch = {b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 1], b"filenames": [b"a", b"b"]}
    return [pickle.dumps(batch, protocol) for protocol in (2, 5)]


def csvs() -> list[bytes]:
    return [b'file_name,label\na.png,cat\n"b.png","dog, wild"\n', b"path\tlabel\tsplit\na\t1\ttrain\n"]  # fmt: skip


def json_lines() -> list[bytes]:
    return [b'{"file_name": "a.png", "label": "cat"}\n{"file_name": "b.png", "label": 1}\n']


@cache
def picture(kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(array()[0]).save(file, kind)
    return file.getvalue()


def pictures() -> list[bytes]:
    return [picture(kind) for kind in ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")]


def _table() -> Any:
    import pyarrow as pa

    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = [{"bytes": picture(), "path": "a.png"}] * 3
    return pa.table({"image": pa.array(cells, kind), "label": pa.array([0, 1, 0], pa.int64())})


def parquets() -> list[bytes]:
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(_table(), file)
    return [file.getvalue()]


def arrows() -> list[bytes]:
    import pyarrow as pa

    file = io.BytesIO()
    table = _table()
    with pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
    return [file.getvalue()]


def tars() -> list[bytes]:
    found = []
    for form in (tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", format=form) as archive:
            for name, content in (("1.png", picture()), ("1.cls", b"1"), ("x" * 90, b"y")):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        found.append(file.getvalue())
    return found


def events() -> list[bytes]:
    return [
        b'{"event":"progress","id":1,"stage":"Signals","done":3,"total":9,"text":""}\n',
        b'{"event":"ready","pid":1,"layers":["seccomp"],"missing":{"netns":"no"}}\n',
        b'{"do":"run","id":1,"job":"intake","with":{"a":[1,2]}}\n',
    ]


def specs() -> list[bytes]:
    return [
        b'schema = "model-spec/1"\n[weights]\nfile = "victim.pt"\nsha256 = "' + b"ab" * 32 + b'"\n'
        b'strip_prefix = ["module."]\n[architecture]\nfamily = "builtin"\nname = "preactresnet18"\n'
        b'num_classes = 10\nin_channels = 3\nargs = { stem = "cifar" }\n'
    ]


def filters() -> list[bytes]:
    return [
        b"spectral > 0.97 and label == 'ship' and not tagged",
        b"rank(spectral) <= 50 or tag in ('suspect', 'poison') and -abs(x) % 2 < 1e3",
    ]


# ---- parsers -------------------------------------------------------------------------------------


def _sniff(data: bytes) -> None:
    from inspector.intake.sniff import NAMES, sniff

    assert sniff(data) in NAMES


def _archive(data: bytes) -> None:
    from inspector.intake.models.archives import check_archive

    check_archive(data, "fuzz.pt")


def _safetensors(data: bytes) -> None:
    from inspector.intake.models.safetensors_file import read_safetensors

    read_safetensors(data, "fuzz")


def _opcodes(data: bytes) -> None:
    from inspector.intake.models.pickle_codes import PickleError, instructions

    try:
        for _ in instructions(data):
            pass
    except PickleError:
        pass  # becomes a refusal where the file is known


def _checkpoint(kind: str) -> Callable[[bytes], None]:
    def parse(data: bytes) -> None:
        from inspector.intake.models.checkpoints import read_checkpoint

        read_checkpoint(data, kind, "fuzz.pt", None)

    return parse


def _model(data: bytes) -> None:
    from inspector.intake.models import read_weights

    path = _scratch() / "model"
    path.write_bytes(data)
    read_weights(path)


def _config(data: bytes) -> None:
    from inspector.intake.models import read_weights

    folder = _scratch() / "folder"
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").write_bytes(safetensors_files()[0])
    (folder / "config.json").write_bytes(data)
    (folder / "preprocessor_config.json").write_bytes(data)
    read_weights(folder)


@cache
def _scratch() -> Path:
    return Path(tempfile.mkdtemp(prefix="inspector-fuzz-"))


def _data(
    name: str, beside: dict[str, Callable[[], bytes]] | None = None
) -> Callable[[bytes], None]:
    """Open a folder with the fuzzed file in it, and decode what it holds."""

    def parse(data: bytes) -> None:
        from inspector.intake.datasets import open_dataset

        folder = _scratch() / f"{name}-folder"
        if not folder.exists():
            folder.mkdir()
            for other, content in (beside or {}).items():
                (folder / other).write_bytes(content())
        (folder / name).write_bytes(data)
        dataset = open_dataset(folder)
        dataset.decode_batch(list(range(min(3, len(dataset)))))

    return parse


def _spec(data: bytes) -> None:
    from inspector.intake.models.spec import parse_spec

    parse_spec(data, "fuzz.toml")


def _image(data: bytes) -> None:
    from inspector.intake.datasets.decoding import decode_image

    decode_image(data)


def _protocol(data: bytes) -> None:
    from inspector.engine.client.pace import Pace
    from inspector.engine.client.silence import Silence
    from inspector.engine.protocol import ProtocolError, decode_command, decode_event

    try:
        event = decode_event(data)
    except ProtocolError:
        decode_command(data)
        return
    Silence().hear(event)
    if event["event"] == "progress":
        Pace().extend(event)


def _filter(data: bytes) -> None:
    from inspector.case.filter import parse_filter

    parse_filter(data.decode("utf-8", "replace").replace("\n", " "))


def labels() -> bytes:
    return struct.pack(">BBBBI", 0, 0, 8, 1, 6) + bytes([0, 1] * 3)


def arrow_state() -> bytes:
    return json.dumps({"_data_files": [{"filename": "data.arrow"}]}).encode()


OPCODES = (b"c", b"posix\nsystem\n", b"R", b"(", b"t", b"}", b"s", b"u", b"\x93", b"\x94", b"Q", b"\x8b", b".")  # fmt: skip
NUMBERS = (b"0", b"-1", b"99999999999999999999", b"1e999", b"null", b"NaN", b"[", b"{", b'"')

TARGETS = {
    target.name: target
    for target in (
        Target("sniff", _sniff, lambda: [*zips(), *safetensors_files(), *idx_files(), *tars()]),
        Target("zip-check", _archive, zips, (b"PK\x01\x02", b"PK\x05\x06", b"data.pkl", b"../")),
        Target("safetensors", _safetensors, safetensors_files, (*NUMBERS, b"__metadata__", b"F32")),
        Target("opcodes", _opcodes, pickles, OPCODES),
        Target("inert", _checkpoint("pickle"), pickles, OPCODES),
        Target("torch-zip", _checkpoint("torch-zip"), zips, OPCODES),
        Target("torch-legacy", _checkpoint("torch-legacy"), legacies, OPCODES),
        Target("model-file", _model, lambda: [*zips(), *legacies(), *safetensors_files()]),
        Target("model-config", _config, configs, NUMBERS),
        Target("spec", _spec, specs, (*NUMBERS, b"[", b"]", b"=", b"../", b"inf", b"1979-05-27")),
        Target("idx", _data("train-images-idx3-ubyte", {"train-labels-idx1-ubyte": labels}), idx_files),
        Target("npz", _data("data.npz"), npzs, (b"PK\x01\x02", b"'descr'", b"(", b"<f8", b"|O")),
        Target("cifar-binary", _data("data_batch_1.bin"), cifar_bins),
        Target("cifar-python", _data("data_batch_1"), cifar_pickles, OPCODES),
        Target("manifest-csv", _data("metadata.csv", {"a.png": picture}), csvs, (b'"', b",", b"\t", b"\n", b"../", b"\0")),
        Target("manifest-json", _data("metadata.jsonl", {"a.png": picture}), json_lines, NUMBERS),
        Target("parquet", _data("train-00000-of-00001.parquet"), parquets, (b"PAR1",)),
        Target("arrow", _data("data.arrow", {"state.json": arrow_state, "dataset_info.json": lambda: b"{}"}), arrows),
        Target("tar", _data("train-000000.tar"), tars, (b"ustar\0", b"0", b"L", b"x", b"77777777777", b"../")),
        Target("image", _image, pictures, (b"IHDR", b"IDAT", b"\xff\xd8", b"RIFF", b"GIF89a", b"BM")),
        Target("protocol", _protocol, events, NUMBERS),
        Target("filter", _filter, filters, (b"(", b")", b"and", b"not", b"**", b"lambda", b"'", b"9" * 30, b"rank(")),
    )
}  # fmt: skip
"""Every parser of ours, by name."""
