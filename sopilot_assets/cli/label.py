"""`sopilot label`: what people say about recordings."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sopilot_assets.cli.label_files import FORMAT, SHEET_OR_FILE, WHO, export, sheet_or_file
from sopilot_assets.cli.label_list import chain_of, list_labels
from sopilot_assets.cli.options import HOME, TASK, examples
from sopilot_assets.cli.output import say, show_warning
from sopilot_assets.errors import ConfigError, LabelError
from sopilot_assets.labels.agreement import only_settles
from sopilot_assets.labels.audit import drawn
from sopilot_assets.labels.chain import append_events, read_chain
from sopilot_assets.labels.contests import answers_an_objection, opens_or_answers
from sopilot_assets.labels.disputes import disputes, refuse_settled
from sopilot_assets.labels.events import RaterVerdict, Source
from sopilot_assets.labels.prefill import BAD_FREEZE, prefill_drafts
from sopilot_assets.labels.recordings import by_key, recordings_to_label
from sopilot_assets.labels.sheet_files import one_row
from sopilot_assets.labels.sheets import sheet_drafts, write_template
from sopilot_assets.settings import load_settings
from sopilot_assets.stations.contests import show_contests
from sopilot_assets.tasks import load_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sopilot_assets.documents.sheets import Sheet
    from sopilot_assets.labels.events import Draft, LabelEvent
    from sopilot_assets.labels.recordings import RecordingToLabel
    from sopilot_assets.store.home import Home

app = typer.Typer()

SHEET = Annotated[Path, typer.Argument(help="A sheet that ends in .csv or .json.", dir_okay=False)]
WITH_FINDINGS = Annotated[
    bool,
    typer.Option(
        "--with-findings",
        help="Show what the product says. Such labels are of source human, not blind_human.",
    ),
]


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
    events = chain_of(home, task)
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
    settled = partial(refuse_settled, drafts=drafts)
    _append(home, drafts, now, what=f"{sheet}: {len(drafts)} rows filled in", require=settled)


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
    with_findings: Annotated[
        bool,
        typer.Option(
            "--with-findings",
            help="Who labels has seen what the product says: the label is of source human, not blind_human.",
        ),
    ] = False,
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
    draft, about = drafts[0], [event for event in chain if event.key == drafts[0].key]
    if answers_an_objection(draft, about):
        draft = draft.model_copy(update={"source": Source.HUMAN})
    _append(home, [draft], now, what=draft.key, again=opens_or_answers(draft, about))


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


def _append(
    home: Home,
    drafts: Sequence[Draft],
    now: datetime,
    *,
    what: str,
    again: bool = False,
    require: Callable[[Sequence[LabelEvent]], None] | None = None,
) -> None:
    run_id = f"labels-{now:%Y%m%dT%H%M%S%f}"
    added = append_events(
        home, drafts, run_id=run_id, written_at=now.isoformat(), again=again, require=require
    )
    say(f"{what}; {len(added)} new labels, {len(drafts) - len(added)} were there already")
    show_contests(home, [draft.key for draft in drafts])
    for key in sorted({event.key for event in added if event.verdict is RaterVerdict.DISAGREE}):
        say(
            f"{key} is contested now. It says so until somebody answers: "
            f"`sopilot label add {drafts[0].task_id} {key} ANSWER --who ID --adjudicates`"
        )
    if added:
        say(f"The chain ends with event {added[-1].seq}, {added[-1].event_id[:12]}")


app.command(
    "list",
    epilog=examples(
        "sopilot label list",
        "sopilot label list filter_change --csv > labels.csv",
        "sopilot label list filter_change --disputed",
        "sopilot label list filter_change --count --sources blind_human",
        "sopilot label list filter_change --chain --head 4f1c09aa2b31",
    ),
)(list_labels)
app.command(
    epilog=examples(
        "sopilot label export filter_change ann.boris --who ann",
        "sopilot label export filter_change ann.zip --who ann --format elan",
    )
)(export)
