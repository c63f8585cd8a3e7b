"""Hugging Face's Parquet files and saved datasets: bytes used, paths ignored, damage told."""

from __future__ import annotations

import builtins
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataset_checks import refusal, state_of
from dataset_makers import image_table, png, samples
from inspector.errors import BadInput
from inspector.intake.datasets import UnreadableSample, open_dataset


def _save_to_disk(root: Path, table: pa.Table, files: int = 1) -> None:
    root.mkdir(parents=True)
    names = [f"data-{i:05d}-of-{files:05d}.arrow" for i in range(files)]
    for name, rows in zip(names, np.array_split(np.arange(len(table)), files)):
        with pa.ipc.new_stream(root / name, table.schema) as writer:
            writer.write_table(table.take(pa.array(rows)), max_chunksize=3)
    state = {"_data_files": [{"filename": name} for name in names], "_fingerprint": "0" * 16}
    (root / "state.json").write_text(json.dumps(state))
    (root / "dataset_info.json").write_text(json.dumps({"splits": None}))


def test_parquet_file_and_shards(tmp_path: Path) -> None:
    images, labels = samples(90, channels=3)
    table = image_table(images, labels)
    pq.write_table(table, tmp_path / "all.parquet", row_group_size=37)
    shards = tmp_path / "hub" / "data"
    shards.mkdir(parents=True)
    for number, part in enumerate(np.array_split(np.arange(90), 3)):
        pq.write_table(table.take(pa.array(part)), shards / f"train-{number:05d}-of-00003.parquet")
    pq.write_table(table.slice(0, 5), shards / "test-00000-of-00001.parquet")
    before = state_of(tmp_path)
    for given in (
        tmp_path / "all.parquet",
        tmp_path / "hub",
        shards / "train-{00000..00002}-of-00003.parquet",
    ):
        dataset = open_dataset(given)
        assert dataset.class_names == ("c0", "c1", "c2")
        assert dataset.labels.tolist() == labels.tolist()
        order = np.random.default_rng(1).permutation(90)
        for row, image in zip(order, dataset.decode_batch(order)):
            np.testing.assert_array_equal(image, images[row])
        assert dataset.stored_bytes(40) == png(images[40])
    assert dataset.locator(40) == "train-00001-of-00003.parquet#10"
    assert len(open_dataset(tmp_path / "hub", split="test")) == 5
    assert state_of(tmp_path) == before


def test_saved_dataset_and_splits(tmp_path: Path) -> None:
    images, labels = samples(20, channels=3)
    _save_to_disk(tmp_path / "set" / "train", image_table(images, labels), 2)
    _save_to_disk(tmp_path / "set" / "test", image_table(images[:4], labels[:4]))
    (tmp_path / "set" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    dataset = open_dataset(tmp_path / "set")
    assert dataset.format == "arrow"
    for row, image in enumerate(dataset.decode_batch(np.arange(20))):
        np.testing.assert_array_equal(image, images[row])
    assert dataset.locator(13) == "train/data-00001-of-00002.arrow#3"
    assert len(open_dataset(tmp_path / "set", split="test")) == 4
    assert len(open_dataset(tmp_path / "set" / "test")) == 4


def test_a_row_with_only_a_path_is_unreadable(tmp_path: Path) -> None:
    table = pa.table(
        {
            "image": pa.array(
                [{"bytes": None, "path": "/etc/passwd"}, None, {"bytes": b"x", "path": None}],
                pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
            ),
            "label": ["a", "b", None],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    _save_to_disk(tmp_path / "saved", table)
    for given in (tmp_path / "a.parquet", tmp_path / "saved"):
        dataset = open_dataset(given)
        for row in (0, 1):
            with pytest.raises(UnreadableSample, match="not followed"):
                dataset.decode(row)
        with pytest.raises(UnreadableSample, match="not an image"):
            dataset.decode(2)
        assert dataset.labels.tolist() == [0, 1, -1]
        assert dataset.stored_sha256()[:2].any() == False  # noqa: E712
        assert dataset.stored_sha256()[2].any()


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"image": [b"x"]}, "no labels"),
        ({"label": [1]}, "no encoded images"),
        ({"image": ["path.png"], "label": [1]}, ""),
        ({"image": [[1, 2]], "label": [1]}, "no encoded images"),
    ],
)
def test_tables_without_images_or_labels(tmp_path: Path, columns: dict, said: str) -> None:
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    if said:
        assert said in refusal(tmp_path / "a.parquet")
    else:
        assert open_dataset(tmp_path / "a.parquet").format == "manifest"


def test_damage_is_told_in_one_line(tmp_path: Path) -> None:
    images, labels = samples(40, channels=3)
    pq.write_table(image_table(images, labels), tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    rng = np.random.default_rng(0)
    outcomes = set()
    for trial in range(150):
        content = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            content[rng.integers(len(content))] ^= 1 << rng.integers(8)
        if trial % 3 == 0:
            content = content[: rng.integers(4, len(content))]
        (tmp_path / "b.parquet").write_bytes(content)
        try:
            dataset = open_dataset(tmp_path / "b.parquet")
            dataset.stored_sha256()
            found = dataset.decode_batch(np.arange(len(dataset)))
            outcomes |= {type(image).__name__ for image in found}
        except BadInput as refused:
            assert str(refused).isprintable()
            outcomes.add("refused")
    assert "refused" in outcomes


def test_a_column_that_expands_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A dictionary column declares 100 KB and expands to 300 MB.
    monkeypatch.setattr("inspector.intake.datasets.parquet.FREE_EXPANSION", 1 << 20)
    cell = np.random.default_rng(0).bytes(100_000)
    table = pa.table({"image": pa.array([cell] * 3000), "label": [0, 1] * 1500})
    pq.write_table(table, tmp_path / "bomb.parquet", use_dictionary=True)
    dataset = open_dataset(tmp_path / "bomb.parquet")
    with pytest.raises(BadInput, match="expands"):
        dataset.stored_sha256()


@pytest.mark.parametrize(
    "state",
    [
        "[]",
        "{",
        '{"_data_files": []}',
        '{"_data_files": [{"filename": "../a.arrow"}]}',
        '{"_data_files": [{"filename": "/etc/passwd"}]}',
        '{"_data_files": [{"filename": "gone.arrow"}]}',
        '{"_data_files": [{"filename": "state.json"}]}',
        '{"_data_files": [{"filename": "a.arrow"}], "_indices_data_files": [{"filename": "i"}]}',
    ],
)
def test_hostile_states(tmp_path: Path, state: str) -> None:
    (tmp_path / "state.json").write_text(state)
    assert refusal(tmp_path)


def test_a_missing_pyarrow_gets_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq.write_table(image_table(*samples(4, channels=3)), tmp_path / "a.parquet")
    real = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.split(".")[0] == "pyarrow":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "pip install 'inspector-forensics[parquet]'" in refusal(tmp_path / "a.parquet")
    assert "pyarrow is not installed" in refusal(tmp_path)
