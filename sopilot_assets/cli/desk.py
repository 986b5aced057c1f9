"""`sopilot desk`: the web app for people on the floor, and who may sign in to it."""

from __future__ import annotations

import getpass
import ipaddress
import signal
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.cli.options import AS_JSON, HOME, NEW_HOME, examples
from sopilot_assets.cli.output import say, show_rows, show_warning
from sopilot_assets.cli.ports import refuse_taken
from sopilot_assets.desk.accounts import (
    Account,
    add_account,
    change_role,
    has_accounts,
    list_accounts,
    remove_account,
    who_of,
)
from sopilot_assets.desk.config import DAGSTER_ADDRESS, DeskConfig
from sopilot_assets.desk.log import SHELL, Doer
from sopilot_assets.desk.roles import Role
from sopilot_assets.desk.tokens import (
    LONGEST_DAYS,
    USUAL_DAYS,
    Scope,
    add_token,
    list_tokens,
    remove_token,
)
from sopilot_assets.errors import ConfigError
from sopilot_assets.settings import load_settings
from sopilot_assets.upkeep.setting_up import prepare_home

with at_first_use():
    from sopilot_assets.defs import daemon as dagster_daemon
    from sopilot_assets.desk import server

app = typer.Typer()
users = typer.Typer(help="Who may sign in at the desk.", no_args_is_help=True)
app.add_typer(users, name="user")
tokens = typer.Typer(help="Tokens by which other programs read results.", no_args_is_help=True)
app.add_typer(tokens, name="token")

WHO = Annotated[str, typer.Argument(help="The name to sign in with; events name the person by it.")]
PERSON = Annotated[
    str | None,
    typer.Option(help="The code that recordings name this person by.", show_default=False),
]

TOKEN = Annotated[str, typer.Argument(help="The program that reads by it, such as mes.")]


@app.command(
    epilog=examples(
        "sopilot desk serve",
        "sopilot desk serve --port 8080 --workers 4",
        "sopilot desk serve --behind-proxy https://desk.example.org",
        "sopilot desk serve --host 0.0.0.0 --public-name desk.example.org --tls-cert desk.pem "
        "--tls-key desk.key",
    )
)
def serve(
    *,
    home: NEW_HOME,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 8000,
    host: Annotated[
        str,
        typer.Option(help="The address to listen on; one that others reach needs accounts and TLS."),
    ] = "127.0.0.1",
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many server processes.")] = 1,
    tls_cert: Annotated[
        Path | None, typer.Option(help="The certificate with its chain (PEM), to speak TLS itself.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's private key (PEM).")] = None,
    public_name: Annotated[
        str | None, typer.Option(help="With a certificate: the host name in it, which browsers open.")
    ] = None,
    behind_proxy: Annotated[
        str | None,
        typer.Option(help="Where browsers find the proxy that shows it, such as https://desk.example.org."),
    ] = None,
    daemon: Annotated[
        bool,
        typer.Option(help="Also keep Dagster's daemon alive, which takes in and scores recordings."),
    ] = True,
) -> None:
    """Show the desk, where people upload recordings, mark steps and look at results; `sopilot desk` alone
    does the same.

    It makes the home where there is none, and takes in and scores what comes: it runs Dagster's daemon,
    unless one is alive already. Without accounts it answers this machine only, and asks who you are.
    """
    prepare_home(home)
    listening = server.Listening(host, port, workers, *_certificate(tls_cert, tls_key))
    config = DeskConfig(
        home,
        _address(listening, public_name=public_name, behind_proxy=behind_proxy),
        behind_proxy is not None,
        load_settings(home).web.address or DAGSTER_ADDRESS,
    )
    _refuse_open(config, listening)
    refuse_taken(host, port)
    shown = f"[{host}]" if ":" in host else host
    say(f"Open {config.address or f'http://{shown}:{port}'}; stop with Ctrl-C")
    if has_accounts(home):
        say("People sign in with their passwords.")
    else:
        say("It answers this machine only and asks for no password, until `sopilot desk user add NAME`.")
    signal.signal(signal.SIGTERM, _end)
    keeping = dagster_daemon.kept_daemon(home, told=_told) if daemon else nullcontext()
    with keeping:
        server.serve(config, listening)


@users.command(
    epilog=examples(
        "sopilot desk user add ada --role admin",
        "sopilot desk user add p014 --role trainee --person p014",
        "sopilot desk user add ben --role trainer < password.txt",
    )
)
def add(
    who: WHO,
    *,
    role: Annotated[Role, typer.Option(help="What the person may do.")],
    person: PERSON = None,
    home: NEW_HOME,
) -> None:
    """Make an account; the password is asked for, or is the first line of the standard input."""
    prepare_home(home)
    account = Account(who_of(who), role, who_of(person) if person else None)
    add_account(home, account, password=_password(), by=_by())
    say(f"{escape(account.who)} may sign in as {role.value}.")
    if not any(one.role is Role.ADMIN for one in list_accounts(home)):
        show_warning("nobody is administrator yet: accounts can only be looked after by this command.")


@users.command("list", epilog=examples("sopilot desk user list"))
def list_(*, home: HOME, as_json: AS_JSON = False) -> None:
    """List who may sign in."""
    rows = [{"who": one.who, "role": one.role.value, "person": one.person} for one in list_accounts(home)]
    show_rows(
        rows,
        columns=("who", "role", "person"),
        empty="nobody has an account, so the desk asks for no password and answers this machine only",
        as_json=as_json,
    )


@users.command(epilog=examples("sopilot desk user remove ben"))
def remove(who: WHO, *, home: HOME) -> None:
    """Remove an account and end its sessions; what the person said stays."""
    remove_account(home, who_of(who), by=_by())
    say(f"{escape(who)} can no longer sign in.")


@users.command(epilog=examples("sopilot desk user role ben rater"))
def role(
    who: WHO,
    role: Annotated[Role, typer.Argument(help="What the person may do from now on.")],
    *,
    person: PERSON = None,
    home: HOME,
) -> None:
    """Give an account another role and end its sessions."""
    before = next((one.person for one in list_accounts(home) if one.who == who_of(who)), None)
    change_role(home, who_of(who), role, person=who_of(person) if person else before, by=_by())
    say(f"{escape(who)} is {role.value} now.")


@tokens.command(
    "add",
    epilog=examples(
        "sopilot desk token add mes --scope results",
        "sopilot desk token add lms --scope results --scope persons --days 90",
    ),
)
def add_one_token(
    name: TOKEN,
    *,
    scope: Annotated[
        list[Scope],
        typer.Option(help="What it may read: results, persons with it, conditions. Again for more than one."),
    ],
    days: Annotated[
        int, typer.Option(min=1, max=LONGEST_DAYS, help="It expires after so many days.")
    ] = USUAL_DAYS,
    home: HOME,
) -> None:
    """Make a token for another program, and show it this one time."""
    token = add_token(home, who_of(name), scope, days=days, owner=None, by=_by())
    say(escape(token))
    show_warning(f"it is shown only now. It expires after {days} days; `sopilot desk token remove` ends it.")


@tokens.command("list", epilog=examples("sopilot desk token list"))
def list_all_tokens(*, home: HOME, as_json: AS_JSON = False) -> None:
    """List all tokens: what each may read, who made it, until when, and when it was used last."""
    now = datetime.now(UTC)
    rows = [
        {
            "name": one.name,
            "scopes": ", ".join(sorted(one.scopes)),
            "owner": one.owner,
            "expires": one.expires_at[:16],
            "expired": one.is_over(now),
            "used": one.used_at and one.used_at[:16],
        }
        for one in list_tokens(home)
    ]
    columns = ("name", "scopes", "owner", "expires", "expired", "used")
    show_rows(rows, columns=columns, empty="no other program reads results", as_json=as_json)


@tokens.command("remove", epilog=examples("sopilot desk token remove mes"))
def remove_one_token(name: TOKEN, *, home: HOME) -> None:
    """End a token at once."""
    remove_token(home, who_of(name), by=_by())
    say(f"{escape(name)} reads nothing any more.")


def _certificate(cert: Path | None, key: Path | None) -> tuple[Path | None, Path | None]:
    """Both or neither; raises ``ConfigError`` else, and where one cannot be read."""
    if (cert is None) != (key is None):
        raise ConfigError("--tls-cert and --tls-key: expected both, found one of them.")
    for path in (cert, key):
        if path is not None and not path.is_file():
            raise ConfigError(f"{path}: expected a file in PEM form, found none.")
    return cert, key


def _address(listening: server.Listening, *, public_name: str | None, behind_proxy: str | None) -> str | None:
    """Where browsers of other machines find it; raises ``ConfigError`` where that cannot be."""
    if behind_proxy is not None:
        if listening.certificate is not None or public_name is not None:
            raise ConfigError(
                "--behind-proxy: the proxy has certificate and name; leave out --tls-cert and --public-name."
            )
        DeskConfig.must_be_address(behind_proxy)
        return behind_proxy.rstrip("/")
    if listening.certificate is None:
        return None
    name = public_name or listening.host
    if name in ("0.0.0.0", "::"):  # noqa: S104 - compared with
        raise ConfigError("--public-name: expected the host name in the certificate, found none.")
    address = f"https://[{name}]" if ":" in name else f"https://{name}"
    address += "" if listening.port == 443 else f":{listening.port}"
    DeskConfig.must_be_address(address)
    return address


def _refuse_open(config: DeskConfig, listening: server.Listening) -> None:
    """Raise ``ConfigError`` where others could reach the desk without a password, or read one on its way."""
    here = _is_here(listening.host)
    if not here and not config.secure:
        raise ConfigError(
            f"--host {listening.host}: other machines could reach it, so it needs TLS: --tls-cert and "
            "--tls-key, or --behind-proxy with the https address of a proxy. Without --host it answers this "
            "machine only."
        )
    if (not here or config.behind_proxy) and not has_accounts(config.home):
        raise ConfigError(
            "other machines could reach it and nobody has an account: expected at least one. Make it: "
            "`sopilot desk user add NAME --role admin`."
        )


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


def _by() -> Doer:
    return Doer(getpass.getuser(), SHELL, datetime.now(UTC))


def _told(what: str) -> None:
    say(escape(what))


def _end(*_: object) -> None:
    """End by the way of Ctrl-C, so that the daemon ends as well."""
    raise SystemExit(0)
