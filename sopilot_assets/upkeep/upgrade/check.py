"""What an upgrade of a home would change, need and leave to do; looking writes nothing."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from sopilot_assets.embedding.model_states import model_states
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.staleness import stale_scores
from sopilot_assets.store.home import Home
from sopilot_assets.store.home_format import (
    FORMAT_FILE,
    HOME_FORMAT,
    OLDEST_WRITABLE,
    read_format,
    this_program,
)
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.backup.history import newest_backup_at
from sopilot_assets.upkeep.backup.users import users_of
from sopilot_assets.upkeep.conditions import home as home_questions
from sopilot_assets.upkeep.conditions import tasks as task_questions
from sopilot_assets.upkeep.conditions.condition import (
    Answer,
    Condition,
    ConditionSeverity,
    Fine,
    problem,
    warning,
)
from sopilot_assets.upkeep.conditions.questions import ask
from sopilot_assets.upkeep.conditions.situation import Situation
from sopilot_assets.upkeep.setting_up import dagster_home, has_records_elsewhere
from sopilot_assets.upkeep.upgrade.instance_settings import FILE, other_settings, renewed
from sopilot_assets.upkeep.upgrade.migrations import Migration, UpgradePlan, plan_upgrade
from sopilot_assets.upkeep.upgrade.room import MIB, Room, room_for

_RUNS: Final = (
    "select run_id, end_time - start_time from runs where status = 'SUCCESS' and start_time is not null "
    "and end_time > start_time and pipeline_name in ('rescore_stale', 'score_new_recordings') "
    "order by id desc limit 20"
)

SettingsFaults: TypeAlias = Callable[[Home], Sequence[str]]
"""What Dagster refuses in a home's settings of its instance, a sentence each."""


@dataclass(frozen=True, slots=True)
class UpgradeCheck:
    """What `check_upgrade` found: the ``plan``; what was ``told``, in the order to read it; how many scores
    the home has, how many are ``stale`` under this version, by reason; the ``room`` that is needed; and how
    many seconds scoring those again is likely to take, None where the home has no run to tell that from.
    """

    plan: UpgradePlan
    told: tuple[Condition | Fine, ...]
    scored: int
    stale: Mapping[str, int]
    room: Room
    rescoring_s: float | None

    @property
    def is_blocked(self) -> bool:
        """Whether something has to be mended before the upgrade."""
        return any(
            isinstance(one, Condition) and one.severity is ConditionSeverity.PROBLEM for one in self.told
        )

    def as_json(self) -> dict[str, object]:
        """All of it as plain data; sizes in bytes, times in seconds."""
        return {
            "program": this_program(),
            "format": {
                "home": self.plan.before.number,
                "made_by": self.plan.before.made_by,
                "program": HOME_FORMAT,
            },
            "interrupted": self.plan.before.towards is not None,
            "needed": self.plan.is_needed,
            "blocked": self.is_blocked,
            "migrations": [
                {"migration": one.migration.name, "what": one.migration.what, "files": dict(one.touched)}
                for one in self.plan.migrations
            ],
            "scores": {"all": self.scored, "stale": sum(self.stale.values()), "why": dict(self.stale)},
            "bytes": {
                "free": self.room.free,
                "upgrade": self.room.upgrade,
                "rescoring": self.room.rescoring,
                "first_backup": self.room.backup,
            },
            "rescoring_s": self.rescoring_s,
            "told": [_row(one) for one in self.told],
        }


def check_upgrade(
    asked: Situation, migrations: Sequence[Migration], *, settings_faults: SettingsFaults
) -> UpgradeCheck:
    """What an upgrade by ``migrations`` would change in the home, need, and leave to do; nothing is written.

    ``settings_faults`` says what Dagster refuses in the home's settings of it.
    """
    home, root = asked.home, local_path(asked.home.root)
    plan = plan_upgrade(root, read_format(root), migrations)
    frame = stale_scores(home, make_models=False)
    stale = {str(why): int(count) for why, count in sorted(Counter(frame["why"]).items()) if why != "missing"}
    newer = int(sum("model" in f"{row.why} {row.also}" for row in frame.itertuples()))
    room = room_for(root, plan, stale=sum(stale.values()), embedded_anew=newer)
    scored = int(scores_ledger(home).query("select count(*) as n from latest")["n"].iloc[0])
    seconds = _seconds_each(home)
    rescoring_s = None if seconds is None else round(seconds * sum(stale.values()), 1)
    told = (
        *_format(root, plan),
        *_migrations(plan),
        *ask(home_questions.settings, asked).told,
        *(one for one in ask(task_questions.task_files, asked).told if not _is_advice(one)),
        *_instance(home, settings_faults),
        *_scores(home, scored, stale, rescoring_s),
        *_room(root, room),
        *_at_work(asked),
        *_backups(asked),
    )
    return UpgradeCheck(plan, tuple(told), scored, stale, room, rescoring_s)


def _format(root: Path, plan: UpgradePlan) -> Iterator[Condition | Fine]:
    before, file = plan.before, root / FORMAT_FILE
    if before.number > HOME_FORMAT:
        what = f"{file} says {before.number}, made by {before.made_by}; {this_program()} writes {HOME_FORMAT}"
        yield problem("format", "", what, f"activate {before.made_by}; until then reading works, writing not")
    elif before.towards is not None:
        what = f"on its way from {before.number} to {before.towards}; nobody may write until that has ended"
        yield warning("format", "", what, "sopilot upgrade run, or sopilot upgrade revert")
    elif before.number < HOME_FORMAT:
        may = "may be written as it is" if before.number >= OLDEST_WRITABLE else "can only be read until then"
        what = f"{before.number}, of {before.made_by}; {this_program()} makes {HOME_FORMAT}; it {may}"
        yield warning("format", "", what, "sopilot upgrade run")
    else:
        yield Fine("format", "", f"{before.number}, as {this_program()} makes it")


def _migrations(plan: UpgradePlan) -> Iterator[Condition | Fine]:
    for one in plan.migrations:
        paths = sorted(one.touched)
        shown = "; ".join(f"{path} {one.touched[path]}" for path in paths[:3])
        more = f"; and {len(paths) - 3} more" if paths[3:] else ""
        what = f"{one.migration.what}: {shown}{more}"
        yield warning("migration", one.migration.name, what, "sopilot upgrade run")


def _is_advice(one: Condition | Fine) -> bool:
    """Whether it is no concern of an upgrade, such as that a task is not locked."""
    return isinstance(one, Condition) and one.severity is ConditionSeverity.WARNING


def _instance(home: Home, faults: SettingsFaults) -> Iterator[Condition | Fine]:
    path = dagster_home(home) / "dagster.yaml"
    if not path.is_file():
        yield warning("Dagster", "settings", f"{path} is not there", "sopilot home init")
        return
    refused = faults(home)
    for fault in refused:
        yield problem("Dagster", "settings", f"{path}: {fault}", "correct it")
    if has_records_elsewhere(home):
        what = "its records are in PostgreSQL, which no migration changes"
        yield warning("Dagster", "database", what, "see docs/upgrade.md#several-machines")
    if not refused:
        others = other_settings(renewed(path.read_bytes())[0])
        yield Fine("Dagster", "settings", f"{FILE} is taken" if not others else _edited(others))


def _edited(others: Sequence[str]) -> str:
    more = f"; and {len(others) - 5} more" if others[5:] else ""
    return f"{FILE} is taken as people edited it; unlike the shipped file, {'; '.join(others[:5])}{more}"


def _scores(
    home: Home, scored: int, stale: Mapping[str, int], seconds: float | None
) -> Iterator[Condition | Fine]:
    unmade = [one.name for one in model_states(home) if one.tasks and one.usable and "made at" in one.state]
    if unmade:
        what = "is made at its first use; whether embeddings become stale shows then"
        yield warning("model", ", ".join(unmade), what, f"sopilot model verify {unmade[0]}")
    if not stale:
        yield Fine("scores", "", f"{scored}, all up to date under this version")
        return
    count = sum(stale.values())
    reasons = ", ".join(f"{number} {why}" for why, number in stale.items())
    takes = f"about {_duration(seconds)}" if seconds is not None else "a time that no run of this home tells"
    what = (
        f"{count} of {scored} are stale under this version ({reasons}); they stay readable; "
        f"scoring them again takes {takes}"
    )
    yield warning("scores", "", what, "sopilot score run --stale, after the upgrade")


def _room(root: Path, room: Room) -> Iterator[Condition | Fine]:
    what = (
        f"{room.upgrade / MIB:.0f} MiB for the upgrade and {room.rescoring / MIB:.0f} MiB for scoring again; "
        f"{room.free / MIB:.0f} MiB are free; a first backup takes up to {room.backup / MIB:.0f} MiB there"
    )
    if room.free < room.upgrade:
        yield problem("disk", "", what, f"make room on the disk of {root}")
    elif room.free < room.needed:
        yield warning("disk", "", what, f"make room on the disk of {root} before scoring again")
    else:
        yield Fine("disk", "", what)


def _at_work(asked: Situation) -> Iterator[Condition | Fine]:
    users = users_of(local_path(asked.home.root))
    if users:
        what = f"{len(users)} processes work in the home: {'; '.join(users[:5])}"
        yield warning("at work", "processes", what, "stop make dev, the desk and the services first")
    runs = ask(_unfinished, asked).told
    yield from runs
    if not (users or runs):
        yield Fine("at work", "", "nobody works in the home")


def _unfinished(asked: Situation) -> Answer:
    runs = asked.dagster.runs
    if not runs:
        return Answer(())
    jobs = ", ".join(f"{one.job} ({one.status.lower()})" for one in runs[:5])
    what = f"{len(runs)} runs have not ended: {jobs}; they go on under the new version"
    return Answer((warning("at work", "runs", what, "let them end before the upgrade"),))


def _backups(asked: Situation) -> Iterator[Condition | Fine]:
    destination = asked.settings.backup.destination if not _refused(asked) else None
    at = newest_backup_at(asked.home)
    last = "none was ever made" if at is None else f"the newest is of {at:%Y-%m-%d %H:%M} UTC"
    if destination is None:
        what = f"settings.yaml names no place, so the upgrade keeps only the files that it changes; {last}"
        yield warning("backup", "", what, "sopilot backup create FOLDER, on another disk")
    else:
        yield Fine("backup", "", f"the upgrade makes one in {destination} first; {last}")


def _refused(asked: Situation) -> bool:
    return any(isinstance(one, Condition) for one in ask(home_questions.settings, asked).told)


def _seconds_each(home: Home) -> float | None:
    """Seconds that one recording took in the newest runs that scored; None where there was none."""
    path = dagster_home(home) / "history" / "runs.db"
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as runs:
            took = {str(run_id): float(seconds) for run_id, seconds in runs.execute(_RUNS)}
    except sqlite3.Error:
        return None  # which doctor reports
    counts = scores_ledger(home).query("select run_id, count(*) as n from all_rows group by run_id")
    made = {str(row["run_id"]): int(str(row["n"])) for row in plain_rows(counts) if row["run_id"] in took}
    return sum(took[one] for one in made) / sum(made.values()) if made else None


def _duration(seconds: float) -> str:
    """A time in words.

    >>> _duration(40), _duration(600), _duration(10000)
    ('40 s', '10 min', '2.8 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _row(one: Condition | Fine) -> dict[str, object]:
    state = one.severity.value if isinstance(one, Condition) else "ok"
    action = one.action if isinstance(one, Condition) else ""
    return {"check": one.kind, "subject": one.subject, "state": state, "what": one.what, "action": action}
