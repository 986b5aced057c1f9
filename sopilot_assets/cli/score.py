"""`sopilot score`: the scores of recordings, made now through Dagster, and listed."""

from __future__ import annotations

import os
import socket
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from upath import UPath

from sopilot_assets.at_first_use import at_first_use, load_now
from sopilot_assets.capture.registry import active_recordings, find_recordings, retired_keys
from sopilot_assets.cli.options import (
    AS_CSV,
    AS_JSON,
    HOME,
    LANG,
    OF_PERSON,
    OF_SITE,
    OF_TASK,
    TASK,
    examples,
)
from sopilot_assets.cli.output import say, show_error, show_rows, show_warning, stage
from sopilot_assets.cli.rows import review_page
from sopilot_assets.errors import ConfigError
from sopilot_assets.labels.contests import contested
from sopilot_assets.reference.annotations import told
from sopilot_assets.scoring.ledger import row_source, scores_ledger
from sopilot_assets.scoring.limits import GOLDS
from sopilot_assets.scoring.verdict import verdict_of_row
from sopilot_assets.settings import load_settings
from sopilot_assets.stations.gold_inputs import reference_problems, task_inputs
from sopilot_assets.stations.rescoring_plan import plan_scoring
from sopilot_assets.stations.review_index import write_review_index
from sopilot_assets.stations.staleness import stale_scores
from sopilot_assets.store.home import PartitionKey
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.store.publish import publish_bytes
from sopilot_assets.tasks import find_tasks, load_task
from sopilot_assets.texts.languages import Language
from sopilot_assets.upkeep.results.deliver import ResultOutbox

if TYPE_CHECKING:
    from collections.abc import Collection

    from sopilot_assets.local_run import LocalRun
    from sopilot_assets.stations.gold_inputs import GoldInputs
    from sopilot_assets.stations.rescoring_plan import ScoringWork
    from sopilot_assets.store.home import Home
    from sopilot_assets.store.ledgers import Cell
    from sopilot_assets.tasks import TaskSpec
    from sopilot_assets.times.figures import TimesFilter
    from sopilot_assets.times.reading import Times


with at_first_use():
    from sopilot_assets import local_run
    from sopilot_assets.stations import review_pages
    from sopilot_assets.times import figures, overview, reading, sheet

app = typer.Typer()

Role = Literal["gold", "trainee"]


@app.command(
    "run",
    epilog=examples(
        "sopilot score run",
        "sopilot score run --stale --dry-run",
        "sopilot score run take_07.mp4 filter_change-t-1f3a9c2b7d04",
        "sopilot score run --all --task filter_change",
    ),
)
def run(
    recordings: Annotated[
        list[str] | None,
        typer.Argument(help="Partition keys, video ids or file names. (Default: what has no score yet.)"),
    ] = None,
    *,
    task: OF_TASK = None,
    stale: Annotated[
        bool, typer.Option("--stale", help="All whose score is missing or out of date.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="All, up to date or not.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    home: HOME,
    as_json: AS_JSON = False,
) -> None:
    """Score recordings now: what is registered and has no score, unless told otherwise.

    It goes through Dagster in this process, in one run; the web page shows the results.
    """
    if sum((bool(recordings), stale, everything)) > 1:
        raise ConfigError("RECORDINGS, --stale and --all: choose one of them.")
    work = plan_scoring(home, names=recordings or (), task_id=task, stale=stale, everything=everything)
    planned, columns = _plan_rows(work), ("job", "recordings", "because")
    if dry_run or not as_json:
        empty = "" if work else _nothing_to_do(home, task)
        show_rows(planned, columns=columns, empty=empty, as_json=as_json)
    if dry_run:
        return
    ended = run_work(home, work, quiet=as_json) if work else []
    # also when there was nothing to do: a run that was killed last may not have come to it
    index = write_review_index(home)
    if as_json:
        show_rows([{**row, "run_id": ended[0].run_id} for row in planned], columns=columns, as_json=True)
    else:
        say(f"Review pages: {index}")
    worked_on = {PartitionKey.parse(key).task_id for one in work for key in one.why}
    _show_what_is_left(home, worked_on or _chosen_tasks(home, task), quiet=as_json or not work)


@app.command(
    "list",
    epilog=examples(
        "sopilot score list",
        "sopilot score list --task filter_change --decision fail --lang ja",
        "sopilot score list --person p03 --site line1",
        "sopilot score list --stale",
        "sopilot score list --csv > scores.csv",
    ),
)
def list_scores(
    *,
    task: OF_TASK = None,
    person: OF_PERSON = None,
    site: OF_SITE = None,
    role: Annotated[Role | None, typer.Option(help="Only golds, or only trainee recordings.")] = None,
    decision: Annotated[
        Literal["pass", "needs_review", "retrain", "fail", "not_verifiable"] | None,
        typer.Option(help="Only recordings with this decision."),
    ] = None,
    problems: Annotated[
        bool, typer.Option("--problems", help="Only those that could not be scored.")
    ] = False,
    stale: Annotated[
        bool,
        typer.Option(
            "--stale",
            help="Scores that are missing, or would be made otherwise now: which, and why.",
        ),
    ] = False,
    home: HOME,
    lang: LANG = Language.EN,
    as_json: AS_JSON = False,
    as_csv: AS_CSV = False,
) -> None:
    """List the newest score of every recording: decision, deviations, reason, and its review page."""
    gone = retired_keys(home)
    if stale:
        if task or person or site or role or decision or problems:
            raise ConfigError("--stale: expected without other options that choose.")
        _list_stale(home, as_json=as_json, as_csv=as_csv)
        return
    wanted = {"task_id": task, "person": person, "site": site, "role": role, "decision": decision}
    every = plain_rows(scores_ledger(home).latest())
    rows = [
        row
        for row in every
        if all(value is None or row[name] == value for name, value in wanted.items())
        and (row["problem"] is not None or not problems)
        and row["key"] not in gone
    ]
    tasks, objections = find_tasks(home.root).tasks, contested(home)
    told = [
        {
            **row,
            "reason": getattr(verdict_of_row(row, tasks.get(str(row["task_id"]))).headline, lang.value),
            "contested": "; ".join(map(str, objections.get(str(row["key"]), ()))) or None,
            "decided_by": row_source(row),
            "page": review_page(home, row),
        }
        for row in rows
    ]
    columns = ["key", "original_name", "person", "site", "decision", "reason", "deviation_types", "score"]
    if any(row["contested"] for row in told):
        columns.insert(5, "contested")
    if any(row["decided_by"] != GOLDS for row in told):
        columns.insert(5, "decided_by")
    none = f"None of the {len(every)} scores is such a one." if every else _no_scores(home)
    show_rows(told, columns=columns, empty=none, as_json=as_json, as_csv=as_csv)
    if told and not (as_json or as_csv):
        say(f"{len(told)} recordings. Review pages: {home.reviews}")


@app.command(
    "export",
    epilog=examples(
        "sopilot score export filter_change",
        "sopilot score export filter_change --site line1 --since 2026-W05",
        "sopilot score export filter_change --csv > times.csv",
        "sopilot score export filter_change --excel times.xlsx",
    ),
)
def export(
    task: TASK,
    *,
    person: OF_PERSON = None,
    site: OF_SITE = None,
    since: Annotated[str | None, typer.Option(help="Only from this ISO week on, as 2026-W05.")] = None,
    until: Annotated[str | None, typer.Option(help="Only up to this ISO week.")] = None,
    excel: Annotated[
        Path | None, typer.Option(help="Write an Excel file with one row a recording, and print nothing.")
    ] = None,
    home: HOME,
    as_json: AS_JSON = False,
    as_csv: AS_CSV = False,
) -> None:
    """Show how long a task's steps take; with --csv, --json or --excel in each trainee recording."""
    spec = load_task(home.tasks / f"{task}.yaml")
    wanted = figures.TimesFilter(task=task, person=person, site=site, since=since, until=until)
    found = reading.read_times(home)
    if excel is None and not (as_json or as_csv):
        _show_times(found, spec, wanted)
        return
    rows = sheet.sheet_rows(found, spec, wanted)
    if excel is None:
        show_rows(rows, columns=sheet.sheet_columns(spec), as_json=as_json, as_csv=as_csv)
        return
    publish_bytes(UPath(excel), sheet.xlsx_bytes(rows, spec))
    say(f"{len(rows)} recordings: {excel}")


def _show_times(found: Times, task: TaskSpec, wanted: TimesFilter) -> None:
    whole = overview.task_times(found, task, wanted)
    columns = ("step_id", "n", "mean_s", "sd_s", "min_s", "median_s", "max_s", "low_s", "high_s")
    empty = "No times yet: they come with scores."
    show_rows(whole.steps, columns=(*columns, "rework_n", "waiting_s"), empty=empty)
    if whole.steps:
        its = whole.whole
        takt = "none" if task.takt_s is None else f"{task.takt_s:g} s"
        mean = "–" if its["mean_s"] is None else f"{its['mean_s']:.1f} s"
        say(
            f"{its['recordings']} recordings, {its['n']} complete: cycle {mean} on average, takt time {takt}"
            f"; {its['first_passed']} of {its['first_persons']} persons passed at the first attempt."
        )


def _no_scores(home: Home) -> str:
    waiting = len(active_recordings(home))
    if not waiting:
        return "No scores yet, since there are no recordings: `sopilot capture register` takes them in."
    return f"No scores yet; {waiting} recordings wait for theirs: `sopilot score run`."


def _list_stale(home: Home, *, as_json: bool, as_csv: bool) -> None:
    known = active_recordings(home)
    rows = [row for row in plain_rows(stale_scores(home)) if row["key"] in known]
    columns = ("key", "why", "also", "scored_with", "current")
    show_rows(rows, columns=columns, empty="All scores are up to date.", as_json=as_json, as_csv=as_csv)
    if rows and not (as_json or as_csv):
        say("Next: `sopilot score run --stale`.")


def run_work(home: Home, work: list[ScoringWork], *, quiet: bool = False) -> list[LocalRun]:
    """The run that did the work; how it ended is said, among the results unless ``quiet``. Exit code 1 when
    it failed.
    """
    with stage("Starting Dagster"):
        load_now(local_run)
    with stage("Scoring") as bar:
        runs = local_run.run_scoring(home, work, on_progress=lambda what, done, total: bar(done, total, what))
    for run in runs:
        if not quiet:
            say(f"Run {run.run_id[:8]}: {run.keys.size} recordings, {'done' if run.succeeded else 'failed'}")
        for warning in run.warnings:
            show_warning(warning)
        if not run.succeeded:
            show_error(f"{run.error} Look at the run in the web page (`make dev`), or `sopilot home doctor`.")
    if not all(run.succeeded for run in runs):
        raise typer.Exit(1)
    return runs


def _nothing_to_do(home: Home, task: str | None) -> str:
    """What to say where no recording was chosen: whether that is because all is up to date."""
    outdated = _outdated(home, task)
    if outdated:
        return f"Nothing is new; {outdated}"
    tasks = _chosen_tasks(home, task)
    if _broken(home, tasks) or reference_problems(home, _inputs(home, tasks)):
        return "Nothing to do before the golds are in order."
    return "Nothing to do: all scores are up to date."


def _chosen_tasks(home: Home, task: str | None) -> set[str]:
    """The tasks that have recordings, or the one that was named."""
    return {task} if task is not None else {one.task_id for one in active_recordings(home).values()}


def _inputs(home: Home, tasks: Collection[str]) -> dict[str, GoldInputs]:
    """What the references of these tasks would be made of now."""
    return task_inputs(home, {one: spec for one, spec in find_tasks(home.root).tasks.items() if one in tasks})


def _broken(home: Home, tasks: Collection[str]) -> list[str]:
    """What is wrong with the files of these tasks, where they cannot be used."""
    found = find_tasks(home.root)
    gone = sorted(set(tasks) - set(found.tasks) - set(found.refused))
    return [
        *(str(error) for one, error in found.refused.items() if one in tasks),
        *(f"task {one}: tasks/{one}.yaml is missing. Restore it from a backup." for one in gone),
    ]


def _outdated(home: Home, task: str | None = None) -> str | None:
    counts = Counter(
        str(row["why"]) for row in plain_rows(stale_scores(home)) if task in (None, row["task_id"])
    )
    if not counts:
        return None
    why = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
    return f"{counts.total()} scores are missing or out of date ({why}): `sopilot score run --stale`."


def _show_what_is_left(home: Home, tasks: Collection[str], *, quiet: bool) -> None:
    """What is out of date after the run, unless ``quiet``; exit code 1 where a task cannot be used or its
    golds give no reference, with the reason: its recordings have no score then, or one by an older reference.
    """
    if not quiet and (outdated := _outdated(home)):
        show_warning(outdated)
    inputs = _inputs(home, tasks)
    for its in inputs.values():
        for remark in (*told(its.annotations.strangers), *told(its.overruled)):
            show_warning(f"{remark.en}.")
    problems = [*_broken(home, tasks), *(one.en for one in reference_problems(home, inputs).values())]
    for problem in problems:
        show_error(problem)
    if problems:
        raise typer.Exit(1)


def _plan_rows(work: list[ScoringWork]) -> list[dict[str, Cell]]:
    return [
        {"job": one.start.value, "recordings": len(one.keys), "because": _because(Counter(one.why.values()))}
        for one in work
    ]


def _because(reasons: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())


@app.command(epilog=examples("sopilot score render", "sopilot score render --task filter_change"))
def render(
    recordings: Annotated[
        list[str] | None,
        typer.Argument(help="Partition keys, video ids or file names. (Default: all that have a result.)"),
    ] = None,
    *,
    task: OF_TASK = None,
    home: HOME,
) -> None:
    """Make the review pages that are not there yet, for whoever opens their folder.

    When many recordings are scored again, pages are made only when somebody opens them on the web page. Exit
    code 1 where one cannot be made.
    """
    rows = plain_rows(scores_ledger(home).query("select key, task_id from latest where problem is null"))
    known = active_recordings(home)
    scored = [str(row["key"]) for row in rows if row["key"] in known and task in (None, row["task_id"])]
    wanted = find_recordings(known, recordings) if recordings else scored
    keys, count = [PartitionKey.parse(key) for key in wanted], 0
    pages = review_pages.review_pages(home, keys, processes=os.cpu_count() or 1)
    with stage("Review pages") as bar:
        for done, page in enumerate(pages, start=1):
            bar(done, len(wanted))
            count += page.path is not None
            if page.waits is not None:
                show_warning(f"{page.key}: {page.waits.en}")
    say(f"{count} of {len(wanted)} recordings have their page: {home.reviews / 'index.html'}")
    if count < len(wanted):
        raise typer.Exit(1)


@app.command(epilog=examples("sopilot score deliver", "sopilot score deliver --test"))
def deliver(
    *,
    test: Annotated[
        bool,
        typer.Option("--test", help="Instead see whether each channel of settings.yaml can be reached."),
    ] = False,
    home: HOME,
    as_json: AS_JSON = False,
) -> None:
    """Send results to other programs now; exit code 1 when something could not be sent."""
    settings, now = load_settings(home), datetime.now(UTC)
    installation = settings.alerts.installation or socket.gethostname()
    outbox = ResultOutbox(home, settings, os.environ, installation, now)
    rows: list[dict[str, Cell]]
    if test:
        rows = [{"channel": name, "ok": ok, "answer": said} for name, (ok, said) in outbox.test().items()]
        empty = "settings.yaml names no channel for results."
        show_rows(rows, columns=("channel", "ok", "answer"), empty=empty, as_json=as_json)
        raise typer.Exit(0 if all(row["ok"] for row in rows) else 1)
    sent = outbox.deliver(everything=True)
    rows = [
        {"channel": one.channel, "recording": one.parcel.key, "tries": one.tries, "answer": one.error}
        for one in sent.failed
    ]
    columns = ("channel", "recording", "tries", "answer")
    show_rows(rows, columns=columns, title="Not delivered", as_json=as_json)
    if not as_json:
        say(f"{sent.delivered} results delivered, {sent.waiting} wait.")
    if rows:
        raise typer.Exit(1)
