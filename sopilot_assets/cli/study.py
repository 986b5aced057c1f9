"""`sopilot study`: evaluations that are written down and registered before anybody looks."""

from __future__ import annotations

import getpass
import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.markup import escape

from sopilot_assets.at_first_use import at_first_use, load_now
from sopilot_assets.cli.known import TASKS
from sopilot_assets.cli.options import AS_JSON, HOME, OF_TASK, STUDY, examples
from sopilot_assets.cli.output import say, show_error, show_rows, show_warning, stage
from sopilot_assets.cli.rows import figure
from sopilot_assets.dossier.signing import list_keys
from sopilot_assets.errors import SopilotError
from sopilot_assets.evidence.results import gate_verdict
from sopilot_assets.stations.gold_inputs import reference_problems, task_inputs
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.studies.gates import check_overrides
from sopilot_assets.studies.looks import HELD_OUT, distinct_looks
from sopilot_assets.studies.looks import looks as looks_at
from sopilot_assets.studies.registration import read_registration, registered_study
from sopilot_assets.studies.registration import register as registered
from sopilot_assets.studies.spec import ScoreOrigin, load_study, study_ids
from sopilot_assets.studies.starter import new_study
from sopilot_assets.tasks import LockState, find_tasks, verify_task
from sopilot_assets.upkeep.campaign.cycle import FINDING_EXIT

if TYPE_CHECKING:
    from sopilot_assets.store.home import Home
    from sopilot_assets.store.ledgers import Cell
    from sopilot_assets.studies.spec import StudySpec

with at_first_use():
    from sopilot_assets import local_run
    from sopilot_assets.upkeep.campaign import dev_gates

app = typer.Typer()

GATES_CHECK: Final = "gate_reports_gates_pass"
"""The step that fails a run when a research gate does."""

NEW_STUDY = Annotated[
    str, typer.Argument(help="The study's id: the name of its file below studies/, without .yaml.")
]


class Scores(StrEnum):
    """The scores that a study can judge."""

    CURRENT = "current"
    IMPORTED = "imported"


@app.command(
    epilog=examples(
        "sopilot study create spring --task filter_change --title 'Spring evaluation'",
        "sopilot study create old_poc --task filter_change --title 'As it was' --scores imported",
    )
)
def create(
    study: NEW_STUDY,
    *,
    task: Annotated[str, typer.Option(help="The task whose recordings are judged."), TASKS],
    title: Annotated[str, typer.Option(help="What the study shall show, in a few words.")],
    scores: Annotated[Scores, typer.Option(help="Judge current or imported scores.")] = Scores.CURRENT,
    home: HOME,
) -> None:
    """Write a new study file with every setting explained, to be edited."""
    path = new_study(home, study, task=task, title=title, scores=ScoreOrigin(scores.value))
    say(escape(str(path)))
    say(f"Next: edit it, then `sopilot study show {study}` and `sopilot study register {study}`.")


@app.command("list", epilog=examples("sopilot study list"))
def list_studies(*, home: HOME, as_json: AS_JSON = False) -> None:
    """List the studies: task, state, split, gates; those whose file cannot be used too."""
    show_rows(
        [_row(home, study) for study in study_ids(home)],
        columns=("study", "title", "task", "state", "split", "gates"),
        empty="No studies yet: `sopilot study create STUDY --task TASK --title TITLE`.",
        as_json=as_json,
    )


@app.command(epilog=examples("sopilot study register spring", "sopilot study register spring --by 'M. Sato'"))
def register(
    study: STUDY,
    *,
    by: Annotated[str | None, typer.Option(help="Who registers it. (Default: this account.)")] = None,
    home: HOME,
) -> None:
    """Register a study as its file is now; until it has results, a changed one can be registered again."""
    registration = registered(home, study, registered_at=datetime.now(UTC), by=by or getpass.getuser())
    current = registration.current
    say(
        f"{study} is registered since {current.registered_at:%Y-%m-%d %H:%M} by {escape(current.by)}; "
        f"SHA-256 {current.spec_sha256[:12]}"
    )
    if registration.previous:
        times = len(registration.previous)
        say(f"registered before: {times} time{'s' if times > 1 else ''}, kept in its registration")
    _warn_of_task(home, load_study(home, study))
    with stage("Adding its partition to Dagster"):
        local_run.add_study_partitions(home)
    say(f"Next: `sopilot study run {study}`.")


@app.command(epilog=examples("sopilot study run spring"))
def run(study: STUDY, *, home: HOME) -> None:
    """Take a registered study from its labels to its dossier; exit code 1 where a research gate blocks it.

    It goes through Dagster in this process, like the job evidence_chain; the web page shows the results.
    """
    registered_study(home, study)
    if not list_keys(home.keys):
        show_warning("There is no signing key, so no dossier can be made: `sopilot key create`.")
    with stage("Starting Dagster"):
        load_now(local_run)
    with stage("Running the evidence chain") as bar:
        ran = local_run.run_study(home, study, on_progress=lambda what, done, total: bar(done, total, what))
    for warning in ran.warnings:
        show_warning(warning)
    if ran.failed_at not in (None, GATES_CHECK):
        show_error(f"{ran.error} Look at run {ran.run_id[:8]} in the web page (`make dev`).")
        _golds_come_first(home, study)
        raise typer.Exit(1)
    verdict = gate_verdict(home, study)
    rows = [{name: figure(value) for name, value in row.items()} for row in verdict.rows]
    show_rows(rows, columns=("name", "passed", "value", "threshold", "reason", "needed"))
    say(f"Gates: {escape(verdict.summary)}")
    for one in verdict.claims:
        say(one.text.en)
    if verdict.claims and not verdict.carried:
        show_warning(
            "Too few people for a statement about others, whatever the gates say, as the dossier says too. "
            f"Whom to film and label next: {home.study(study) / 'labeling_plan.csv'}"
        )
    say(f"Results: {home.study(study)}")
    if not ran.succeeded:
        say(
            f"A failed research gate blocks the dossier; `sopilot dossier build {study}` shows what is there."
        )
        if not _golds_come_first(home, study):
            say(f"What to label next: {home.study(study) / 'labeling_plan.csv'}")
            say(f"What that brings: {home.study(study) / 'labeling_forecast.csv'}")
        raise typer.Exit(1)
    say(f"Dossiers: {home.dossiers / study}; `sopilot dossier list` says which are ready")


@app.command(
    epilog=examples(
        "sopilot study show spring", "sopilot study show spring --json", "sopilot study show spring --looks"
    )
)
def show(
    study: STUDY,
    *,
    looks: Annotated[
        bool,
        typer.Option(
            "--looks",
            help="Every look at the test and challenge cases instead; only new inputs count as another one.",
        ),
    ] = False,
    home: HOME,
    as_json: AS_JSON = False,
) -> None:
    """Read a study back: its settings and whether it is registered, or what is wrong with it and where."""
    if looks:
        _show_looks(home, study, as_json=as_json)
        return
    spec = load_study(home, study)
    check_overrides(spec)
    if as_json:
        found = read_registration(home, study)
        content = {
            "study": spec.model_dump(mode="json"),
            "state": _state(home, study),
            "registration": found.model_dump(mode="json") if found else None,
        }
        typer.echo(json.dumps(content, ensure_ascii=False, indent=1))
        return
    say(f"[bold]{spec.study_id}[/bold]: {escape(spec.title)}; {_state(home, study)}")
    show_rows(_settings(spec), columns=("setting", "value"))
    _warn_of_task(home, spec)
    _show_registration(home, study)


def _show_looks(home: Home, study: str, *, as_json: bool) -> None:
    load_study(home, study)
    found = looks_at(home, study)
    columns = ("looked_at", "split", "station", "by", "inputs_sha256")
    show_rows(plain_rows(found), columns=columns, empty="Nobody has looked yet.", as_json=as_json)
    if len(found) and not as_json:
        counted = ", ".join(f"{split} {distinct_looks(found, split)}" for split in HELD_OUT)
        say(f"looks at different inputs: {counted}")


@app.command(epilog=examples("sopilot study check --profile ops_v1 --task filter_change"))
def check(
    *,
    profile: Annotated[str, typer.Option(help="The gate profile, e.g. ops_v1 or legacy_poc.")],
    task: OF_TASK = None,
    home: HOME,
    as_json: AS_JSON = False,
) -> None:
    """Hold the newest scores of the studies' dev recordings against gates; held-out recordings stay closed.

    The exit code is 3 where a gate fails.
    """
    found = dev_gates.dev_gates(home, profile, task_id=task)
    show_rows(
        [{**row, "value": figure(row["value"])} for one in found for row in one.rows()],
        columns=("study", "dev", "detector", "check", "passed", "value", "threshold", "why"),
        empty="No study has been split yet, so there are no dev recordings to judge.",
        as_json=as_json,
    )
    failed = [one for one in found if not one.passed]
    if failed:
        if not as_json:
            say(f"{profile} fails on {', '.join(one.study_id for one in failed)}")
        raise typer.Exit(FINDING_EXIT)


def _row(home: Home, study: str) -> dict[str, Cell]:
    try:
        spec = load_study(home, study)
    except SopilotError as error:
        return {"study": study, "title": str(error), "state": "not usable"}
    return {
        "study": study,
        "title": spec.title,
        "task": spec.task,
        "state": _state(home, study),
        "split": spec.split.strategy.value,
        "gates": spec.gate_profile.value,
    }


def _golds_come_first(home: Home, study: str) -> bool:
    """Whether the golds of the study's task give no reference, which is said: then recordings have no score,
    or an old one, and no label helps.
    """
    spec = load_study(home, study)
    task = find_tasks(home.root).tasks.get(spec.task) if spec.scores is ScoreOrigin.CURRENT else None
    problems = reference_problems(home, task_inputs(home, {spec.task: task})) if task is not None else {}
    for problem in problems.values():
        show_error(f"Labels do not help before this is mended: {problem.en}")
    return bool(problems)


def _state(home: Home, study: str) -> str:
    """One of: not registered, registered, frozen (has results), changed (since it was registered)."""
    if read_registration(home, study) is None:
        return "not registered"
    try:
        _, registration = registered_study(home, study)
    except SopilotError:
        return "changed"
    return "frozen" if registration.frozen else "registered"


def _settings(spec: StudySpec) -> list[dict[str, Cell]]:
    split = spec.split
    shares = ", ".join(f"{name} {share:g}" for name, share in split.ratios.shares().items())
    grid = spec.fitting_grid
    points = len(grid.min_dtw) * len(grid.max_distance) * len(grid.max_span)
    values = {
        "task": spec.task,
        "scores": spec.scores.value,
        "split": f"{split.strategy.value}, seed {split.seed}; {shares}",
        "holdout site": split.holdout_site or "none",
        "gates": spec.gate_profile.value,
        "overrides": "; ".join(
            f"{one.check} = {'off' if one.threshold is None else f'{one.threshold:g}'} ({one.reason})"
            for one in spec.gate_overrides
        )
        or "none",
        "detectors": ", ".join(detector.value for detector in spec.detectors),
        "baseline": spec.baseline_detector.value,
        "grid": f"{points} points" + (", intervals too" if spec.use_intervals else ""),
        "miss rate": f"at most {spec.miss_rate_target:g} with confidence {spec.confidence:g}",
        "labels": ", ".join(source.value for source in spec.label_sources),
    }
    return [{"setting": name, "value": value} for name, value in values.items()]


def _warn_of_task(home: Home, spec: StudySpec) -> None:
    """Say now what else only the run or the dossier would: that the task is not there, or not locked."""
    if spec.scores is ScoreOrigin.IMPORTED:
        return
    try:
        state = verify_task(home.tasks / f"{spec.task}.yaml").state
    except SopilotError as error:
        show_warning(str(error))
        return
    if state is not LockState.OK:
        show_warning(
            f"Task {spec.task} is {state.value}, and a dossier needs its lock: "
            f"`sopilot task lock --check {spec.task}`, then `sopilot task lock {spec.task}`."
        )


def _show_registration(home: Home, study: str) -> None:
    registration = read_registration(home, study)
    if registration is None:
        return
    current = registration.current
    say(
        f"registered {current.registered_at:%Y-%m-%d %H:%M} by {escape(current.by)}, "
        f"SHA-256 {current.spec_sha256[:12]}; {len(registration.previous)} earlier, "
        f"{len(registration.results)} results"
    )
    try:
        registered_study(home, study)
    except SopilotError as error:
        say(escape(str(error)))
