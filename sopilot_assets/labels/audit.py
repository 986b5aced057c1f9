"""Which recordings chance picks to be labeled blind whatever was decided on them: the audit of passes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from sopilot_assets.settings import AuditSettings

_DIGITS: Final = 13


def is_drawn(key: str, audit: AuditSettings) -> bool:
    """Whether chance picks a recording, by its key and the seed of the settings alone: everybody draws the
    same ones, in whatever order and however many others there are.

    >>> audit = AuditSettings(share=0.5)
    >>> [is_drawn(f"filter_change-t-{n:012x}", audit) for n in range(4)]
    [True, True, False, True]
    """
    return key in drawn([key], audit)


def drawn(keys: Iterable[str], audit: AuditSettings) -> set[str]:
    """Those of the recordings that chance picks. All of them go to raters, not only those that passed: who
    labels one learns nothing of its decision.
    """
    seed, most = audit.seed, audit.share * 16**_DIGITS
    return {
        key for key in keys if int(hashlib.sha256(f"{seed}:{key}".encode()).hexdigest()[:_DIGITS], 16) < most
    }
