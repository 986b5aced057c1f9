"""Other programs: the tokens by which they read results, and what they can ask for."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from sopilot_assets.desk.accounts import has_accounts, who_of
from sopilot_assets.desk.api.asking import PARAMETERS
from sopilot_assets.desk.api.endpoint import BASE, Endpoint
from sopilot_assets.desk.api.endpoints import ENDPOINTS
from sopilot_assets.desk.call import Call, number_in
from sopilot_assets.desk.roles import ADMINS
from sopilot_assets.desk.routing import DeskRoute
from sopilot_assets.desk.tokens import (
    LONGEST_DAYS,
    SCOPE_NAMES,
    USUAL_DAYS,
    Scope,
    add_token,
    list_tokens,
    remove_token,
)
from sopilot_assets.errors import AccountError
from sopilot_assets.texts.languages import Text

HERE: Final = "/accounts/tokens"


def tokens(call: Call) -> Response:
    """All tokens."""
    return _shown(call)


def add(call: Call) -> Response:
    """Make a token, and show it this one time."""
    name = who_of(call.field("name"))
    try:
        token = add_token(
            call.home,
            name,
            [scope for scope in Scope if call.field(f"scope_{scope.value}")],
            days=number_in(call.field("days")) or 0,
            owner=call.who.who,
            by=call.doer,
        )
    except AccountError as error:
        return _shown(call, wrong=Text(str(error), error.ja))
    return _shown(call, made=(name, token))


def remove(call: Call) -> Response:
    """End a token."""
    try:
        remove_token(call.home, who_of(call.field("name")), by=call.doer)
    except AccountError as error:
        return _shown(call, wrong=Text(str(error), error.ja))
    return call.go(HERE)


def api(call: Call) -> Response:
    """What other programs can ask for, from the table by which they are answered."""
    return call.page(
        "api.html.j2",
        title=Text("For other programs", "他のプログラムとの連携"),
        values={
            "endpoints": [(one, _parameters(one), SCOPE_NAMES[one.scope]) for one in ENDPOINTS],
            "base": BASE,
            "example": f'curl -H "Authorization: Bearer $TOKEN" "{_address(call)}{BASE}/recordings?limit=10"',
        },
    )


def _address(call: Call) -> str:
    return call.config.address or str(call.request.base_url).rstrip("/")


def _parameters(one: Endpoint) -> list[tuple[str, Text]]:
    return [(name, PARAMETERS[name]) for name in (*one.within.model_fields, *one.query.model_fields)]


def _shown(call: Call, *, wrong: Text | None = None, made: tuple[str, str] | None = None) -> Response:
    typed = {name: call.field(name) for name in ("name", "days")} if wrong else {}
    chosen = [scope for scope in Scope if call.field(f"scope_{scope.value}")] if wrong else [Scope.RESULTS]
    return call.page(
        "tokens.html.j2",
        title=Text("Tokens of other programs", "他のプログラム用のトークン"),
        status=200 if wrong is None else 422,
        values={
            "wrong": wrong,
            "made": made,
            "tokens": [(one, one.is_over(call.now)) for one in list_tokens(call.home)],
            "scopes": [(scope, SCOPE_NAMES[scope], scope in chosen) for scope in Scope],
            "names": SCOPE_NAMES,
            "typed": {"name": "", "days": str(USUAL_DAYS), **typed},
            "longest": LONGEST_DAYS,
            "has_accounts": has_accounts(call.home),
        },
    )


ROUTES: Final = (
    DeskRoute(HERE, tokens, ADMINS),
    DeskRoute(HERE, add, ADMINS, ("POST",)),
    DeskRoute(f"{HERE}/remove", remove, ADMINS, ("POST",)),
    DeskRoute("/api", api, ADMINS),
)
