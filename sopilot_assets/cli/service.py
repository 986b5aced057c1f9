"""`sopilot service`: the installation as services of systemd."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.cli.options import AS_JSON, HOME, NEW_HOME, examples
from sopilot_assets.cli.output import say, show_rows, show_warning
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.services.facts import DESK_PORT, WEB_PORT, Part, ServiceOptions, missing_variables
from sopilot_assets.upkeep.services.install import Services, ServiceState
from sopilot_assets.upkeep.services.place import Place
from sopilot_assets.upkeep.services.systemd import Systemd
from sopilot_assets.upkeep.setting_up import prepare_home

with at_first_use():
    from sopilot_assets.defs.dagster_internals import watched_daemon

app = typer.Typer()

USER = Annotated[
    bool, typer.Option("--user", help="Services of your own account, without root (systemctl --user).")
]


@app.command(
    epilog=examples(
        "sopilot service install",
        "sopilot service install --dry-run",
        "sopilot service install --user",
        "sopilot service install --only worker",
        'sopilot service install --desk-options "--behind-proxy https://desk.example.org"',
    )
)
def install(
    *,
    home: NEW_HOME,
    user: USER = False,
    account: Annotated[
        str | None,
        typer.Option(
            help="Who the services run as; made where it is not there. (Default: whom the home belongs "
            "to; one that is root's is given to the account `sopilot`.)",
            show_default=False,
        ),
    ] = None,
    desk_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help=f"The desk's port. (Default: {DESK_PORT}.)")
    ] = None,
    web_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help=f"The port of Dagster's web page. (Default: {WEB_PORT}.)"),
    ] = None,
    desk_options: Annotated[
        str | None,
        typer.Option(help="Further options of `sopilot desk serve`, in one word.", show_default=False),
    ] = None,
    web_options: Annotated[
        str | None,
        typer.Option(help="Further options of `sopilot web serve`, in one word.", show_default=False),
    ] = None,
    worker_options: Annotated[
        str | None,
        typer.Option(help="Further options of `sopilot worker run`, in one word.", show_default=False),
    ] = None,
    only: Annotated[
        list[Part] | None,
        typer.Option(help="Only this service; again for more. On a further machine of several: worker."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print the files that would be written.")
    ] = False,
) -> None:
    """Write systemd units for the daemon, Dagster's web page and the desk (and a worker, with the profile
    `scale`), and start them; needs root, or --user.

    Called again, it changes what has to change and starts that again; what was chosen before stays chosen.
    """
    services = _services(user=user)
    chosen = tuple(only) if only else None
    options = ServiceOptions(account, desk_port, web_port, desk_options, web_options, worker_options, chosen)
    if dry_run:
        for path, text in services.place.files(services.plan(home, options)).items():
            sys.stdout.write(f"# {path}\n{text}\n")
        return
    done = services.install(home, options)
    for line in done.told:
        say(escape(line))
    for path in done.changed:
        say(f"{'Wrote' if path.exists() else 'Removed'} {escape(str(path))}")
    say(escape(f"Started: {', '.join(done.started)}" if done.started else "Everything runs as it should."))
    facts = done.facts
    for part, name, port in (
        (Part.DESK, "The desk", facts.desk_port),
        (Part.WEB, "Dagster's page", facts.web_port),
    ):
        if part in facts.parts:
            say(f"{name} listens on port {port}.")
    if facts.account:
        say(escape(f"Type commands as {facts.account}: sudo -u {facts.account} {facts.programs}/sopilot ..."))
    else:
        say("They end when you log out, unless `loginctl enable-linger` keeps them.")
    _warn_of_secrets(home, services.place)


@app.command(epilog=examples("sopilot service status", "sopilot service status --user --json"))
def status(*, user: USER = False, as_json: AS_JSON = False) -> None:
    """Show each service: since when it is active, how often it was started again, its last error, and whether
    its unit is the one that this version would write. Exit code 1 where something is not as it should be.
    """
    services = _services(user=user)
    services.systemd.must_run()
    states = services.states()
    columns = ("service", "state", "since", "restarts", "unit", "last_error")
    show_rows([_row(one) for one in states], columns=columns, as_json=as_json)
    if not as_json:
        say(f"Logs: journalctl {'--user-unit' if user else '--unit'} 'sopilot-*' --follow")
    if not all(one.as_written for one in states):
        show_warning("units differ from what this version writes: run `sopilot service install` again.")
    if not all(one.as_written and one.unit.active == "active" for one in states):
        raise typer.Exit(1)


@app.command(epilog=examples("sopilot service uninstall", "sopilot service uninstall --user"))
def uninstall(*, user: USER = False) -> None:
    """Stop the services and remove what install wrote. The home, the account and filled-in secrets stay."""
    services = _services(user=user)
    before = services.place.before()
    gone, kept = services.uninstall()
    for path in gone:
        say(f"Removed {escape(str(path))}")
    for path in kept:
        say(f"Stays, since somebody filled it in: {escape(str(path))}")
    if before is not None:
        say(f"The home stays: {escape(before.home)}")


@app.command(epilog=examples("sopilot service run"))
def run(*, home: HOME) -> None:
    """Run Dagster's daemon in the foreground, as its unit does: with signs of life to systemd, and ending its
    runs in order on SIGTERM. On SIGHUP it ends and leaves them to the next daemon.
    """
    prepare_home(home)
    watched_daemon.serve(home)


def _services(*, user: bool) -> Services:
    place = Place.of_user() if user else Place.of_system()
    return Services(place, Systemd(user), Path(sys.executable))


def _row(one: ServiceState) -> dict[str, str | int | None]:
    since = one.unit.since
    return {
        "service": one.unit.unit,
        "state": f"{one.unit.active} ({one.unit.detail})",
        "since": f"{since:%Y-%m-%d %H:%M:%S}" if since else None,
        "restarts": one.unit.restarts,
        "unit": "as written" if one.as_written else "differs",
        "last_error": one.unit.last_error,
        "log": one.log,
    }


def _warn_of_secrets(home: Home, place: Place) -> None:
    missing = missing_variables(home, place.environment_file)
    if missing:
        show_warning(
            f"settings.yaml names {', '.join(missing)}, which {place.environment_file} does not set. "
            "Set them there and `systemctl restart sopilot.target`."
        )
