"""The report of one day: its sections, published as a page and as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from sopilot_assets.store.canonical import pretty_json
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.store.publish import local_path, publish_bytes, publish_text
from sopilot_assets.studies.audit import EVER
from sopilot_assets.upkeep.daily import counts, happenings
from sopilot_assets.upkeep.daily.day import Day, Rows
from sopilot_assets.upkeep.daily.days import report_path
from sopilot_assets.upkeep.daily.facts import facts_of, known_facts
from sopilot_assets.upkeep.daily.needs import needs
from sopilot_assets.upkeep.daily.page import page
from sopilot_assets.upkeep.daily.waiting import reviews


@dataclass(frozen=True, slots=True)
class DailyReport:
    """A day's report: each section is rows with the same columns; ``measured_at`` is when disk, stale scores
    and gates were looked at.
    """

    day: Day
    measured_at: str
    sections: Mapping[str, Sequence[Mapping[str, Cell]]]

    def of_the_day(self) -> dict[str, int]:
        """What happened on the day, by name; decisions are those of recordings that were new on it."""
        found: Counter[str] = Counter()
        for row in self.sections["days"]:
            if row["date"] == self.day.date.isoformat():
                found.update({name: value for name, value in row.items() if isinstance(value, int)})
        for row in self.sections["decisions"]:
            if row["of"] == "new":
                found.update({f"new_{name}": value for name, value in row.items() if isinstance(value, int)})
        del found["refused"]  # counted above, by file
        return dict(found)

    def by_task(self) -> dict[str, float]:
        """The figures of each task that are to be followed over time, by name: the share that is decided, and
        the audited miss rate among passes with its interval.
        """
        shares = {
            f"decided_share_{row['task']}": row["decided_share"]
            for row in self.sections["decisions"]
            if row["of"] == "all"
        }
        rates = {
            f"passes_{name}_{row['task']}": row[name]
            for row in self.sections["audit"]
            if row["week"] == EVER
            for name in ("miss_rate", "low", "high")
        }
        return {name: float(value) for name, value in (shares | rates).items() if value is not None}

    def document(self) -> dict[str, object]:
        """The report as plain values."""
        return {
            "date": self.day.date.isoformat(),
            "until": self.day.moment,
            "complete": self.day.complete,
            "measured_at": self.measured_at,
            "sections": self.sections,
        }


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """A report and where it was published."""

    report: DailyReport
    page: Path
    table: Path


def daily_report(home: Home, day: date, *, now: datetime, run_id: str) -> DailyReport:
    """The report of a day as its end left things; of today, as far as it went.

    Raises `ConfigError` for a day that has not begun.
    """
    seen = Day.at(day, now)
    facts, rows = facts_of(home, seen, now=now, run_id=run_id), Rows(home, seen)
    sections: dict[str, Sequence[Mapping[str, Cell]]] = {
        "tasks": counts.progress(rows, facts),
        "decisions": counts.decisions(rows),
        "reviews": reviews(rows),
        "audit": counts.audit(rows, facts),
        "days": counts.activity(rows),
        "gates": facts.gates,
        "drift": counts.drift(rows),
        "quarantine": counts.quarantine(rows),
        "quarantine_reasons": counts.quarantine_reasons(rows),
        "stale": [{"why": why, "recordings": count} for why, count in (facts.stale or {}).items()],
        "alerts": happenings.alerts(home, seen),
        "campaigns": happenings.campaigns(home, seen),
        "disk": [counts.disk(facts, known_facts(home))],
    }
    return DailyReport(seen, facts.measured_at, {"needs": needs(rows, sections), **sections})


def write_report(home: Home, day: date, *, now: datetime, run_id: str) -> WrittenReport:
    """The report of a day, published as ``reports/<date>.html`` and ``reports/<date>.json``."""
    report = daily_report(home, day, now=now, run_id=run_id)
    written = WrittenReport(
        report, local_path(report_path(home, day, "html")), local_path(report_path(home, day, "json"))
    )
    publish_text(written.page, page(report.document()))
    publish_bytes(written.table, pretty_json(report.document()))  # last: it says that the report is made
    return written
