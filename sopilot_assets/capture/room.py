"""Whether there is disk space for one more file; the limits are the installation's, not intake's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Room: TypeAlias = Callable[[int], str | None]
"""Says why a file of so many bytes is not to be stored now; None where it may be."""


def any_room(_: int) -> None:
    """Takes every file, as long as the disk does."""
