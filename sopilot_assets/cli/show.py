"""`sopilot show`: what is known, as tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sopilot_assets.cli.options import AS_CSV, AS_JSON, HOME, LANG, examples
from sopilot_assets.cli.output import say, show_rows
from sopilot_assets.cli.rows import rows_of
from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import Home
from sopilot_assets.texts.languages import Language

if TYPE_CHECKING:
    from sopilot_assets.store.ledgers import Cell

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="rich", help="What is known, as tables (or JSON, or CSV)."
)

TASK = Annotated[str | None, typer.Option("--task", help="Only this task.")]
Role = Literal["gold", "trainee"]


@app.command(
    epilog=examples(
        "sopilot show scores",
        "sopilot show scores --task filter_change --decision fail --lang ja",
        "sopilot show scores --csv > scores.csv",
    )
)
def scores(
    *,
    task: TASK = None,
    role: Annotated[Role | None, typer.Option(help="Only golds, or only trainee recordings.")] = None,
    decision: Annotated[
        Literal["pass", "needs_review", "retrain", "fail", "not_verifiable"] | None,
        typer.Option(help="Only recordings with this decision."),
    ] = None,
    problems: Annotated[
        bool, typer.Option("--problems", help="Only those that could not be scored.")
    ] = False,
    home: HOME,
    lang: LANG = Language.EN,
    as_json: AS_JSON = False,
    as_csv: AS_CSV = False,
) -> None:
    """The newest score of every recording: decision, deviations, reason, and the path of its review page."""
    from sopilot_assets.scoring.ledger import scores_ledger  # noqa: PLC0415

    wanted = {"task_id": task, "role": role, "decision": decision}
    rows = [
        row
        for row in rows_of(scores_ledger(home).latest())
        if all(value is None or row[name] == value for name, value in wanted.items())
        and (row["problem"] is not None or not problems)
    ]
    told = [{**row, "reason": row[f"reason_{lang.value}"], "page": _page(home, row)} for row in rows]
    columns = ("key", "original_name", "person", "site", "score", "decision", "deviation_types", "reason")
    show_rows(told, columns=columns, empty="No scores yet: `sopilot score`.", as_json=as_json, as_csv=as_csv)
    if told and not (as_json or as_csv):
        say(f"{len(told)} recordings. Review pages: {home.reviews}")


@app.command(epilog=examples("sopilot show video take_07.mp4", "sopilot show video 1f3a9c2b7d04 --lang ja"))
def video(
    recording: Annotated[str, typer.Argument(help="Its partition key, video id or file name.")],
    *,
    home: HOME,
    lang: LANG = Language.EN,
    as_json: AS_JSON = False,
) -> None:
    """One recording: what intake found, its newest score with the deviations, and its review page."""
    from sopilot_assets.capture.registry import active_recordings, find_recordings  # noqa: PLC0415
    from sopilot_assets.scoring.ledger import scores_ledger  # noqa: PLC0415

    entries = active_recordings(home)
    key = find_recordings(entries, [recording])[0]
    scored = next((row for row in rows_of(scores_ledger(home).latest()) if row["key"] == key), None)
    facts = dict(entries[key].row)
    if as_json:
        typer.echo(json.dumps({"video": facts, "score": scored}, ensure_ascii=False, indent=1))
        return
    rows: list[dict[str, Cell]] = [
        {"fact": name, "value": value} for name, value in facts.items() if value not in (None, "")
    ]
    show_rows(rows, columns=("fact", "value"), title=key)
    if scored is None:
        say("It has no score yet: `sopilot score`.")
        return
    _show_score(scored, lang)
    say(f"Review page: {_page(home, scored) or 'none'}")


@app.command(
    epilog=examples("sopilot show recordings", "sopilot show recordings --task filter_change --role gold")
)
def recordings(
    *,
    task: TASK = None,
    role: Annotated[Role | None, typer.Option(help="Only golds, or only trainee recordings.")] = None,
    home: HOME,
    as_json: AS_JSON = False,
    as_csv: AS_CSV = False,
) -> None:
    """The registered recordings: key, file, person, place, duration, flags of the quality gate."""
    from sopilot_assets.capture.registry import active_recordings  # noqa: PLC0415

    rows = [dict(entry.row) for _, entry in sorted(active_recordings(home).items())]
    chosen = [row for row in rows if task in (None, row["task_id"]) and role in (None, row["role"])]
    columns = ("key", "original_name", "person", "site", "camera", "duration_s", "width", "height", "flags")
    show_rows(chosen, columns=columns, empty="No recordings yet.", as_json=as_json, as_csv=as_csv)


@app.command(epilog=examples("sopilot show stale"))
def stale(*, home: HOME, as_json: AS_JSON = False, as_csv: AS_CSV = False) -> None:
    """The scores that are missing, or made by an older algorithm, task, model or reference."""
    from sopilot_assets.capture.registry import active_recordings  # noqa: PLC0415
    from sopilot_assets.stations.staleness import stale_scores  # noqa: PLC0415

    known = active_recordings(home)
    rows = [row for row in rows_of(stale_scores(home)) if row["key"] in known]
    columns = ("key", "why", "also", "scored_with", "current")
    show_rows(rows, columns=columns, empty="All scores are up to date.", as_json=as_json, as_csv=as_csv)
    if rows and not (as_json or as_csv):
        say("Next: `sopilot score --stale`.")


@app.command(epilog=examples("sopilot show references"))
def references(*, home: HOME, as_json: AS_JSON = False, as_csv: AS_CSV = False) -> None:
    """What each task is compared with: its golds, their persons, whether their steps are confirmed."""
    from sopilot_assets.stations.gold_references import references_ledger  # noqa: PLC0415

    columns = (
        "task_id",
        "reference_id",
        "golds",
        "persons",
        "confirmed",
        "held_out",
        "model_id",
        "written_at",
    )
    rows = rows_of(references_ledger(home).latest())
    show_rows(rows, columns=columns, empty="No references yet.", as_json=as_json, as_csv=as_csv)


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


def _page(home: Home, row: dict[str, Cell]) -> str | None:
    path = home.review(str(row["key"]))
    return str(path) if path.exists() else None
