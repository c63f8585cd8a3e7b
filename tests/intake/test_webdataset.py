"""WebDataset shards: listed header by header, never extracted, pickles left alone."""

from __future__ import annotations

import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from dataset_checks import refusal, state_of
from dataset_makers import png, samples, write_shards, write_tar
from inspector.intake.datasets import UnreadableSample, open_dataset
from inspector.intake.datasets.webdataset import WebDataset


def test_folder_range_and_one_shard(tmp_path: Path) -> None:
    images, labels = samples(11, channels=3)
    paths = write_shards(tmp_path / "w", images, labels, 3)
    write_tar(tmp_path / "w" / "val-0000.tar", [("a.png", png(images[0])), ("a.cls", b"1")])
    before = state_of(tmp_path)
    for given in (tmp_path / "w", tmp_path / "w" / "train-{0000..0002}.tar"):
        dataset = open_dataset(given)
        assert isinstance(dataset, WebDataset)
        assert dataset.labels.tolist() == labels.tolist()
        for row, image in enumerate(dataset.decode_batch(np.arange(11))):
            np.testing.assert_array_equal(image, images[row])
        dataset.digest()
        assert isinstance(dataset.decode(3), np.ndarray)
    assert dataset.locator(5) == "train-0001.tar!000005.png"
    assert len(open_dataset(paths[1])) == 4
    assert len(open_dataset(tmp_path / "w", split="val")) == 1
    assert state_of(tmp_path) == before
    assert "2 more shards are missing" in refusal(tmp_path / "w" / "train-{0000..0005}.tar")


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_long_names_in_every_form_of_tar(tmp_path: Path, form: int) -> None:
    images, _ = samples(2, channels=3)
    folder = "/".join(["deep" * 9] * 3)
    with tarfile.open(tmp_path / "a.tar", "w", format=form) as archive:
        for row, name in enumerate(["é" if form != tarfile.USTAR_FORMAT else "e", "b"]):
            for extension, content in (("png", png(images[row])), ("cls", b"%d" % row)):
                info = tarfile.TarInfo(f"{folder}/{name}.{extension}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    dataset = open_dataset(tmp_path / "a.tar")
    np.testing.assert_array_equal(dataset.decode(1), images[1])
    with tarfile.open(tmp_path / "a.tar") as archive:
        pictures = [name for name in archive.getnames() if name.endswith("png")]
    assert [dataset.locator(row) for row in range(2)] == [f"a.tar!{name}" for name in pictures]


def test_labels_in_json_and_text_and_none(tmp_path: Path) -> None:
    picture = png(samples(1, channels=3)[0][0])
    write_tar(
        tmp_path / "a.tar",
        [
            ("x/0.jpg", picture),
            ("x/0.json", b'{"caption": "no", "label": "dog"}'),
            ("x/1.seg.png", b"mask"),
            ("x/1.png", picture),
            ("x/1.txt", b"cat\n"),
            ("x/2.png", picture),
            ("x/2.json", b"{" * 5000),
            ("x/readme", b"text"),
            ("x/3.cls", b"cat"),
        ],
    )
    dataset = open_dataset(tmp_path / "a.tar")
    assert dataset.class_names == ("cat", "dog")
    assert dataset.labels.tolist() == [1, 0, -1]
    assert dataset.locator(1) == "a.tar!x/1.png"


def test_pickles_links_and_twins(tmp_path: Path) -> None:
    picture = png(samples(1, channels=3)[0][0])
    marker = tmp_path / "marker"
    payload = pickle.dumps({"a": 1}) + b"cos\nsystem\n(S'touch %b'\ntR." % bytes(marker)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, content in (
            ("0.png", picture),
            ("0.cls", b"0"),
            ("0.pyd", payload),
            ("0.pth", payload),
            ("1.png", picture),
            ("1.png", picture),
            ("1.cls", b"1"),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for kind, name in ((tarfile.SYMTYPE, "2.png"), (tarfile.FIFOTYPE, "3.png")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    dataset = open_dataset(tmp_path / "a.tar")
    assert len(dataset) == 2
    assert isinstance(dataset.decode(0), np.ndarray)
    with pytest.raises(UnreadableSample, match="two members"):
        dataset.decode(1)
    assert any("2 members that the usual loader would unpickle" in note for note in dataset.notes)
    assert any("skipped" in note for note in dataset.notes)
    assert not marker.exists()


def _lie(path: Path, size: bytes) -> None:
    """Make the first member declare another size, with a checksum that fits."""
    content = bytearray(path.read_bytes())
    content[124:136] = size.ljust(12, b"\0")
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (b"77777777777", "declares 8,589,934,591 bytes"),
        (b"\x80" + b"\xff" * 11, "declares"),
        (b"junk", "no number"),
    ],
)
def test_lies_about_sizes(tmp_path: Path, size: bytes, said: str) -> None:
    write_tar(tmp_path / "a.tar", [("0.png", b"x" * 700), ("0.cls", b"0")])
    _lie(tmp_path / "a.tar", size)
    assert said in refusal(tmp_path / "a.tar")


def test_truncation_and_other_archives(tmp_path: Path) -> None:
    images, labels = samples(6, channels=3)
    (path,) = write_shards(tmp_path, images, labels, 1)
    path.write_bytes(path.read_bytes()[:3000])
    assert "damaged" in refusal(path)
    write_tar(tmp_path / "other.tar", [("a/readme.md", b"text")])
    assert "no images in tar members" in refusal(tmp_path / "other.tar")


@pytest.mark.parametrize("size", ["\u00b2", "9" * 5000, "-1"])
def test_a_size_that_is_no_number_counts_as_not_said(tmp_path: Path, size: str) -> None:
    image = png(np.full((4, 4, 3), 7, np.uint8))
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in (("x.png", image), ("x.cls", b"1")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.pax_headers = {"size": size}
            archive.addfile(member, io.BytesIO(content))
    dataset = open_dataset(tmp_path / "a.tar")
    assert dataset.stored_bytes(0) == image
