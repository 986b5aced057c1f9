"""Accounts: who may sign in, with which role, and what happened at the door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.responses import Response

from sopilot_assets.desk.accounts import (
    Account,
    add_account,
    change_role,
    has_accounts,
    list_accounts,
    remove_account,
    set_password,
    who_of,
)
from sopilot_assets.desk.call import Call
from sopilot_assets.desk.log import EVENT_NAMES, SHELL, WAITS, LogEntry, last_entries
from sopilot_assets.desk.roles import ADMINS, ROLE_NAMES, Role
from sopilot_assets.desk.routing import DeskRoute
from sopilot_assets.errors import AccountError
from sopilot_assets.texts.languages import Text

_HERE: Final = Text("this machine", "この端末")
_SHELL: Final = Text("command line", "コマンド")
_WAITS: Final = Text("the next try has to wait", "次の試行まで待機")


def accounts(call: Call) -> Response:
    """All accounts, and the newest lines of the log."""
    return _shown(call, None)


def add(call: Call) -> Response:
    """Make an account."""

    def made() -> None:
        if not has_accounts(call.home) and _role(call) is not Role.ADMIN:
            raise AccountError(
                "the first account: expected an administrator, who can make the others.",
                ja="最初のアカウントは管理者にしてください。ほかのアカウントは管理者が作成します。",
            )
        account = Account(who_of(call.field("who")), _role(call), _person(call))
        add_account(call.home, account, password=_password(call), by=call.doer)

    return _done(call, made)


def role(call: Call) -> Response:
    """Another role, or another person code."""
    return _done(
        call,
        lambda: change_role(call.home, _whose(call), _role(call), person=_person(call), by=call.doer),
    )


def password(call: Call) -> Response:
    """Another password, for a person who has forgotten theirs."""
    return _done(call, lambda: set_password(call.home, _whose(call), _password(call), by=call.doer))


def remove(call: Call) -> Response:
    """Remove an account."""
    return _done(call, lambda: remove_account(call.home, _whose(call), by=call.doer))


def _done(call: Call, what: Callable[[], None]) -> Response:
    try:
        what()
    except AccountError as error:
        return _shown(call, Text(str(error), error.ja))
    return call.go("/accounts")


def _shown(call: Call, wrong: Text | None) -> Response:
    return call.page(
        "accounts.html.j2",
        title=Text("Accounts", "アカウント管理"),
        status=200 if wrong is None else 422,
        values={
            "wrong": wrong,
            "accounts": list_accounts(call.home),
            "roles": [(role.value, ROLE_NAMES[role]) for role in Role],
            "log": [(entry, EVENT_NAMES[entry.event], _told(entry)) for entry in last_entries(call.home)],
        },
    )


def _told(entry: LogEntry) -> list[Text]:
    """From where it was done, and its detail: roles before and after, or that the next try waits."""
    words = {**{role.value: name for role, name in ROLE_NAMES.items()}, WAITS: _WAITS, SHELL: _SHELL}
    address = entry.address
    place = words.get(address, Text(address, address)) if address else _HERE
    return [place] + [words[word] for word in entry.detail.split() if word in words]


def _whose(call: Call) -> str:
    return call.field("who")


def _role(call: Call) -> Role:
    try:
        return Role(call.field("role"))
    except ValueError:
        raise AccountError(
            f"the role: expected one of {', '.join(Role)}; nothing was changed.",
            ja="役割を選んでください。変更しませんでした。",
        ) from None


def _person(call: Call) -> str | None:
    return who_of(call.field("person")) or None


def _password(call: Call) -> str:
    return str(call.form.get("password", ""))


ROUTES: Final = (
    DeskRoute("/accounts", accounts, ADMINS),
    DeskRoute("/accounts", add, ADMINS, ("POST",)),
    DeskRoute("/accounts/role", role, ADMINS, ("POST",)),
    DeskRoute("/accounts/password", password, ADMINS, ("POST",)),
    DeskRoute("/accounts/remove", remove, ADMINS, ("POST",)),
)
