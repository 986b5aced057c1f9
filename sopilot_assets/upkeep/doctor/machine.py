"""The machine: packages, the disk, the clock, who can reach the web page."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psutil

from sopilot_assets.capture.ledgers import videos_ledger
from sopilot_assets.disk import Pressure, disk_state
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.ledgers import Ledger
from sopilot_assets.store.publish import TEMPORARY_PREFIX, local_path, scratch_folder
from sopilot_assets.upkeep.doctor.finding import Finding, Patient, State
from sopilot_assets.upkeep.packages import differing_packages, missing_packages

LEAST_FREE_BYTES: Final = 1 << 30
OLD_S: Final = 3600.0
"""Temporary files older than this belong to nobody who is still at work."""
CLOCK_SLACK_S: Final = 60.0
WEB_PORTS: Final = (3000, 3001)
"""Where the web page of Dagster and the one for viewers listen."""


def packages(_: Patient) -> Iterator[Finding]:
    """Python packages against what the project needs and pins."""
    missing, differing = missing_packages(), differing_packages()
    install = "make setup (or pip install -c constraints.txt -e .)"
    if missing:
        yield Finding("packages", State.PROBLEM, f"missing: {', '.join(missing)}", install)
    if differing:
        shown = ", ".join(f"{one.name} {one.installed} instead of {one.pinned}" for one in differing[:3])
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        yield Finding("packages", State.WARNING, f"other versions than pinned: {shown}{more}", install)
    if not (missing or differing):
        yield Finding("packages", State.OK, "as pinned")


def writable(patient: Patient) -> Iterator[Finding]:
    """Whether a file can be made in the home."""
    try:
        with scratch_folder(patient.home.root) as folder:
            (folder / "probe").write_bytes(b"probe")
        yield Finding("home", State.OK, f"{patient.home.root}, writable")
    except OSError as error:
        what = f"{patient.home.root} cannot be written: {error.strerror or error}"
        yield Finding("home", State.PROBLEM, what, "mend the permissions or the disk")


def disk_space(patient: Patient) -> Iterator[Finding]:
    """Free space where the home lies, and whether intake is paused for lack of it."""
    state = disk_state(patient.home, patient.settings.disk)
    if state.paused or state.free_bytes < LEAST_FREE_BYTES:
        yield Finding("disk space", State.PROBLEM, state.what, state.action or "free some space")
    elif state.pressure is not Pressure.NONE:
        action = "free some space before the next large drop; sopilot retention apply --dry-run"
        yield Finding("disk space", State.WARNING, state.what, action)
    else:
        yield Finding("disk space", State.OK, state.what)


def clock(patient: Patient) -> Iterator[Finding]:
    """Rows from the future: the clock went back, or was wrong when they were written."""
    newest = [_newest(ledger) for ledger in (videos_ledger(patient.home), scores_ledger(patient.home))]
    ahead_s = max((at.timestamp() - patient.now_s for at in newest if at is not None), default=0.0)
    if ahead_s > CLOCK_SLACK_S:
        what = f"the newest row was written {ahead_s / 60:.0f} minutes in the future: the clock went back"
        action = "set the clock (timedatectl); until then new rows count as older than those"
        yield Finding("clock", State.PROBLEM, what, action)
    else:
        yield Finding("clock", State.OK, "no row is from the future")


def _newest(ledger: Ledger) -> datetime | None:
    text = ledger.query("select max(written_at) as at from all_rows")["at"].iloc[0]
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def web_ports(_: Patient) -> Iterator[Finding]:
    """Whether somebody else on the network can reach the web pages."""
    listening = [one for one in _connections() if one.status == psutil.CONN_LISTEN and one.laddr]
    ours = [one for one in listening if one.laddr.port in WEB_PORTS]
    reachable = [one for one in ours if not one.laddr.ip.startswith(("127.", "::1", "::ffff:127."))]
    if reachable:
        first = reachable[0].laddr
        what = f"port {first.port} listens on {first.ip}: whoever reaches this machine can operate Dagster"
        action = "start it with -h 127.0.0.1 (make dev does), and put a proxy with authentication before it"
        yield Finding("web page", State.PROBLEM, what, action)
    elif ours:
        ports = ", ".join(str(port) for port in sorted({one.laddr.port for one in ours}))
        yield Finding("web page", State.OK, f"port {ports} listens on this machine only")
    else:
        yield Finding("web page", State.OK, "not running")


def _connections() -> list[Any]:
    with contextlib.suppress(psutil.AccessDenied):  # some systems keep this from ordinary users
        return list(psutil.net_connections(kind="tcp"))
    return []


def leftovers(patient: Patient) -> Iterator[Finding]:
    """Temporary files of processes that were killed."""
    count = sum(1 for age in _temporary_ages(patient) if age > OLD_S)
    if count:
        what = f"{count} temporary files that nobody will finish"
        yield Finding("leftovers", State.WARNING, what, "sopilot home doctor --sweep")
    else:
        yield Finding("leftovers", State.OK, "none")


def _temporary_ages(patient: Patient) -> Iterator[float]:
    for folder, _, names in os.walk(local_path(patient.home.root)):
        for name in names:
            if name.startswith(TEMPORARY_PREFIX):
                with contextlib.suppress(FileNotFoundError):
                    yield patient.now_s - Path(folder, name).stat().st_mtime
