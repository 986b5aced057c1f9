"""`sopilot control`: damage golds on purpose, and see whether that is found."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from sopilot_assets.cli.options import AS_JSON, HOME, examples
from sopilot_assets.cli.output import say, show_rows, show_warning, stage
from sopilot_assets.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sopilot_assets.capture.variants import Damage
    from sopilot_assets.store.home import Home, PartitionKey
    from sopilot_assets.store.ledgers import Cell


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "sopilot control",
            "sopilot control --task filter_change --most 5 --kinds freeze,cut_tail",
        )
    )(control)


def control(
    golds: Annotated[
        list[str] | None,
        typer.Argument(help="Partition keys, video ids or file names of golds. (Default: those due.)"),
    ] = None,
    *,
    task: Annotated[str | None, typer.Option(help="Only golds of this task.")] = None,
    kinds: Annotated[
        str | None, typer.Option(help="Kinds of damage, with commas between. (Default: all.)")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="At most so many golds.")] = 1,
    processes: Annotated[int, typer.Option(min=1, help="How many videos to embed at a time.")] = 1,
    home: HOME,
    as_json: AS_JSON = False,
) -> None:
    """Judge damaged copies of golds, and say which damage was found; nothing is registered.

    The exit code is 3 where a damaged copy passes although somebody should have noticed.
    """
    from sopilot_assets.stations.controls import measure_controls  # noqa: PLC0415
    from sopilot_assets.upkeep.campaign.cycle import FINDING_EXIT  # noqa: PLC0415

    keys = _chosen(home, golds or [], task)[:most]
    if not keys:
        say("Nothing to do: no task has a reference of two golds or more.")
        return
    now = datetime.now(UTC)
    with stage("Judging damaged golds") as bar:
        outcomes = measure_controls(
            home,
            keys,
            kinds=_kinds(kinds),
            processes=processes,
            run_id=f"control-{now:%Y%m%dT%H%M%S}",
            written_at=now.isoformat(),
            on_progress=bar,
        )
    for outcome in outcomes:
        if outcome.problem:
            show_warning(f"{outcome.key}: {outcome.problem.removeprefix(f'{outcome.key}: ')}")
    rows = [dict(outcome.metadata) for outcome in outcomes if outcome.problem is None]
    columns = ("key", "damage", "found", "decision", "score", "intact_decision", "intact_score")
    show_rows(rows, columns=columns, title="Damaged golds", as_json=as_json)
    missed = [row for row in rows if not row["found"]]
    if not as_json:
        say(_said(rows, missed))
    if any(outcome.problem for outcome in outcomes):
        raise typer.Exit(1)
    if missed:
        raise typer.Exit(FINDING_EXIT)


def _kinds(text: str | None) -> list[Damage]:
    from sopilot_assets.capture.variants import Damage  # noqa: PLC0415

    if text is None:
        return list(Damage)
    named = [name.strip() for name in text.split(",")]
    unknown = sorted(set(named) - set(Damage))
    if unknown:
        raise ConfigError(f"--kinds: expected some of {', '.join(Damage)}, found {unknown[0]!r}.")
    return [Damage(name) for name in named]


def _said(rows: Sequence[dict[str, Cell]], missed: Sequence[dict[str, Cell]]) -> str:
    kinds = {row["damage"] for row in rows}
    found = kinds - {row["damage"] for row in missed}
    said = f"{len(found)} of {len(kinds)} kinds of damage found"
    if missed:
        passed = ", ".join(f"{row['damage']} of {row['key']}" for row in missed)
        return f"{said}; passed: {passed}"
    blunt = sum(row["intact_decision"] != "pass" for row in rows)
    if blunt:
        return f"{said}; {blunt} of {len(rows)} show nothing: the intact gold does not pass either"
    return said


def _chosen(home: Home, names: Sequence[str], task_id: str | None) -> list[PartitionKey]:
    from sopilot_assets.capture.registry import active_recordings, find_recordings  # noqa: PLC0415
    from sopilot_assets.stations.controls import controllable  # noqa: PLC0415
    from sopilot_assets.store.home import PartitionKey  # noqa: PLC0415

    if not names:
        return controllable(home, task_id=task_id)
    found = find_recordings(active_recordings(home, task_id), names)
    return [PartitionKey.parse(key) for key in dict.fromkeys(found)]
