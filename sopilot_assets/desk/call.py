"""One request, and who asks: what every page gets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from sopilot_assets.desk.accounts import Account
from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.desk.guards import address_of
from sopilot_assets.desk.log import Doer
from sopilot_assets.desk.rendering import render_page
from sopilot_assets.desk.roles import Role
from sopilot_assets.store.home import Home
from sopilot_assets.texts.languages import Language, Text

_PAGE_NUMBER: Final = re.compile(r"[0-9]{1,6}")


def language_cookie(config: DeskConfig) -> str:
    """The name of the cookie with the chosen language; browsers take ``__Host-`` over TLS only."""
    return "__Host-sopilot_language" if config.secure else "sopilot_language"


@dataclass(frozen=True, slots=True)
class Call:
    """A request that may be answered: ``account`` is None on the pages for whoever is not signed in. ``form``
    are the fields of a posted form, else empty. ``now`` is the desk's clock.
    """

    request: Request
    config: DeskConfig
    clock: Callable[[], datetime]
    account: Account | None
    form: FormData

    @property
    def home(self) -> Home:
        """The home that the desk shows."""
        return self.config.home

    @property
    def now(self) -> datetime:
        """The time, in UTC."""
        return self.clock()

    @property
    def who(self) -> Account:
        """Who asks, on a page that only signed-in people get."""
        if self.account is None:
            raise RuntimeError(f"{self.request.url.path}: a page for whoever asks has nobody signed in")
        return self.account

    @property
    def doer(self) -> Doer:
        """Who asks, for the log; without a name where nobody is signed in."""
        who = self.account.who if self.account is not None else ""
        return Doer(who, address_of(self.request.scope, self.config), self.now)

    @property
    def language(self) -> Language:
        """The language chosen on any page before, else the browser's."""
        chosen = self.request.cookies.get(language_cookie(self.config))
        if chosen in set(Language):
            return Language(chosen)
        first = self.request.headers.get("accept-language", "").strip().lower()
        return Language.JA if first.startswith("ja") else Language.EN

    def param(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def field(self, name: str) -> str:
        """A text field of the posted form, without spaces around it; empty where it is not there."""
        value = self.form.get(name, "")
        return value.strip() if isinstance(value, str) else ""

    @property
    def page_number(self) -> int:
        """The page of a list that the query asks for, the first where it names none."""
        asked = self.request.query_params.get("page", "")
        return int(asked) if _PAGE_NUMBER.fullmatch(asked) else 1

    def page(
        self, template: str, *, title: Text, status: int = 200, values: Mapping[str, object] | None = None
    ) -> HTMLResponse:
        """The page made from a template of `desk/templates`; `values` are what it shows."""
        html = render_page(
            template,
            language=self.language,
            values={
                "title": title,
                "account": self.account,
                "trains": self.account is not None and self.account.role in (Role.TRAINER, Role.ADMIN),
                "here": self.request.url.path,
                "asked": asked_for(self.request),
                "dagster": self.config.dagster,
                **(values or {}),
            },
        )
        return HTMLResponse(html, status)

    def go(self, path: str) -> RedirectResponse:
        """The answer to a form that was taken: look at ``path``, a path of the desk."""
        return RedirectResponse(path, status_code=303)


def asked_for(request: Request) -> str:
    """The address of a request below the desk, with its query, as a browser writes it."""
    query = f"?{request.url.query}" if request.url.query else ""
    return quote(request.url.path) + query
