"""Image folders whose names and special files are the weapon."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

from hostile_images import good
from hostile_recipes import hostile

GROUP = "folders"


def beside(name: str, tries: str, outcome: str, says: str = "") -> Callable[[Callable[[Path], None]], None]:  # fmt: skip
    def register(add: Callable[[Path], None]) -> None:
        @hostile(GROUP, name, tries, outcome, says)
        def write(folder: Path, marker: Path) -> Path:
            root = folder / "data"
            for label in ("cat", "dog"):
                (root / label).mkdir(parents=True)
                (root / label / "good.png").write_bytes(good())
            (folder / "outside").mkdir()
            (folder / "outside" / "x.png").write_bytes(good())
            add(root)
            return root

    return register


def named(name: str, tries: str, label: bytes, file: bytes = b"x.png", outcome: str = "reads") -> None:  # fmt: skip
    @beside(name, tries, outcome)
    def add(root: Path) -> None:
        folder = os.path.join(os.fsencode(root), label)
        os.mkdir(folder)
        with open(os.path.join(folder, file), "wb") as target:
            target.write(good())


@beside("link-loop", "a link to the folder above", "reads", "link")
def _(root: Path) -> None:
    (root / "cat" / "loop").symlink_to(root)


@beside("link-passwd", "a picture that is a link to /etc/passwd", "reads", "link")
def _(root: Path) -> None:
    (root / "cat" / "x.png").symlink_to("/etc/passwd")


@beside("link-folder", "a class that is a link to other data", "reads", "link")
def _(root: Path) -> None:
    (root / "bird").symlink_to(root.parent / "outside")


@beside("link-itself", "a link to itself", "reads", "link")
def _(root: Path) -> None:
    (root / "cat" / "x.png").symlink_to("x.png")


@beside("fifo-image", "a FIFO that would hang the reader", "reads", "pipe|device|special")
def _(root: Path) -> None:
    os.mkfifo(root / "cat" / "x.png")


@beside("socket-image", "a socket among the pictures", "reads", "pipe|socket|device|special")
def _(root: Path) -> None:
    here = Path.cwd()
    os.chdir(root / "cat")  # the address of a socket has room for 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind("x.png")
    finally:
        os.chdir(here)


@beside("deep-folders", "folders nested 60 deep", "refused")
def _(root: Path) -> None:
    (root / "cat" / Path(*"a" * 60)).mkdir(parents=True)


@beside("folder-named-png", "a folder named x.png", "reads")
def _(root: Path) -> None:
    (root / "cat" / "x.png").mkdir()


@beside("foreign-code", "a dataset script beside the pictures", "reads")
def _(root: Path) -> None:
    (root / "dataset.py").write_text("raise SystemExit(1)")
    (root / "conftest.py").write_text("raise SystemExit(1)")


named("class-rich-text", "a class named <img src=...>", b"<img src='file:passwd'>")
named("class-bold", "a class named <b>", b"<b>bold", b"<i>.png")
named("class-bidi", "a class that reads backwards", "\u202egpj.exe".encode())
named("class-newline", "a class of two lines", b"two\nlines", b"a\rb.png")
named("class-escape", "terminal escapes in a name", b"\x1b[31mred\x1b]0;x\x07", b"\x1b[2J.png")
named("class-no-utf8", "a name that is no UTF-8", b"\xff\xfe\x80", b"\xc3\x28.png")
named("class-longest", "names of 255 bytes", b"c" * 255, b"f" * 251 + b".png")
named("class-blank", "a name of one blank", b" ", b" .png")
named("class-formula", "a class that is a formula", b"=cmd|' C'!A1")
named("class-zero-width", "a class that looks like another", "ca\u200bt".encode())
named("class-case", "two classes that differ by case", b"CAT")
named("class-percent", "a name with % and format marks", b"%s%n{0}", b"%(x)s.png")
