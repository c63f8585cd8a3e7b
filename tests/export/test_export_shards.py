"""Manifests, python batches, Parquet, saved datasets, tar shards: exact copies without some rows.

Every export is read back by the native reader of its format, not only by ours.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_checks import check_sums, export_here, rows_of
from dataset_makers import (
    image_table,
    png,
    samples,
    write_cifar_python,
    write_manifest,
    write_pictures,
    write_shards,
    write_tar,
)
from inspector.errors import BadInput
from inspector.export.dataset.plan import plan_export
from inspector.intake.datasets import open_dataset

N = 12


def _save_to_disk(root: Path, table: pa.Table, files: int = 2) -> Path:
    root.mkdir(parents=True)
    names = [f"data-{i:05d}-of-{files:05d}.arrow" for i in range(files)]
    for name, rows in zip(names, np.array_split(np.arange(len(table)), files)):
        with pa.ipc.new_stream(root / name, table.schema) as writer:
            writer.write_table(table.take(pa.array(rows)), max_chunksize=4)
    state = {"_data_files": [{"filename": name} for name in names], "_fingerprint": "0" * 16}
    (root / "state.json").write_text(json.dumps(state))
    info = {"splits": {"train": {"name": "train", "num_examples": len(table)}}}
    (root / "dataset_info.json").write_text(json.dumps(info))
    return root


def _manifest(root: Path, kind: str) -> Path:
    images, labels = samples(N)
    paths = write_pictures(root, images)
    rows = [{"x": "=1,'\"", "file_name": p, "label": f"k{v}"} for p, v in zip(paths, labels)]
    write_manifest(root, rows, f"metadata.{kind}")
    return root


def _make(root: Path, form: str) -> Path:
    images, labels = samples(N, channels=3)
    if form.startswith("manifest"):
        return _manifest(root, form.rpartition("-")[2])
    if form.startswith("cifar"):
        write_cifar_python(root, N, 2, int(form[-1]))
        return root
    if form == "parquet":
        root.mkdir()
        pq.write_table(image_table(images, labels), root / "a.parquet", row_group_size=5)
        return root / "a.parquet"
    if form == "parquet-shards":
        (root / "data").mkdir(parents=True)
        for number, part in enumerate(np.array_split(np.arange(N), 3)):
            table = image_table(images, labels).take(pa.array(part))
            pq.write_table(table, root / "data" / f"train-{number}.parquet", compression="zstd")
        (root / "README.md").write_text("about")
        return root
    if form == "arrow":
        return _save_to_disk(root, image_table(images, labels))
    if form == "arrow-splits":
        _save_to_disk(root / "train", image_table(images, labels))
        _save_to_disk(root / "test", image_table(images[:3], labels[:3]), 1)
        (root / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
        return root
    write_shards(root, images, labels, 3)
    return root


FORMS = [
    *("manifest-csv", "manifest-tsv", "manifest-jsonl", "manifest-parquet"),
    *("cifar-2", "cifar-3", "cifar-5"),
    *("parquet", "parquet-shards", "arrow", "arrow-splits", "tar"),
]


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=8, deadline=None)
@given(drop=st.lists(st.booleans(), min_size=N, max_size=N).filter(lambda drop: not all(drop)))
def test_exported_and_removed_are_the_source(
    tmp_path_factory: pytest.TempPathFactory, form: str, drop: list[bool]
) -> None:
    folder = tmp_path_factory.mktemp("round")
    source = open_dataset(_make(folder / "source", form))
    out = folder / "out"
    hashes = [hashlib.sha256(source.stored_bytes(row)).hexdigest() for row in range(N)]
    export_here(source, np.array(drop), out, digest=source.digest())
    written = open_dataset(out if source.root.is_dir() else out / source.root.name)
    assert written.format == source.format
    kept = np.flatnonzero(~np.array(drop))
    assert [
        hashlib.sha256(written.stored_bytes(row)).hexdigest() for row in range(len(written))
    ] == [hashes[row] for row in kept]
    assert [written.class_names[label] for label in written.labels] == [
        source.class_names[source.labels[row]] for row in kept
    ]
    exported, removed = rows_of(out / "kept.csv"), rows_of(out / "removed.csv")
    assert sorted(int(row["index"]) for row in exported + removed) == list(range(N))
    assert [row["sha256"] for row in exported] == [hashes[row] for row in kept]
    check_sums(out)


DROP = np.arange(N) % 3 == 1


def _export(source: Path, out: Path, **more: Any) -> Path:
    dataset = open_dataset(source, **more)
    export_here(dataset, DROP, out)
    return out


def test_a_csv_keeps_the_bytes_of_its_rows(tmp_path: Path) -> None:
    root = tmp_path / "source"
    paths = write_pictures(root, samples(N)[0])
    lines = [b'\xef\xbb\xbfpath;label;"a ""note"""\r\n']
    lines += [b'%s;%d;"two\nlines, %d"\r\n' % (p.encode(), i % 2, i) for i, p in enumerate(paths)]
    lines[-1] = lines[-1].rstrip(b"\r\n")
    (root / "labels.csv").write_bytes(b"".join(lines))
    (root / "licence.txt").write_text("free")
    out = _export(root, tmp_path / "out")
    kept = [lines[0], *(line for line, gone in zip(lines[1:], DROP) if not gone)]
    assert (out / "labels.csv").read_bytes() == b"".join(kept)
    assert sorted(p.name for p in (out / "img").iterdir()) == [
        path.rpartition("/")[2] for path, gone in zip(paths, DROP) if not gone
    ]
    assert (out / "licence.txt").read_text() == "free"
    with open(out / "labels.csv", encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file, delimiter=";"))) == N - DROP.sum()


def test_other_splits_of_a_manifest_stay_whole(tmp_path: Path) -> None:
    root = tmp_path / "source"
    paths = write_pictures(root, samples(N + 4)[0])
    rows = [
        {"path": path, "label": row % 2, "split": "train" if row < N else "test"}
        for row, path in enumerate(paths)
    ]
    rows[-1]["path"] = paths[1]  # a removed row's file, which the test split needs
    write_manifest(root, rows)
    out = _export(root, tmp_path / "out")
    assert (out / paths[1]).exists()
    assert not (out / paths[4]).exists()
    test = open_dataset(out, split="test")
    assert len(test) == 4
    assert test.stored_sha256().any(axis=1).all()


@pytest.mark.parametrize("python", [2, 3, 5])
def test_torchvision_opens_exported_batches(tmp_path: Path, python: int) -> None:
    torchvision = pytest.importorskip("torchvision")
    rows, labels = write_cifar_python(tmp_path / "cifar-10-batches-py", 30, 2, python)
    source = open_dataset(tmp_path / "cifar-10-batches-py")
    drop = np.arange(30) % 4 == 0
    (tmp_path / "out").mkdir()
    export_here(source, drop, tmp_path / "out" / "cifar-10-batches-py")

    class Cleaned(torchvision.datasets.CIFAR10):
        train_list = [["data_batch_1", None], ["data_batch_2", None]]
        test_list = []
        meta = {"filename": "batches.meta", "key": "label_names", "md5": None}

    opened = Cleaned(str(tmp_path / "out"))
    np.testing.assert_array_equal(
        opened.data, rows[~drop].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    )
    assert opened.targets == labels[~drop].tolist()
    assert opened.classes == [f"name{i}" for i in range(10)]
    # Who reads Python 2's batches with encoding="bytes" still finds the keys as bytes.
    path = tmp_path / "out" / "cifar-10-batches-py" / "data_batch_1"
    batch = pickle.loads(path.read_bytes(), encoding="bytes")
    key = (lambda name: name.encode()) if python == 2 else (lambda name: name)
    assert list(batch) == [key(n) for n in ("batch_label", "labels", "data", "filenames")]
    assert batch[key("filenames")][0] == key("picture_1.png")
    assert batch[key("data")].dtype == np.uint8


def test_parquet_keeps_schema_metadata_groups_and_other_columns(tmp_path: Path) -> None:
    images, labels = samples(N, channels=3)
    table = image_table(images, labels).append_column(
        "scores", pa.array([[float(row)] * (row % 3) for row in range(N)])
    )
    table = table.replace_schema_metadata(image_table(images, labels).schema.metadata)
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=5, compression="gzip")
    out = _export(tmp_path / "a.parquet", tmp_path / "out") / "a.parquet"
    written = pq.read_table(out)
    assert written.equals(table.filter(pa.array(~DROP)))
    assert written.schema.equals(pq.read_schema(tmp_path / "a.parquet"), check_metadata=True)
    assert written.schema.metadata[b"mine"] == b"kept"
    file = pq.ParquetFile(out)
    assert [file.metadata.row_group(i).num_rows for i in range(3)] == [3, 4, 1]
    assert file.metadata.row_group(0).column(0).compression == "GZIP"


def test_a_saved_dataset_describes_what_is_left(tmp_path: Path) -> None:
    out = _export(_make(tmp_path / "source", "arrow-splits"), tmp_path / "out")
    state = json.loads((out / "train" / "state.json").read_text())
    assert state["_fingerprint"] not in ("", "0" * 16)
    info = json.loads((out / "train" / "dataset_info.json").read_text())
    assert info["splits"]["train"]["num_examples"] == N - DROP.sum()
    assert (out / "test" / "state.json").read_bytes() == (
        tmp_path / "source" / "test" / "state.json"
    ).read_bytes()
    tables = [
        pa.ipc.open_stream(pa.OSFile(str(out / "train" / entry["filename"]))).read_all()
        for entry in state["_data_files"]
    ]
    source = image_table(*samples(N, channels=3)).filter(pa.array(~DROP))
    assert pa.concat_tables(tables).equals(source, check_metadata=True)


def test_hugging_face_opens_what_was_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    datasets = pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")
    images, labels = samples(N, channels=3)
    saved = datasets.Dataset.from_dict(
        {"image": [{"bytes": png(image), "path": None} for image in images], "label": labels},
        features=datasets.Features(
            {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b", "c"])}
        ),
    )
    saved.save_to_disk(tmp_path / "saved")
    saved.to_parquet(tmp_path / "a.parquet")
    out = _export(tmp_path / "saved", tmp_path / "one")
    _export(tmp_path / "a.parquet", tmp_path / "two")
    loaded = datasets.load_from_disk(str(out))
    table = pq.read_table(tmp_path / "two" / "a.parquet")
    for opened in (loaded, datasets.Dataset(table)):
        assert opened.features["label"].names == ["a", "b", "c"]
        assert opened["label"] == labels[~DROP].tolist()
        np.testing.assert_array_equal(np.asarray(opened[3]["image"]), images[~DROP][3])


def test_tar_shards_keep_headers_and_lose_pickles(tmp_path: Path) -> None:
    images, _ = samples(3, channels=3)
    path = tmp_path / "train-0.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for row in range(3):
            for extension, content in (
                ("png", png(images[row])),
                ("cls", b"%d" % (row % 2)),
                ("pyd", b"\x80\x04N."),
            ):
                info = tarfile.TarInfo(f"{'long' * 40}/{row}.{extension}")
                info.size, info.mtime, info.uname = len(content), 1234.5, "somebody"
                info.pax_headers = {"comment": "kept"}
                archive.addfile(info, io.BytesIO(content))
    dataset = open_dataset(path)
    assert any("leaves them out" in note for note in dataset.notes)
    export_here(dataset, np.array([False, True, False]), tmp_path / "out")
    with tarfile.open(tmp_path / "out" / "train-0.tar") as written, tarfile.open(path) as source:
        names = [member.name for member in written]
        assert names == [f"{'long' * 40}/{row}.{e}" for row in (0, 2) for e in ("png", "cls")]
        for member in written:
            twin = source.getmember(member.name)
            assert member.get_info() == twin.get_info()
            assert member.pax_headers == twin.pax_headers
            inside, outside = written.extractfile(member), source.extractfile(twin)
            assert inside is not None
            assert outside is not None
            assert inside.read() == outside.read()


def test_a_range_of_shards_is_exported_as_that(tmp_path: Path) -> None:
    images, labels = samples(N, channels=3)
    write_shards(tmp_path / "w", images, labels, 4)
    write_tar(tmp_path / "w" / "other.tar", [("a.txt", b"not part of it")])
    out = _export(tmp_path / "w" / "train-{0000..0003}.tar", tmp_path / "out")
    assert len(open_dataset(out)) == N - DROP.sum()
    assert not (out / "other.tar").exists()


def test_a_source_that_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    for form in ("manifest-csv", "parquet", "tar", "cifar-2"):
        given = _make(tmp_path / form, form)
        dataset = open_dataset(given)
        digest = dataset.digest()
        target = dataset.source_files()[-1]
        content = bytearray(target.read_bytes())
        content[len(content) // 2] ^= 1
        target.write_bytes(content)
        with pytest.raises(BadInput):
            plan_export(open_dataset(given), DROP, digest=digest)


@pytest.mark.parametrize(
    "form",
    [
        "manifest-csv",
        "manifest-parquet",
        "cifar-2",
        "cifar-4",
        "parquet",
        "parquet-shards",
        "arrow",
        "arrow-splits",
        "webdataset",
    ],
)
def test_quarantine_holds_exactly_what_is_left_out(tmp_path: Path, form: str) -> None:
    source = open_dataset(_make(tmp_path / "source", form), split=_split_of(form))
    drop = np.arange(len(source)) % 4 == 1
    result = export_here(source, drop, tmp_path / "good", quarantine=tmp_path / "bad")
    assert result.quarantine is not None
    name = source.entry or ("" if source.root.is_dir() else source.root.name)
    bad = open_dataset(tmp_path / "bad" / name, split=source.split or None)
    assert np.array_equal(bad.stored_sha256(), source.stored_sha256()[drop])
    assert [bad.class_names[label] for label in bad.labels] == [
        source.class_names[label] for label in source.labels[drop]
    ]
    for folder in ("good", "bad"):
        check_sums(tmp_path / folder)


def _split_of(form: str) -> str | None:
    return "train" if form == "arrow-splits" else None


def test_names_that_lead_out_of_the_archive_do_not_go_into_a_cleaned_set(tmp_path: Path) -> None:
    images, _ = samples(3, channels=3)
    path = tmp_path / "train-0.tar"
    with tarfile.open(path, "w") as archive:
        for row, name in enumerate(("a", "../../b", "c")):
            for extension, content in (("png", png(images[row])), ("cls", b"%d" % (row % 2))):
                info = tarfile.TarInfo(f"{name}.{extension}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    dataset = open_dataset(path)
    with pytest.raises(BadInput, match="named outside of their archive"):
        export_here(dataset, [0], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    export_here(dataset, [1], tmp_path / "out")
    with tarfile.open(tmp_path / "out" / "train-0.tar") as written:
        assert written.getnames() == ["a.png", "a.cls", "c.png", "c.cls"]
