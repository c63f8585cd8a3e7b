"""Images: what each mode becomes, and corrupt or hostile ones as rows with a reason; safe names."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dataset_makers import samples
from inspector.intake.datasets import UnreadableSample, escape_name, open_dataset, unescape_name


@given(st.binary(max_size=40).filter(lambda raw: b"\0" not in raw and b"/" not in raw))
def test_names_survive_escaping(raw: bytes) -> None:
    name = os.fsdecode(raw)
    text = escape_name(name)
    assert text.isprintable()
    text.encode("utf-8")
    assert unescape_name(text) == name


def test_ordinary_names_are_not_altered() -> None:
    for name in ("a b/c-1.png", "Straße.jpg", "100% sure.png", "日本語.png"):
        assert escape_name(name) == name
    assert escape_name("a\u202egpj.exe\n") == "a%E2%80%AEgpj.exe%0A"
    assert escape_name("%41") == "%2541"


def test_grey_palette_alpha_cmyk_and_sixteen_bit(tmp_path: Path) -> None:
    """The documented table: grey keeps one channel, the rest is what torchvision trains on."""
    folder = tmp_path / "a"
    folder.mkdir()
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (6, 5), dtype=np.uint8)
    deep = rng.integers(0, 65536, (6, 5), dtype=np.uint16)
    rgba = rng.integers(0, 256, (6, 5, 4), dtype=np.uint8)
    Image.fromarray(grey).save(folder / "0-grey.png")
    Image.fromarray(grey > 99).save(folder / "1-bit.png")
    Image.fromarray(deep).save(folder / "2-deep.png")
    Image.fromarray(rgba, "RGBA").save(folder / "3-rgba.png")
    Image.fromarray(rgba[..., :3]).quantize(9).save(folder / "4-palette.png")
    Image.fromarray(rgba, "CMYK").save(folder / "5-cmyk.jpg")
    Image.fromarray(rgba[..., :2].copy(), "LA").save(folder / "6-la.png")
    Image.fromarray(deep.astype(np.float32) / 257).save(folder / "7-float.tif")
    (folder / "8-deep.pgm").write_bytes(b"P5 5 6 65535\n" + deep.astype(">u2").tobytes())
    got = open_dataset(tmp_path).decode_batch(np.arange(9))
    assert [image.shape[2] for image in got] == [1, 1, 1, 3, 3, 3, 3, 3, 1]
    np.testing.assert_array_equal(got[0][..., 0], grey)
    np.testing.assert_array_equal(got[1][..., 0], np.where(grey > 99, 255, 0))
    expected = np.rint(deep / 257.0)
    np.testing.assert_array_equal(got[2][..., 0], expected)
    np.testing.assert_array_equal(got[8][..., 0], expected)
    for i in (3, 4, 5, 6, 7):
        name = sorted(os.listdir(folder))[i]
        theirs = np.asarray(Image.open(folder / name).convert("RGB"))
        np.testing.assert_array_equal(got[i], theirs, err_msg=name)


def test_exif_orientation_is_ignored_like_in_training(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 4)).save(tmp_path / "a" / "x.jpg", exif=exif)
    assert open_dataset(tmp_path).decode(0).shape == (4, 8, 3)


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99))


def test_corrupt_images_are_rows_with_a_reason_and_the_others_decode(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    marker = tmp_path / "marker"
    good = io.BytesIO()
    Image.fromarray(samples(side=64, channels=3)[0][0]).save(good, "JPEG")
    postscript = f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n({marker}) (w) file closefile\n"
    contents = {
        "bomb.png": (_png(30_000, 30_000), "more pixels than the limit|pixels, more than"),
        "bomb2.png": (_png(9_000, 9_000), "more pixels than the limit|pixels, more than"),
        "cut.jpg": (good.getvalue()[: len(good.getvalue()) // 2], "truncated"),
        "empty.png": (b"", "empty file"),
        "eps.jpg": (postscript.encode(), "PostScript"),
        "good.jpg": (good.getvalue(), ""),
        "mac.png": (b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X", "macOS resource fork"),
        "noise.png": (b"\x89PNG\r\n\x1a\n" + bytes(200), "not an image"),
        "svg.png": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        "text.png": (b"hello", "not an image of a known format"),
    }
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    dataset = open_dataset(tmp_path)
    results = dataset.decode_batch(np.arange(len(dataset)))
    for (name, (_, reason)), result in zip(contents.items(), results):
        if not reason:
            assert isinstance(result, np.ndarray)
            continue
        assert isinstance(result, UnreadableSample), name
        assert any(part in result.reason for part in reason.split("|")), (name, result.reason)
        assert str(result).startswith("unreadable: ")
        assert result.reason.isprintable()
    assert not marker.exists()


def test_text_chunk_bomb(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    body = b"Comment\0\0" + zlib.compress(bytes(80_000_000), 9)
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + body))
    png = _png(4, 4)
    (tmp_path / "a" / "x.png").write_bytes(png[:33] + chunk + png[33:])
    with pytest.raises(UnreadableSample):
        open_dataset(tmp_path).decode(0)


def test_oversized_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with open(tmp_path / "a" / "x.png", "wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(UnreadableSample, match="larger than the limit of 64 MiB"):
        open_dataset(tmp_path).decode(0)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), kind=st.sampled_from(["PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM"]))
def test_mutated_images_decode_or_are_unreadable(data: st.DataObject, kind: str) -> None:
    from inspector.intake.datasets.decoding import decode_image

    buffer = io.BytesIO()
    Image.fromarray(samples(side=16, channels=3)[0][0]).save(buffer, kind)
    mutant = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        mutant[data.draw(st.integers(0, len(mutant) - 1))] = data.draw(st.integers(0, 255))
    reason = ""
    try:
        image = decode_image(bytes(mutant))
        assert image.dtype == np.uint8
        assert image.shape[2] in (1, 3)
    except UnreadableSample as failure:
        reason = failure.reason
    assert reason.isprintable()
