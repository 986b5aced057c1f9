"""Which recordings chance picks to be labeled blind whatever was decided on them: the audit of passes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from sopilot_assets.settings import AuditSettings

_DIGITS: Final = 13


def drawn(keys: Iterable[str], audit: AuditSettings) -> set[str]:
    """Those of the recordings that chance picks, by key and the seed of the settings alone: everybody draws
    the same ones, in whatever order and however many others there are. All of them go to raters, not only
    those that passed: who labels one learns nothing of its decision.

    >>> sorted(drawn((f"filter_change-t-{n:012x}" for n in range(4)), AuditSettings(share=0.5)))
    ['filter_change-t-000000000000', 'filter_change-t-000000000001', 'filter_change-t-000000000003']
    """
    seed, most = audit.seed, audit.share * 16**_DIGITS
    return {
        key for key in keys if int(hashlib.sha256(f"{seed}:{key}".encode()).hexdigest()[:_DIGITS], 16) < most
    }
