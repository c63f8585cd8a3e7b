"""A signature beside the model: in the scan's document, the case panel and the report."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema

from inspector import places

Command = Callable[..., subprocess.CompletedProcess[str]]


def test_a_signature_is_compared_in_the_engine_and_shown(
    demo: Path, command: Command, document: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    model = Path(shutil.copy(demo / "evidence" / "model.safetensors", tmp_path / "m.safetensors"))
    digest = hashlib.sha256(model.read_bytes())
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": "m", "digest": {"sha256": hashlib.sha256(digest.digest()).hexdigest()}}
        ],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "resources": [{"name": model.name, "algorithm": "sha256", "digest": digest.hexdigest()}]
        },
    }
    payload = base64.b64encode(json.dumps(statement).encode()).decode()
    envelope = {"payload": payload, "payloadType": "application/vnd.in-toto+json"}
    # A name that only the app's side can find: the engine may not list the folder.
    (tmp_path / "release-1.sig").write_text(json.dumps({"dsseEnvelope": envelope}))
    case = tmp_path / "signed.case"
    data = demo / "evidence" / "data"
    scanned = document(
        command(
            "scan", "--model", model, "--data", data, "--case", case, "--limit", 100,
            "--detectors", "spectral", "--json",
        )
    )  # fmt: skip
    schema = json.loads((places.resources() / "schema" / "scan.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(scanned)
    assert scanned["signature"]["comparison"] == "match"
    assert scanned["signature"]["file"] == "release-1.sig"
    assert command("report", case, "--to", tmp_path / "r.html").returncode == 0
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "Signature present (release-1.sig); digests match; signer not checked." in page
    assert "AML.M0014" in page
