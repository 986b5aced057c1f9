"""What must hold at the end of a soak, whatever the faults were."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sopilot_assets.capture.ledgers import quarantine_ledger, videos_ledger
from sopilot_assets.capture.taken import read_taken
from sopilot_assets.defs.instance import local_instance
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import file_sha256
from sopilot_assets.upkeep.alerts import read_events
from sopilot_assets.upkeep.campaign.plan import CampaignPlan, load_plan
from sopilot_assets.upkeep.campaign.records import CycleOutcome, cycle_rows
from sopilot_assets_tests.soak.drops import Drop
from sopilot_assets_tests.soak.same import rows_of, torn_databases
from sopilot_assets_tests.upkeep.alerts.receivers import MailReceiver, WebhookReceiver

VERSION: Final = ("algorithm", "model_id", "reference_id", "task_fingerprint")
"""What a score was made from; a recording has one row for each version."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that must hold: what, and what speaks against it."""

    what: str
    against: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.against


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a soak left behind."""

    home: Home
    campaign_id: str
    standing: str
    dropped: Sequence[Drop]
    webhook: WebhookReceiver
    mail: MailReceiver
    touches: int


def verdicts(outcome: Outcome) -> list[Verdict]:
    """Everything that must hold."""
    home, plan = outcome.home, load_plan(outcome.home, outcome.campaign_id)
    checks = {
        "the campaign ended by itself": _ended(outcome),
        "no human touch": [f"{outcome.touches} touches"] if outcome.touches else [],
        "every cycle is accounted for, none ran twice": _cycles(home, plan),
        "every good recording is scored, once for each version": _scored(home, outcome.dropped),
        "every bad file is quarantined with a right reason": _quarantined(home, outcome.dropped),
        "nothing waits in the capture folder": _waiting(home),
        "no row is lost or doubled": _rows(home),
        "no file is torn": _torn(home),
        "every alert was delivered by webhook and e-mail": _delivered(outcome),
        "no run is left unfinished": _unfinished_runs(home),
    }
    return [Verdict(what, tuple(against)) for what, against in checks.items()]


def _ended(outcome: Outcome) -> Iterator[str]:
    if outcome.standing != "finished":
        yield f"its state is {outcome.standing}"


def _cycles(home: Home, plan: CampaignPlan) -> Iterator[str]:
    rows = cycle_rows(home, plan.campaign_id)
    counts = Counter(rows["cycle"].astype(int))
    yield from (f"cycle {cycle} has no outcome" for cycle in range(plan.cycles) if not counts[cycle])
    yield from (f"cycle {cycle} has {count} outcomes" for cycle, count in counts.items() if count > 1)
    yield from (f"cycle {cycle} was not planned" for cycle in counts if not 0 <= cycle < plan.cycles)
    if CycleOutcome.RUN.value not in set(rows["outcome"]):
        yield "no cycle ran to its end"
    with local_instance(home) as instance:
        runs = instance.get_runs(dg.RunsFilter(job_name="campaign_cycle"))
    # a retry carries on the cycle of the run that died, and is no second launch
    firsts = Counter(run.tags.get("sopilot/cycle") for run in runs if run.parent_run_id is None)
    yield from (f"cycle {cycle} was launched {count} times" for cycle, count in firsts.items() if count > 1)


def _scored(home: Home, dropped: Sequence[Drop]) -> Iterator[str]:
    good = {drop.sha256[:12]: drop for drop in dropped if drop.is_good}
    rows = scores_ledger(home).all_rows()
    newest = scores_ledger(home).latest()
    done = set(newest[newest["decision"].notna() & newest["reference_id"].notna()]["video_id"])
    yield from (f"{drop.path.name} is not scored" for name, drop in good.items() if name not in done)
    versions = Counter(rows[["key", *VERSION]].astype(str).itertuples(index=False, name=None))
    yield from (
        f"{version[0]} has {count} rows of one version" for version, count in versions.items() if count > 1
    )
    taken = Counter(videos_ledger(home).all_rows()["video_id"])
    yield from (
        f"{drop.path.name} is registered {taken[name]} times"
        for name, drop in good.items()
        if taken[name] != 1
    )


def _quarantined(home: Home, dropped: Sequence[Drop]) -> Iterator[str]:
    rows = quarantine_ledger(home).all_rows().set_index("sha256")["reason"].to_dict()
    registered = set(videos_ledger(home).all_rows()["sha256"])
    for drop in dropped:
        if drop.is_good and drop.sha256 in rows:
            yield f"{drop.path.name} is a good recording, and was refused as {rows[drop.sha256]}"
        if drop.is_good:
            continue
        if drop.sha256 in registered:
            yield f"{drop.path.name} was taken in"
        elif rows.get(drop.sha256) not in drop.reasons:
            yield f"{drop.path.name}: expected {sorted(drop.reasons)}, found {rows.get(drop.sha256)}"
    for path in Path(str(home.quarantine)).rglob("*"):
        if path.is_file() and path.suffix == ".mp4" and file_sha256(path) not in rows:
            yield f"{path.name} lies in quarantine without a row"


def _waiting(home: Home) -> Iterator[str]:
    # they stay for a while, in case they grow
    taken = {one.relative for one in read_taken(home).values() if not one.gone}
    for path in Path(str(home.capture)).rglob("*"):
        if path.is_file() and path.suffix not in (".csv",) and not path.name.startswith("."):
            relative = path.relative_to(Path(str(home.capture))).as_posix()
            if relative not in taken:
                yield relative


def _rows(home: Home) -> Iterator[str]:
    """Subjects with several distinct rows, in ledgers that have one each; rows that point at no file."""
    for name, subject in (("videos", "key"), ("quarantine", "sha256"), ("campaign_steps", "step_id")):
        counts = Counter(str(row[subject]) for row in rows_of(Path(str(home.ledgers)) / name))
        yield from (f"ledger {name}: {one} has {count} rows" for one, count in counts.items() if count > 1)
    for row in rows_of(Path(str(home.ledgers)) / "videos"):
        path = Path(str(home.videos)) / str(row["stored_name"])
        if not path.exists():
            yield f"ledger videos: {row['key']} has no file {path.name}"
        elif file_sha256(path) != row["sha256"]:
            yield f"{path.name} is not the file that was dropped"


def _torn(home: Home) -> Iterator[str]:
    root = Path(str(home.root))
    yield from torn_databases(root)
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.name.startswith(".") and root / "dagster" not in path.parents:
            why = _damage(path)
            if why:
                yield f"{path.relative_to(root)}: {why}"


def _damage(path: Path) -> str | None:
    try:
        if path.suffix == ".parquet":
            pq.ParquetFile(path).read()
        elif path.suffix == ".json":
            json.loads(path.read_bytes())
        elif path.suffix == ".jsonl":
            [json.loads(line) for line in path.read_bytes().splitlines() if line]
        elif path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                [arrays[name] for name in arrays.files]
        elif path.suffix == ".html" and not path.read_bytes().rstrip().endswith(b"</html>"):
            return "the page is cut short"
    except (OSError, ValueError, pa.ArrowException) as error:
        return str(error)
    return None


def _delivered(outcome: Outcome) -> Iterator[str]:
    told = {event.id: event for event in read_events(outcome.home) if event.is_told}
    by_web = Counter(outcome.webhook.taken)
    mails = [mail.as_string() for mail in outcome.mail.mails]
    for identity, event in told.items():
        if not by_web[identity]:
            yield f"{event.event} {event.kind} {event.subject}: not by webhook"
        if not any(identity in mail for mail in mails):
            yield f"{event.event} {event.kind} {event.subject}: not by e-mail"


def _unfinished_runs(home: Home) -> Iterator[str]:
    with local_instance(home) as instance:
        runs = instance.get_runs(dg.RunsFilter(statuses=list(dg.DagsterRunStatus)))
    over = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
    yield from (
        f"run {run.run_id[:8]} of {run.job_name} is {run.status.value}"
        for run in runs
        if run.status not in over
    )
