"""`sopilot task`: procedures and how recordings of them are judged."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from sopilot_assets.cli.options import AS_CSV, AS_JSON, HOME, NEW_HOME, TASK, examples
from sopilot_assets.cli.output import say, show_rows
from sopilot_assets.errors import ConfigError
from sopilot_assets.reference.ledger import references_ledger
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.tasks import LockState, Step, find_tasks, load_task, lock_task, verify_task
from sopilot_assets.tasks.starter import EXAMPLE_STEPS, new_task

if TYPE_CHECKING:
    from sopilot_assets.store.home import Home
    from sopilot_assets.store.ledgers import Cell
    from sopilot_assets.tasks import TaskSpec

app = typer.Typer()

NEW_TASK = Annotated[
    str, typer.Argument(help="The task's id: the name of its file below tasks/, without .yaml.")
]


@app.command(
    epilog=examples(
        "sopilot task create filter_change --name 'Filter change'",
        "sopilot task create tea --name Tea --step boil='Boil water' --step pour='Pour it over the leaves'",
    )
)
def create(
    task: NEW_TASK,
    *,
    name: Annotated[str, typer.Option(help="The task in the words of the shop floor.")],
    name_ja: Annotated[str | None, typer.Option(help="The same in Japanese.")] = None,
    step: Annotated[
        list[str] | None,
        typer.Option(help="A step as ID=NAME, in order; repeat it. (Default: three examples.)"),
    ] = None,
    home: NEW_HOME,
) -> None:
    """Write a new task file with every setting explained, to be edited."""
    steps = [_step(text) for text in step] if step else EXAMPLE_STEPS
    path = new_task(home.root, task, name=name, name_ja=name_ja, steps=steps)
    say(f"{path}")
    say(f"Next: edit it, then `sopilot task show {task}` and `sopilot task lock {task}`.")


@app.command("list", epilog=examples("sopilot task list", "sopilot task list --references --csv"))
def list_tasks(
    *,
    references: Annotated[
        bool,
        typer.Option(
            "--references",
            help="What each task is compared with instead: its golds, their persons, those promoted, whether "
            "all their steps are confirmed.",
        ),
    ] = False,
    home: HOME,
    as_json: AS_JSON = False,
    as_csv: AS_CSV = False,
) -> None:
    """List the tasks: version, lock, steps; those whose file cannot be used too."""
    if references:
        _list_references(home, as_json=as_json, as_csv=as_csv)
        return
    found = find_tasks(home.root)
    rows: list[dict[str, Cell]] = [
        {
            "task": task_id,
            "name": task.name,
            "version": task.version,
            "lock": verify_task(home.tasks / f"{task_id}.yaml").state.value,
            "steps": len(task.steps),
            "embedder": task.embedder.value,
        }
        for task_id, task in found.tasks.items()
    ]
    rows += [
        {"task": task_id, "name": str(error), "lock": "not usable"}
        for task_id, error in found.refused.items()
    ]
    columns = ("task", "name", "version", "lock", "steps", "embedder")
    empty = "No tasks yet: `sopilot task create TASK --name NAME`."
    show_rows(rows, columns=columns, empty=empty, as_json=as_json, as_csv=as_csv)


def _list_references(home: Home, *, as_json: bool, as_csv: bool) -> None:
    columns = (
        *("task_id", "reference_id", "golds", "persons", "promoted", "confirmed"),
        *("held_out", "problem", "model_id", "written_at"),
    )
    rows = plain_rows(references_ledger(home).latest())
    show_rows(rows, columns=columns, empty="No references yet.", as_json=as_json, as_csv=as_csv)


@app.command(epilog=examples("sopilot task show filter_change"))
def show(task: TASK, *, home: HOME, as_json: AS_JSON = False) -> None:
    """Read a task file back: its steps and settings, or what is wrong with it and where."""
    spec = load_task(home.tasks / f"{task}.yaml")
    if as_json:
        typer.echo(spec.model_dump_json(indent=1))
        return
    names = " / ".join(filter(None, (spec.name, spec.name_ja)))
    say(f"[bold]{spec.task_id}[/bold]: {names}, version {spec.version}")
    show_rows(_step_rows(spec), columns=("step", "name", "name_ja", "critical", "after"))
    say(
        f"pass from {spec.pass_score:g}, retrain below {spec.retrain_score:g}; embedder {spec.embedder.value}"
    )
    say("takt time: " + ("none" if spec.takt_s is None else f"{spec.takt_s:g} s"))
    say("weights: " + ", ".join(f"{kind} {weight:.2f}" for kind, weight in spec.weights.normalised))
    say(
        "severity: " + ", ".join(f"{kind.value} {severity.value}" for kind, severity in spec.severity.items())
    )
    say(
        f"quality gate: {'on' if spec.quality_gate.enabled else 'off'}; fingerprint {spec.fingerprint()[:12]}"
    )


@app.command(
    epilog=examples(
        "sopilot task lock filter_change",
        "sopilot task lock filter_change --pass-score 90 --retrain-score 80",
        "sopilot task lock filter_change --check",
    )
)
def lock(
    task: TASK,
    *,
    pass_score: Annotated[float | None, typer.Option(help="Refuse unless the file says this.")] = None,
    retrain_score: Annotated[float | None, typer.Option(help="Refuse unless the file says this.")] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Lock nothing: compare the file with its locks and name each field that differs; exit code "
            "1 when one does.",
        ),
    ] = False,
    home: HOME,
) -> None:
    """Lock the version in the task file: from now on a change needs a higher version."""
    if check:
        if pass_score is not None or retrain_score is not None:
            raise ConfigError("--check: expected without --pass-score and --retrain-score.")
        _check_lock(home, task)
        return
    locked = lock_task(
        home.tasks / f"{task}.yaml",
        locked_at=datetime.now(UTC),
        pass_score=pass_score,
        retrain_score=retrain_score,
    )
    since = f"{locked.locked_at:%Y-%m-%d %H:%M} UTC"
    say(f"{task} version {locked.spec.version} is locked since {since} ({locked.path.name})")


def _check_lock(home: Home, task: str) -> None:
    found = verify_task(home.tasks / f"{task}.yaml")
    locks = ", ".join(f"v{lock.spec.version}" for lock in found.locked) or "none"
    say(f"{task} v{found.version}: {found.state.value}; locked versions: {locks}")
    for text in (*map(str, found.changes), *found.faults):
        say(f"  {text}")
    if found.state in (LockState.CHANGED, LockState.DAMAGED):
        raise typer.Exit(1)


def _step(text: str) -> Step:
    step_id, equals, name = text.partition("=")
    try:
        return Step(id=step_id.strip(), name=name if equals else "")
    except ValidationError as error:
        raise ConfigError(
            f"--step {text}: expected ID=NAME with an id of a-z, 0-9 and _, e.g. open_cover='Open the cover'."
        ) from error


def _step_rows(task: TaskSpec) -> list[dict[str, Cell]]:
    return [
        {
            "step": step.id,
            "name": step.name,
            "name_ja": step.name_ja,
            "critical": step.critical,
            "after": ", ".join(one.id for one in task.directly_before(step.id)) or None,
        }
        for step in task.steps
    ]
