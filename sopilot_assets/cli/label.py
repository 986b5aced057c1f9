"""`sopilot label`: what people say about recordings."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sopilot_assets.cli.known import TASKS
from sopilot_assets.cli.label_files import FORMAT, SHEET_OR_FILE, WHO, export, sheet_or_file
from sopilot_assets.cli.options import AS_CSV, AS_JSON, HOME, TASK, examples
from sopilot_assets.cli.output import say, show_rows, show_warning
from sopilot_assets.cli.rows import rows_of
from sopilot_assets.errors import ConfigError, LabelError
from sopilot_assets.labels.agreement import DISAGREEMENT_COLUMNS, disagreements, only_settles, rater_agreement
from sopilot_assets.labels.audit import drawn
from sopilot_assets.labels.chain import append_events, labels_chain, read_chain, tasks_with_labels
from sopilot_assets.labels.contests import opens_or_answers
from sopilot_assets.labels.disputes import disputes
from sopilot_assets.labels.events import RaterVerdict, Source
from sopilot_assets.labels.prefill import BAD_FREEZE, prefill_drafts
from sopilot_assets.labels.recordings import by_key, recordings_to_label
from sopilot_assets.labels.sheet_files import one_row
from sopilot_assets.labels.sheets import sheet_drafts, write_template
from sopilot_assets.labels.state import STATE_COLUMNS, label_coverage, label_state
from sopilot_assets.settings import load_settings
from sopilot_assets.stations.contests import show_contests
from sopilot_assets.store.chain import chain_head
from sopilot_assets.tasks import find_tasks, load_task

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sopilot_assets.documents.sheets import Sheet
    from sopilot_assets.labels.events import Draft, LabelEvent
    from sopilot_assets.labels.recordings import RecordingToLabel
    from sopilot_assets.store.home import Home
    from sopilot_assets.store.ledgers import Cell

app = typer.Typer()

app.command(
    epilog=examples(
        "sopilot label export filter_change ann.boris --who ann",
        "sopilot label export filter_change ann.zip --who ann --format elan",
    )
)(export)

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
        "sopilot label prepare filter_change ann.csv --who ann",
        "sopilot label prepare filter_change audit.csv --who ann --picked",
        "sopilot label prepare filter_change chief.csv --who chief --disputed",
        "sopilot label prepare filter_change bob.json --who bob --with-findings",
    )
)
def prepare(
    task: TASK,
    sheet: SHEET,
    *,
    who: WHO,
    with_findings: WITH_FINDINGS = False,
    disputed: Annotated[
        bool, typer.Option("--disputed", help="Only recordings that others disagree on, to be settled.")
    ] = False,
    picked: Annotated[
        bool,
        typer.Option(
            "--picked", help="Only recordings that chance picked for the audit, whatever was decided on them."
        ),
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what this person has labeled, with their answers.")
    ] = False,
    home: HOME,
) -> None:
    """Write a sheet to fill in; one that is there keeps what was filled in, and gets the recordings it lacks.

    Without --with-findings the sheet is blind: it shows neither findings nor file names. Answers are yes, no
    or unsure.
    """
    if picked and (with_findings or disputed):
        raise ConfigError(
            "--picked: expected without --with-findings and --disputed; the audit needs blind labels."
        )
    source = Source.HUMAN if with_findings else Source.BLIND_HUMAN
    events = _chain(home, task)
    known = list(_recordings(home, task, events).values())
    every = [one for one in known if not one.promoted]
    if not every:
        raise LabelError(
            f"task {task}: expected trainee recordings to label, found none; no sheet was written. `sopilot "
            f"capture add FOLDER --task {task} --role trainee --site SITE` adds some, `sopilot capture "
            "register` takes them in."
        )
    own = [one for one in events if (one.who, one.source, one.adjudicates) == (who, source, False)]
    said = {event.key: event for event in own}
    recordings = every
    waiting = [one for one in disputes(events).values() if one.settled_by is None]
    if disputed:
        to_settle = {one.key for one in waiting if who not in one.who}
        recordings = [one for one in known if one.key in to_settle]
    elif not everything:
        # an imported job is known by its number alone: there is nothing to watch
        recordings = [one for one in recordings if one.key not in said and one.video]
    if picked:
        chosen = drawn((one.key for one in recordings), load_settings(home).audit)
        recordings = [one for one in recordings if one.key in chosen]
    written = write_template(sheet, recordings, source=source, who=who, said={} if disputed else said)
    say(f"{sheet}: {written.rows} recordings, {written.added} of them new in it, {written.filled} filled in")
    if written.rows:
        settle = " --adjudicates" if disputed else ""
        say(f"Column video names files below {home.root}.")
        say(
            "Next: fill in critical_expected (yes, no or unsure), then "
            f"`sopilot label import {task} {sheet}{settle}`."
        )
    elif disputed:
        but = f" but {len(waiting)} on which {who} differs; a third person settles these" if waiting else ""
        say(f"Nothing is to be settled: raters agree on every recording that several of them labeled{but}.")
    elif picked:
        say(f"Nothing is left for {who} to label of what chance picked.")
    elif not any(one.video for one in every):
        say(f"The {len(every)} recordings of {task} were imported: there is nothing to watch and to label.")
    else:
        say(
            f"Nothing is left for {who} to label: all {len(said)} recordings have an answer; --all lists "
            "them."
        )


@app.command(
    "import",
    epilog=examples(
        "sopilot label import filter_change ann.csv",
        "sopilot label import filter_change made_by_hand.csv --who ann --source blind_human",
        "sopilot label import filter_change chief.csv --adjudicates",
        "sopilot label import filter_change ann.eaf --who ann --source blind_human",
    ),
)
def import_sheet(
    task: TASK,
    sheet: SHEET_OR_FILE,
    *,
    who: Annotated[str | None, typer.Option("--who", help="Who labeled the rows that do not say.")] = None,
    source: Annotated[
        Literal["blind_human", "human"] | None,
        typer.Option(help="Whether the rows that do not say were labeled blind."),
    ] = None,
    adjudicates: Annotated[
        bool | None,
        typer.Option(
            "--adjudicates/--no-adjudicates",
            help="Whether these rows settle what others disagree on. Asked for where it has to be said.",
            show_default=False,
        ),
    ] = None,
    form: FORMAT = None,
    home: HOME,
) -> None:
    """Take in a filled-in sheet, or labels from another tool; nothing where one row has a fault, and each
    fault is named.
    """
    now = datetime.now(UTC)
    chain = read_chain(home, task)
    drafts = _drafts(
        home,
        task,
        sheet_or_file(home, task, sheet, form),
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
        "sopilot label prefill filter_change",
        "sopilot label prefill filter_change --pattern '_bad_(freeze|cut_tail)' --only-matching",
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
    """Guess labels from file names, where nobody has labeled yet; no research gate counts them."""
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
        "sopilot label add filter_change take_07.mp4 yes --who ann --note 'the filter was not seated'",
        "sopilot label add filter_change take_07.mp4 no --who ann --with-findings --verdict disagree "
        "--note 'it was seated'",
        "sopilot label add filter_change 1f3a9c2b7d04 no --who chief --adjudicates",
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
        str,
        typer.Option(
            help="On the product's decision, with --with-findings: agree, disagree, unsure. A decision that "
            "somebody disagrees with is contested until it is answered by --adjudicates."
        ),
    ] = "",
    deviation: Annotated[
        list[str] | None,
        typer.Option(help="Agreement with a finding, e.g. missing_step:open_cover=no; repeat it."),
    ] = None,
    seen: Annotated[
        list[str] | None,
        typer.Option(
            help="A deviation that you see, e.g. freeze, or freeze@12.4 with its second; repeat it."
        ),
    ] = None,
    note: Annotated[str, typer.Option(help="Anything else.")] = "",
    adjudicates: Annotated[
        bool,
        typer.Option("--adjudicates", help="This settles what others disagree on, or answers who contests."),
    ] = False,
    home: HOME,
) -> None:
    """Add the label of one recording."""
    now, chain = datetime.now(UTC), read_chain(home, task)
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
        chain,
        now,
        who=who,
        source=Source.HUMAN if with_findings else Source.BLIND_HUMAN,
        adjudicates=adjudicates,
    )
    again = opens_or_answers(drafts[0], [event for event in chain if event.key == drafts[0].key])
    _append(home, drafts, now, what=drafts[0].key, again=again)


@app.command(
    "list",
    epilog=examples(
        "sopilot label list",
        "sopilot label list filter_change --csv > labels.csv",
        "sopilot label list filter_change --disputed",
        "sopilot label list filter_change --count --sources blind_human",
        "sopilot label list filter_change --chain --head 4f1c09aa2b31",
    ),
)
def list_labels(
    task: Annotated[
        str | None, typer.Argument(help="The task's id. (Default: every task, with --count.)"), TASKS
    ] = None,
    *,
    count: Annotated[
        bool,
        typer.Option(
            "--count",
            help="How many recordings have labels that count, of which source, and how far raters agree.",
        ),
    ] = False,
    disputed: Annotated[
        bool,
        typer.Option(
            "--disputed", help="How far raters agree beyond chance, and each recording on which they do not."
        ),
    ] = False,
    events: Annotated[
        bool, typer.Option("--events", help="Every event in order, instead of what they say together.")
    ] = False,
    chain: Annotated[
        bool,
        typer.Option("--chain", help="Check that each event follows the one before, and say where they end."),
    ] = False,
    head: Annotated[
        str | None,
        typer.Option(
            help="With --chain: the id of an event that has to be there, noted elsewhere, or its beginning."
        ),
    ] = None,
    sources: SOURCES = EVERY_SOURCE,
    home: HOME,
    as_json: AS_JSON = False,
    as_csv: AS_CSV = False,
) -> None:
    """List what the labels say of each recording of a task; without a task, count those of every task.

    Exit code 1 where an event is wrong, or the one of --head is missing.
    """
    if count + disputed + events + chain > 1:
        raise ConfigError("--count, --disputed, --events and --chain: choose one of them.")
    if task is None and (disputed or events or chain):
        raise ConfigError("--disputed, --events and --chain: expected a task, `sopilot label list TASK`.")
    if head and not chain:
        raise ConfigError("--head: expected with --chain.")
    if task is not None and chain:
        _check_chain(home, task, head)
    elif task is None or count:
        _list_counts(home, task, sources.split(","), as_json=as_json, as_csv=as_csv)
    elif disputed:
        _list_disputed(home, task, sources.split(","), as_json=as_json, as_csv=as_csv)
    elif events:
        rows = [labels_chain(home).row_of(event) for event in _chain(home, task)]
        columns = ("seq", "at", "who", "source", "key", "critical_expected", "seen", "note")
        show_rows(rows, columns=columns, empty="No labels yet.", as_json=as_json, as_csv=as_csv)
    else:
        rows = rows_of(label_state(_chain(home, task), sources.split(",")))
        shown = [name for name in STATE_COLUMNS if name != "raters"]
        show_rows(rows, columns=shown, empty="No labels yet.", as_json=as_json, as_csv=as_csv)


def _check_chain(home: Home, task: str, head: str | None) -> None:
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


def _list_counts(
    home: Home, task: str | None, sources: Sequence[str], *, as_json: bool, as_csv: bool
) -> None:
    tasks = [task] if task else sorted({*find_tasks(home.root).tasks, *tasks_with_labels(home)})
    rows = [_status(home, one, sources) for one in tasks]
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
    show_rows(rows, columns=columns, empty="No tasks yet.", as_json=as_json, as_csv=as_csv)


def _list_disputed(home: Home, task: str, sources: Sequence[str], *, as_json: bool, as_csv: bool) -> None:
    chain = _chain(home, task)
    rows = rows_of(disagreements(chain, sources))
    show_rows(rows, columns=DISAGREEMENT_COLUMNS, empty="No disagreements.", as_json=as_json, as_csv=as_csv)
    if not (as_json or as_csv):
        say(f"Agreement, blind labels only: {_agreement_text(chain)}")
        if any(not row["settled"] for row in rows):
            say(f"Next: `sopilot label prepare {task} SHEET.csv --who ID --disputed`.")


def _chain(home: Home, task: str) -> list[LabelEvent]:
    """The label events of a task; ``TaskError`` where there is neither such a task nor a label of it."""
    chain = read_chain(home, task)
    if not chain:
        load_task(home.tasks / f"{task}.yaml")
    return chain


def _recordings(home: Home, task: str, events: Iterable[LabelEvent]) -> dict[str, RecordingToLabel]:
    """What can be labeled: the trainee recordings of the task, promoted ones included, and what has labels
    already.
    """
    return by_key(recordings_to_label(home, task, with_promoted=True), (event.key for event in events))


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


def _append(home: Home, drafts: Sequence[Draft], now: datetime, *, what: str, again: bool = False) -> None:
    run_id = f"labels-{now:%Y%m%dT%H%M%S%f}"
    added = append_events(home, drafts, run_id=run_id, written_at=now.isoformat(), again=again)
    say(f"{what}; {len(added)} new labels, {len(drafts) - len(added)} were there already")
    show_contests(home, [draft.key for draft in drafts])
    for key in sorted({event.key for event in added if event.verdict is RaterVerdict.DISAGREE}):
        say(
            f"{key} is contested now. It says so until somebody answers: "
            f"`sopilot label add {drafts[0].task_id} {key} ANSWER --who ID --adjudicates`"
        )
    if added:
        say(f"The chain ends with event {added[-1].seq}, {added[-1].event_id[:12]}")


def _status(home: Home, task: str, sources: Sequence[str]) -> dict[str, Cell]:
    chain = _chain(home, task)
    # an imported task has jobs and no recordings
    keys = [one.key for one in recordings_to_label(home, task)] or sorted({event.key for event in chain})
    coverage = asdict(label_coverage(label_state(chain, sources), keys))
    return {"task": task, **coverage, "events": len(chain), "kappa": _agreement_text(chain)}


def _agreement_text(chain: Sequence[LabelEvent]) -> str:
    found = rater_agreement(chain)
    if found.kappa is None or found.low is None or found.high is None:
        return found.reason
    return (
        f"{found.statistic} {found.kappa:.2f} ({found.low:.2f} to {found.high:.2f}), "
        f"{found.recordings} recordings, {found.raters} raters"
    )
