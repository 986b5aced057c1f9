"""`sopilot capture`: recordings in: copied, checked, registered."""

from __future__ import annotations

import getpass
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from sopilot_assets.capture.add import capture_add
from sopilot_assets.capture.clearing import REST_S
from sopilot_assets.capture.drain import drain_capture
from sopilot_assets.capture.filming import check_filming
from sopilot_assets.capture.reasons import Reason
from sopilot_assets.cli.corrections import PERSON, RECORDED_AT, SESSION, WHO, told_facts
from sopilot_assets.cli.options import AS_JSON, HOME, LANG, examples
from sopilot_assets.cli.output import say, show_rows, stage
from sopilot_assets.cli.rows import advice
from sopilot_assets.disk import room_for_files
from sopilot_assets.settings import load_settings
from sopilot_assets.tasks import QualityGate, load_task
from sopilot_assets.texts.languages import Language

if TYPE_CHECKING:
    from sopilot_assets.capture.facts import Correction
    from sopilot_assets.capture.filming import Checked
    from sopilot_assets.capture.taken import TakenFile
    from sopilot_assets.store.ledgers import Cell

_WAITING: Final = "still being copied, or another intake is at work"

app = typer.Typer()


@app.command(
    epilog=examples(
        "sopilot capture add ~/golds --task filter_change --role gold --site line1",
        "sopilot capture add ~/monday --task filter_change --role trainee --site line1 --camera top",
        "sopilot capture add VID_0007.mp4 --task filter_change --role trainee --site line1 --person p014",
    )
)
def add(
    source: Annotated[
        Path, typer.Argument(help="A recording, or a folder of them, searched with its subfolders.")
    ],
    *,
    task: Annotated[str, typer.Option(help="The task that the recordings show.")],
    role: Annotated[
        Literal["gold", "trainee"], typer.Option(help="gold: done right. trainee: to be judged.")
    ],
    site: Annotated[str, typer.Option(help="Where they were filmed, e.g. line1.")],
    camera: Annotated[str | None, typer.Option(help="Which camera, where there are several.")] = None,
    pattern: Annotated[str, typer.Option(help="Only files with such names.")] = "*",
    person: PERSON = None,
    session: SESSION = None,
    recorded_at: RECORDED_AT = None,
    who: WHO = None,
    home: HOME,
) -> None:
    """Copy recordings into the capture folder, with their sidecars and the golds' steps.csv.

    What is said of person, session and time holds for all of them, also for those registered already.
    """
    facts = told_facts(person, session, recorded_at)
    with stage(f"Copying to capture/{task}/{role}/{site}") as bar:
        report = capture_add(
            source,
            home,
            task_id=task,
            role=role,
            site=site,
            camera=camera,
            pattern=pattern,
            facts=facts,
            who=who or getpass.getuser(),
            at=datetime.now(UTC),
            room=room_for_files(home, load_settings(home).disk),
            on_progress=lambda one, done, total: bar(done, total, one.source),
        )
    rows = [{"file": one.source, "not_copied": one.why} for one in report.skipped]
    say(f"{len(report.copied)} of {len(report.files)} files copied")
    if changed := sum(bool(one.corrections) for one in report.files):
        say(f"{changed} registered recordings corrected; `sopilot score list --stale` says what that changes")
    if rows:
        show_rows(rows, columns=("file", "not_copied"))
    say("Next: `sopilot capture register`; where `make dev` runs, the sensor takes them in by itself.")


@app.command(epilog=examples("sopilot capture register", "sopilot capture register --lang ja"))
def register(*, home: HOME, lang: LANG = Language.EN, as_json: AS_JSON = False) -> None:
    """Register all that lies in the capture folder: accepted, recognised, or in quarantine with the reason.

    Exit code 1 while the intake is paused, since there is too little disk space.
    """
    with stage("Taking in recordings") as bar:
        drained = drain_capture(
            home,
            run_id=f"intake-{datetime.now(UTC):%Y%m%dT%H%M%S}",
            now=lambda: datetime.now(UTC),
            wait=time.sleep,
            on_progress=bar,
        )
    rows: list[dict[str, Cell]] = [
        {
            "file": one.relative,
            "outcome": one.status.value,
            "key": one.key,
            "reason": one.reason.value if one.reason else ", ".join(one.flags) or None,
            "what_to_do": advice(one.reason, lang) if one.reason else one.detail or None,
        }
        for one in drained.outcomes
    ]
    rows += [_untouched(name, "waiting", drained.why_waiting.get(name, _WAITING)) for name in drained.waiting]
    rows += [_untouched(one.relative, "left alone", one.why) for one in drained.skipped]
    rows += [_untouched(one.relative, "still there", _why_still_there(one)) for one in drained.taken]
    rows += [_corrected(one) for one in drained.corrections]
    columns = ("file", "outcome", "key", "reason", "what_to_do")
    show_rows(rows, columns=columns, empty="The capture folder is empty.", as_json=as_json)
    drained.whole()
    if not as_json and drained.new_keys:
        say(f"{len(drained.new_keys)} new recordings. Next: `sopilot score run`.")


@app.command(
    epilog=examples(
        "sopilot capture check take_07.mp4", "sopilot capture check *.mp4 --task filter_change --lang ja"
    )
)
def check(
    files: Annotated[list[Path], typer.Argument(help="Recordings; they are read, not taken in.")],
    *,
    task: Annotated[
        str | None, typer.Option(help="Measure against this task's limits. (Default: the usual ones.)")
    ] = None,
    home: HOME,
    lang: LANG = Language.EN,
    as_json: AS_JSON = False,
) -> None:
    """Say how well recordings are filmed: brightness, sharpness, stability, resolution, duration."""
    gate = load_task(home.tasks / f"{task}.yaml").quality_gate if task else QualityGate(enabled=True)
    checked = []
    with stage("Measuring recordings") as bar:
        for done, path in enumerate(files):
            bar(done, len(files), path.name)
            checked.append(check_filming(path, gate.model_copy(update={"enabled": True})))
    rows = [row for one in checked for row in _axis_rows(one, lang)]
    show_rows(rows, columns=("file", "axis", "found", "wanted", "ok", "what_to_do"), as_json=as_json)
    if any(one.reasons for one in checked):
        raise typer.Exit(1)


def _axis_rows(checked: Checked, lang: Language) -> list[dict[str, Cell]]:
    name = checked.path.name
    rows = [_axis_row(name, axis.name, axis.found, axis.wanted, axis.misses, lang) for axis in checked.axes]
    if checked.problem is not None and checked.problem not in {axis.misses for axis in checked.axes}:
        found = checked.detail or checked.problem.value
        rows.append(_axis_row(name, "reading", found, "a video", checked.problem, lang))
    return rows


def _axis_row(
    file: str, axis: str, found: str, wanted: str, misses: Reason | None, lang: Language
) -> dict[str, Cell]:
    return {
        "file": file,
        "axis": axis,
        "found": found,
        "wanted": wanted,
        "ok": misses is None,
        "what_to_do": advice(misses, lang) if misses else None,
    }


def _why_still_there(one: TakenFile) -> str:
    if one.problem is not None:
        return f"it was taken in, but cannot be removed: {one.problem}"
    minutes = REST_S / 60
    return f"it was taken in; it is removed when nobody has written into it for {minutes:g} minutes"


def _corrected(one: Correction) -> dict[str, Cell]:
    told = f"{one.fact}: {one.was or 'unknown'} -> {one.now or 'unknown'}"
    return {"file": one.why, "outcome": "corrected", "key": one.key, "reason": None, "what_to_do": told}


def _untouched(name: str, outcome: str, why: str) -> dict[str, Cell]:
    return {"file": name, "outcome": outcome, "key": None, "reason": None, "what_to_do": why}
