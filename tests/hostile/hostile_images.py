"""Pictures built against their decoders, each among good ones in an image folder."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hostile_recipes import Write, hostile
from PIL import Image

GROUP = "images"


def good() -> bytes:
    return encoded("PNG")


def encoded(kind: str, mode: str = "RGB", side: int = 8, **options: object) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (side, side), 1).save(file, kind, **options)
    return file.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def png(width: int, height: int, *more: bytes, body: bytes = b"", depth: int = 8) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    data = zlib.compress(body or b"\0" * 1000, 9)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", head), *more, chunk(b"IDAT", data), chunk(b"IEND", b""))
    )


def among(content: bytes | Callable[[Path], bytes], name: str) -> Write:
    def write(folder: Path, marker: Path) -> Path:
        root = folder / "data"
        for label in ("cat", "dog"):
            (root / label).mkdir(parents=True)
            (root / label / "good.png").write_bytes(good())
        (root / "cat" / name).write_bytes(content(marker) if callable(content) else content)
        return root

    return write


def postscript(marker: Path) -> bytes:
    return (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n("
        + str(marker).encode()
        + b") (w) file closefile showpage\n%%EOF\n"
    )


def svg(marker: Path) -> bytes:
    return (
        b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8">'
        b'<image href="file:///etc/passwd" width="8" height="8"/></svg>'
    )


def wrong_crc() -> bytes:
    content = bytearray(good())
    content[29] ^= 0xFF
    return bytes(content)


def animated() -> bytes:
    file = io.BytesIO()
    frames = [Image.new("L", (8, 8), k % 255) for k in range(400)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


def tiff_loop() -> bytes:
    return (
        b"II*\0\x08\0\0\0"
        + struct.pack("<H", 1)
        + struct.pack("<HHII", 256, 4, 1, 8)
        + b"\x08\0\0\0"
    )


def tiff_strips() -> bytes:
    tags = (
        (256, 60000),
        (257, 60000),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (279, 2**31),
    )
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + body + bytes(4)


def jpeg_cut() -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()[:-900]


def jpeg_wide() -> bytes:
    content = encoded("JPEG")
    place = content.index(b"\xff\xc0") + 5
    return content[:place] + b"\xff\xff\xff\xff" + content[place + 4 :]


def webp_wide() -> bytes:
    body = b"VP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + b"\xff\xff\xff" * 2
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


BOMB = zlib.compress(bytes(200_000_000), 9)

for name, tries, content, file, outcome, says in (
    ("eps-named-jpg", "PostScript that writes a file, named .jpg", postscript, "x.jpg", "row", "PostScript"),
    ("svg-named-png", "SVG that reads /etc/passwd, named .png", svg, "x.png", "row", "SVG"),
    ("pdf-named-png", "PDF, named .png", b"%PDF-1.4\n" + bytes(99), "x.png", "row", "PDF"),
    ("pickle-named-png", "a pickle, named .png", b"\x80\x02cposix\nsystem\n.", "x.png", "row", "pickle"),
    ("program-named-png", "a program, named .png", b"\x7fELF" + bytes(99), "x.png", "row", "program"),
    ("html-named-png", "a web page, named .png", b"<html><script>x</script>", "x.png", "row", "web page"),
    ("png-bomb", "60,000 x 60,000 pixels", png(60_000, 60_000), "x.png", "row", "limit"),
    ("png-bomb-below-limit", "7,900 x 7,900 pixels out of 60 KB", png(7900, 7900, body=bytes(7901 * 7900)), "x.png", "reads", ""),
    ("png-text-bomb", "200 MB of text in 200 KB (zTXt)", png(8, 8, chunk(b"zTXt", b"k\0\0" + BOMB), body=bytes(72)), "x.png", "row", ""),
    ("png-profile-bomb", "200 MB of colour profile in 200 KB (iCCP)", png(8, 8, chunk(b"iCCP", b"k\0\0" + BOMB), body=bytes(72)), "x.png", "row", ""),
    ("png-data-bomb", "200 MB behind an 8 x 8 picture", png(8, 8, body=bytes(200_000_000)), "x.png", "reads", ""),
    ("png-negative", "a width of 2^31", png(2**31 + 1, 1), "x.png", "row", ""),
    ("png-no-pixels", "0 x 0 pixels", png(0, 0), "x.png", "row", ""),
    ("png-cut", "the second half is missing", good()[:40], "x.png", "row", ""),
    ("png-crc", "a wrong checksum", wrong_crc(), "x.png", "row", ""),
    ("png-short-data", "pixels that end too early", png(64, 64, body=bytes(70)), "x.png", "row", ""),
    ("png-16-bit", "16 bits a pixel, which clip to white", encoded("PNG", "I;16"), "x.png", "reads", ""),
    ("png-polyglot", "a PNG with a zip behind it", good() + b"PK\x03\x04" + bytes(99), "x.png", "reads", ""),
    ("jpeg-cut", "truncated, which verify() passes", jpeg_cut(), "x.jpg", "row", "truncated"),
    ("jpeg-wide", "65,535 x 65,535 pixels in 600 bytes", jpeg_wide(), "x.jpg", "row", "limit"),
    ("gif-animated", "400 frames", animated(), "x.png", "reads", ""),
    ("gif-wide", "65,535 x 65,535 pixels", b"GIF89a\xff\xff\xff\xff\x80\0\0" + bytes(6) + b";", "x.png", "row", ""),
    ("bmp-wide", "2^31 pixels a line", b"BM" + struct.pack("<IIIIiiHHIIiiII", 60, 0, 54, 40, 2**31 - 1, 2**31 - 1, 1, 24, 0, 0, 0, 0, 0, 0), "x.bmp", "row", ""),
    ("ppm-wide", "10^12 pixels declared in text", b"P6\n1000000 1000000\n255\n" + bytes(60), "x.ppm", "row", "limit"),
    ("ppm-digits", "a width of 100,000 digits", b"P6\n" + b"9" * 100_000 + b" 1\n255\n", "x.ppm", "row", ""),
    ("tiff-loop", "a directory that is its own successor", tiff_loop(), "x.tiff", "row", ""),
    ("tiff-strips", "strips of 2 GiB", tiff_strips(), "x.tiff", "row", "limit"),
    ("webp-wide", "16,777,216 x 16,777,216 pixels", webp_wide(), "x.webp", "row", ""),
    ("empty-image", "no bytes", b"", "x.png", "row", "empty"),
    ("large-image", "an encoded picture of 70 MB", good() + bytes(70 << 20), "x.png", "row", "limit"),
):  # fmt: skip
    hostile(GROUP, name, tries, outcome, says)(among(content, file))
