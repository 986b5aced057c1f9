"""Who are you: with a password where there are accounts, and by name only on a machine of one's own."""

from __future__ import annotations

import re
from typing import Final

from starlette.responses import Response

from sopilot_assets.desk.accounts import Account, account_of, begin_session, end_session, has_accounts
from sopilot_assets.desk.call import LANGUAGE_COOKIE, Call
from sopilot_assets.desk.roles import EVERYBODY, Role
from sopilot_assets.desk.routing import ASKS_WHO, DeskRoute, session_cookie
from sopilot_assets.store.chain import WHO_PATTERN
from sopilot_assets.texts.languages import Language, Text

_YEAR_S: Final = 365 * 24 * 3600
_HERE: Final = re.compile(r"/(?![/\\])[\x21-\x7e]*")
"""A path of the desk itself, nothing that leads a browser elsewhere."""


def sign_in(call: Call) -> Response:
    """The form."""
    return _form(call, None)


def signed_in(call: Call) -> Response:
    """The form was sent: begin a session, or say what is wrong."""
    who = call.field("who")
    if has_accounts(call.home):
        account = account_of(call.home, who, str(call.form.get("password", "")))
        if account is None:
            wrong = Text("The name or the password is wrong.", "名前またはパスワードが違います。")
            return _form(call, wrong)
    elif re.fullmatch(WHO_PATTERN, who):
        account = Account(who, Role.ADMIN)
    else:
        return _form(
            call,
            Text(
                "Expected a name of at most 64 letters without spaces, commas or semicolons.",
                "名前は 64 文字以内で、空白・コンマ・セミコロンなしで入力してください。",
            ),
        )
    answer = call.go(_then(call))
    answer.set_cookie(
        session_cookie(call.config),
        begin_session(call.home, account, at=call.now),
        httponly=True,
        secure=call.config.secure,
        samesite="lax",
    )
    return answer


def sign_out(call: Call) -> Response:
    """End the session."""
    cookie = session_cookie(call.config)
    end_session(call.home, call.request.cookies.get(cookie, ""))
    answer = call.go(ASKS_WHO)
    answer.delete_cookie(cookie, secure=call.config.secure, httponly=True, samesite="lax")
    return answer


def choose_language(call: Call) -> Response:
    """Keep the chosen language in this browser."""
    chosen = Language.JA if call.field("language") == Language.JA.value else Language.EN
    answer = call.go(_then(call))
    answer.set_cookie(
        LANGUAGE_COOKIE, chosen.value, max_age=_YEAR_S, samesite="lax", secure=call.config.secure
    )
    return answer


def _form(call: Call, wrong: Text | None) -> Response:
    return call.page(
        "sign_in.html.j2",
        title=Text("Who are you?", "お名前は?"),
        status=200 if wrong is None else 422,
        values={
            "password": has_accounts(call.home),
            "wrong": wrong,
            "who": call.field("who"),
            "then": _then(call),
        },
    )


def _then(call: Call) -> str:
    """Where the person wanted to go."""
    wanted = call.field("then") or call.request.query_params.get("then", "")
    return wanted if _HERE.fullmatch(wanted) else "/"


ROUTES: Final = (
    DeskRoute(ASKS_WHO, sign_in, None),
    DeskRoute(ASKS_WHO, signed_in, None, ("POST",)),
    DeskRoute("/sign-out", sign_out, EVERYBODY, ("POST",)),
    DeskRoute("/language", choose_language, None, ("POST",)),
)
