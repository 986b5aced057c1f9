"""The end of a campaign: one summary of all its cycles, as a document, tables and a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Final

import pandas as pd
from jinja2 import Environment, StrictUndefined

from sopilot_assets.capture.ledgers import quarantine_ledger, videos_ledger
from sopilot_assets.processes.children import end_marked
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.canonical import pretty_json
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, Ledger, plain_rows
from sopilot_assets.store.publish import local_path, publish_bytes, publish_text
from sopilot_assets.upkeep.campaign.deciding import Ending
from sopilot_assets.upkeep.campaign.durations import say_duration
from sopilot_assets.upkeep.campaign.plan import CampaignPlan, folder, mark
from sopilot_assets.upkeep.campaign.records import CycleOutcome, StepOutcome, cycle_rows, step_rows

SUMMARY: Final = "summary.json"
PAGE: Final = "summary.html"

_TEMPLATE: Final = "summary.html"


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of a campaign: scalars, and rows of its cycles, of its steps and of all that needs a look.
    ``page`` is the file for people.
    """

    campaign_id: str
    facts: Mapping[str, Cell]
    cycles: Sequence[Mapping[str, Cell]]
    steps: Sequence[Mapping[str, Cell]]
    troubles: Sequence[Mapping[str, Cell]]
    page: Path


def summarise(home: Home, plan: CampaignPlan, *, ending: Ending, ended_at: datetime) -> Summary:
    """Sum up a campaign that has ended, and publish its page and, last, the document that closes it.

    Whatever a killed cycle left running is ended first.
    """
    end_marked(mark(home, plan.campaign_id))
    cycles, steps = cycle_rows(home, plan.campaign_id), step_rows(home, plan.campaign_id)
    facts = _facts(home, plan, cycles, steps, ending=ending, ended_at=ended_at)
    target = folder(home, plan.campaign_id)
    summary = Summary(
        plan.campaign_id,
        facts,
        plain_rows(
            _of(cycles, ("cycle", "scheduled_for", "outcome", "why", "seconds", "faults", "findings"))
        ),
        _by_step(steps),
        plain_rows(
            _of(
                steps[steps["outcome"] != StepOutcome.OK.value],
                ("cycle", "step", "outcome", "what", "command", "log"),
            )
        ),
        local_path(target / PAGE),
    )
    publish_text(target / PAGE, render(summary))
    document = {
        "facts": summary.facts,
        "cycles": summary.cycles,
        "steps": summary.steps,
        "troubles": summary.troubles,
    }
    publish_bytes(target / SUMMARY, pretty_json(document))
    return summary


def render(summary: Summary) -> str:
    """The page of a summary."""
    text = files(__package__).joinpath("templates", _TEMPLATE).read_text(encoding="utf-8")
    environment = Environment(
        undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(text).render(summary=summary)


def _facts(
    home: Home,
    plan: CampaignPlan,
    cycles: pd.DataFrame,
    steps: pd.DataFrame,
    *,
    ending: Ending,
    ended_at: datetime,
) -> dict[str, Cell]:
    outcomes, ended = Counter(cycles["outcome"]), Counter(steps["outcome"])
    since, until = plan.started_at.isoformat(), ended_at.isoformat()
    return {
        "campaign": plan.campaign_id,
        "ended_by": ending,
        "started_at": since,
        "ended_at": until,
        "interval": say_duration(plan.interval_s),
        "duration": say_duration(plan.duration_s),
        "cycles_planned": plan.cycles,
        **{f"cycles_{outcome.value}": outcomes[outcome.value] for outcome in CycleOutcome},
        **{f"steps_{outcome.value}": ended[outcome.value] for outcome in StepOutcome},
        "recordings_accepted": _subjects(videos_ledger(home), since, until),
        "files_quarantined": _subjects(quarantine_ledger(home), since, until),
        "recordings_scored": _subjects(scores_ledger(home), since, until),
    }


def _subjects(ledger: Ledger, since: str, until: str) -> int:
    """How many subjects have a row written in a span of time."""
    rows = ledger.all_rows()
    written = pd.to_datetime(rows["written_at"], format="ISO8601", utc=True)
    inside = (written >= pd.Timestamp(since)) & (written <= pd.Timestamp(until))
    return int(rows.loc[inside, ledger.subject].nunique())


def _by_step(steps: pd.DataFrame) -> list[dict[str, Cell]]:
    rows: list[dict[str, Cell]] = []
    for name, group in steps.groupby("step", sort=False):
        ended = Counter(group["outcome"])
        rows.append(
            {
                "step": str(name),
                "runs": len(group),
                **{outcome.value: ended[outcome.value] for outcome in StepOutcome},
                "median_s": round(float(group["seconds"].median()), 2),
                "longest_s": round(float(group["seconds"].max()), 2),
            }
        )
    return rows


def _of(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    return frame.loc[:, list(columns)]
