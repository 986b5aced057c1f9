"""What runs without anybody watching: settings, alerts, backups, reports, the campaign, ledgers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from sopilot_assets.labels.chain import read_chain, tasks_with_labels
from sopilot_assets.processes.boot_clock import moment_at
from sopilot_assets.settings import settings_path
from sopilot_assets.store.compaction import fragmented
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.alerts.deliver import undelivered
from sopilot_assets.upkeep.alerts.noting import open_alerts
from sopilot_assets.upkeep.backup.history import newest_backup_at, newest_drill_at
from sopilot_assets.upkeep.campaign.plan import active_campaign
from sopilot_assets.upkeep.campaign.standing import Standing, campaign_status
from sopilot_assets.upkeep.doctor.finding import Finding, Patient, State

_WELL: Final = (Standing.RUNNING, Standing.STOPPING)


def settings(patient: Patient) -> Iterator[Finding]:
    """Whether settings.yaml is valid; without it the defaults hold."""
    _ = patient.settings
    there = settings_path(patient.home).exists()
    yield Finding("settings", State.OK, "settings.yaml is valid" if there else "the defaults")


def alerts(patient: Patient) -> Iterator[Finding]:
    """Alerts that are open, and messages that nobody has got yet."""
    lasting = open_alerts(patient.home)
    for one in lasting:
        state = State.PROBLEM if one.newest.severity == "problem" else State.WARNING
        yield Finding("alert", state, one.newest.what, one.newest.action)
    waiting = undelivered(patient.home, patient.settings.alerts, patient.environment)
    if waiting:
        what = f"{len(waiting)} messages were not delivered: {waiting[0].error or 'not tried yet'}"
        yield Finding(
            "alerts", State.WARNING, what, "sopilot alert deliver --test, then sopilot alert deliver"
        )
    if not (lasting or waiting):
        yield Finding("alerts", State.OK, "none open, none undelivered")


def backups(patient: Patient) -> Iterator[Finding]:
    """The age of the newest backup and of the last drill that passed."""
    known = patient.settings
    if known.backup.destination is None:
        action = "name a place on another disk in settings.yaml: backup: {destination: ...}"
        yield Finding("backup", State.WARNING, "no destination is set: nothing is backed up", action)
        return
    limits = known.freshness
    newest, drilled = newest_backup_at(patient.home), newest_drill_at(patient.home)
    yield _age("backup", newest, limits.backup_hours, patient, "sopilot backup create")
    yield _age("backup drill", drilled, limits.drill_hours, patient, "sopilot backup verify --drill")


def _age(
    check: str, last: datetime | None, limit_hours: float | None, patient: Patient, action: str
) -> Finding:
    if last is None:
        return Finding(check, State.WARNING, "there was none yet", action)
    hours = (patient.now - last) / timedelta(hours=1)
    old = limit_hours is not None and hours > limit_hours
    what = f"the newest is {hours:.0f} hours old"
    return Finding(check, State.WARNING if old else State.OK, what, action if old else "")


def campaign(patient: Patient) -> Iterator[Finding]:
    """How the active campaign goes."""
    plan = active_campaign(patient.home)
    if plan is None:
        yield Finding("campaign", State.OK, "none is active")
        return
    status = campaign_status(patient.home, plan, now=moment_at(patient.now))
    what = f"{plan.campaign_id} is {status.standing.value}: {status.why}"
    well = status.standing in _WELL
    yield Finding("campaign", State.OK if well else State.PROBLEM, what, "" if well else status.do)


def ledgers(patient: Patient) -> Iterator[Finding]:
    """Ledger files that are cut or changed, broken chains of labels, and ledgers of very many files."""
    root = local_path(patient.home.ledgers)
    names = sorted(root.glob("*/*.parquet")) if root.is_dir() else []
    damaged = [path for path in names if not path.name.startswith(".") and not _is_whole(path)]
    for path in damaged:
        what = f"{path.relative_to(root)} is not a whole Parquet file"
        yield Finding("ledgers", State.PROBLEM, what, "restore it: sopilot backup restore")
    if damaged:
        return
    for task_id in tasks_with_labels(patient.home):
        read_chain(patient.home, task_id)
    limit = patient.settings.retention.compact_ledger_files
    many = fragmented(patient.home.ledgers, at_least=2 * limit)
    if many:
        shown = ", ".join(f"{name} {count}" for name, count in many.items())
        what = f"very many files make reading slow: {shown}"
        yield Finding("ledgers", State.WARNING, what, "sopilot retention apply merges them")
    else:
        yield Finding("ledgers", State.OK, f"{len(names)} files, all whole")


def _is_whole(path: object) -> bool:
    try:
        pq.read_metadata(path)
    except FileNotFoundError:
        return True  # merged into another since it was listed
    except (OSError, pa.ArrowException):
        return False
    return True
