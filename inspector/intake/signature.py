"""A detached model signature beside a model: does it speak of these bytes? Who signed is not asked.

OpenSSF Model Signing (version 1.0) writes a Sigstore bundle; in it an envelope (DSSE) with an in-toto
statement that lists files and their digests. Comparing digests needs no key. Whether the signature
itself is genuine does, and is left to the tools of that project.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from pathlib import Path, PurePosixPath
from typing import Any

from inspector.errors import BadInput
from inspector.intake.hashing import read_regular, sha256_file

PREDICATE = "https://model_signing/signature/v1.0"
PAYLOAD = "application/vnd.in-toto+json"
MAX_BYTES = 64 << 20
MOST = 10_000
"""Files that a signature may list; more are no model."""
_LISTED = 100


class _Odd(Exception):
    """Why a file is no signature that can be compared."""


def signature_beside(model: Path) -> Path | None:
    """Return the signature that belongs to a model, None when none lies beside or in it.

    ``MODEL.sig`` and ``model.sig`` come first, then a single ``*.sig`` of any name.
    """
    folders = [model, model.parent] if model.is_dir() else [model.parent]
    for folder in folders:
        for name in (f"{model.name}.sig", f"{model.stem}.sig", "model.sig"):
            if (folder / name).is_file():
                return folder / name
        try:
            others = [path for path in folder.glob("*.sig") if path.is_file()]
        except OSError:
            continue
        if len(others) == 1 and folder == model:
            return others[0]
        if len(others) == 1 and not _other_models(model):
            return others[0]
    return None


def _other_models(model: Path) -> bool:
    """Tell whether a stray signature might belong to another model of the same folder."""
    return any(
        path != model and path.suffix == model.suffix
        for path in model.parent.glob(f"*{model.suffix}")
    )


def compare_signature(signature: Path, model: Path, sha256: str) -> dict[str, Any]:
    """Compare the digests that a signature lists with a model.

    Parameters
    ----------
    signature : Path
        From `signature_beside`.
    model : Path
        File or folder.
    sha256 : str
        Digest of the file, as it was read.

    Returns
    -------
    dict
        ``file``, ``sha256`` (of the signature), ``comparison`` ("match", "differ", "not named",
        "unreadable"), ``sentence``, ``predicate_type``, ``files`` (name, sha256, matches; at most
        100) of ``files_total``, and ``signer``: always "not checked".
    """
    found: dict[str, Any] = {
        "file": signature.name,
        "sha256": None,
        "comparison": "unreadable",
        "sentence": "",
        "predicate_type": None,
        "files": [],
        "files_total": 0,
        "signer": "not checked",
    }
    try:
        content, known = read_regular(signature, MAX_BYTES)
        found["sha256"] = known.sha256
        statement = _statement(content)
        found["predicate_type"] = _text(statement.get("predicateType"))
        listed = _resources(statement)
    except (_Odd, BadInput) as error:
        found["sentence"] = f"Signature present ({signature.name}), but not comparable: {error}"
        return found
    rows = [
        {"name": name, "sha256": digest, "matches": _matches(name, digest, model, sha256, listed)}
        for name, digest in listed.items()
    ]
    judged = [row["matches"] for row in rows if row["matches"] is not None]
    found["files"], found["files_total"] = rows[:_LISTED], len(rows)
    found["comparison"] = "not named" if not judged else "match" if all(judged) else "differ"
    said = {
        "match": "digests match",
        "differ": f"digests differ for {judged.count(False)} of {len(judged)} files",
        "not named": f"it names no file called {model.name}",
    }[found["comparison"]]
    found["sentence"] = f"Signature present ({signature.name}); {said}; signer not checked."
    return found


def _statement(content: bytes) -> dict[str, Any]:
    """Return the in-toto statement in a Sigstore bundle."""
    bundle = _mapping(_parsed(content), "it is no Sigstore bundle.")
    envelope = bundle.get("dsseEnvelope")
    if not isinstance(envelope, dict):
        raise _Odd("it holds no DSSE envelope, as model signatures do.")
    if envelope.get("payloadType") != PAYLOAD:
        raise _Odd("what it signs is no in-toto statement.")
    try:
        payload = base64.b64decode(str(envelope.get("payload", "")), validate=True)
    except (binascii.Error, ValueError):
        raise _Odd("its payload is not base64.") from None
    return _mapping(_parsed(payload), "its payload is no statement.")


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise _Odd("it is not JSON.") from None


def _mapping(value: Any, otherwise: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Odd(otherwise)
    return value


def _resources(statement: dict[str, Any]) -> dict[str, str]:
    """Return SHA-256 by name, checked against the digest that is really signed.

    The subject's digest is the SHA-256 over those of all files, in the order listed; whoever changes
    the list must change it too.
    """
    predicate = _mapping(statement.get("predicate"), "its statement has no predicate.")
    if statement.get("predicateType") != PREDICATE:
        raise _Odd("its statement is of another kind than model signatures.")
    listed = predicate.get("resources")
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST:
        raise _Odd("it lists no files.")
    found: dict[str, str] = {}
    total = hashlib.sha256()
    for item in listed:
        item = _mapping(item, "its list of files is damaged.")
        name, digest = _text(item.get("name")), _text(item.get("digest"))
        if item.get("algorithm") != "sha256" or digest is None or len(digest) != 64:
            raise _Odd("its digests are of another kind than SHA-256 of whole files.")
        if name is None or name in found:
            raise _Odd("its list of files is damaged.")
        try:
            total.update(bytes.fromhex(digest))
        except ValueError:
            raise _Odd("its digests are damaged.") from None
        found[name] = digest.lower()
    subjects = statement.get("subject")
    first = subjects[0] if isinstance(subjects, list) and len(subjects) == 1 else None
    digests = first.get("digest") if isinstance(first, dict) else None
    if not isinstance(digests, dict) or digests.get("sha256") != total.hexdigest():
        raise _Odd("its list of files is not the one that was signed.")
    return found


def _matches(
    name: str, digest: str, model: Path, sha256: str, listed: dict[str, str]
) -> bool | None:
    """Tell whether a listed file is what lies here; None for one that is not part of the model."""
    if not model.is_dir():
        own = name == model.name or (name == "." and len(listed) == 1)
        return digest == sha256 if own else None
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts:
        return False
    try:
        return sha256_file(model / place).sha256 == digest
    except BadInput:
        return False


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 1000 else None
