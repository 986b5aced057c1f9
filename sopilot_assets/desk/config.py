"""How a desk is run: where its home is, and who can reach it. Read from the environment by each server
process.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Final

from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import DEFAULT_HOME, HOME_VARIABLE, Home

_ADDRESS: Final = "SOPILOT_DESK_ADDRESS"
_BEHIND_PROXY: Final = "SOPILOT_DESK_BEHIND_PROXY"
_DAGSTER: Final = "SOPILOT_DESK_DAGSTER"

DAGSTER_ADDRESS: Final = "http://127.0.0.1:3000"


@dataclass(frozen=True, slots=True)
class DeskConfig:
    """``address`` is where browsers of other machines reach the desk, such as https://desk.example.org; None:
    on this machine only, at the address that the server listens on. ``behind_proxy`` says that a proxy of
    ours answers there and says in ``X-Forwarded-For`` whom it asks for. ``dagster`` is where Dagster's page
    is.
    """

    home: Home
    address: str | None = None
    behind_proxy: bool = False
    dagster: str = DAGSTER_ADDRESS

    @classmethod
    def from_environment(cls) -> DeskConfig:
        """What the command that started the server left for its processes."""
        return cls(
            Home.at(os.environ.get(HOME_VARIABLE, DEFAULT_HOME)),
            os.environ.get(_ADDRESS) or None,
            bool(os.environ.get(_BEHIND_PROXY)),
            os.environ.get(_DAGSTER) or DAGSTER_ADDRESS,
        )

    def to_environment(self) -> dict[str, str]:
        """The variables from which each server process makes the same."""
        return {
            HOME_VARIABLE: str(self.home.root),
            _ADDRESS: self.address or "",
            _BEHIND_PROXY: "1" if self.behind_proxy else "",
            _DAGSTER: self.dagster,
        }

    @staticmethod
    def must_be_address(text: str) -> None:
        """Nothing; ``ConfigError`` for what is no https address of a host."""
        if not re.fullmatch(r"https://([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?/?", text):
            raise ConfigError(f"expected an address such as https://desk.example.org, found {text!r}.")

    @property
    def secure(self) -> bool:
        """Whether browsers reach it by TLS."""
        return self.address is not None and self.address.startswith("https://")
