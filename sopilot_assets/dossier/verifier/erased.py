"""What was erased from a dossier after it was signed, at the wish of people who are seen in it, or before.

Pictures may go, and nothing else: the file ``erased.json`` names each with the hash that the manifest states,
and the page without them with both of its hashes. Rows stay, so that every figure can still be recomputed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sopilot_assets.dossier.verifier.ed25519 import ed25519_valid
from sopilot_assets.dossier.verifier.fields import Json, JsonField, read_json
from sopilot_assets.dossier.verifier.findings import Findings
from sopilot_assets.dossier.verifier.signature import (
    SignatureFault,
    fingerprint,
    parse_public_key,
    parse_signature,
)
from sopilot_assets.dossier.verifier.tables import CASES_FILE, read_csv

ERASED: Final = "erased.json"
ERASED_SIGNATURE: Final = "erased.sig"
ERASABLE: Final = "stills/"
PAGE: Final = "index.html"
ALLOWED_SIGNERS: Final = "allowed_signers"


@dataclass(frozen=True)
class ErasedParts:
    """The recordings that were erased, ``of`` how many that the rows are about; the pictures that went (name
    to the hash that the manifest states), and the hashes of the page with them and without them. ``signed``
    is None where nothing was erased.
    """

    recordings: frozenset[str] = frozenset()
    of: int = 0
    removed: Mapping[str, str] = field(default_factory=dict)
    page: tuple[str, str] | None = None
    signed: bool | None = None

    @property
    def places(self) -> dict[str, bytes]:
        """Where its pictures lay, or would lie, without their bytes."""
        return {**dict.fromkeys(self.removed, b""), **{f"{ERASABLE}{one}/": b"" for one in self.recordings}}

    def explains(self, name: str, stated: Json, found: str | None) -> bool:
        """Whether a file that is not what is stated of it (``found`` is None where it is gone) is so since
        something was erased.
        """
        if found is None:
            return self.removed.get(name) == stated
        return name == PAGE and self.page == (stated, found)


NOTHING_ERASED: Final = ErasedParts()


def erased_parts(files: Mapping[str, bytes], findings: Findings) -> ErasedParts:
    """What ``erased.json`` says; nothing without it. Anything but pictures in it is a fault."""
    if ERASED not in files:
        if ERASED_SIGNATURE in files:
            findings.bad(ERASED, "part of the signature", "a file", "no file")
        return ErasedParts()
    content = JsonField(ERASED, "", read_json(files[ERASED]))
    removed = {name: one.text() for name, one in content["removed"].fields()}
    wrong = sorted(name for name in removed if not name.startswith(ERASABLE) or ".." in name)
    findings.add(ERASED, "removed files that are no pictures", ", ".join(wrong[:3]) or "none", "none")
    page = content["page"]
    return ErasedParts(
        recordings=frozenset(content["recordings"].texts()),
        of=len(read_csv(files[CASES_FILE])) if CASES_FILE in files else 0,
        removed={name: one for name, one in removed.items() if name not in wrong},
        page=None if page.value is None else (page["before"].text(), page["after"].text()),
        signed=_is_signed(files, findings),
    )


def _is_signed(files: Mapping[str, bytes], findings: Findings) -> bool:
    """Whether the key of the dossier signed ``erased.json``; a signature that is not valid is a fault."""
    if ERASED_SIGNATURE not in files or ALLOWED_SIGNERS not in files:
        return False
    try:
        parts = parse_signature(files[ERASED_SIGNATURE], files[ERASED])
        allowed = parse_public_key(files[ALLOWED_SIGNERS].decode("utf-8", "replace"))
    except SignatureFault as error:
        findings.bad(ERASED_SIGNATURE, "an SSH signature", "", str(error))
        return False
    valid = ed25519_valid(parts.public_key, parts.signed, parts.signature)
    findings.add(ERASED_SIGNATURE, "signature of erased.json", "valid", "valid" if valid else "not valid")
    findings.add(
        ERASED_SIGNATURE, "key of the signature", fingerprint(allowed), fingerprint(parts.public_key)
    )
    return valid
