"""The ports that servers listen on."""

from __future__ import annotations

import os
import socket

from sopilot_assets.errors import ConfigError


def refuse_taken(host: str, port: int) -> None:
    """Raise ``ConfigError`` where nothing can listen on the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise ConfigError(
            f"{host}:{port}: expected a port that is free, found: "
            f"{os.strerror(error.errno or 0)}. Open the page that runs there, end it, or take another port "
            "with --port."
        ) from error
