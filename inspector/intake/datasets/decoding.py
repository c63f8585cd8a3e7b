"""Hostile image bytes to pixels: an allow-list of formats, limits, and every mode spelled out.

What comes out is what a network trained through torchvision's ``ImageFolder`` saw, so that scores
describe the training that took place:

========================  =====================================================================
stored as                 becomes
========================  =====================================================================
grey 8 bit, 1 bit         (H, W, 1); 1 bit is 0 or 255
grey 16 bit, 32-bit int   (H, W, 1), v·255/65535 rounded. Here we differ on purpose: Pillow's own
                          conversion clips everything above 255 to white
palette, CMYK, YCbCr      (H, W, 3) by Pillow's conversion, as torchvision does
alpha (RGBA, LA)          (H, W, 3), alpha dropped, not composed, as torchvision does
floating point            (H, W, 3), clipped to 0..255, as torchvision does
animation, many pages     the first frame
EXIF orientation          ignored, as torchvision does, unless the dataset's ``orientation`` is
                          ``exif``; TIFF is always turned, since Pillow turns it
========================  =====================================================================
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.intake.datasets.dataset import UnreadableSample
from inspector.intake.datasets.names import escape_name
from inspector.intake.limits import limit, told

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""What Pillow may try. Without this list it starts Ghostscript for PostScript named ``.jpg``."""

_LOOKS_LIKE = (
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"%PDF", "PDF"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML or SVG"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"\x00\x05\x16\x07", "a macOS resource fork"),
    (b"\x80\x02", "a Python pickle"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)


def decode_image(data: bytes) -> NDArray[np.uint8]:
    """Decode one encoded image.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    ndarray, shape (H, W, 1) or (H, W, 3), uint8

    Raises
    ------
    UnreadableSample
        Anything at all is wrong with it; ``reason`` says what in a few words.
    """
    return decode_oriented(data)[0]


def decode_oriented(data: bytes, orientation: str = "ignore") -> tuple[NDArray[np.uint8], int]:
    """Decode one encoded image, and say how its EXIF data want it turned.

    Parameters
    ----------
    data : bytes
        The whole file.
    orientation : {"ignore", "exif"}
        Whether the pixels are turned accordingly.

    Returns
    -------
    pixels : ndarray, shape (H, W, 1) or (H, W, 3), uint8
    tag : int
        1 to 8; 1 where nothing (valid) is said.

    Raises
    ------
    UnreadableSample
        See `decode_image`.
    """
    if not data:
        raise UnreadableSample("empty file")
    pillow = _pillow()
    try:
        with pillow.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height > limit("image-pixels"):
                raise UnreadableSample(
                    f"{width} x {height} pixels, more than the limit of {told('image-pixels')}"
                )
            # load(), not verify(): verify() passes a truncated JPEG.
            image.load()
            pixels, tag = _pixels(image), _orientation(image)
            return (_turned(pixels, tag) if orientation == "exif" else pixels), tag
    except UnreadableSample:
        raise
    except pillow.DecompressionBombError:
        raise UnreadableSample(
            f"too many pixels, more than the limit of {told('image-pixels')}"
        ) from None
    except MemoryError:
        raise UnreadableSample("not enough memory to decode it") from None
    except Exception as error:
        # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more.
        raise UnreadableSample(_reason(data, error)) from None


def sixteen_to_eight(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale 16-bit values to 8 bits: v·255/65535, rounded to nearest; any shape."""
    wide = np.clip(values, 0, 65535).astype(np.uint32)
    return ((wide + 128) // 257).astype(np.uint8)


def _pillow() -> Any:
    """Import Pillow at first use (the app process never decodes) with its bomb check set."""
    from PIL import Image

    most = limit("image-pixels")
    if most != Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = most
        # Set once for the process: catch_warnings is not safe in the decoding threads. The other
        # warnings quote evidence (odd TIFF tags) and would reach a terminal.
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
    return Image


def _pixels(image: Any) -> NDArray[np.uint8]:
    if image.mode == "L":
        return np.array(image, dtype=np.uint8)[:, :, None]
    if image.mode == "1":
        return np.array(image.convert("L"), dtype=np.uint8)[:, :, None]
    if image.mode == "I" or image.mode.startswith("I;16"):
        return sixteen_to_eight(np.asarray(image))[:, :, None]
    return np.array(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)


def _orientation(image: Any) -> int:
    """Return the EXIF orientation; 1 where the data are missing or damaged."""
    if "exif" not in image.info:
        return 1
    try:
        tag = image.getexif().get(0x0112, 1)
    except Exception:
        return 1  # hostile EXIF data spoil nothing but themselves
    return tag if isinstance(tag, int) and 1 <= tag <= 8 else 1


def _turned(pixels: NDArray[np.uint8], tag: int) -> NDArray[np.uint8]:
    """Undo an EXIF orientation (JEITA CP-3451, tag 274)."""
    if tag in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if tag in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if tag in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _reason(data: bytes, error: Exception) -> str:
    name = type(error).__name__
    if name == "UnidentifiedImageError":
        start = data[:512].lstrip()
        seen = next((kind for sign, kind in _LOOKS_LIKE if start.startswith(sign)), "")
        return "not an image of a known format" + (
            f"; its content looks like {seen}" if seen else ""
        )
    if name == "DecompressionBombWarning":
        return f"too many pixels, more than the limit of {told('image-pixels')}"
    text = " ".join(str(error).split())[:160].rstrip(".")
    return escape_name(text) or name
