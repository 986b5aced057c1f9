"""`sopilot recording`: registered recordings, and refused ones."""

from __future__ import annotations

import getpass
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

import typer

from sopilot_assets.capture.facts import (
    Correction,
    correct_recordings,
    corrections,
    facts_of,
    restore_recordings,
    withdraw_recordings,
)
from sopilot_assets.capture.ledgers import quarantine_ledger
from sopilot_assets.capture.reasons import Reason
from sopilot_assets.capture.registry import Registry, active_recordings, find_recordings
from sopilot_assets.capture.sidecar import Sidecar
from sopilot_assets.cli.facts import PERSON, RECORDED_AT, SESSION, WHO, moment_of
from sopilot_assets.cli.options import AS_CSV, AS_JSON, HOME, LANG, examples
from sopilot_assets.cli.output import say, show_rows
from sopilot_assets.cli.rows import advice, review_page, rows_of
from sopilot_assets.errors import ConfigError
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.texts.languages import Language

if TYPE_CHECKING:
    from sopilot_assets.store.ledgers import Cell

app = typer.Typer()

TASK = Annotated[str | None, typer.Option("--task", help="Only this task.")]
Role = Literal["gold", "trainee"]
NAMES = Annotated[
    list[str], typer.Argument(help="Partition keys, video ids or file names.", metavar="RECORDINGS...")
]
WHY = Annotated[str, typer.Option(help="The reason, for those who look later.")]
WHY_NEEDED = Annotated[str, typer.Option(help="The reason; it is shown wherever the recording is.")]


@app.command(
    epilog=examples("sopilot recording show take_07.mp4", "sopilot recording show 1f3a9c2b7d04 --lang ja")
)
def show(
    recording: Annotated[str, typer.Argument(help="Its partition key, video id or file name.")],
    *,
    home: HOME,
    lang: LANG = Language.EN,
    as_json: AS_JSON = False,
) -> None:
    """Show one recording: what intake found, its newest score with the deviations, and its review page."""
    entries = active_recordings(home)
    key = find_recordings(entries, [recording])[0]
    scored = next((row for row in rows_of(scores_ledger(home).latest()) if row["key"] == key), None)
    facts = dict(entries[key].row)
    changes = corrections(home, key)
    if as_json:
        told = {"video": facts, "score": scored, "changes": [asdict(one) for one in changes]}
        typer.echo(json.dumps(told, ensure_ascii=False, indent=1))
        return
    rows: list[dict[str, Cell]] = [
        {"fact": name, "value": value} for name, value in facts.items() if value not in (None, "")
    ]
    show_rows(rows, columns=("fact", "value"), title=key)
    if changes:
        _show_changes(changes, "")
    if scored is None:
        say("It has no score yet: `sopilot score run`.")
        return
    _show_score(scored, lang)
    say(f"Review page: {review_page(home, scored) or 'none'}")


@app.command(
    "list",
    epilog=examples(
        "sopilot recording list",
        "sopilot recording list --task filter_change --role gold",
        "sopilot recording list --refused --lang ja --csv",
    ),
)
def list_recordings(
    *,
    task: TASK = None,
    role: Annotated[Role | None, typer.Option(help="Only golds, or only trainee recordings.")] = None,
    refused: Annotated[
        bool, typer.Option("--refused", help="The files in quarantine instead: why, and what to do.")
    ] = False,
    home: HOME,
    lang: LANG = Language.EN,
    as_json: AS_JSON = False,
    as_csv: AS_CSV = False,
) -> None:
    """List the registered recordings: key, file, person, place, duration, flags of the quality gate."""
    if refused:
        if task or role:
            raise ConfigError("--refused: expected without --task and --role; a refused file has neither.")
        _list_refused(home, lang, as_json=as_json, as_csv=as_csv)
        return
    rows = [dict(entry.row) for _, entry in sorted(active_recordings(home).items())]
    chosen = [row for row in rows if task in (None, row["task_id"]) and role in (None, row["role"])]
    columns = ("key", "original_name", "person", "site", "camera", "duration_s", "width", "height", "flags")
    show_rows(chosen, columns=columns, empty="No recordings yet.", as_json=as_json, as_csv=as_csv)


@app.command(
    epilog=examples(
        "sopilot recording correct IMG_0001.mp4 IMG_0002.mp4 --person p014 --why 'asked the trainer'",
        "sopilot recording correct take_07.mp4 --recorded-at 2026-03-02T08:15:00+09:00 --site line2",
        "sopilot recording correct take_07.mp4 --unknown person",
    )
)
def correct(
    recordings: NAMES,
    *,
    person: PERSON = None,
    session: SESSION = None,
    recorded_at: RECORDED_AT = None,
    site: Annotated[str | None, typer.Option(help="Where it was filmed.")] = None,
    camera: Annotated[str | None, typer.Option(help="By which camera.")] = None,
    unknown: Annotated[
        list[str] | None, typer.Option(help="A fact that nobody knows after all; repeat it.")
    ] = None,
    why: WHY = "",
    who: WHO = None,
    home: HOME,
) -> None:
    """Correct what is known of recordings: person, session, time, site, camera.

    What was said before stays in the history, which `sopilot recording show` prints.
    """
    told = facts_of(Sidecar(person=person, session=session, recorded_at=moment_of(recorded_at)))
    told |= {name: value for name, value in (("site", site), ("camera", camera)) if value}
    told |= dict.fromkeys(unknown or ())
    if "site" in told and told["site"] is None:
        raise ConfigError("--unknown site: expected a fact that can be unknown; every recording has a site.")
    keys = find_recordings(active_recordings(home), recordings)
    _say_changed(correct_recordings(home, keys, told, **_signed(who, why)), "It says so already.")


@app.command(
    epilog=examples("sopilot recording withdraw gold_003.mp4 --why 'the cap was left open in the end'")
)
def withdraw(recordings: NAMES, *, why: WHY_NEEDED, who: WHO = None, home: HOME) -> None:
    """Let recordings count no more, as golds or as trainees; `sopilot recording restore` takes it back."""
    keys = find_recordings(active_recordings(home), recordings)
    _say_changed(withdraw_recordings(home, keys, **_signed(who, why)), "Nothing changed.")


@app.command(epilog=examples("sopilot recording restore gold_003.mp4 --why 'it was another recording'"))
def restore(recordings: NAMES, *, why: WHY = "", who: WHO = None, home: HOME) -> None:
    """Let withdrawn recordings count again."""
    out = {str(key): one for key, one in Registry.read(home).recordings.items() if one.withdrawn}
    keys = find_recordings(out, recordings)
    _say_changed(restore_recordings(home, keys, **_signed(who, why)), "Nothing changed.")


class _Signed(TypedDict):
    who: str
    why: str
    at: datetime
    run_id: str


def _signed(who: str | None, why: str) -> _Signed:
    now = datetime.now(UTC)
    return {"who": who or getpass.getuser(), "why": why, "at": now, "run_id": f"correct-{now:%Y%m%dT%H%M%S}"}


def _say_changed(changed: list[Correction], nothing: str) -> None:
    _show_changes(changed, nothing)
    if changed:
        say("Scores that rest on it are stale: `sopilot score list --stale`, `sopilot score run --stale`.")


def _show_changes(changed: list[Correction], nothing: str) -> None:
    rows: list[dict[str, Cell]] = [asdict(one) for one in changed]
    columns = ("key", "fact", "was", "now", "who", "at", "why")
    show_rows(rows, columns=columns, title="changes" if rows else None, empty=nothing)


def _list_refused(home: Home, lang: Language, *, as_json: bool, as_csv: bool) -> None:
    rows = rows_of(quarantine_ledger(home).latest())
    told = [{**row, "what_to_do": advice(Reason(str(row["reason"])), lang)} for row in rows]
    columns = ("capture_path", "reason", "detail", "what_to_do", "stored_name")
    show_rows(told, columns=columns, empty="The quarantine is empty.", as_json=as_json, as_csv=as_csv)


def _show_score(row: dict[str, Cell], lang: Language) -> None:
    if not isinstance(row["deviations"], str | None):
        raise ConfigError(f"{row['key']}: expected deviations as JSON text in the scores ledger.")
    found: list[dict[str, Cell]] = json.loads(row["deviations"] or "[]")
    score = "no score" if row["score"] is None else f"score {row['score']:.1f}"
    say(f"[bold]{row['decision']}[/bold], {score}: {row[f'reason_{lang.value}'] or row['reason_en']}")
    lines: list[dict[str, Cell]] = [
        {
            "type": one["type"],
            "severity": one["severity"],
            "from_s": one["trainee_start_s"],
            "to_s": one["trainee_end_s"],
            "confidence": f"{float(one['confidence'] or 0):.0%}",
            "what": one[lang.value],
        }
        for one in found
    ]
    columns = ("type", "severity", "from_s", "to_s", "confidence", "what")
    show_rows(lines, columns=columns, empty="No deviations.")
