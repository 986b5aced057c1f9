"""What a person may do at the desk."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from sopilot_assets.texts.languages import Text


class Role(StrEnum):
    """The four kinds of accounts.

    A trainee sees the recordings of their own person code. A rater labels, and sees the result of a recording
    once they have labeled it. A trainer does all but accounts, tokens and policies, which are an admin's.
    """

    TRAINEE = "trainee"
    RATER = "rater"
    TRAINER = "trainer"
    ADMIN = "admin"


EVERYBODY: Final = frozenset(Role)
TRAINERS: Final = frozenset({Role.TRAINER, Role.ADMIN})
LABELERS: Final = frozenset({Role.RATER, Role.TRAINER, Role.ADMIN})
ADMINS: Final = frozenset({Role.ADMIN})

ROLE_NAMES: Final = {
    Role.TRAINEE: Text("trainee", "受講者"),
    Role.RATER: Text("rater", "評価者"),
    Role.TRAINER: Text("trainer", "指導員"),
    Role.ADMIN: Text("administrator", "管理者"),
}
