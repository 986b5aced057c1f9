"""How a desk is run: where its home is, and who can reach it. Read from the environment by each server
process.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sopilot_assets.store.home import DEFAULT_HOME, HOME_VARIABLE, Home

_ADDRESS: Final = "SOPILOT_DESK_ADDRESS"


@dataclass(frozen=True, slots=True)
class DeskConfig:
    """``address`` is where browsers reach the desk, such as https://desk.example.org; None: on this machine
    only, at the address that the server listens on.
    """

    home: Home
    address: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> DeskConfig:
        """What the command that started the server left for its processes."""
        return cls(Home.at(environment.get(HOME_VARIABLE, DEFAULT_HOME)), environment.get(_ADDRESS) or None)

    def to_environment(self) -> dict[str, str]:
        """The variables from which each server process makes the same."""
        return {HOME_VARIABLE: str(self.home.root), _ADDRESS: self.address or ""}

    @property
    def secure(self) -> bool:
        """Whether browsers reach it by TLS."""
        return self.address is not None and self.address.startswith("https://")
