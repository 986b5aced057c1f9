"""`sopilot gold`: recordings made golds by people, and taken back; when the steps of golds begin and end."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.capture.registry import Registry, find_recordings
from sopilot_assets.cli.known import TASKS
from sopilot_assets.cli.label_files import FORMAT
from sopilot_assets.cli.options import AS_CSV, AS_JSON, HOME, LANG, TASK, examples
from sopilot_assets.cli.output import say, show_rows, show_warning
from sopilot_assets.errors import GoldError
from sopilot_assets.evidence.results import held_out_cases
from sopilot_assets.exchange.formats import format_for
from sopilot_assets.stations.exchanged_steps import export_steps, import_steps
from sopilot_assets.stations.gold_candidates import gold_candidates
from sopilot_assets.stations.gold_inputs import task_inputs
from sopilot_assets.stations.gold_marks import steps_rows
from sopilot_assets.stations.gold_promotions import demote_recording, promote_recording
from sopilot_assets.store.home import PartitionKey
from sopilot_assets.store.publish import local_path, publish_bytes
from sopilot_assets.tasks import load_task
from sopilot_assets.texts.languages import Language

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sopilot_assets.stations.gold_power import StepPower
    from sopilot_assets.store.home import Home
    from sopilot_assets.store.ledgers import Cell

with at_first_use():
    from sopilot_assets.stations import gold_power

app = typer.Typer()

RECORDING = Annotated[str, typer.Argument(help="Its partition key, video id or file name.")]
BY = Annotated[str, typer.Option("--by", help="The id of the person who decides, without spaces.")]
REASON = Annotated[str, typer.Option("--reason", help="Why, for those who look later.")]


@app.command(
    epilog=examples(
        "sopilot gold promote take_07.mp4 --by ann --reason 'two raters call it right, steps looked at'",
        "sopilot gold promote take_07.mp4 --by ann --reason 'steps marked by hand' --steps marked.csv",
    )
)
def promote(
    recording: RECORDING,
    *,
    by: BY,
    reason: REASON,
    steps: Annotated[
        Path | None,
        typer.Option(
            help="Its steps, with columns as in steps.csv. (Default: those that the scoring found.)",
            dir_okay=False,
        ),
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="The task that is meant."), TASKS] = None,
    home: HOME,
) -> None:
    """Make a trainee recording a gold of its task; whoever does it confirms its steps.

    Blind labels have to call it right. It leaves the cases of studies that have no result yet.
    """
    key, now = _key(home, recording), datetime.now(UTC)
    event = promote_recording(
        home, key, who=by, why=reason, at=now, run_id=_run_id(now), steps_file=steps, task_id=task
    )
    if event is None:
        say(f"{key} is a gold already, with these steps; nothing changed.")
        return
    one = Registry.read(home)[key]
    spans = ", ".join(f"{step.step} {step.start_s:g}-{step.end_s:g} s" for step in event.steps)
    say(f"{key} is a gold of {key.task_id} now, with the steps of {event.steps_from}: {spans}")
    if one.person is None:
        show_warning(
            f"Nobody said who is seen in {one.original_name}: it vouches for no further person. "
            f"`sopilot recording correct {key} --person CODE` says so."
        )
    if studies := held_out_cases(home).get(str(key)):
        show_warning(
            f"It is held out in the study {', '.join(studies)}, which stays as it is; a look at it from now "
            "on judges a recording that the golds know."
        )
    _say_stale()


@app.command(epilog=examples("sopilot gold demote take_07.mp4 --by ann --reason 'the cap was left open'"))
def demote(recording: RECORDING, *, by: BY, reason: REASON, home: HOME) -> None:
    """Take a promotion back: the recording is a trainee's again."""
    key, now = _key(home, recording), datetime.now(UTC)
    event = demote_recording(home, key, who=by, why=reason, at=now, run_id=_run_id(now))
    if event is None:
        say(f"{key} was not promoted; nothing changed.")
        return
    say(f"{key} is a trainee recording again.")
    _say_stale()


@app.command(
    epilog=examples(
        "sopilot gold candidates filter_change",
        "sopilot gold candidates filter_change --lang ja",
        "sopilot gold candidates filter_change --power",
    )
)
def candidates(
    task: TASK,
    *,
    power: Annotated[
        bool,
        typer.Option("--power", help="Also how often weak steps would be found then; takes seconds each."),
    ] = False,
    home: HOME,
    lang: LANG = Language.EN,
    as_json: AS_JSON = False,
    as_csv: AS_CSV = False,
) -> None:
    """List the trainee recordings that could become golds, and what each would lift.

    They are right by blind labels and no golds yet. Those of other persons and sites come first.
    """
    found, held_out = gold_candidates(home, task), held_out_cases(home)
    rows: list[dict[str, Cell]] = []
    for one in found:
        key = str(one.recording.key)
        row = {**one.row(), "held_out_in": ", ".join(held_out.get(key, ())) or None}
        if lang is Language.JA:
            row |= {name: row[f"{name}_ja"] for name in ("lifts", "lacks")}
        rows.append(row)
    columns = ["key", "file", "person", "site", "lifts", "lacks", "held_out_in"]
    if power and found:
        powers = gold_power.power_with(home, task, [one.recording for one in found])
        rows = [{**row, "weak_steps": _weak_steps(powers[str(row["key"])])} for row in rows]
        columns.insert(columns.index("lacks"), "weak_steps")
    empty = "None: no trainee recording that blind labels call right is left."
    show_rows(rows, columns=columns, empty=empty, as_json=as_json, as_csv=as_csv)


@app.command(epilog=examples("sopilot gold show filter_change", "sopilot gold show filter_change --csv"))
def show(task: TASK, *, home: HOME, as_json: AS_JSON = False, as_csv: AS_CSV = False) -> None:
    """Show when the steps of a task's golds begin and end; with --csv as in steps.csv."""
    spec = load_task(home.tasks / f"{task}.yaml")
    rows = steps_rows(spec, task_inputs(home, {task: spec})[task])
    empty = "No gold has steps yet: mark them at the desk, or write them into steps.csv."
    columns = ["video", "step", "start_s", "end_s"]
    show_rows(rows, columns=columns, empty=empty, as_json=as_json, as_csv=as_csv)


@app.command(
    "import",
    epilog=examples(
        "sopilot gold import filter_change --by ann",
        "sopilot gold import filter_change --by ann --steps marked.csv",
        "sopilot gold import filter_change --by ann --steps take_01.eaf --recording take_01.mp4",
    ),
)
def import_marks(
    task: TASK,
    *,
    by: BY,
    steps: Annotated[
        Path | None,
        typer.Option(
            help="A sheet as steps.csv, a file of ELAN, VIA, Label Studio, BORIS or CVAT, or a ZIP of them. "
            "(Default: the task's steps.csv.)",
            dir_okay=False,
        ),
    ] = None,
    form: FORMAT = None,
    recording: Annotated[
        str | None,
        typer.Option(help="The gold that the file is about, where its own words do not say so."),
    ] = None,
    home: HOME,
) -> None:
    """Take the steps of golds from a file as confirmed marks, which count from then on.

    All of it is taken or nothing; faults are named by their place in the file.
    """
    spec, now = load_task(home.tasks / f"{task}.yaml"), datetime.now(UTC)
    path = steps or local_path(home.steps_csv(task))
    if not path.exists():
        raise GoldError(
            f"{path}: expected a file with steps, found none. Write it; --steps names another one."
        )
    done = import_steps(
        home,
        task_inputs(home, {task: spec})[task],
        path.read_bytes(),
        source=path.name,
        who=by,
        at=now,
        run_id=_run_id(now),
        form=form,
        recording=recording,
    )
    for remark in (*done.strangers, *done.remarks):
        show_warning(f"{remark.en}.")
    if not done.taken:
        say("It says nothing new of any gold; nothing changed.")
        return
    say(f"Steps taken of {', '.join(done.taken)}.")
    _say_stale()


@app.command(
    epilog=examples(
        "sopilot gold export filter_change steps.boris",
        "sopilot gold export filter_change take_01.eaf --recording take_01.mp4",
        "sopilot gold export filter_change steps.json --format label_studio",
    )
)
def export(
    task: TASK,
    file: Annotated[
        Path, typer.Argument(help="The file to write; its ending says the format.", dir_okay=False)
    ],
    *,
    form: FORMAT = None,
    recording: Annotated[str | None, typer.Option(help="Only this gold.")] = None,
    home: HOME,
) -> None:
    """Write the steps of a task's golds for another tool.

    Formats with one recording a file are written as a ZIP where several golds have steps.
    """
    spec = load_task(home.tasks / f"{task}.yaml")
    chosen = format_for(file, form)
    suffix, data = export_steps(
        home, spec, task_inputs(home, {task: spec})[task], chosen, recording=recording
    )
    target = file if suffix == file.suffix.lower() else file.with_name(f"{file.stem}{suffix}")
    publish_bytes(target, data)
    say(f"{target}: steps in the format {chosen.value}")


def _key(home: Home, name: str) -> PartitionKey:
    registry = Registry.read(home)
    known = {str(key): one for key, one in registry.recordings.items()}
    return PartitionKey.parse(find_recordings(known, [name])[0])


def _weak_steps(powers: Sequence[StepPower] | None) -> str | None:
    """The power at each weak step now and then; empty where none is weak, None where nothing can be said."""
    return None if powers is None else ", ".join(map(str, powers))


def _run_id(now: datetime) -> str:
    return f"gold-{now:%Y%m%dT%H%M%S%f}"


def _say_stale() -> None:
    say(
        "Its task's reference and scores are stale: the sensor `golds` or `sopilot score run --stale` makes "
        "them again."
    )
