"""What is known of recordings, said and corrected from the command line."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypedDict

import typer
from pydantic import ValidationError

from sopilot_assets.capture.facts import (
    BESIDE_SCORES,
    Correction,
    correct_each,
    corrections,
    facts_of,
    restore_recordings,
    withdraw_recordings,
)
from sopilot_assets.capture.facts_sheet import read_facts
from sopilot_assets.capture.registry import Registry, find_recordings
from sopilot_assets.capture.sidecar import Sidecar
from sopilot_assets.cli.options import HOME, examples
from sopilot_assets.cli.output import say, show_rows
from sopilot_assets.errors import ConfigError
from sopilot_assets.stations.review_index import write_review_index
from sopilot_assets.store.home import Home, PartitionKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sopilot_assets.store.ledgers import Cell

NAMES = Annotated[
    list[str], typer.Argument(help="Partition keys, video ids or file names.", metavar="RECORDINGS...")
]
NAMES_OR_SHEET = Annotated[
    list[str] | None,
    typer.Argument(help="Partition keys, video ids or file names.", metavar="[RECORDINGS...]"),
]
PERSON = Annotated[str | None, typer.Option(help="A code for who is seen, e.g. p014; not a name.")]
SESSION = Annotated[str | None, typer.Option(help="What was recorded in one go, e.g. 2026-03-02-early.")]
RECORDED_AT = Annotated[str | None, typer.Option(help="When, with the time zone: 2026-03-02T08:15:00+09:00.")]
WHO = Annotated[str | None, typer.Option("--who", help="Who says so. (Default: the account.)")]
WHY = Annotated[str, typer.Option(help="The reason, for those who look later.")]
WHY_NEEDED = Annotated[
    str,
    typer.Option(
        help="The reason, needed without --undo; it is shown wherever the recording is.", show_default=False
    ),
]

CORRECT: Final = examples(
    "sopilot recording correct IMG_0001.mp4 IMG_0002.mp4 --person p014 --why 'asked the trainer'",
    "sopilot recording correct take_07.mp4 --recorded-at 2026-03-02T08:15:00+09:00 --site line2",
    "sopilot recording correct take_07.mp4 --unknown person",
    "sopilot recording correct --from persons.csv --why 'list of the trainer'",
)
WITHDRAW: Final = examples(
    "sopilot recording withdraw gold_003.mp4 --why 'the cap was left open in the end'",
    "sopilot recording withdraw --undo gold_003.mp4 --why 'it was another recording'",
)


def told_facts(person: str | None, session: str | None, recorded_at: str | None) -> Sidecar:
    """What the options of that name say; raises ``ConfigError`` for what no sidecar can say."""
    try:
        moment = None if recorded_at is None else datetime.fromisoformat(recorded_at)
        return Sidecar(person=person or None, session=session or None, recorded_at=moment)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise ConfigError(f"--{str(wrong['loc'][0]).replace('_', '-')}: {wrong['msg']}.") from error
    except ValueError as error:
        expected = "expected a time such as 2026-03-02T08:15:00+09:00, found something else."
        raise ConfigError(f"--recorded-at {recorded_at}: {expected}") from error


def correct(
    recordings: NAMES_OR_SHEET = None,
    *,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Instead, a CSV sheet with a row for each: recording (or file, key), and what is known of "
            "person, session, site, camera, recorded_at; an empty cell says nothing.",
            dir_okay=False,
        ),
    ] = None,
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

    What was said before stays known: `sopilot recording list --changes`.
    """
    told = facts_of(told_facts(person, session, recorded_at))
    told |= {name: value for name, value in (("site", site), ("camera", camera)) if value}
    told |= dict.fromkeys(unknown or ())
    if (sheet is None) == (not recordings) or (sheet is not None and told):
        raise ConfigError("expected recordings and what to correct, or --from SHEET.csv without either.")
    facts = _said_in(home, sheet) if sheet else dict.fromkeys(_found(home, recordings or []), told)
    changed = correct_each(home, facts, **_signed(who, why))
    _say_changed(changed, "That is known already.")
    if any(one.fact == "recorded_at" for one in changed):
        write_review_index(home)


def _said_in(home: Home, sheet: Path) -> Mapping[str, Mapping[str, str | None]]:
    said = read_facts(sheet, Registry.read(home).shown(), local=datetime.astimezone)
    if said.unread:
        say(f"Not read: the columns {', '.join(said.unread)}.")
    return said.facts


def withdraw(
    recordings: NAMES,
    *,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take it back: withdrawn recordings count again.")
    ] = False,
    why: WHY_NEEDED = "",
    who: WHO = None,
    home: HOME,
) -> None:
    """Let recordings count no more, as golds or as trainees, or with --undo count again."""
    if not (why or undo):
        raise ConfigError("--why: expected the reason; it is shown wherever the recording is.")
    change = restore_recordings if undo else withdraw_recordings
    _say_changed(change(home, _found(home, recordings), **_signed(who, why)), "Nothing changed.")


def show_changes(home: Home, key: str | None = None, *, as_json: bool = False, as_csv: bool = False) -> None:
    """What was corrected, withdrawn and restored, of one recording or of all: by whom, when and why."""
    every = Registry.read(home).recordings
    rows: list[dict[str, Cell]] = [
        {**asdict(one), "file": every[PartitionKey.parse(one.key)].original_name}
        for one in corrections(home, key)
    ]
    if key is not None and not rows:
        return
    columns = ("at", "key", "file", "fact", "was", "now", "who", "why")
    show_rows(rows, columns=columns, empty="Nothing was changed.", as_json=as_json, as_csv=as_csv)


def _found(home: Home, names: list[str]) -> list[str]:
    """The keys of recordings that are judged or were withdrawn."""
    return find_recordings(Registry.read(home).shown(), names)


class _Signed(TypedDict):
    who: str
    why: str
    at: datetime
    run_id: str


def _signed(who: str | None, why: str) -> _Signed:
    now = datetime.now(UTC)
    return {"who": who or getpass.getuser(), "why": why, "at": now, "run_id": f"correct-{now:%Y%m%dT%H%M%S}"}


def _say_changed(changed: list[Correction], nothing: str) -> None:
    rows: list[dict[str, Cell]] = [asdict(one) for one in changed]
    show_rows(rows, columns=("key", "fact", "was", "now"), empty=nothing)
    if any(one.fact not in BESIDE_SCORES for one in changed):
        say("What rests on it is stale: `sopilot score list --stale`, `sopilot score run --stale`.")
    elif changed:
        say("No score rests on it. A study that is run from now on goes by it.")
