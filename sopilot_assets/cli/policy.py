"""`sopilot policy`: which policy decides for a task, adopted from a study's dossier and taken back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.cli.known import TASKS
from sopilot_assets.cli.options import AS_JSON, HOME, STUDY, TASK, examples
from sopilot_assets.cli.output import say, show_json, show_rows, show_warning, stage
from sopilot_assets.tasks import find_tasks

if TYPE_CHECKING:
    from sopilot_assets.evidence.outcome import StudyOutcome
    from sopilot_assets.store.ledgers import Cell

with at_first_use():
    from sopilot_assets.evidence import adopted_policies, policy_standings

app = typer.Typer()

BY = Annotated[str, typer.Option("--by", help="Who says so.")]
REASON = Annotated[str, typer.Option("--reason", help="Why.")]
_RESCORE = "Scores made otherwise are out of date: `sopilot score run --stale`, or the daemon does it."


@app.command(
    epilog=examples(
        "sopilot policy adopt spring --by 'M. Sato' --reason 'all gates passed, 60 people'",
        "sopilot policy adopt spring --by 'M. Sato' --reason 'as agreed' --dossier 1f3a9c2b7d04",
    )
)
def adopt(
    study: STUDY,
    *,
    by: BY,
    reason: REASON,
    dossier: Annotated[
        str | None, typer.Option(help="Which of the study's dossiers, where several passed their gates.")
    ] = None,
    signer: Annotated[
        str | None,
        typer.Option(help="The key it has to be signed with. (Default: one of this home's own.)"),
    ] = None,
    home: HOME,
) -> None:
    """Let the policy of a study decide for its task: its dossier is verified, and its gates have to pass."""
    now = datetime.now(UTC).isoformat()
    with stage("Verifying the dossier"):
        event, verified = adopted_policies.adopt_policy(
            home,
            study,
            by=by,
            reason=reason,
            run_id=f"adopt-{now}",
            written_at=now,
            dossier_id=dossier,
            signer=signer,
        )
    say(f"{event.policy_id} ({event.detector}) decides for {event.task_id} from now on.")
    say(f"From a critical probability of {event.review:g} on a person has to look.")
    if not verified.enough_people:
        show_warning("Too few people for a statement about others, whatever the gates say.")
    say(_RESCORE)


@app.command(
    epilog=examples(
        "sopilot policy show", "sopilot policy show filter_change", "sopilot policy show filter_change --json"
    )
)
def show(
    task: Annotated[
        str | None, typer.Argument(help="The task. (Default: one line for each task.)"), TASKS
    ] = None,
    *,
    home: HOME,
    as_json: AS_JSON = False,
) -> None:
    """Show what decides for a task, since when and why, and the audit of what passed."""
    now = datetime.now(UTC)
    if task is None:
        found = [policy_standings.describe_policy(home, one, now=now) for one in find_tasks(home.root).tasks]
        columns = (
            "task",
            "decided_by",
            "state",
            "at",
            "who",
            "decided_share",
            "not_any_more",
            "not_measured",
        )
        rows = [{name: _figure(one.metadata.get(name)) for name in columns} for one in found]
        show_rows(rows, columns=columns, empty="No tasks yet.", as_json=as_json)
        return
    told = policy_standings.describe_policy(home, task, now=now)
    if as_json:
        show_json({"policy": dict(told.metadata), **{name: list(rows) for name, rows in told.tables.items()}})
        return
    _show(told)


@app.command(
    epilog=examples("sopilot policy withdraw filter_change --by 'M. Sato' --reason 'another camera'")
)
def withdraw(task: TASK, *, by: BY, reason: REASON, home: HOME) -> None:
    """Take the policy of a task back: from now on the golds' own rule decides again."""
    now = datetime.now(UTC).isoformat()
    event = adopted_policies.withdraw_policy(
        home, task, by=by, reason=reason, run_id=f"withdraw-{now}", written_at=now
    )
    say(f"{event.policy_id} does not decide for {task} any more; the golds' own rule does.")
    say(_RESCORE)


def _show(told: StudyOutcome) -> None:
    facts = [
        {"fact": name, "value": _figure(value)}
        for name, value in told.metadata.items()
        if value not in (None, "")
    ]
    show_rows(facts, columns=("fact", "value"), title=escape(told.partition))
    columns = ("week", "passes", "picked", "audited", "people", "missed", "miss_rate", "low", "high")
    empty = "Nothing has passed yet that an audit could tell of."
    audit = [{name: _figure(value) for name, value in row.items()} for row in told.tables["audit"]]
    show_rows(audit, columns=columns, title="Audit of what passed", empty=empty)
    events = ("seq", "happened", "at", "who", "reason", "policy_id", "dossier_id")
    show_rows(told.tables["events"], columns=events, title="Adoptions", empty="No policy was ever adopted.")


def _figure(value: Cell) -> Cell:
    """A number with as many digits as count."""
    return f"{value:.4g}" if isinstance(value, float) else value
