"""Which files of a home the web page shows, and at which address: the same path below the page's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sopilot_assets.errors import ConfigError
from sopilot_assets.settings import WebSettings, load_settings
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path

_NAME: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
SHOWN: Final[Mapping[str, re.Pattern[str]]] = {
    "reviews": re.compile(r"(?:index|[a-z][a-z0-9_]*-[gt]-[0-9a-f]{12})\.html"),
    "reports": re.compile(r"\d{4}-\d\d-\d\d\.(?:html|json)"),
    "videos": re.compile(r"[0-9a-f]{64}\.[a-z0-9]{1,8}"),
    "campaigns": re.compile(rf"{_NAME}/summary\.html"),
    "dossiers": re.compile(rf"{_NAME}(?:/{_NAME})+"),
}
"""Folders of the home, and the paths below each that are shown; no other file is."""


@dataclass(frozen=True, slots=True)
class PageAddresses:
    """The addresses of a home's pages; ``address`` is the web page's own, without a slash at its end, or
    empty: a browser then asks the web page that shows the link.
    """

    root: Path
    address: str

    @classmethod
    def of(cls, home: Home) -> PageAddresses:
        """The addresses by the home's settings; the usual ones while ``settings.yaml`` cannot be understood,
        which doctor and an alert say: a run does not fail of it.
        """
        try:
            web = load_settings(home).web
        except ConfigError:
            web = WebSettings()
        return cls(local_path(home.root).absolute(), web.address or "")

    def __getitem__(self, page: Path) -> str:
        """The address of a page. Raises ``ConfigError`` for a file that the web page does not show."""
        inside = page.absolute().relative_to(self.root).as_posix() if page.is_relative_to(self.root) else ""
        folder, _, name = inside.partition("/")
        if folder not in SHOWN or not SHOWN[folder].fullmatch(name):
            raise ConfigError(f"{page}: expected a page that the web page shows, one of {', '.join(SHOWN)}.")
        return f"{self.address}/{folder}/{quote(name)}"


def shown_file(home: Home, path: str) -> Path | None:
    """The file of the home that the web page shows at ``path``, which begins with a slash; None for any other
    path. The file may not be there.
    """
    folder, _, name = path.removeprefix("/").partition("/")
    if folder not in SHOWN or not SHOWN[folder].fullmatch(name):
        return None
    base = local_path(home.root) / folder
    file = base / name
    # a link that somebody put there could lead anywhere
    return file if file.resolve() == base.resolve() / name else None
