"""The machine: free disk space, the clock, who can reach the web pages."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psutil

from sopilot_assets.capture.ledgers import videos_ledger
from sopilot_assets.disk import DiskState, Pressure, disk_state
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.ledgers import Ledger
from sopilot_assets.upkeep.conditions.condition import (
    Answer,
    Condition,
    ConditionSeverity,
    Fine,
    found,
    problem,
)
from sopilot_assets.upkeep.conditions.situation import Situation

DISK: Final = "disk"


def free_space(asked: Situation) -> Answer:
    """Free space where the home lies, and whether intake is paused for lack of it."""
    state = disk_state(asked.home, asked.settings.disk)
    short = short_of_space(state)
    return found([short] if short else [], Fine(DISK, "free space", state.what))


def short_of_space(state: DiskState) -> Condition | None:
    """That a disk becomes full: a problem once intake is paused."""
    if state.pressure is Pressure.NONE:
        return None
    severity = ConditionSeverity.PROBLEM if state.paused else ConditionSeverity.WARNING
    return Condition(DISK, "free space", severity, state.what, state.action)


def clock(asked: Situation) -> Answer:
    """Rows from the future: the clock went back, or was wrong when they were written."""
    newest = [_newest(ledger) for ledger in (videos_ledger(asked.home), scores_ledger(asked.home))]
    ahead_s = max(((at - asked.now).total_seconds() for at in newest if at is not None), default=0.0)
    if ahead_s <= asked.settings.limits.clock_ahead_s:
        return found([], Fine("clock", "", "no row is from the future"))
    what = f"the newest row was written {ahead_s / 60:.0f} minutes in the future: the clock went back"
    action = "set the clock (timedatectl); what was written meanwhile counts, and bears times that are ahead"
    return Answer((problem("clock", "", what, action),))


def _newest(ledger: Ledger) -> datetime | None:
    text = ledger.query("select max(written_at) as at from all_rows")["at"].iloc[0]
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def web_pages(asked: Situation) -> Answer:
    """Whether somebody else on the network can reach the web pages."""
    ours = listening_at(asked.settings.limits.web_ports)
    shown = ", ".join(str(port) for port in sorted({one.port for one in ours}))
    fine = f"port {shown} listens on this machine only" if ours else "not running"
    return found((_reachable(one) for one in ours if one.from_outside), Fine("web page", "", fine))


@dataclass(frozen=True, slots=True)
class ListeningAddress:
    """An address of this machine at which some program listens."""

    ip: str
    port: int

    @property
    def from_outside(self) -> bool:
        """Whether other machines can reach it."""
        return not self.ip.startswith(("127.", "::1", "::ffff:127."))


def listening_at(ports: Collection[int]) -> list[ListeningAddress]:
    """The addresses at which somebody listens on these ports, as far as the system says."""
    listening = [one for one in _connections() if one.status == psutil.CONN_LISTEN and one.laddr]
    return [ListeningAddress(one.laddr.ip, one.laddr.port) for one in listening if one.laddr.port in ports]


def _reachable(address: ListeningAddress) -> Condition:
    what = f"port {address.port} listens on {address.ip}: whoever reaches this machine can operate Dagster"
    action = "start it with -h 127.0.0.1 (make dev does), and put a proxy with authentication before it"
    return problem("web page", f"{address.ip}:{address.port}", what, action)


def _connections() -> list[Any]:
    with contextlib.suppress(psutil.AccessDenied):  # some systems keep this from ordinary users
        return list(psutil.net_connections(kind="tcp"))
    return []
