"""All checks, in the order in which things should be mended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sopilot_assets.errors import SopilotError
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.doctor import instance, machine, recordings, unattended
from sopilot_assets.upkeep.doctor.finding import Check, Finding, Patient, State

CHECKS: Final[tuple[Check, ...]] = (
    machine.packages,
    machine.writable,
    unattended.settings,
    machine.disk_space,
    machine.clock,
    machine.web_ports,
    instance.dagster_settings,
    instance.daemon,
    instance.queue,
    instance.ticks,
    instance.journals,
    unattended.ledgers,
    recordings.task_files,
    recordings.task_of_recordings,
    recordings.models,
    recordings.golds,
    recordings.capture_folder,
    recordings.stored_files,
    recordings.quarantine,
    recordings.scores,
    unattended.campaign,
    unattended.backups,
    unattended.alerts,
    machine.leftovers,
)


def examine_home(home: Home, *, now_s: float, environment: Mapping[str, str]) -> list[Finding]:
    """The findings of every check, in the order in which things should be mended."""
    patient = Patient(home, now_s, environment)
    if not local_path(home.root).is_dir():
        absent = Finding(
            "home",
            State.PROBLEM,
            f"{home.root} is not there",
            "sopilot home init, or name another with --home",
        )
        return [*machine.packages(patient), absent]
    return [finding for check in CHECKS for finding in _guarded(check, patient)]


def _guarded(check: Check, patient: Patient) -> list[Finding]:
    """What the check found; an error that stops it is itself a finding."""
    name = check.__name__.replace("_", " ")
    try:
        return list(check(patient))
    except SopilotError as error:
        return [Finding(name, State.PROBLEM, str(error), "see the message")]
    except OSError as error:
        return [Finding(name, State.PROBLEM, str(error), "mend the disk or the permissions")]
