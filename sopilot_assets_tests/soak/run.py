"""One soak: a home on a small disk, a campaign over it, recordings and faults, and what came of them."""

from __future__ import annotations

import itertools
import json
import random
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml
from typer.testing import CliRunner

from sopilot_assets.cli import app
from sopilot_assets.store.home import Home
from sopilot_assets.tasks import lock_task
from sopilot_assets.upkeep.setting_up import prepare_home
from sopilot_assets_tests.defs.conftest import add_task, drop_steps
from sopilot_assets_tests.soak.clock import Clock
from sopilot_assets_tests.soak.drops import Drop, bad_set, good_set
from sopilot_assets_tests.soak.faults import FAULTS, Injected, Site, inject, schedule
from sopilot_assets_tests.soak.place import Disk
from sopilot_assets_tests.soak.servers import Servers
from sopilot_assets_tests.soak.verify import Outcome, Verdict, verdicts
from sopilot_assets_tests.soak.way import LOCKED_AT, TASK
from sopilot_assets_tests.upkeep.alerts.receivers import mail_receiver, webhook_receiver

LOOK_S: Final = 0.5
RETRY_S: Final = 90.0
"""For how long a fault waits for something to hit, e.g. a run."""

COMPRESSED: Final = {"poll_interval_seconds": 5, "start_timeout_seconds": 60, "cancel_timeout_seconds": 20}
"""Run monitoring in the compressed time of a soak; as shipped it waits for as long as twenty cycles take."""

SETTINGS: Final = """
alerts:
  installation: soak
  webhook: {{url_env: SOAK_WEBHOOK, timeout_s: 5}}
  email:
    {{host: 127.0.0.1, port: {mail_port}, starttls: false, timeout_s: 5, sender: soak@example.org,
     recipients: [somebody@example.org]}}
disk: {{warn_gib: 0.06, pause_gib: 0.02, resume_gib: 0.04}}
"""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What kind of soak: cycles, seconds between them, one fault every so many cycles, and the seed."""

    cycles: int
    interval_s: float
    seed: int
    faults_every: int = 3
    disk_mib: int = 512
    kinds: tuple[str, ...] = tuple(FAULTS)
    step_timeout_s: float = 60.0
    calm_s: float = 45.0
    settle_s: float = 300.0


@dataclass
class Soaked:
    """How it went: faults, verdicts, restarts, and figures of the campaign."""

    wanted: Wanted
    limited_disk: bool
    clock_set: bool
    started_s: float
    seconds: float
    standing: dict[str, object]
    faults: list[Injected]
    never_hit: list[str]
    dropped: list[Drop]
    restarts: dict[str, int]
    verdicts: list[Verdict]
    home: Home

    @property
    def holds(self) -> bool:
        """Whether everything held."""
        return all(verdict.holds for verdict in self.verdicts)

    def cycle_of(self, fault: Injected) -> int:
        """The cycle in which a fault came."""
        return int((fault.at_s - self.started_s) // self.wanted.interval_s)


@dataclass
class Soak:
    """The loop: drops, faults, restarts, and a look at the campaign."""

    wanted: Wanted
    site: Site
    good: list[tuple[float, Drop]]
    planned: list[tuple[float, str]]
    say: Say
    started_s: float = 0.0
    injected: list[Injected] = field(default_factory=list)
    never_hit: list[str] = field(default_factory=list)

    def look(self) -> None:
        """One look at everything."""
        now_s = time.monotonic()
        self.site.servers.look_after()
        cycle = (now_s - self.started_s) / self.wanted.interval_s
        self._drop(cycle)
        self._undo(now_s)
        self._inject(cycle, now_s)

    @property
    def is_calm(self) -> bool:
        """Whether all was dropped and no fault lasts or is to come."""
        return not self.good and not self.planned and all(one.undo is None for one in self.injected)

    def _drop(self, cycle: float) -> None:
        while self.good and self.good[0][0] <= cycle:
            try:
                self.good[0][1].into(self.site.servers.home)
            except OSError:
                return  # the disk is full: the camera tries again
            self.site.dropped.append(self.good.pop(0)[1])

    def _undo(self, now_s: float) -> None:
        for one in self.injected:
            if one.undo is not None and now_s >= one.at_s + one.lasts_s:
                one.undo()
                one.undo, one.over_s = None, now_s

    def _inject(self, cycle: float, now_s: float) -> None:
        for planned in [one for one in self.planned if one[0] <= cycle]:
            done = inject(planned[1], self.site, now_s)
            if done is not None:
                self.say(f"cycle {cycle:6.2f}: {done.kind}: {done.target}")
                self.injected.append(done)
            elif cycle - planned[0] < RETRY_S / self.wanted.interval_s:
                continue
            else:
                self.never_hit.append(f"{planned[1]} of cycle {planned[0]:.1f}")
            self.planned.remove(planned)


def soak(folder: Path, wanted: Wanted, *, say: Say) -> Soaked:
    """The whole soak below ``folder``."""
    chance = random.Random(wanted.seed)
    made, golds, trainees = good_set(folder / "simulated", seed=3, trainees=max(3, wanted.cycles // 3))
    bad = bad_set(folder)
    with ExitStack() as stack:
        disk = Disk.mount(folder / "disk", size_mib=wanted.disk_mib)
        stack.callback(disk.unmount)
        home = Home.at(disk.folder / "home")
        (folder / "clock").mkdir()
        clock = Clock(folder / "clock")
        webhook, mail = stack.enter_context(webhook_receiver()), stack.enter_context(mail_receiver())
        _compress(prepare_home(home).dagster_home / "dagster.yaml")
        add_task(home, made)
        lock_task(home.tasks / f"{TASK}.yaml", locked_at=LOCKED_AT)
        drop_steps(home, made)
        Path(str(home.root), "settings.yaml").write_text(
            SETTINGS.format(mail_port=mail.port), encoding="utf-8"
        )
        (folder / "logs").mkdir()
        environment = {**clock.environment, "SOAK_WEBHOOK": webhook.url, "PYTHONUNBUFFERED": "1"}
        servers = Servers(home, environment, folder / "logs")
        stack.callback(servers.stop)
        site = Site(servers, disk, clock, webhook, mail, bad, wanted.interval_s, chance)
        servers.start()
        say(f"servers are up; disk of its own: {disk.limited}, clock can be set: {clock.can_be_set}")
        for gold in golds:
            gold.into(home, subfolder="gold/site_a")
            site.dropped.append(gold)
        possible = [kind for kind in wanted.kinds if _is_possible(kind, disk, clock)]
        last = max(2, int(wanted.cycles * 0.9) - 1)
        loop = Soak(
            wanted,
            site,
            _spread(trainees, last),
            schedule(possible, first=1, last=last, every=wanted.faults_every, chance=chance),
            say,
        )
        campaign, standing = _campaign(loop, home)
        servers.stop()
        outcome = Outcome(home, campaign, str(standing["state"]), site.dropped, webhook, mail, touches=0)
        return Soaked(
            wanted,
            disk.limited,
            clock.can_be_set,
            loop.started_s,
            time.monotonic() - loop.started_s,
            standing,
            loop.injected,
            loop.never_hit,
            site.dropped,
            {name: server.restarts for name, server in servers.all.items()},
            verdicts(outcome),
            _kept(home, folder),
        )


def _compress(instance: Path) -> None:
    settings = yaml.safe_load(instance.read_bytes())
    settings["run_monitoring"].update(COMPRESSED)
    instance.write_text(yaml.safe_dump(settings), encoding="utf-8")


def _is_possible(kind: str, disk: Disk, clock: Clock) -> bool:
    return {"disk full": disk.limited, "clock step": clock.can_be_set}.get(kind, True)


def _spread(drops: list[Drop], last: int) -> list[tuple[float, Drop]]:
    """When, in cycles, each good recording comes."""
    return [(last * number / len(drops), drop) for number, drop in enumerate(drops)]


def _campaign(loop: Soak, home: Home) -> tuple[str, dict[str, object]]:
    """Start a campaign, look after servers and faults until it has ended and all is calm; its id and its
    last status.
    """
    wanted = loop.wanted
    words = ["campaign", "start", "--duration", f"{wanted.cycles * wanted.interval_s:g}s"]
    words += ["--interval", f"{wanted.interval_s:g}s", "--step-timeout", f"{wanted.step_timeout_s:g}s"]
    words += ["--grace", "5s", "--damaged-every", "12", "--rescore-every", "24", "--backup-every", "0"]
    loop.started_s = time.monotonic()
    sopilot(home, *words)
    longest_s = wanted.cycles * wanted.interval_s + wanted.settle_s + 8 * wanted.step_timeout_s
    quiet_since: float | None = None
    for number in itertools.count():
        loop.look()
        time.sleep(LOOK_S)
        if number % 20:
            continue
        status = _status(home)
        ended = status.get("state") in ("finished", "stopped") and loop.is_calm
        quiet_since = None if not ended else quiet_since or time.monotonic()
        passed_s = time.monotonic() - loop.started_s
        if (quiet_since and _is_settled(loop, quiet_since)) or passed_s > longest_s:
            loop.say(f"{passed_s:.0f} s: {status.get('state')}: {status.get('why')}")
            return str(status.get("campaign", "")), status
    raise AssertionError("unreachable")


def _is_settled(loop: Soak, quiet_since: float) -> bool:
    """Whether nothing is left to be done, or it has taken too long."""
    waited_s = time.monotonic() - quiet_since
    left = any(not verdict.holds for verdict in _now(loop)) if waited_s > loop.wanted.calm_s else True
    return not left or waited_s > loop.wanted.settle_s


def _now(loop: Soak) -> list[Verdict]:
    site = loop.site
    status = _status(site.servers.home)
    campaign, standing = str(status.get("campaign", "")), str(status.get("state"))
    return verdicts(Outcome(site.servers.home, campaign, standing, site.dropped, site.webhook, site.mail, 0))


def _status(home: Home) -> dict[str, object]:
    """What ``sopilot campaign show`` says; looking is no touch."""
    said = sopilot(home, "campaign", "show", "--json", check=False)
    try:
        found: dict[str, object] = json.loads(said)
    except ValueError:
        return {"state": "unknown", "why": said[-300:]}
    return found


def sopilot(home: Home, *words: str, check: bool = True) -> str:
    """What a command prints."""
    ran = CliRunner().invoke(app, ["--home", str(home.root), *words])
    if check and ran.exit_code:
        raise RuntimeError(f"sopilot {' '.join(words)}: {ran.stderr or ran.stdout}") from ran.exception
    return ran.stdout or ran.stderr


def _kept(home: Home, folder: Path) -> Home:
    """The home, copied off the disk that is about to be given back."""
    target = folder / "home_after"
    shutil.copytree(str(home.root), target, ignore_dangling_symlinks=True)
    return Home.at(target)
