"""The text of the units: what systemd starts, as whom, what it may touch, and when it is started again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sopilot_assets.upkeep.services.facts import Part, ServiceFacts

MARK: Final = "# Written by `sopilot service install`, which replaces this file."
"""The first line of every file that install writes, by which uninstall knows it."""
TARGET: Final = "sopilot.target"
CLOCK: Final = "sopilot-clock"
FACTS: Final = "Facts="

WATCHDOG_S: Final = 120
"""Seconds without a sign of life after which systemd starts a service again."""
PAUSE_S: Final = 10
"""Seconds from the end of a service to its next start; there is no limit to how often."""
_START_S: Final = 600
_STOP_S: Final = 150
_FINISH_S: Final = 900
"""A worker lets its run finish when it is to stop, for so long at most."""

_ABOUT: Final[Mapping[Part, str]] = {
    Part.DAEMON: "Dagster's daemon: takes recordings in, scores them, keeps the home in order",
    Part.WEB: "Dagster's web page",
    Part.DESK: "the desk, for people on the floor",
    Part.WORKER: "a worker that takes runs from the queue",
}

# What every account may ask of systemd.
_GUARDED: Final = """
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @obsolete
SystemCallErrorNumber=EPERM
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
UMask=0027
"""

# What needs a view of the file system of one's own. /proc stays whole: whether the process of a run lives is
# read there, whoever started it. MemoryDenyWriteExecute is not set: numba compiles while it runs.
_WALLED: Final = """
ProtectSystem=strict
PrivateTmp=yes
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
KeyringMode=private
"""


def unit_of(part: Part) -> str:
    """The name of a service's unit."""
    return f"sopilot-{part}.service"


def services_of(facts: ServiceFacts) -> tuple[str, ...]:
    """The names of the units that run for as long as the installation does."""
    return tuple(unit_of(part) for part in facts.parts)


def parts_of(facts: ServiceFacts) -> tuple[str, ...]:
    """The same, and the timer that looks after the daemon's clock."""
    return (*services_of(facts), *([f"{CLOCK}.timer"] if Part.DAEMON in facts.parts else []))


def render(facts: ServiceFacts, environment_file: str) -> dict[str, str]:
    """All units by their names, target first.

    ``environment_file`` is where secrets are read from; it may be absent.
    """
    units = {
        TARGET: _target(facts),
        **{unit_of(part): _service(facts, part, environment_file) for part in facts.parts},
    }
    if Part.DAEMON in facts.parts:
        units |= {f"{CLOCK}.timer": _clock_timer(), f"{CLOCK}.service": _clock_service(facts)}
    return units


def facts_of(target: str) -> ServiceFacts | None:
    """The facts that the text of a target was made of; None where it has none that can be read."""
    for line in target.splitlines():
        if line.startswith(FACTS):
            try:
                return ServiceFacts.from_text(line.removeprefix(FACTS))
            except (ValueError, KeyError):
                return None
    return None


def _target(facts: ServiceFacts) -> str:
    wanted = " ".join(parts_of(facts))
    until = "multi-user.target" if facts.account else "default.target"
    return "\n".join(
        [
            *_head("sopilot: all its services"),
            f"Wants={wanted}",
            "",
            "[Install]",
            f"WantedBy={until}",
            "",
            "[X-Sopilot]",
            f"{FACTS}{facts.to_text()}",
            "",
        ]
    )


def _service(facts: ServiceFacts, part: Part, environment_file: str) -> str:
    lines = [
        *_head(f"sopilot: {_ABOUT[part]}"),
        "PartOf=sopilot.target",
        *(["After=network.target"] if facts.account else []),
        f"RequiresMountsFor={_quoted(facts.home)}",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=notify",
        f"ExecStart={_quoted(f'{facts.programs}/sopilot')} {' '.join(map(_word, _command(facts, part)))}",
        f"WorkingDirectory={_plain(facts.home)}",
        *_environment(facts),
        f"EnvironmentFile=-{_plain(environment_file)}",
        "Restart=always",
        f"RestartSec={PAUSE_S}",
        f"WatchdogSec={WATCHDOG_S}",
        f"TimeoutStartSec={_START_S}",
        *_ending(part),
        "LimitCORE=0",
        "",
        *_walls(facts, part),
        *_GUARDED.strip().splitlines(),
        "",
    ]
    return "\n".join(lines)


def _head(about: str) -> list[str]:
    return [
        MARK,
        "# Changes of your own: `systemctl edit`, which keeps them apart.",
        "[Unit]",
        f"Description={about}",
    ]


def _command(facts: ServiceFacts, part: Part) -> list[str]:
    """What follows `sopilot`; a person may type the same."""
    main = ["--main"] if Part.DAEMON in facts.parts else []
    words: Mapping[Part, list[str]] = {
        Part.DAEMON: ["service", "run"],
        Part.WEB: ["web", "serve", "--port", str(facts.web_port), *facts.web_options],
        Part.DESK: ["desk", "serve", "--no-daemon", "--port", str(facts.desk_port), *facts.desk_options],
        Part.WORKER: ["worker", "run", *main, *facts.worker_options],
    }
    return ["--home", facts.home, *words[part]]


def _environment(facts: ServiceFacts) -> list[str]:
    given = {
        "SOPILOT_HOME": _doubled(facts.home),
        "DAGSTER_HOME": _doubled(f"{facts.home}/dagster"),
        "PATH": _doubled(f"{facts.programs}:/usr/local/bin:/usr/bin:/bin"),
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",  # where it hung stands in the journal
        "TMPDIR": "%C/sopilot/tmp",
        "HOME": "%C/sopilot",
    }
    return [
        *([f"User={facts.account}"] if facts.account else []),
        "CacheDirectory=sopilot",
        "CacheDirectory=sopilot/tmp",
        "CacheDirectoryMode=0700",
        *(f'Environment="{name}={_escaped(value)}"' for name, value in given.items()),
    ]


def _ending(part: Part) -> list[str]:
    """How a service ends, and what of it goes on when its main process dies."""
    if part is Part.DAEMON:
        # runs outlive a daemon that died and are found by the next; one that is told to stop ends them itself
        return [
            "KillMode=process",
            "OOMPolicy=continue",
            f"TimeoutStopSec={_STOP_S}",
            "ExecReload=kill -HUP $MAINPID",
        ]
    if part is Part.WORKER:
        return ["KillMode=mixed", "OOMPolicy=continue", f"TimeoutStopSec={_FINISH_S}"]
    return ["KillMode=mixed", "TimeoutStopSec=30"]


def _walls(facts: ServiceFacts, part: Part) -> list[str]:
    if not facts.walled:
        return []
    writable = [_quoted(facts.home), *(_quoted(one, absent=True) for one in facts.writable)]
    low = part is Part.DESK and facts.desk_port < 1024
    capability = "CAP_NET_BIND_SERVICE" if low else ""
    return [
        f"CapabilityBoundingSet={capability}",
        f"AmbientCapabilities={capability}",
        *([] if facts.gpu and part in (Part.DAEMON, Part.WORKER) else ["PrivateDevices=yes"]),
        f"ProtectHome={'yes' if facts.hidden else 'read-only'}",
        f"ReadWritePaths={' '.join(writable)}",
        *_WALLED.strip().splitlines(),
        *_whose(facts),
    ]


def _whose(facts: ServiceFacts) -> list[str]:
    """Walls of the system's own systemd, or what a person's one needs to build the others."""
    return ["ProtectKernelLogs=yes"] if facts.account else ["PrivateUsers=yes"]


def _clock_timer() -> str:
    return "\n".join(
        [
            *_head("sopilot: when the clock is set"),
            "PartOf=sopilot.target",
            "",
            "[Timer]",
            "OnClockChange=yes",
            f"Unit={CLOCK}.service",
            "",
        ]
    )


def _clock_service(facts: ServiceFacts) -> str:
    # the daemon waits by the clock on the wall, and would stand still for as long as that was set back
    whose = "" if facts.account else "--user "
    command = f"systemctl {whose}try-reload-or-restart {unit_of(Part.DAEMON)}"
    hidden = "yes" if facts.account else "read-only"  # a person's own systemd listens below /run/user
    walls = [f"ProtectHome={hidden}", "PrivateDevices=yes", *_WALLED.strip().splitlines(), *_whose(facts)]
    guards = _GUARDED.replace("AF_UNIX AF_INET AF_INET6", "AF_UNIX").strip().splitlines()
    return "\n".join(
        [
            *_head("sopilot: begins the daemon anew after the clock was set"),
            "",
            "[Service]",
            "Type=oneshot",
            f"ExecStart={command}",
            *(["CapabilityBoundingSet=", *walls] if facts.walled else []),
            *guards,
            "",
        ]
    )


def _doubled(text: str) -> str:
    """A text in which systemd finds no specifier."""
    return text.replace("%", "%%")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _plain(path: str) -> str:
    """A path where it is all of the value."""
    return _doubled(path)


def _quoted(path: str, *, absent: bool = False) -> str:
    """A program, or a path in a list of paths; one that may be absent is marked so."""
    shown = f"{'-' if absent else ''}{_escaped(_doubled(path))}"
    return f'"{shown}"' if any(letter in shown for letter in " \t\"'\\") else shown


def _word(text: str) -> str:
    """A word of a command line after the program, in which systemd would look for variables too."""
    shown = _escaped(_doubled(text)).replace("$", "$$")
    return f'"{shown}"' if not shown or any(letter in shown for letter in " \t\"'\\;") else shown
