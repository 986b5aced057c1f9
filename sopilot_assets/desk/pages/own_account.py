"""One's own account: which it is, and another password for it."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from sopilot_assets.desk.accounts import Account, has_accounts, set_password, try_password
from sopilot_assets.desk.call import Call
from sopilot_assets.desk.pages.sign_in import wait_text, with_session
from sopilot_assets.desk.roles import EVERYBODY, ROLE_NAMES
from sopilot_assets.desk.routing import DeskRoute
from sopilot_assets.desk.sessions import begin_session
from sopilot_assets.errors import AccountError
from sopilot_assets.tasks import notice_of
from sopilot_assets.texts.languages import Text


def own_account(call: Call) -> Response:
    """What the account is, and the form for its password."""
    return _shown(call, None)


def change_password(call: Call) -> Response:
    """The form was sent: with the old password, which whoever only found an open browser does not know."""
    old, new = str(call.form.get("old", "")), str(call.form.get("new", ""))
    if new != call.form.get("again"):
        return _shown(call, Text("The two new passwords differ.", "新しいパスワードが一致しません。"))
    found = try_password(call.home, call.who.who, old, at=call.doer)
    if found.wait_s:
        return _shown(call, wait_text(found.wait_s), status=429)
    if found.account is None:
        return _shown(call, Text("The present password is wrong.", "現在のパスワードが違います。"))
    try:
        set_password(call.home, call.who.who, new, by=call.doer)
    except AccountError as error:
        return _shown(call, Text(str(error), error.ja))
    return _anew(call, found.account)


def _anew(call: Call, account: Account) -> Response:
    """A new session for this browser; all others of the account have ended."""
    token = begin_session(call.home, account, by=call.doer)
    answer = call.go("/account?changed=yes")
    return answer if token is None else with_session(call, answer, token)


def _shown(call: Call, wrong: Text | None, *, status: int = 422) -> Response:
    return call.page(
        "own_account.html.j2",
        title=Text("Your account", "アカウント"),
        status=200 if wrong is None else status,
        values={
            "wrong": wrong,
            "notices": [(None, notice_of(call.home))],
            "role": ROLE_NAMES[call.who.role],
            "passwords": has_accounts(call.home),
            "changed": wrong is None and call.request.query_params.get("changed") == "yes",
        },
    )


ROUTES: Final = (
    DeskRoute("/account", own_account, EVERYBODY),
    DeskRoute("/account", change_password, EVERYBODY, ("POST",)),
)
