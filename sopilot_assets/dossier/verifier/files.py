"""The files of a dossier: read, and held against the hashes, the statement and its signature."""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from sopilot_assets.dossier.verifier.ed25519 import ed25519_valid
from sopilot_assets.dossier.verifier.erased import ERASED, ERASED_SIGNATURE, NOTHING_ERASED, ErasedParts
from sopilot_assets.dossier.verifier.fields import Json, JsonField, read_json
from sopilot_assets.dossier.verifier.findings import Findings
from sopilot_assets.dossier.verifier.signature import (
    SignatureFault,
    fingerprint,
    parse_public_key,
    parse_signature,
    ssh_keygen_agrees,
)

MANIFEST: Final = "manifest.json"
STATEMENT: Final = "statement.json"
SIGNATURE: Final = "statement.sig"
SIGNERS: Final = "allowed_signers"
EXPECTED_KEY: Final = "key that you expect"
UNHASHED: Final = frozenset({MANIFEST, STATEMENT, SIGNATURE, ERASED, ERASED_SIGNATURE})
"""Files that the manifest cannot list: itself, what is made from it, and what was erased later."""

RENDERED: Final = frozenset({"index.html", "dossier.json", "verify.py", "README.txt", SIGNERS})
"""Files that the dossier's id does not depend on: they hold it, or say nothing of the study."""

REQUIRED: Final = (
    "README.txt",
    "allowed_signers",
    "dossier.json",
    "index.html",
    "protocol/registration.json",
    "protocol/split_manifest.json",
    "protocol/study.yaml",
    "protocol/task.lock.yaml",
    "protocol/task.yaml",
    "results/agreement.json",
    "results/drift.json",
    "results/evaluations.json",
    "results/gates.json",
    "results/shadow.json",
    "rows/cases.csv",
    "rows/detections.csv",
    "rows/errors.csv",
    "rows/label_events.jsonl",
    "rows/leakage.csv",
    "rows/looks.csv",
    "rows/repeats.csv",
    "verify.py",
)
"""Files without which a dossier is not ready."""

LARGEST_BYTES: Final = 4_000_000_000
"""No dossier is larger; a zip that claims to hold more is not unpacked."""

_TYPE: Final = "https://in-toto.io/Statement/v1"
_CACHE: Final = re.compile(r"__pycache__/verify\.[a-z0-9-]+(\.opt-[12])?\.pyc")


def read_files(place: Path) -> dict[str, bytes]:
    """All files of a dossier by name, from its folder or its zip.

    The cache that Python leaves beside ``verify.py`` is passed over. Raises ``OSError`` or ``ValueError``
    where there is no dossier to read, or something in it is a link, no plain file, or too large.
    """
    if place.is_file():
        return _read_zip(place)
    files: dict[str, bytes] = {}
    room = LARGEST_BYTES
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place).as_posix()
        if path.is_symlink():
            raise ValueError(f"{name}: a link instead of a file")
        if path.is_dir() or _CACHE.fullmatch(name):
            continue
        if not path.is_file():
            raise ValueError(f"{name}: expected a plain file")
        room = _less(room, path.stat().st_size, name)
        files[name] = path.read_bytes()
    if not files:
        raise FileNotFoundError(f"{place}: no dossier there")
    return files


def _read_zip(place: Path) -> dict[str, bytes]:
    """The members of the zip, without the one folder that they all lie in.

    A zip that programs may unpack differently is refused: with two members of one name, links, or folders
    that hold bytes.
    """
    members: dict[str, bytes] = {}
    room = LARGEST_BYTES
    try:
        with zipfile.ZipFile(place) as archive:
            for one in archive.infolist():
                if one.filename in members:
                    raise ValueError(f"{place.name}: {one.filename} is in it twice")
                if (one.external_attr >> 16) & 0o170000 == 0o120000:
                    raise ValueError(f"{place.name}: {one.filename} is a link instead of a file")
                room = _less(room, one.file_size, one.filename)
                if not one.is_dir():
                    members[one.filename] = archive.read(one)
                elif one.file_size:
                    raise ValueError(f"{place.name}: {one.filename} is a folder that holds bytes")
    except (zipfile.BadZipFile, RuntimeError, EOFError, zlib.error) as error:
        raise ValueError(f"{place.name}: not a sound zip file ({error})") from error
    roots = {name.partition("/")[0] for name in members}
    if len(roots) != 1:
        raise ValueError(f"{place.name}: expected one folder in it, found {sorted(roots)[:3]}")
    return {name.partition("/")[2]: data for name, data in members.items()}


def _less(room: int, size: int, name: str) -> int:
    if size > room:
        raise ValueError(f"{name}: with it there are more than {LARGEST_BYTES} bytes, too many for a dossier")
    return room - size


def sha256(data: bytes) -> str:
    """The SHA-256 of the bytes in hex."""
    return hashlib.sha256(data).hexdigest()


def dossier_id_of(files: Mapping[str, bytes], erased: ErasedParts = NOTHING_ERASED) -> str:
    """The id that these files have: of the names and hashes of all but `RENDERED` and `UNHASHED`; erased ones
    count with the hashes that they had.
    """
    hashes = {name: sha256(data) for name, data in files.items()} | dict(erased.removed)
    lines = [
        f"{digest}  {name}\n"
        for name, digest in sorted(hashes.items())
        if name not in RENDERED and name not in UNHASHED
    ]
    return sha256("".join(lines).encode())[:12]


def check_hashes(files: Mapping[str, bytes], findings: Findings, erased: ErasedParts) -> None:
    """Hold every file against the manifest, and the manifest and every file against the statement, but for
    what was erased.
    """
    manifest = _object(files, MANIFEST, findings)
    entries = manifest["files"].fields() if "files" in manifest else ()
    listed = {name: entry.get("sha256").value for name, entry in entries}
    _compare_hashes(listed, files, UNHASHED, MANIFEST, findings, erased)
    statement = _object(files, STATEMENT, findings)
    if statement.value:
        findings.add(STATEMENT, "type of the statement", statement.get("_type").value, _TYPE)
        subjects = {
            one["name"].text(): one["digest"].get("sha256").value for one in statement["subject"].items()
        }
        _compare_hashes(subjects, files, UNHASHED - {MANIFEST}, STATEMENT, findings, erased)


def _compare_hashes(
    stated: Mapping[str, Json],
    files: Mapping[str, bytes],
    without: frozenset[str],
    source: str,
    findings: Findings,
    erased: ErasedParts,
) -> None:
    wrong = 0
    for name, expected in sorted(stated.items()):
        found = sha256(files[name]) if name in files else None
        if found == expected or erased.explains(name, expected, found):
            continue
        wrong += 1
        if found is None:
            findings.bad(name, f"listed in {source}", "a file", "no file")
        else:
            findings.bad(name, f"SHA-256 in {source}", expected, found)
    for name in sorted(set(files) - set(stated) - without):
        wrong += 1
        findings.bad(name, f"listed in {source}", "not listed", "a file")
    alike: dict[str, str] = {}
    for name in sorted(stated):
        other = alike.setdefault(name.casefold(), name)
        if other != name:
            wrong += 1
            findings.bad(name, f"listed in {source}", "a name of its own", f"{other} in other letters")
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            wrong += 1
            findings.bad(source, "names below the dossier's folder", name, "a name outside of it")
    findings.add(source, f"files with the SHA-256 that {source} states", len(stated), len(stated) - wrong)


def check_signature(
    files: Mapping[str, bytes], findings: Findings, *, signer: str | None, use_ssh_keygen: bool
) -> str:
    """Check the signature of the statement; returns the fingerprint of the key, "" where there is none.

    ``signer`` is the public key (or fingerprint) that the reader got from elsewhere; raises `SignatureFault`
    where it is neither.
    """
    wanted = signer if signer is None or signer.startswith("SHA256:") else _key_of(signer)
    lacking = [name for name in (STATEMENT, SIGNATURE, SIGNERS) if name not in files]
    if lacking:
        for name in lacking:
            findings.bad(name, "part of the signature", "a file", "no file")
        return ""
    try:
        parts = parse_signature(files[SIGNATURE], files[STATEMENT])
    except SignatureFault as error:
        findings.bad(SIGNATURE, "an SSH signature", "", str(error))
        return ""
    name = fingerprint(parts.public_key)
    try:
        allowed = fingerprint(parse_public_key(files[SIGNERS].decode("utf-8", "replace")))
        findings.add(SIGNERS, "key of the signature", allowed, name)
        if wanted is not None:
            findings.add(SIGNATURE, EXPECTED_KEY, wanted, name)
    except SignatureFault as error:
        findings.bad(SIGNERS, "the signer's public key", "", str(error))
    valid = ed25519_valid(parts.public_key, parts.signed, parts.signature)
    agrees = ssh_keygen_agrees(files) if use_ssh_keygen else None
    for file in (STATEMENT, SIGNATURE):
        findings.add(file, "Ed25519 signature of statement.json", "valid", "valid" if valid else "not valid")
    if agrees is not None:
        findings.add(
            SIGNATURE, "the same by ssh-keygen -Y verify", "valid", "valid" if agrees else "not valid"
        )
    return name


def _key_of(signer: str) -> str:
    """The fingerprint of the public key that the reader names as the expected one."""
    try:
        return fingerprint(parse_public_key(signer))
    except SignatureFault as error:
        raise SignatureFault(
            f"--signer: expected a fingerprint (SHA256:...), an ssh-ed25519 public key or its file, found "
            f"{signer.strip()[:60]!r}: {error}"
        ) from error


def _object(files: Mapping[str, bytes], name: str, findings: Findings) -> JsonField:
    """The JSON object in a file; an empty one (noted) where there is none."""
    empty = JsonField(name, "", {})
    if name not in files:
        findings.bad(name, "part of the dossier", "a file", "no file")
        return empty
    try:
        content = JsonField(name, "", read_json(files[name]))
    except ValueError as error:
        findings.bad(name, "JSON", "", str(error))
        return empty
    if not isinstance(content.value, Mapping):
        findings.bad(name, "JSON", "an object", type(content.value).__name__)
        return empty
    return content
