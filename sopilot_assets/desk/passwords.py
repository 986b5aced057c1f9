"""Passwords: which are taken, and how they are kept and compared.

They are kept as Argon2id hashes with the parameters that argon2-cffi recommends (RFC 9106, low memory). What
is asked of them follows OWASP ASVS 5.0, 6.2: length instead of kinds of characters, none that many others
have, any character, nothing cut off.
"""

from __future__ import annotations

import secrets
import threading
import unicodedata
from functools import cache
from importlib.resources import files
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from sopilot_assets.errors import AccountError

SHORTEST_PASSWORD: Final = 12
LONGEST_PASSWORD: Final = 256
_FEWEST_CHARACTERS: Final = 5

_HASHER: Final = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
_AT_ONCE: Final = threading.BoundedSemaphore(2)
"""Each comparison takes 64 MiB and all cores for a moment: more at once would make nobody faster."""


def refuse_weak(password: str, *, who: str) -> None:
    """Nothing; ``AccountError`` for a password of ``who`` that is too short, too long or easily guessed."""
    length = len(password)
    if not SHORTEST_PASSWORD <= length <= LONGEST_PASSWORD:
        raise AccountError(
            f"the password: expected {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters, found {length}. "
            "A sentence is easy to remember.",
            ja=f"パスワードは {SHORTEST_PASSWORD} 文字以上 {LONGEST_PASSWORD} 文字以内にしてください"
            f"(入力は {length} 文字)。短い文にすると覚えやすくなります。",
        )
    plain = "".join(one for one in _same(password).casefold() if one.isalnum())
    without_name = plain.replace(who.casefold(), "") if len(who) > 2 else plain
    easy = (
        len(set(plain)) < _FEWEST_CHARACTERS,
        plain in _common(),
        plain.rstrip("0123456789") in _common(),
        _runs_on(plain),
        len(set(without_name)) < _FEWEST_CHARACTERS,
    )
    if any(easy):
        raise AccountError(
            "the password: expected one that nobody guesses, found a common one, a row of keys, one "
            "character again and again, or the name. Take a sentence of your own.",
            ja="推測されやすいパスワードです(よく使われるもの、キーの並び、同じ文字の繰り返し、名前など)。"
            "自分で考えた短い文にしてください。",
        )


def hash_of(password: str) -> str:
    """What is kept of a password."""
    with _AT_ONCE:
        return _HASHER.hash(_same(password))


def is_right(kept: str | None, password: str) -> bool:
    """Whether the password is the one of which ``kept`` is the hash. With None, which is that of nobody, it
    takes as long to find that it is not.
    """
    if len(password) > LONGEST_PASSWORD:
        return False
    with _AT_ONCE:
        try:
            _HASHER.verify(kept or _nobodys(), _same(password))
        except (VerificationError, InvalidHashError):
            return False
    return kept is not None


def is_outdated(kept: str) -> bool:
    """Whether the hash was made with other parameters than hashes are made with now."""
    return _HASHER.check_needs_rehash(kept)


def _same(password: str) -> str:
    """The password as it is however a keyboard put its characters together."""
    return unicodedata.normalize("NFC", password)


def _runs_on(plain: str) -> bool:
    """Whether it goes through the alphabet, the digits or the keyboard, on or back."""
    rows = ("abcdefghijklmnopqrstuvwxyz" * 2, "0123456789" * 4, "qwertyuiopasdfghjklzxcvbnm" * 2)
    return any(plain in row or plain in row[::-1] for row in rows)


@cache
def _common() -> frozenset[str]:
    text = files("sopilot_assets.desk").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(text.split())


@cache
def _nobodys() -> str:
    return _HASHER.hash(secrets.token_urlsafe())
