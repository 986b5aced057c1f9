"""The daily report as an asset: one partition a day in UTC, made after midnight."""

from datetime import UTC, date, datetime
from typing import Final

import dagster as dg

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.defs.partitions import NEIGHBOURS_TOGETHER, NO_PARTITION_OF
from sopilot_assets.defs.publish import RawMetadata, in_ledger, page, table
from sopilot_assets.defs.recordings.scores import scores
from sopilot_assets.defs.resources import ClockResource, HomeResource
from sopilot_assets.defs.runs import ONE_HOUR_S, due_after, work_tags
from sopilot_assets.defs.web.addresses import PageAddresses
from sopilot_assets.errors import SopilotError
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.daily.days import days_to_report, first_day
from sopilot_assets.upkeep.daily.facts import facts_ledger

with at_first_use():
    from sopilot_assets.upkeep.daily import report as station

AFTER_MIDNIGHT: Final = "20 0 * * *"
NO_HOME: Final = date(2025, 1, 1)
MADE_UP_DAYS: Final = 7
"""So many past days are made up for when nobody was there at midnight."""


def days_of(home: Home, today: date) -> dg.DailyPartitionsDefinition:
    """The days since the home's first recording, and from today on where there is none yet.

    Where no home is, they begin with `NO_HOME`; ``end_offset`` lets a report be made before its day is over.
    """
    if not home.root.exists():
        begun = NO_HOME
    else:
        try:
            begun = first_day(home) or today
        except SopilotError:  # doctor and alerts name what is damaged, and need definitions that load
            begun = today
    return dg.DailyPartitionsDefinition(
        start_date=min(begun, today).isoformat(), timezone="UTC", end_offset=1
    )


DAY: Final = days_of(HomeResource().home, datetime.now(UTC).date())
"""As of when the definitions were loaded."""


@dg.asset(
    deps=[dg.AssetDep(scores, partition_mapping=NO_PARTITION_OF)],
    description=(
        "What a day brought and where things stand at its end: progress against the targets, decisions, "
        "gates, drift, refused files with their reasons, disk, and what needs a person, as a page and as "
        "tables. The report of a past day is the same whenever it is made."
    ),
    group_name="operations",
    kinds={"html"},
    owners=["team:quality"],
    code_version="daily-1",
    metadata=in_ledger(facts_ledger),
    partitions_def=DAY,
    freshness_policy=due_after(AFTER_MIDNIGHT),
    backfill_policy=NEIGHBOURS_TOGETHER,
)
def daily_reports(context: dg.AssetExecutionContext, home: HomeResource, clock: ClockResource) -> None:
    """Each day's report, published below ``reports``."""
    for key in context.partition_keys:
        written = station.write_report(
            home.home, date.fromisoformat(key), now=clock.now(), run_id=context.run.run_id
        )
        metadata = {**_metadata(written.report), **page(written.page, PageAddresses.of(home.home))}
        context.add_asset_metadata(metadata, partition_key=key)


make_daily_report: Final = dg.define_asset_job(
    "make_daily_report",
    selection=dg.AssetSelection.assets(daily_reports),
    description="Write the reports of the chosen days.",
    tags=work_tags("daily", longest_s=ONE_HOUR_S),
    executor_def=dg.in_process_executor,
)


@dg.schedule(
    name="daily_reports_after_midnight",
    job=make_daily_report,
    cron_schedule=AFTER_MIDNIGHT,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=(
        "Writes the report of the day before at 00:20 UTC, and those that are missing of the last "
        f"{MADE_UP_DAYS} days."
    ),
)
def daily_reports_schedule(
    context: dg.ScheduleEvaluationContext, home: HomeResource
) -> list[dg.RunRequest] | dg.SkipReason:
    """One run for each finished day without a final report."""
    today = context.scheduled_execution_time.astimezone(UTC).date()
    days = days_to_report(home.home, today, most=MADE_UP_DAYS)
    # the run key changes daily: what failed yesterday is tried again
    requests = [dg.RunRequest(run_key=f"{today}/{day}", partition_key=day.isoformat()) for day in days]
    return requests or dg.SkipReason("every report is there")


def _metadata(report: "station.DailyReport") -> RawMetadata:
    tables = {name: table(rows, columns=tuple(rows[0])) for name, rows in report.sections.items() if rows}
    disk = report.sections["disk"][0]
    figures: RawMetadata = {
        "complete": report.day.complete,
        "until": report.day.moment,
        "need_a_person": len(report.sections["needs"]),
        "refused": len(report.sections["quarantine"]),
    }
    figures |= {name: float(value) for name, value in disk.items() if isinstance(value, int | float)}
    return {**figures, **report.of_the_day(), **report.by_task(), **tables}
