"""Who are you: with a password where there are accounts, and by name only on a machine of one's own."""

from __future__ import annotations

import re
from typing import Final

from starlette.responses import Response

from sopilot_assets.desk.accounts import Account, SignIn, has_accounts, must_be_who, try_password, who_of
from sopilot_assets.desk.call import YEAR_S, Call, language_cookie
from sopilot_assets.desk.roles import EVERYBODY, Role
from sopilot_assets.desk.routing import ASKS_WHO, DeskRoute, session_cookie
from sopilot_assets.desk.sessions import begin_session, end_session
from sopilot_assets.errors import AccountError
from sopilot_assets.texts.languages import Language, Text

_HERE: Final = re.compile(r"/(?![/\\])[\x21-\x7e]*")
"""A path of the desk itself, nothing that leads a browser elsewhere."""
WRONG: Final = Text("The name or the password is wrong.", "名前またはパスワードが違います。")


def sign_in(call: Call) -> Response:
    """The form."""
    return _form(call, None)


def signed_in(call: Call) -> Response:
    """The form was sent: begin a session, or say what is wrong."""
    who = who_of(call.field("who"))
    if has_accounts(call.home):
        found = try_password(call.home, who, str(call.form.get("password", "")), at=call.doer)
    else:
        try:
            must_be_who(who)
        except AccountError as error:
            return _form(call, Text(str(error), error.ja))
        found = SignIn(Account(who, Role.ADMIN))
    if found.wait_s:
        return _wait(call, found.wait_s)
    token = _begun(call, found.account) if found.account is not None else None
    return _form(call, WRONG) if token is None else with_session(call, call.go(_then(call)), token)


def with_session(call: Call, answer: Response, token: str) -> Response:
    """The answer, which gives the browser the token of a session."""
    answer.set_cookie(
        session_cookie(call.request, call.config),
        token,
        httponly=True,
        secure=call.config.secure,
        samesite="lax",
    )
    return answer


def sign_out(call: Call) -> Response:
    """End the session."""
    cookie = session_cookie(call.request, call.config)
    end_session(call.home, call.request.cookies.get(cookie, ""), by=call.doer)
    answer = call.go(ASKS_WHO)
    answer.delete_cookie(cookie, secure=call.config.secure, httponly=True, samesite="lax")
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


def choose_language(call: Call) -> Response:
    """Keep the chosen language in this browser."""
    chosen = Language.JA if call.field("language") == Language.JA.value else Language.EN
    answer = call.go(_then(call))
    answer.set_cookie(
        language_cookie(call.config), chosen.value, max_age=YEAR_S, samesite="lax", secure=call.config.secure
    )
    return answer


def wait_text(wait_s: int) -> Text:
    """That there were too many wrong passwords."""
    return Text(
        f"Too many wrong passwords. Wait {wait_s} s, then try again.",
        f"パスワードの誤りが続いています。{wait_s} 秒待ってから、もう一度お試しください。",
    )


def _begun(call: Call, account: Account) -> str | None:
    before = call.request.cookies.get(session_cookie(call.request, call.config), "")
    return begin_session(call.home, account, by=call.doer, instead_of=before)


def _wait(call: Call, wait_s: int) -> Response:
    answer = _form(call, wait_text(wait_s), status=429)
    answer.headers["Retry-After"] = str(wait_s)
    return answer


def _form(call: Call, wrong: Text | None, *, status: int = 422) -> Response:
    return call.page(
        "sign_in.html.j2",
        title=Text("Who are you?", "お名前は?"),
        status=200 if wrong is None else status,
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
