"""`sopilot recording`: registered recordings, and refused ones."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer
from rich.markup import escape

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.capture.ledgers import quarantine_ledger
from sopilot_assets.capture.reasons import Reason
from sopilot_assets.capture.registry import Registry, active_recordings, find_recordings, withdrawn_recordings
from sopilot_assets.cli import corrections
from sopilot_assets.cli.options import AS_CSV, AS_JSON, HOME, LANG, OF_PERSON, OF_SITE, OF_TASK, examples
from sopilot_assets.cli.output import nested, say, show_json, show_rows
from sopilot_assets.cli.rows import advice
from sopilot_assets.errors import ConfigError
from sopilot_assets.labels.contests import contested
from sopilot_assets.scoring.ledger import row_source, scores_ledger
from sopilot_assets.scoring.limits import source_text
from sopilot_assets.scoring.result import Cause
from sopilot_assets.scoring.verdict import none_found, verdict_of_row
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.tasks import find_tasks
from sopilot_assets.texts.languages import Language, Text
from sopilot_assets.texts.times import minute

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sopilot_assets.capture.registry import Recording
    from sopilot_assets.scoring.result import Objection
    from sopilot_assets.store.ledgers import Cell

with at_first_use():
    from sopilot_assets.stations import review_pages

app = typer.Typer()

Role = Literal["gold", "trainee"]


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
    entries = Registry.read(home).shown()
    key = find_recordings(entries, [recording])[0]
    scored = next((row for row in plain_rows(scores_ledger(home).latest()) if row["key"] == key), None)
    facts = _row(entries[key])
    objections = contested(home).get(key, ())
    if as_json:
        told = {
            "video": facts,
            "score": scored and nested(scored),
            "contested": [asdict(one) for one in objections],
        }
        show_json(told)
        return
    rows: list[dict[str, Cell]] = [
        {"fact": name, "value": value} for name, value in facts.items() if value not in (None, "")
    ]
    show_rows(rows, columns=("fact", "value"), title=key)
    corrections.show_changes(home, key)
    if scored is None:
        say("It has no score yet: `sopilot score run`.")
        return
    _show_score(home, scored, objections, lang)
    if scored["problem"] is None:
        page = review_pages.review_page_of(home, PartitionKey.parse(key))
        say(f"Review page: {page.path or (page.waits and getattr(page.waits, lang.value))}")


@app.command(
    "list",
    epilog=examples(
        "sopilot recording list",
        "sopilot recording list --task filter_change --role gold",
        "sopilot recording list --refused --lang ja --csv",
        "sopilot recording list --changes",
    ),
)
def list_recordings(
    *,
    task: OF_TASK = None,
    person: OF_PERSON = None,
    site: OF_SITE = None,
    role: Annotated[Role | None, typer.Option(help="Only golds, or only trainee recordings.")] = None,
    refused: Annotated[
        bool, typer.Option("--refused", help="The files in quarantine instead: why, and what to do.")
    ] = False,
    withdrawn: Annotated[
        bool, typer.Option("--withdrawn", help="Those that were withdrawn instead, and why.")
    ] = False,
    changes: Annotated[
        bool, typer.Option("--changes", help="What was corrected, withdrawn, restored: when, by whom, why.")
    ] = False,
    home: HOME,
    lang: LANG = Language.EN,
    as_json: AS_JSON = False,
    as_csv: AS_CSV = False,
) -> None:
    """List the registered recordings: key, file, person, place, duration, flags of the quality gate."""
    if changes:
        corrections.show_changes(home, as_json=as_json, as_csv=as_csv)
        return
    if refused:
        if task or person or site or role:
            raise ConfigError(
                "--refused: expected without --task, --person, --site and --role; a refused file has none."
            )
        _list_refused(home, lang, as_json=as_json, as_csv=as_csv)
        return
    entries = withdrawn_recordings(home) if withdrawn else active_recordings(home)
    rows = [_row(entry) for _, entry in sorted(entries.items())]
    wanted = {"task_id": task, "person": person, "site": site, "role": role}
    chosen = [row for row in rows if all(value in (None, row[name]) for name, value in wanted.items())]
    none = f"None of the {len(rows)} recordings is such a one." if rows else "No recordings yet."
    columns = ("key", "original_name", "person", "site", "camera", "duration_s", "width", "height", "flags")
    more = ("changed_by", "changed_at", "why") if withdrawn else ()
    show_rows(chosen, columns=(*columns, *more), empty=none, as_json=as_json, as_csv=as_csv)


def _row(entry: Recording) -> dict[str, Cell]:
    """What is known of a recording; one that was promoted is a gold."""
    said = entry.promotion
    promoted = None if said is None else f"by {said.who} on {said.at[:10]}: {said.why}"
    return {**entry.row, "role": entry.role, "promoted": promoted}


def _list_refused(home: Home, lang: Language, *, as_json: bool, as_csv: bool) -> None:
    rows = plain_rows(quarantine_ledger(home).latest())
    told = [{**row, "what_to_do": advice(Reason(str(row["reason"])), lang)} for row in rows]
    columns = ("capture_path", "reason", "detail", "what_to_do", "stored_name")
    show_rows(told, columns=columns, empty="The quarantine is empty.", as_json=as_json, as_csv=as_csv)


_DECIDED_BY: Final = Text("Decided by ", "判定の基準：")
_CONTESTED: Final = {Language.EN: "Contested", Language.JA: "異議あり"}


def _backing(votes: Mapping[str, float]) -> str:
    """How many of the golds show a finding alone; empty where none was asked."""
    return f"{sum(odds > 0 for odds in votes.values())} of {len(votes)}" if votes else ""


def _show_score(home: Home, row: dict[str, Cell], objections: Sequence[Objection], lang: Language) -> None:
    told = verdict_of_row(row, find_tasks(home.root).tasks.get(str(row["task_id"])))
    name, headline, points = (
        escape(getattr(text, lang.value)) for text in (told.name, told.headline, told.points)
    )
    say(f"[bold]{name}[/bold]: {headline}")
    say(points)
    say(f"{getattr(_DECIDED_BY, lang.value)}{escape(getattr(source_text(row_source(row)), lang.value))}")
    say(getattr(told.to_do, lang.value))
    for one in objections:
        said = f"{one.who}, {minute(one.at)}" + (f": {one.note}" if one.note else "")
        say(f"[bold red]{_CONTESTED[lang]}[/bold red]: {escape(said)}")
    if objections:
        say(f"Answer it: `sopilot label add {row['task_id']} {row['key']} ANSWER --who ID --adjudicates`")
    columns = ("type", "severity", "from_s", "to_s", "confidence", "golds", "what")
    suspected = _lines(row, "suspected", lang)
    none = getattr(none_found(told.decision, suspected=bool(suspected)), lang.value)
    show_rows(_lines(row, "deviations", lang), columns=columns, empty=none)
    if suspected:
        show_rows(suspected, columns=columns, title=_SUSPECTED[lang])


_SUSPECTED: Final = {Language.EN: "Possible, but not certain", Language.JA: "可能性のあるもの(確定ではない)"}


def _lines(row: Mapping[str, Cell], name: str, lang: Language) -> list[dict[str, Cell]]:
    """The deviations in one column of a score's row, as rows of a table; how likely what is suspected is,
    is not known where no gold could be tried on others.
    """
    if not isinstance(row[name], str | None):
        raise ConfigError(f"{row['key']}: expected {name} as JSON text in the scores ledger.")
    found: list[dict[str, Any]] = json.loads(str(row[name] or "[]"))
    unknown = name == "suspected" and row["cause"] == Cause.ONE_GOLD
    return [
        {
            "type": one["type"],
            "severity": one["severity"],
            "from_s": one["trainee_start_s"],
            "to_s": one["trainee_end_s"],
            "confidence": "" if unknown else f"{float(one['confidence'] or 0):.0%}",
            "golds": _backing(one.get("votes") or {}),
            "what": one[lang.value],
        }
        for one in found
    ]


app.command(epilog=corrections.CORRECT)(corrections.correct)
app.command(epilog=corrections.WITHDRAW)(corrections.withdraw)
