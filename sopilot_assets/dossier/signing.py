"""Signing keys and signatures: Ed25519, by OpenSSH's ``ssh-keygen``."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from upath import UPath

from sopilot_assets.dossier.verifier.signature import (
    NAMESPACE,
    SignatureFault,
    fingerprint,
    parse_public_key,
)
from sopilot_assets.errors import DossierError
from sopilot_assets.store.publish import local_path, scratch_folder

DEFAULT_KEY: Final = "dossier"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.@-]{0,63}")
_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair: ``private`` is readable by its owner only, ``public`` is its line for others."""

    name: str
    private: Path
    public: str

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` prints it; what to tell a partner beside the dossier."""
        return fingerprint(parse_public_key(self.public))

    @property
    def allowed_signers(self) -> bytes:
        """The line by which ``ssh-keygen -Y verify`` accepts this key, for dossiers only."""
        kind, key = self.public.split()[:2]
        return f'{self.name} namespaces="{NAMESPACE}" {kind} {key}\n'.encode()


def new_key(folder: Path | UPath, name: str = DEFAULT_KEY) -> SigningKey:
    """Make a key pair in the folder; an existing one is never overwritten.

    The private key has no passphrase, so that unattended runs can sign; its file mode is 0600, that of the
    folder 0700. Raises `DossierError` where there is such a key already, or ssh-keygen is missing.
    """
    if not _NAME.fullmatch(name):
        raise DossierError(f"key {name!r}: expected a name of a-z, 0-9 and _ . @ -, at most 64 letters.")
    target = local_path(folder)
    target.mkdir(parents=True, exist_ok=True)
    target.chmod(stat.S_IRWXU)
    private, public = target / name, target / f"{name}.pub"
    for path in (private, public):
        if path.exists():
            raise DossierError(
                f"{path}: there is a key of this name already, and it is never overwritten: dossiers signed "
                "with it could not be told apart. Choose another name."
            )
    with scratch_folder(target) as scratch:
        _run(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(scratch / name)])
        # link() refuses what exists, so that of two processes only one makes the key
        try:
            private.hardlink_to(scratch / name)
        except FileExistsError as error:
            raise DossierError(f"{private}: another process made this key just now; use it.") from error
        (scratch / f"{name}.pub").rename(public)
    private.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return load_key(private)


def load_key(private: Path | UPath) -> SigningKey:
    """The key pair whose private key lies at this path.

    Raises `DossierError` where one of the two files is missing, others may read the private one, or it is
    of another kind than Ed25519.
    """
    path = local_path(private)
    public = path.with_name(f"{path.name}.pub")
    for file in (path, public):
        if not file.is_file():
            raise DossierError(
                f"{file}: expected a signing key, found no file. Make one with `sopilot key create`."
            )
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise DossierError(
            f"{path}: expected a private key that only its owner reads (mode 0600), found mode {mode:04o}. "
            f"Run `chmod 600 {path.name}`, and make a new key if others may have copied this one."
        )
    line = public.read_text(encoding="utf-8").strip()
    try:
        parse_public_key(line)
    except SignatureFault as error:
        raise DossierError(f"{public}: expected an Ed25519 key: {error}. Make another key.") from error
    return SigningKey(path.name, path, line)


def list_keys(folder: Path | UPath) -> list[SigningKey]:
    """The key pairs of a folder, by name."""
    local = local_path(folder)
    if not local.is_dir():
        return []
    return [load_key(public.with_suffix("")) for public in sorted(local.glob("*.pub"))]


def sign(key: SigningKey, data: bytes) -> bytes:
    """The signature of the data in OpenSSH's format; Ed25519 gives the same bytes every time."""
    return _run(["-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(key.private)], data=data)


def _run(arguments: Sequence[str], *, data: bytes = b"") -> bytes:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise DossierError(
            "ssh-keygen: expected it to be installed, found nothing. Install OpenSSH's client "
            "(openssh-client)."
        )
    try:
        done = subprocess.run(
            [program, *arguments], input=data, capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DossierError(f"ssh-keygen: no answer in {_SECONDS:.0f} s; try again.") from error
    if done.returncode != 0:
        message = done.stderr.decode("utf-8", "replace").strip()
        raise DossierError(
            f"ssh-keygen failed ({message}). Check the key; a key with a passphrase cannot sign unattended."
        )
    return done.stdout
