"""Derived arrays: what the engine says is checked to the byte before it is believed."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from case_makers import describe, store

from inspector.case import Case
from inspector.case.npy import DTYPES
from inspector.errors import CaseError

SHA = "ab" * 32


def test_arrays_come_back_as_read_only_maps(case: Case) -> None:
    describe(case, 4)
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    store(case, "activations", values)
    found = case.array("activations")
    assert isinstance(found, np.memmap)
    assert (found == values).all()
    assert case.array("activations") is found
    with pytest.raises(ValueError):
        found[0, 0] = 1
    assert case.has_array("activations")
    assert not case.has_array("logits")
    info = case.arrays()["activations"]
    assert (info.path, info.dtype, info.shape) == ("test/activations.npy", "float32", (4, 3))


def test_every_allowed_dtype_and_shape_comes_back(case: Case) -> None:
    rng = np.random.default_rng(0)
    for name, dtype in DTYPES.items():
        for shape in ((5,), (2, 3), (1, 2, 3, 4), (0,), (0, 3)):
            values = (rng.random(shape) * 100).astype(dtype)
            store(case, f"own-{name}:{len(shape)}", values)
            found = case.array(f"own-{name}:{len(shape)}")
            assert found.dtype == dtype
            assert (np.asarray(found) == values).all()
            assert found.shape == shape


def test_a_replaced_array_is_seen_and_the_old_map_stays(case: Case) -> None:
    store(case, "x", np.zeros(3))
    old = case.array("x")
    path = case.derive("test") / "other.npy"
    np.save(path, np.ones(5), allow_pickle=False)
    case.set_array("x", "test/other.npy", "float64", (5,), SHA)
    assert case.array("x").tolist() == [1.0] * 5
    assert old.tolist() == [0.0] * 3


def test_an_array_that_was_never_made_says_what_to_do(case: Case) -> None:
    with pytest.raises(CaseError, match=r"no array 'logits'.*inspector scan"):
        case.array("logits")


def _npy(values: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, values, version, allow_pickle=False)
    return stream.getvalue()


def _put(case: Case, content: bytes, dtype: str = "float64", shape: tuple = (3,)) -> None:
    (case.derive("test") / "x.npy").write_bytes(content)
    case.set_array("x", "test/x.npy", dtype, shape, SHA)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_all_versions_of_the_format_are_read(case: Case, version: tuple[int, int]) -> None:
    _put(case, _npy(np.arange(3.0), version))
    assert case.array("x").tolist() == [0, 1, 2]


def _with_header(text: str, payload: bytes = bytes(24)) -> bytes:
    raw = text.encode("latin-1")
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(raw)) + raw + payload


GOOD = "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }\n"


def test_the_plainest_header_is_accepted(case: Case) -> None:
    _put(case, _with_header(GOOD))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a .npy file"),
        (b"PK\x03\x04" + bytes(100), "not a .npy file"),
        (b"\x93NUMPY\x09\x00" + bytes(100), "not a .npy file"),
        (b"\x93NUMPY\x01\x00", "header"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "header"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", "header"),
        (_with_header(""), "header"),
        (_with_header(GOOD.replace("False", "True")), "header"),
        (_with_header(GOOD.replace("'<f8'", "'|O'")), "header"),
        (_with_header(GOOD.replace("'<f8'", "[('a', '<f8')]")), "header"),
        (_with_header(GOOD.replace("'<f8'", "'>f8'")), "header"),
        (_with_header(GOOD.replace("'<f8'", "'<f1'")), "which a case never holds"),
        (_with_header(GOOD.replace("(3,)", "(-3,)")), "header"),
        (_with_header(GOOD.replace("(3,)", "(3)")), "header"),
        (_with_header(GOOD.replace("(3,)", "(" + "9" * 19 + ",)")), "header"),
        (_with_header(GOOD.replace("(3,)", "__import__('os')")), "header"),
        (_with_header("{" * 4000), "header"),
        (_with_header(GOOD + " " * 5000), "header"),
        (_with_header(GOOD.replace("(3,)", "(4,)")), "it holds float64 4, recorded"),
        (_with_header(GOOD.replace("(3,)", "()")), "it holds float64 scalar, recorded"),
        (_with_header(GOOD.replace("<f8", "<i8")), "it holds int64 3, recorded"),
        (_with_header(GOOD, bytes(23)), "bytes instead of"),
        (_with_header(GOOD, bytes(25)), "bytes instead of"),
    ],
)
def test_files_that_are_not_what_is_claimed(case: Case, content: bytes, message: str) -> None:
    before = case.journal.head
    with pytest.raises(CaseError, match=f"(?i){message}"):
        _put(case, content)
    assert not case.has_array("x")
    assert case.journal.head == before


def test_a_huge_claim_costs_nothing(case: Case) -> None:
    shape = (10**17, 10**17, 10**17)
    header = GOOD.replace("(3,)", f"({', '.join(map(str, shape))})")
    with pytest.raises(CaseError, match="bytes instead of"):
        _put(case, _with_header(header), shape=shape)


@pytest.mark.parametrize(
    "relpath",
    ["", ".", "../x.npy", "test/../../x.npy", "/etc/passwd", "a\0b", "test/missing.npy", "test"],
)
def test_paths_stay_inside(case: Case, relpath: str) -> None:
    case.derive("test")
    with pytest.raises(CaseError):
        case.set_array("x", relpath, "float64", (3,), SHA)


def test_an_absolute_path_inside_is_made_relative(case: Case) -> None:
    path = case.derive("test") / "x.npy"
    path.write_bytes(_npy(np.zeros(3)))
    assert case.set_array("x", str(path), "<f8", [3], SHA).path == "test/x.npy"


def test_links_and_pipes_are_not_followed(case: Case, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.npy").write_bytes(_npy(np.zeros(3)))
    folder = case.derive("test")
    (folder / "link.npy").symlink_to(outside / "x.npy")
    (case.derived / "linked").symlink_to(outside)
    os.mkfifo(folder / "pipe.npy")
    for relpath in ("test/link.npy", "linked/x.npy", "test/pipe.npy"):
        with pytest.raises(CaseError, match=r"cannot be (used|opened)"):
            case.set_array("x", relpath, "float64", (3,), SHA)


@pytest.mark.parametrize(
    ("name", "dtype", "shape", "message"),
    [
        ("labels", "int64", (4,), "should be int32"),
        ("labels", "int32", (5,), "with n = 4"),
        ("labels", "int32", (4, 1), "should be int32"),
        ("locator_offsets", "int64", (4,), r"n\+1"),
        ("stored_sha256", "uint8", (4, 31), "32"),
        ("score:mine", "float64", (4,), "should be float32"),
        ("map:umap", "float32", (4, 3), "n, 2"),
        ("thumbnails", "uint8", (4, 8, 8), "n, h, w, c"),
        ("../x", "uint8", (1,), "Names have"),
        ("", "uint8", (1,), "Names have"),
        ("x", "complex64", (1,), "A case holds only"),
        ("x", "object", (1,), "A case holds only"),
        ("x", ">f4", (1,), "A case holds only"),
        ("x", "no such", (1,), "A case holds only"),
        ("x", "float32", (-1,), "not a length"),
        ("x", "float32", (1.5,), "not a length"),
        ("x", "float32", (True,), "not a length"),
    ],
)
def test_claims_that_do_not_fit_are_refused(
    case: Case, name: str, dtype: str, shape: tuple, message: str
) -> None:
    describe(case, 4)
    with pytest.raises(CaseError, match=message):
        case.set_array(name, "x.npy", dtype, shape, SHA)


def test_a_digest_is_asked_for(case: Case) -> None:
    for digest in ("", "x" * 64, "AB" * 32):
        with pytest.raises(CaseError, match="SHA-256"):
            case.set_array("x", "x.npy", "float32", (1,), digest)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(_npy(np.zeros(9))),
        lambda path: (path.unlink(), path.symlink_to("/etc/passwd")),
    ],
)
def test_files_spoilt_later_are_noticed_when_read(
    folder: Path, spoil: Callable[[Path], object]
) -> None:
    with Case.create(folder) as case:
        store(case, "x", np.zeros(3))
    spoil(folder / "derived" / "test" / "x.npy")
    with Case.open(folder) as case, pytest.raises(CaseError, match="Run the scan again"):
        case.array("x")
