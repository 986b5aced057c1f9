from __future__ import annotations

import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from sopilot_assets.dossier.signing import SigningKey, list_keys, load_key, new_key, sign
from sopilot_assets.dossier.verifier.ed25519 import ed25519_valid
from sopilot_assets.dossier.verifier.signature import (
    SignatureFault,
    parse_public_key,
    parse_signature,
    ssh_keygen_agrees,
)
from sopilot_assets.errors import DossierError

# RFC 8032, section 7.1: secret keys left out, (public key, message, signature)
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
            "4a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]


@pytest.mark.parametrize(("public", "message", "signature"), VECTORS)
def test_ed25519_follows_its_rfc(public: str, message: str, signature: str) -> None:
    key, text, signed = map(bytes.fromhex, (public, message, signature))
    assert ed25519_valid(key, text, signed)
    assert not ed25519_valid(key, text + b"x", signed)
    for place in (0, 31, 32, 63):
        wrong = bytearray(signed)
        wrong[place] ^= 1
        assert not ed25519_valid(key, text, bytes(wrong))
    # s + the group's order signs the same in careless implementations
    order = 2**252 + 27742317777372353535851937790883648493
    again = (int.from_bytes(signed[32:], "little") + order).to_bytes(32, "little")
    assert not ed25519_valid(key, text, signed[:32] + again)


def test_a_new_key_is_for_its_owner_only_and_stays(tmp_path: Path) -> None:
    key = new_key(tmp_path / "keys", "line2")
    assert stat.S_IMODE(key.private.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.private.parent.stat().st_mode) == 0o700
    before = key.private.read_bytes()
    with pytest.raises(DossierError, match="never overwritten"):
        new_key(tmp_path / "keys", "line2")
    assert key.private.read_bytes() == before
    assert [one.name for one in list_keys(tmp_path / "keys")] == ["line2"]
    assert sorted(path.name for path in key.private.parent.iterdir()) == ["line2", "line2.pub"]


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    key = new_key(tmp_path)
    key.private.chmod(0o644)
    with pytest.raises(DossierError, match="chmod 600"):
        load_key(key.private)


def test_a_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DossierError, match="sopilot key create"):
        load_key(tmp_path / "dossier")


@pytest.mark.parametrize("name", ["", "../x", "A b", "-rf", "x" * 65])
def test_a_key_has_a_plain_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(DossierError, match="expected a name"):
        new_key(tmp_path, name)


def test_signatures_are_openssh_ones_and_repeat(key: SigningKey, files: Mapping[str, bytes]) -> None:
    signature = sign(key, files["statement.json"])
    assert signature == files["statement.sig"]
    parts = parse_signature(signature, files["statement.json"])
    assert parts.public_key == parse_public_key(key.public)
    assert ed25519_valid(parts.public_key, parts.signed, parts.signature)
    assert ssh_keygen_agrees(files)
    assert not ssh_keygen_agrees({**files, "statement.json": b"{}"})
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", f"{key.private}.pub"], capture_output=True, text=True, check=True
    )
    assert key.fingerprint in shown.stdout


def test_a_signature_has_one_form_only(key: SigningKey) -> None:
    signature = sign(key, b"text")
    for other in (
        signature + b"\n",
        signature.replace(b"\n", b"\r\n"),
        signature.replace(b"SSH", b"PGP"),
        signature[:-30],
        b"",
    ):
        with pytest.raises(SignatureFault):
            parse_signature(other, b"text")
