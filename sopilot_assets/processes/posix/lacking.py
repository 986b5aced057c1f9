"""The modules of Python that only POSIX has, or what says that they are missing."""

from __future__ import annotations

import sys
from typing import Final, NoReturn

from sopilot_assets.errors import ConfigError


class _Lacking:
    """Stands for a module that this system does not have."""

    def __getattr__(self, name: str) -> NoReturn:
        raise ConfigError(
            f"this needs POSIX: expected {name} of the operating system, which {sys.platform} does not have. "
            "A home can be read here; for all else use WSL 2 or a container (docs/windows.md)."
        )


try:
    import fcntl
    import resource
except ImportError:
    fcntl = resource = _Lacking()  # type: ignore[assignment]

HAS_LOCKS: Final = not isinstance(fcntl, _Lacking)
"""Whether files can be locked; where they cannot, nobody writes."""

__all__ = ["HAS_LOCKS", "fcntl", "resource"]
