"""Detached model signatures: digests are compared, signers are not, nothing hostile gets through."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from inspector.intake.signature import PAYLOAD, PREDICATE, compare_signature, signature_beside


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def bundle(files: dict[str, str], root: str | None = None, **changed: Any) -> bytes:
    """A Sigstore bundle as OpenSSF Model Signing 1.0 writes it, without its certificate."""
    total = hashlib.sha256(b"".join(bytes.fromhex(digest) for digest in files.values()))
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "model", "digest": {"sha256": root or total.hexdigest()}}],
        "predicateType": PREDICATE,
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
            "resources": [
                {"name": name, "algorithm": "sha256", "digest": digest}
                for name, digest in files.items()
            ],
        },
        **changed,
    }
    return json.dumps(
        {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {},
            "dsseEnvelope": {
                "payload": base64.b64encode(json.dumps(statement).encode()).decode(),
                "payloadType": PAYLOAD,
                "signatures": [{"sig": "AAAA"}],
            },
        }
    ).encode()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights")
    return path


def compared(model: Path, content: bytes) -> dict[str, Any]:
    path = model.with_name("model.sig")
    path.write_bytes(content)
    return compare_signature(path, model, sha(model.read_bytes()))


def test_matching_digests(model: Path) -> None:
    found = compared(
        model, bundle({"model.safetensors": sha(b"weights"), "config.json": "ab" * 32})
    )
    assert found["comparison"] == "match"
    assert found["sentence"] == (
        "Signature present (model.sig); digests match; signer not checked."
    )
    assert [row["matches"] for row in found["files"]] == [True, None]
    assert compared(model, bundle({".": sha(b"weights")}))["comparison"] == "match"


def test_differing_digests_and_other_models(model: Path) -> None:
    found = compared(model, bundle({"model.safetensors": sha(b"others")}))
    assert found["comparison"] == "differ"
    assert "digests differ for 1 of 1 files; signer not checked" in found["sentence"]
    assert compared(model, bundle({"other.pt": sha(b"x")}))["comparison"] == "not named"


def test_a_folder_is_compared_file_by_file(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "part").mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"a")
    (folder / "part" / "b.bin").write_bytes(b"b")
    (tmp_path / "outside").write_bytes(b"o")
    signature = folder / "model.sig"
    signature.write_bytes(bundle({"a.bin": sha(b"a"), "part/b.bin": sha(b"b")}))
    assert compare_signature(signature, folder, "")["comparison"] == "match"
    for name, digest in (
        ("../outside", sha(b"o")),
        ("gone", sha(b"a")),
        ("/etc/passwd", "00" * 32),
    ):
        signature.write_bytes(bundle({"a.bin": sha(b"a"), name: digest}))
        found = compare_signature(signature, folder, "")
        assert found["comparison"] == "differ"
        assert [row["matches"] for row in found["files"]] == [True, False]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON"),
        (b"[]", "no Sigstore bundle"),
        (b"[" * 200_000, "not JSON"),
        (b"{}", "no DSSE envelope"),
        (b'{"dsseEnvelope": {"payloadType": "text/plain"}}', "no in-toto statement"),
        (
            json.dumps({"dsseEnvelope": {"payloadType": PAYLOAD, "payload": "%%"}}).encode(),
            "not base64",
        ),
        (bundle({"model.safetensors": "ab" * 32}, predicateType="urn:x"), "another kind"),
        (bundle({"model.safetensors": "ab" * 32}, root="00" * 32), "not the one that was signed"),
        (bundle({"model.safetensors": "ab" * 32}, subject=[]), "not the one that was signed"),
        (bundle({}), "lists no files"),
        (bundle({}, predicate={"resources": [3]}), "damaged"),
        (
            bundle({}, predicate={"resources": [{"name": "a", "algorithm": "md5", "digest": "x"}]}),
            "another kind than SHA-256",
        ),
    ],
)
def test_what_is_no_signature_is_said(model: Path, content: bytes, said: str) -> None:
    found = compared(model, content)
    assert found["comparison"] == "unreadable"
    assert said in found["sentence"]
    assert found["sentence"].startswith("Signature present (model.sig), but not comparable")


def test_which_signature_belongs_to_a_model(tmp_path: Path) -> None:
    model = tmp_path / "victim.pt"
    model.write_bytes(b"x")
    assert signature_beside(model) is None
    stray = tmp_path / "release.sig"
    stray.write_bytes(b"{}")
    assert signature_beside(model) == stray
    (tmp_path / "other.pt").write_bytes(b"y")
    assert signature_beside(model) is None
    (tmp_path / "victim.pt.sig").write_bytes(b"{}")
    assert signature_beside(model) == tmp_path / "victim.pt.sig"
