"""The signature of a dossier: OpenSSH's SSHSIG format with an Ed25519 key.

It is checked here, and by ssh-keygen as well where that is installed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NAMESPACE: Final = "sopilot-dossier"
KEY_TYPE: Final = b"ssh-ed25519"
_MAGIC: Final = b"SSHSIG"
_BEGIN: Final = "-----BEGIN SSH SIGNATURE-----"
_END: Final = "-----END SSH SIGNATURE-----"
_WIDTH: Final = 70
_HASHES: Final = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}


class SignatureFault(Exception):
    """A signature or key that is not in the form it has to have."""


@dataclass(frozen=True)
class SshSignature:
    """The parts of a signature file; ``public_key`` are the 32 bytes of the key that it names."""

    public_key: bytes
    signed: bytes
    signature: bytes


def parse_signature(armoured: bytes, message: bytes) -> SshSignature:
    """The parts of a signature file, with the bytes that it has to sign for ``message``.

    Only the one way in which ssh-keygen writes it is accepted, so that no byte is without meaning.
    """
    blob = _dearmoured(armoured)
    if blob[:6] != _MAGIC or blob[6:10] != (1).to_bytes(4, "big"):
        raise SignatureFault("not an SSH signature of version 1")
    key, namespace, reserved, algorithm, signature = _strings(blob[10:], 5)
    if namespace != NAMESPACE.encode() or reserved or algorithm not in _HASHES:
        raise SignatureFault(f"expected namespace {NAMESPACE} and sha512, found {namespace!r}, {algorithm!r}")
    key_type, public_key = _strings(key, 2)
    signature_type, raw = _strings(signature, 2)
    if key_type != KEY_TYPE or signature_type != KEY_TYPE:
        raise SignatureFault(f"expected an Ed25519 key, found {key_type!r}")
    digest = _HASHES[algorithm](message).digest()
    signed = _MAGIC + b"".join(
        len(part).to_bytes(4, "big") + part for part in (namespace, reserved, algorithm, digest)
    )
    return SshSignature(public_key, signed, raw)


def parse_public_key(text: str) -> bytes:
    """The 32 bytes of the first Ed25519 key in a line of a public key or allowed signers file."""
    words = text.split()
    for kind, encoded in itertools.pairwise(words):
        if kind == KEY_TYPE.decode():
            try:
                key_type, key = _strings(base64.b64decode(encoded, validate=True), 2)
            except ValueError as error:
                raise SignatureFault(f"the key is not base64: {error}") from error
            if key_type != KEY_TYPE or len(key) != 32:
                raise SignatureFault("the key is not an Ed25519 key")
            return key
    raise SignatureFault("there is no ssh-ed25519 key in it")


def fingerprint(public_key: bytes) -> str:
    """The key's fingerprint as ``ssh-keygen -l`` prints it."""
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in (KEY_TYPE, public_key))
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def ssh_keygen_agrees(files: Mapping[str, bytes]) -> bool | None:
    """Whether ``ssh-keygen -Y verify`` takes the signature; None where it is not installed."""
    program = shutil.which("ssh-keygen")
    if program is None:
        return None
    principal = files["allowed_signers"].decode("utf-8", "replace").split(" ", 1)[0]
    with tempfile.TemporaryDirectory() as name:
        for file in ("allowed_signers", "statement.sig"):
            (Path(name) / file).write_bytes(files[file])
        command = [program, "-Y", "verify", "-f", str(Path(name) / "allowed_signers"), "-I", principal]
        command += ["-n", NAMESPACE, "-s", str(Path(name) / "statement.sig")]
        done = subprocess.run(
            command, input=files["statement.json"], capture_output=True, timeout=30, check=False
        )
    return done.returncode == 0


def _dearmoured(armoured: bytes) -> bytes:
    try:
        text = armoured.decode("ascii")
        body = text.removeprefix(f"{_BEGIN}\n").removesuffix(f"\n{_END}\n")
        blob = base64.b64decode(body.replace("\n", ""), validate=True)
    except (UnicodeDecodeError, binascii.Error) as error:
        raise SignatureFault(f"not an armoured signature: {error}") from error
    encoded = base64.b64encode(blob).decode()
    lines = [encoded[at : at + _WIDTH] for at in range(0, len(encoded), _WIDTH)]
    if "\n".join([_BEGIN, *lines, _END, ""]) != text:
        raise SignatureFault("not written as ssh-keygen writes it")
    return blob


def _strings(data: bytes, count: int) -> list[bytes]:
    """The ``count`` strings (length of four bytes, then the bytes) that the data consists of."""
    parts = []
    for _ in range(count):
        if len(data) < 4:
            raise SignatureFault("it ends too early")
        length = int.from_bytes(data[:4], "big")
        if len(data) < 4 + length:
            raise SignatureFault("it ends too early")
        parts.append(data[4 : 4 + length])
        data = data[4 + length :]
    if data:
        raise SignatureFault("it has bytes too many")
    return parts
