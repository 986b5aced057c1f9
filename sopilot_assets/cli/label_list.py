"""What `sopilot label list` shows: labels, together or one by one, their number, and how far raters agree."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from sopilot_assets.cli.known import TASKS
from sopilot_assets.cli.options import AS_CSV, AS_JSON, HOME
from sopilot_assets.cli.output import say, show_rows
from sopilot_assets.errors import ConfigError, LabelError
from sopilot_assets.labels.agreement import DISAGREEMENT_COLUMNS, disagreements, rater_agreement
from sopilot_assets.labels.chain import labels_chain, read_chain, tasks_with_labels
from sopilot_assets.labels.recordings import recordings_to_label
from sopilot_assets.labels.state import STATE_COLUMNS, label_coverage, label_state
from sopilot_assets.store.chain import chain_head
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.tasks import find_tasks, load_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sopilot_assets.labels.events import LabelEvent
    from sopilot_assets.store.home import Home
    from sopilot_assets.store.ledgers import Cell

SOURCES = Annotated[
    str,
    typer.Option(
        "--sources", help="Whose labels count, separated by commas: blind_human, human, imported, prefill."
    ),
]
EVERY_SOURCE = "blind_human,human,imported,prefill"


def chain_of(home: Home, task: str) -> list[LabelEvent]:
    """The label events of a task; ``TaskError`` where there is neither such a task nor a label of it."""
    chain = read_chain(home, task)
    if not chain:
        load_task(home.tasks / f"{task}.yaml")
    return chain


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
        rows = [labels_chain(home).row_of(event) for event in chain_of(home, task)]
        columns = ("seq", "at", "who", "source", "key", "critical_expected", "seen", "note")
        show_rows(rows, columns=columns, empty="No labels yet.", as_json=as_json, as_csv=as_csv)
    else:
        rows = plain_rows(label_state(chain_of(home, task), sources.split(",")))
        shown = [name for name in STATE_COLUMNS if name != "raters"]
        show_rows(rows, columns=shown, empty="No labels yet.", as_json=as_json, as_csv=as_csv)


def _check_chain(home: Home, task: str, head: str | None) -> None:
    chain = chain_of(home, task)
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
    chain = chain_of(home, task)
    rows = plain_rows(disagreements(chain, sources))
    show_rows(rows, columns=DISAGREEMENT_COLUMNS, empty="No disagreements.", as_json=as_json, as_csv=as_csv)
    if not (as_json or as_csv):
        say(f"Agreement, blind labels only: {_agreement_text(chain)}")
        if any(not row["settled"] for row in rows):
            say(f"Next: `sopilot label prepare {task} SHEET.csv --who ID --disputed`.")


def _status(home: Home, task: str, sources: Sequence[str]) -> dict[str, Cell]:
    chain = chain_of(home, task)
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
