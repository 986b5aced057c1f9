"""`sopilot labels`: what people say about recordings."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sopilot_assets.cli.options import AS_CSV, AS_JSON, HOME, examples
from sopilot_assets.cli.output import say, show_rows, show_warning
from sopilot_assets.cli.rows import rows_of
from sopilot_assets.errors import LabelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sopilot_assets.labels.events import Draft, LabelEvent, Source
    from sopilot_assets.labels.recordings import RecordingToLabel
    from sopilot_assets.labels.sheet_files import Sheet
    from sopilot_assets.store.home import Home
    from sopilot_assets.store.ledgers import Cell

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="What people say about recordings: sheets, labels, agreement.",
)

TASK = Annotated[str, typer.Argument(help="The task's id.")]
WHO = Annotated[str, typer.Option("--who", help="The id of the person who labels, without spaces.")]
SHEET = Annotated[Path, typer.Argument(help="A sheet that ends in .csv or .json.", dir_okay=False)]
WITH_FINDINGS = Annotated[
    bool,
    typer.Option(
        "--with-findings",
        help="Show what the product says. Such labels are of source human, not blind_human.",
    ),
]
SOURCES = Annotated[
    str,
    typer.Option(
        "--sources", help="Whose labels count, separated by commas: blind_human, human, imported, prefill."
    ),
]
EVERY_SOURCE = "blind_human,human,imported,prefill"


@app.command(
    epilog=examples(
        "sopilot labels template filter_change ann.csv --who ann",
        "sopilot labels template filter_change chief.csv --who chief --disputed",
        "sopilot labels template filter_change bob.json --who bob --with-findings",
    )
)
def template(
    task: TASK,
    sheet: SHEET,
    *,
    who: WHO,
    with_findings: WITH_FINDINGS = False,
    disputed: Annotated[
        bool, typer.Option("--disputed", help="Only recordings that raters disagree on, to be settled.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what this person has labelled, with their answers.")
    ] = False,
    home: HOME,
) -> None:
    """Write a sheet to fill in; one that is there keeps what was filled in, and gets the recordings it lacks.

    Without --with-findings the sheet is blind: it shows neither findings nor file names. Answers are yes, no
    or unsure.
    """
    from sopilot_assets.labels.agreement import disagreements  # noqa: PLC0415
    from sopilot_assets.labels.events import Source  # noqa: PLC0415
    from sopilot_assets.labels.sheets import write_template  # noqa: PLC0415

    source = Source.HUMAN if with_findings else Source.BLIND_HUMAN
    events = _chain(home, task)
    own = [one for one in events if (one.who, one.source, one.adjudicates) == (who, source, False)]
    said = {event.key: event for event in own}
    recordings = list(_recordings(home, task, events).values())
    if disputed:
        found = disagreements(events)
        open_keys = set(found["key"][found["settled"] == ""])
        recordings = [one for one in recordings if one.key in open_keys]
    elif not everything:
        # an imported job is known by its number alone: there is nothing to watch
        recordings = [one for one in recordings if one.key not in said and one.video]
    written = write_template(sheet, recordings, source=source, who=who, said={} if disputed else said)
    say(f"{sheet}: {written.rows} recordings, {written.added} of them new in it, {written.filled} filled in")
    if written.rows:
        settle = " --adjudicates" if disputed else ""
        say(f"Column video names files below {home.root}.")
        say(
            "Next: fill in critical_expected (yes, no or unsure), then "
            f"`sopilot labels import {task} {sheet}{settle}`."
        )
    elif not (disputed or everything):
        say(f"Nothing is left for {who} to label; --all lists also what {who} has labelled.")


@app.command(
    name="import",
    epilog=examples(
        "sopilot labels import filter_change ann.csv",
        "sopilot labels import filter_change made_by_hand.csv --who ann --source blind_human",
        "sopilot labels import filter_change chief.csv --adjudicates",
    ),
)
def import_sheet(
    task: TASK,
    sheet: SHEET,
    *,
    who: Annotated[str | None, typer.Option("--who", help="Who labelled the rows that do not say.")] = None,
    source: Annotated[
        Literal["blind_human", "human"] | None,
        typer.Option(help="Whether the rows that do not say were labelled blind."),
    ] = None,
    adjudicates: Annotated[
        bool | None,
        typer.Option(
            "--adjudicates/--no-adjudicates",
            help="Whether these rows settle what others disagree on. Asked for where it has to be said.",
            show_default=False,
        ),
    ] = None,
    home: HOME,
) -> None:
    """Take in a filled-in sheet; nothing of it where one row has a fault, and each fault is named."""
    from sopilot_assets.labels.agreement import only_settles  # noqa: PLC0415
    from sopilot_assets.labels.chain import read_chain  # noqa: PLC0415
    from sopilot_assets.labels.events import Source  # noqa: PLC0415
    from sopilot_assets.labels.sheet_files import read_sheet  # noqa: PLC0415

    now = datetime.now(UTC)
    chain = read_chain(home, task)
    drafts = _drafts(
        home,
        task,
        read_sheet(sheet),
        chain,
        now,
        who=who,
        source=Source(source) if source else None,
        adjudicates=bool(adjudicates),
    )
    if adjudicates is None and only_settles(drafts, chain):
        raise LabelError(
            f"{sheet}: others disagree on each of its {len(drafts)} recordings. Add --adjudicates where it "
            "settles them, --no-adjudicates where it is one more rater's opinion."
        )
    _append(home, drafts, now, what=f"{sheet}: {len(drafts)} rows filled in")


@app.command(
    epilog=examples(
        "sopilot labels prefill filter_change",
        "sopilot labels prefill filter_change --pattern '_bad_(freeze|cut_tail)' --only-matching",
    )
)
def prefill(
    task: TASK,
    *,
    pattern: Annotated[
        str | None,
        typer.Option(
            help="A regular expression; file names in which it is found are critical. (Default: _bad_freeze.)"
        ),
    ] = None,
    only_matching: Annotated[
        bool, typer.Option("--only-matching", help="Say nothing of the recordings that do not match.")
    ] = False,
    home: HOME,
) -> None:
    """Guess labels from file names, where nobody has labelled yet; no research gate counts them."""
    from sopilot_assets.labels.chain import read_chain  # noqa: PLC0415
    from sopilot_assets.labels.prefill import BAD_FREEZE, prefill_drafts  # noqa: PLC0415
    from sopilot_assets.labels.recordings import recordings_to_label  # noqa: PLC0415

    now = datetime.now(UTC)
    drafts = prefill_drafts(
        recordings_to_label(home, task),
        read_chain(home, task),
        task_id=task,
        at=now.isoformat(timespec="seconds"),
        pattern=pattern or BAD_FREEZE,
        only_matching=only_matching,
    )
    critical = sum(draft.critical_expected is True for draft in drafts)
    if not drafts:
        say("Nothing to guess: each recording that the pattern speaks of has a label.")
        return
    _append(home, drafts, now, what=f"{len(drafts)} guessed by file name, {critical} of them critical")
    if critical == 0:
        show_warning(f"No file name matches {pattern or BAD_FREEZE!r}, so all were guessed not critical.")
    show_warning("Such labels say how files were named. Research gates do not count them.")


@app.command(
    epilog=examples(
        "sopilot labels add filter_change take_07.mp4 yes --who ann --note 'the filter was not seated'",
        "sopilot labels add filter_change 1f3a9c2b7d04 no --who chief --adjudicates",
    )
)
def add(
    task: TASK,
    recording: Annotated[str, typer.Argument(help="Its partition key, video id or file name.")],
    critical: Annotated[str, typer.Argument(help="Whether it has a critical deviation: yes, no or unsure.")],
    *,
    who: WHO,
    with_findings: WITH_FINDINGS = False,
    verdict: Annotated[
        str, typer.Option(help="On the product's decision, with --with-findings: agree, disagree, unsure.")
    ] = "",
    deviation: Annotated[
        list[str] | None,
        typer.Option(help="Agreement with a finding, e.g. missing_step:open_cover=no; repeat it."),
    ] = None,
    seen: Annotated[
        list[str] | None, typer.Option(help="A deviation that you see, e.g. freeze; repeat it.")
    ] = None,
    note: Annotated[str, typer.Option(help="Anything else.")] = "",
    adjudicates: Annotated[
        bool, typer.Option("--adjudicates", help="This settles what others disagree on.")
    ] = False,
    home: HOME,
) -> None:
    """Add the label of one recording."""
    from sopilot_assets.labels.chain import read_chain  # noqa: PLC0415
    from sopilot_assets.labels.events import Source  # noqa: PLC0415
    from sopilot_assets.labels.sheet_files import one_row  # noqa: PLC0415

    now = datetime.now(UTC)
    cells = {
        "key": recording,
        "critical_expected": critical,
        "verdict": verdict,
        "deviations": " ".join(deviation or ()),
        "seen": " ".join(seen or ()),
        "note": note,
    }
    drafts = _drafts(
        home,
        task,
        one_row("this label", {name: text for name, text in cells.items() if text}),
        read_chain(home, task),
        now,
        who=who,
        source=Source.HUMAN if with_findings else Source.BLIND_HUMAN,
        adjudicates=adjudicates,
    )
    _append(home, drafts, now, what=drafts[0].key)


@app.command(
    epilog=examples("sopilot labels status", "sopilot labels status filter_change --sources blind_human")
)
def status(
    task: Annotated[str | None, typer.Argument(help="The task's id. (Default: every task.)")] = None,
    *,
    sources: SOURCES = EVERY_SOURCE,
    home: HOME,
    as_json: AS_JSON = False,
) -> None:
    """How many recordings have labels that count, of which source, and how far raters agree."""
    from sopilot_assets.labels.chain import tasks_with_labels  # noqa: PLC0415
    from sopilot_assets.tasks import find_tasks  # noqa: PLC0415

    tasks = [task] if task else sorted({*find_tasks(home.root).tasks, *tasks_with_labels(home)})
    rows = [_status(home, one, sources.split(",")) for one in tasks]
    columns = (
        "task",
        "recordings",
        "labelled",
        "positives",
        "negatives",
        "blind",
        "two_raters",
        "cannot_say",
        "disputed",
        "unlabelled",
        "kappa",
    )
    show_rows(rows, columns=columns, empty="No tasks yet.", as_json=as_json)


@app.command(
    name="list",
    epilog=examples(
        "sopilot labels list filter_change", "sopilot labels list filter_change --csv > labels.csv"
    ),
)
def list_labels(
    task: TASK,
    *,
    events: Annotated[
        bool, typer.Option("--events", help="Every event in order, instead of what they say together.")
    ] = False,
    sources: SOURCES = EVERY_SOURCE,
    home: HOME,
    as_json: AS_JSON = False,
    as_csv: AS_CSV = False,
) -> None:
    """What the labels say of each recording, or every label event."""
    from sopilot_assets.labels.chain import row_of  # noqa: PLC0415
    from sopilot_assets.labels.state import STATE_COLUMNS, label_state  # noqa: PLC0415

    chain = _chain(home, task)
    if events:
        rows = [row_of(event) for event in chain]
        columns: Sequence[str] = ("seq", "at", "who", "source", "key", "critical_expected", "seen", "note")
    else:
        rows = rows_of(label_state(chain, sources.split(",")))
        columns = [name for name in STATE_COLUMNS if name != "raters"]
    show_rows(rows, columns=columns, empty="No labels yet.", as_json=as_json, as_csv=as_csv)


@app.command(
    epilog=examples(
        "sopilot labels verify filter_change", "sopilot labels verify filter_change --head 4f1c09aa2b31"
    )
)
def verify(
    task: TASK,
    *,
    head: Annotated[
        str | None,
        typer.Option(help="The id, or its beginning, of an event that has to be there, as noted elsewhere."),
    ] = None,
    home: HOME,
) -> None:
    """Check the chain of label events and say where it ends; exit code 1 where an event is wrong."""
    from sopilot_assets.labels.chain import chain_head  # noqa: PLC0415

    chain = _chain(home, task)
    end = chain_head(chain)
    if head and not any(event.event_id.startswith(head.lower()) for event in chain):
        raise LabelError(
            f"labels of {task}: expected an event {head}, found {end.seq} events without it; the chain was "
            "replaced or cut. Restore ledgers/labels from a backup."
        )
    if not chain:
        say(f"{task}: no label events yet")
        return
    say(f"{task}: {end.seq} events, each follows the one before it")
    say(f"The last one is {end.event_id}")


@app.command(
    name="disagreements",
    epilog=examples(
        "sopilot labels disagreements filter_change", "sopilot labels disagreements filter_change --csv"
    ),
)
def show_disagreements(
    task: TASK,
    *,
    sources: SOURCES = EVERY_SOURCE,
    home: HOME,
    as_json: AS_JSON = False,
    as_csv: AS_CSV = False,
) -> None:
    """How far raters agree beyond chance, and each recording on which they do not."""
    from sopilot_assets.labels.agreement import DISAGREEMENT_COLUMNS, disagreements  # noqa: PLC0415

    chain = _chain(home, task)
    rows = rows_of(disagreements(chain, sources.split(",")))
    show_rows(rows, columns=DISAGREEMENT_COLUMNS, empty="No disagreements.", as_json=as_json, as_csv=as_csv)
    if not (as_json or as_csv):
        say(f"Agreement, blind labels only: {_agreement_text(chain)}")
        if any(not row["settled"] for row in rows):
            say(f"Next: `sopilot labels template {task} SHEET.csv --who ID --disputed`.")


@app.command(
    name="simulate",
    epilog=examples(
        "sopilot labels simulate filter_change --truth /tmp/recordings/labels.jsonl --out /tmp/sheets"
    ),
)
def simulate_raters(
    task: TASK,
    *,
    truth: Annotated[Path, typer.Option(help="The labels.jsonl of simulated recordings.", dir_okay=False)],
    out: Annotated[Path, typer.Option("--out", help="The folder of the sheets.", file_okay=False)],
    who: Annotated[
        list[str] | None, typer.Option("--who", help="A rater; repeat it. (Default: r1, r2.)")
    ] = None,
    miss: Annotated[float, typer.Option(help="The share of critical deviations a rater misses.")] = 0.03,
    false_alarm: Annotated[float, typer.Option(help="The share of faultless ones called critical.")] = 0.02,
    unsure: Annotated[float, typer.Option(help="The share of which a rater cannot say.")] = 0.02,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answers.")] = 7,
    home: HOME,
) -> None:
    """Fill in blind sheets of simulated recordings as people would who err now and then; to try things."""
    from sopilot_assets.capture.simulate.raters import Rater, read_truth  # noqa: PLC0415
    from sopilot_assets.labels.recordings import recordings_to_label  # noqa: PLC0415
    from sopilot_assets.labels.simulated import fill_as  # noqa: PLC0415

    known, recordings = read_truth(truth), recordings_to_label(home, task)
    for name in who or ("r1", "r2"):
        rater = Rater(name, miss_rate=miss, false_alarm_rate=false_alarm, unsure_rate=unsure)
        sheet = out / f"{task}.{name}.csv"
        filled = fill_as(sheet, recordings, known, rater, seed=seed)
        say(f"{sheet}: {filled} of {len(recordings)} recordings")
    say(f"Next: `sopilot labels import {task} SHEET`.")


def _chain(home: Home, task: str) -> list[LabelEvent]:
    """The label events of a task; ``TaskError`` where there is neither such a task nor a label of it."""
    from sopilot_assets.labels.chain import read_chain  # noqa: PLC0415
    from sopilot_assets.tasks import load_task  # noqa: PLC0415

    chain = read_chain(home, task)
    if not chain:
        load_task(home.tasks / f"{task}.yaml")
    return chain


def _recordings(home: Home, task: str, events: Iterable[LabelEvent]) -> dict[str, RecordingToLabel]:
    """What can be labelled: the trainee recordings of the task, and what has labels already."""
    from sopilot_assets.labels.recordings import by_key, recordings_to_label  # noqa: PLC0415

    return by_key(recordings_to_label(home, task), (event.key for event in events))


def _drafts(
    home: Home,
    task: str,
    sheet: Sheet,
    chain: Sequence[LabelEvent],
    now: datetime,
    *,
    who: str | None,
    source: Source | None,
    adjudicates: bool,
) -> list[Draft]:
    """The labels that a sheet holds, checked against the task's steps and recordings."""
    from sopilot_assets.labels.sheets import sheet_drafts  # noqa: PLC0415
    from sopilot_assets.tasks import load_task  # noqa: PLC0415

    return sheet_drafts(
        sheet,
        task_id=task,
        steps=load_task(home.tasks / f"{task}.yaml").step_ids,
        recordings=_recordings(home, task, chain),
        at=now.isoformat(timespec="seconds"),
        who=who,
        source=source,
        adjudicates=adjudicates,
    )


def _append(home: Home, drafts: Sequence[Draft], now: datetime, *, what: str) -> None:
    from sopilot_assets.labels.chain import append_events  # noqa: PLC0415

    added = append_events(home, drafts, run_id=f"labels-{now:%Y%m%dT%H%M%S%f}", written_at=now.isoformat())
    say(f"{what}; {len(added)} new labels, {len(drafts) - len(added)} were there already")
    if added:
        say(f"The chain ends with event {added[-1].seq}, {added[-1].event_id[:12]}")


def _status(home: Home, task: str, sources: Sequence[str]) -> dict[str, Cell]:
    from dataclasses import asdict  # noqa: PLC0415

    from sopilot_assets.labels.recordings import recordings_to_label  # noqa: PLC0415
    from sopilot_assets.labels.state import label_coverage, label_state  # noqa: PLC0415

    chain = _chain(home, task)
    # an imported task has jobs and no recordings
    keys = [one.key for one in recordings_to_label(home, task)] or sorted({event.key for event in chain})
    coverage = asdict(label_coverage(label_state(chain, sources), keys))
    return {"task": task, **coverage, "events": len(chain), "kappa": _agreement_text(chain)}


def _agreement_text(chain: Sequence[LabelEvent]) -> str:
    from sopilot_assets.labels.agreement import rater_agreement  # noqa: PLC0415

    found = rater_agreement(chain)
    if found.kappa is None or found.low is None or found.high is None:
        return found.reason
    return (
        f"{found.statistic} {found.kappa:.2f} ({found.low:.2f} to {found.high:.2f}), "
        f"{found.recordings} recordings, {found.raters} raters"
    )
