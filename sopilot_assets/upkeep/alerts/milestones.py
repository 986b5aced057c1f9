"""When what a home needs regularly was done last, as far as its files say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from sopilot_assets.capture.ledgers import videos_ledger
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.settings import Settings
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.alerts.overdue import Milestone
from sopilot_assets.upkeep.backup.history import newest_backup_at, newest_drill_at


def home_milestones(home: Home, settings: Settings) -> list[Milestone]:
    """What the files of the home tell about scores, reports and, where the settings name a place, backups."""
    limits = settings.freshness
    return [
        *_unscored(home, limits.unscored_hours),
        *(_backups(home, settings) if settings.backup.destination else ()),
        Milestone(
            "daily report",
            _newest(local_path(home.reports).glob("*.html")),
            limits.daily_report_hours,
            "look in Dagster's page why the schedule of daily_reports does not run, then "
            "`sopilot report show`",
        ),
    ]


def _unscored(home: Home, limit_hours: float | None) -> list[Milestone]:
    """The recording that waits longest for its first score, if one waits."""
    waiting = videos_ledger(home).query(
        """
        select count(*) as recordings, min(written_at) as oldest from latest
        where status = 'active' and key not in (select key from scored)
        """,
        scored=scores_ledger(home).query("select key from latest"),
    )
    count, oldest = waiting.iloc[0]["recordings"], waiting.iloc[0]["oldest"]
    if not int(count):
        return []
    action = (
        f"{int(count)} recordings wait: look at failed runs in the page of Dagster, or run "
        "`sopilot score run`"
    )
    return [Milestone("scores of new recordings", datetime.fromisoformat(str(oldest)), limit_hours, action)]


def _backups(home: Home, settings: Settings) -> Iterator[Milestone]:
    limits = settings.freshness
    look = "look at the runs of the asset backups in Dagster's page"
    yield Milestone(
        "sound backup", newest_backup_at(home), limits.backup_hours, f"{look}, or run `sopilot backup create`"
    )
    yield Milestone(
        "drill of a backup that passed",
        newest_drill_at(home),
        limits.drill_hours,
        f"{look}, or run `sopilot backup verify --drill`",
    )


def _newest(paths: Iterable[Path]) -> datetime | None:
    times = [path.stat().st_mtime for path in paths]
    return datetime.fromtimestamp(max(times), UTC) if times else None
