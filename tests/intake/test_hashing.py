"""Evidence files are hashed as they are read; links, FIFOs and changing files are refused."""

from __future__ import annotations

import hashlib
import os
import time

import pytest

from inspector.api import Control
from inspector.errors import BadInput
from inspector.intake.hashing import CHUNK, read_regular, sha256_file


def test_digest_is_that_of_the_bytes(tmp_path):
    content = os.urandom(CHUNK + 17)
    path = tmp_path / "evidence.bin"
    path.write_bytes(content)
    digest = sha256_file(path)
    assert digest.sha256 == hashlib.sha256(content).hexdigest()
    assert digest.size == len(content)
    assert digest.mtime_ns == path.stat().st_mtime_ns
    read, again = read_regular(path, limit=1 << 30)
    assert read == content
    assert again == digest


def test_empty_file(tmp_path):
    (tmp_path / "empty").touch()
    assert sha256_file(tmp_path / "empty").sha256 == hashlib.sha256(b"").hexdigest()
    assert read_regular(tmp_path / "empty", 10)[0] == b""


def test_link_is_refused_and_its_target_named(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"x")
    (tmp_path / "link.pt").symlink_to(tmp_path / "model.pt")
    with pytest.raises(BadInput) as refused:
        sha256_file(tmp_path / "link.pt")
    assert "symbolic link" in refused.value.what
    assert str(tmp_path / "model.pt") in refused.value.fix


def test_fifo_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    start = time.monotonic()
    with pytest.raises(BadInput, match="no regular file"):
        sha256_file(tmp_path / "pipe")
    assert time.monotonic() - start < 60


@pytest.mark.parametrize(
    ("name", "text"), [("missing.pt", "does not exist"), (".", "is a folder"), ("a\0b", "opened")]
)
def test_what_is_no_file_is_one_clear_line(tmp_path, name, text):
    with pytest.raises(BadInput, match=text) as refused:
        sha256_file(tmp_path / name)
    assert "\n" not in str(refused.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_without_permission(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(BadInput, match="may not read it"):
        sha256_file(path)


def test_large_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(BadInput, match="At most 1,000 are read"):
        read_regular(path, limit=1000)


def test_file_that_grows_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "growing"
    path.write_bytes(b"x" * 100)

    class Append(Control):
        def check(self):
            with path.open("ab") as file:
                file.write(b"y" * 50)
            assert path.stat().st_size < 1000, "the growing file is followed without end"

    with pytest.raises(BadInput, match="changed while it was read"):
        sha256_file(path, Append())
