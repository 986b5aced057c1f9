"""`sopilot demo`: the whole way on simulated recordings."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from sopilot_assets.bench.demo import (
    DemoSet,
    demo_recordings,
    drop_recordings,
    install_task,
    record_show,
    unscored,
    verdicts,
)
from sopilot_assets.capture.drain import drain_capture
from sopilot_assets.capture.intake import IntakeStatus
from sopilot_assets.cli.options import NEW_HOME, examples
from sopilot_assets.cli.output import say, show_rows, stage
from sopilot_assets.cli.sample import parse_size
from sopilot_assets.cli.score import run_work
from sopilot_assets.errors import StoreError, VideoError
from sopilot_assets.stations.rescoring_plan import ScoringStart, ScoringWork
from sopilot_assets.store.home import DEFAULT_HOME, Home
from sopilot_assets.upkeep.setting_up import prepare_home

if TYPE_CHECKING:
    from sopilot_assets.bench.demo import DemoRecording, DemoVerdict
    from sopilot_assets.store.ledgers import Cell


app = typer.Typer()


@app.command(
    "run", epilog=examples("sopilot demo run", "sopilot demo run --trainees 26 --seed 3 --home ./other_home")
)
def run(
    *,
    seed: Annotated[int, typer.Option(help="Another seed gives other recordings.")] = 7,
    golds: Annotated[int, typer.Option(min=1, help="How many gold recordings.")] = 4,
    trainees: Annotated[int, typer.Option(min=1, help="How many trainee recordings.")] = 14,
    size: Annotated[str, typer.Option(help="Width and height in pixels.")] = "480x320",
    step_seconds: Annotated[float, typer.Option(help="The usual length of a step in seconds.")] = 4.5,
    home: NEW_HOME,
) -> None:
    """Simulate recordings of a filter change, score them, and compare what was found with what was done.

    A second demo recognises everything and only shows the results.
    """
    prepare_home(home)
    show = DemoSet(
        seed=seed, golds=golds, trainees=trainees, size=parse_size(size), step_seconds=step_seconds
    )
    recordings = _drop(home, show)
    _take_in(home)
    _score(home, recordings)
    _show_results(home, recordings)


def _drop(home: Home, show: DemoSet) -> list[DemoRecording]:
    """Simulated, and lying in the capture folder."""
    with stage(f"Simulating {show.golds} gold and {show.trainees} trainee recordings") as bar:
        simulated = record_show(home, show, on_progress=bar)
    install_task(home, simulated, locked_at=datetime.now(UTC))
    with stage("Dropping them into the capture folder") as bar:
        drop_recordings(home, simulated, on_progress=bar)
    return demo_recordings(simulated)


def _take_in(home: Home) -> None:
    with stage("Taking them in") as bar:
        drained = drain_capture(
            home,
            run_id=f"demo-{datetime.now(UTC):%Y%m%dT%H%M%S}",
            now=lambda: datetime.now(UTC),
            wait=time.sleep,
            settle_s=0.0,  # they were published whole
            on_progress=bar,
        ).whole()
    refused = [one for one in drained.outcomes if one.status is IntakeStatus.QUARANTINED]
    if refused:
        raise VideoError(
            f"{len(refused)} recordings were refused, the first one ({refused[0].relative}) because of "
            f"{refused[0].reason}: {refused[0].detail}. Choose a larger --size or --step-seconds; "
            "`sopilot recording list --refused` lists them."
        )


def _score(home: Home, recordings: Sequence[DemoRecording]) -> None:
    fresh = unscored(home, recordings)
    if fresh:
        run_work(home, [ScoringWork(ScoringStart.NEW, dict.fromkeys(fresh, "new"))])
    else:
        say("All of them are scored already.")


def _show_results(home: Home, recordings: Sequence[DemoRecording]) -> None:
    found = verdicts(home, recordings)
    if not found:
        raise StoreError(
            f"{home.ledgers}: expected the scores of this demonstration, found none: `sopilot home doctor`."
        )
    columns = ("recording", "person", "site", "expected", "found", "suspected", "score", "decision", "match")
    show_rows([_row(one) for one in found], columns=columns)
    say(f"[bold]{sum(one.matches for one in found)} of {len(found)} match[/bold] what was done in them.")
    for one in found:
        for missed in one.overlooked:
            say(f"{_name(one)}: {missed.fault} is neither found nor suspected{_how_often(missed.power)}.")
    page = next((one.page for one in _worst_first(found) if one.page), None)
    say(f"A review page:    {page or 'none'}")
    say(f"All review pages: {home.reviews / 'index.html'}")
    say(f"The web page:     {_open_ui(home)}   then http://127.0.0.1:3000")


def _row(verdict: DemoVerdict) -> dict[str, Cell]:
    return {
        "recording": _name(verdict),
        "person": verdict.person,
        "site": verdict.recording.label.site,
        "expected": verdict.expected or "correct",
        "found": verdict.found or "nothing",
        "suspected": verdict.suspected,
        "score": verdict.score,
        "decision": verdict.decision,
        "match": verdict.matches,
    }


def _name(verdict: DemoVerdict) -> str:
    return verdict.recording.label.name.removesuffix(".mp4")


def _how_often(power: float | None) -> str:
    return "" if power is None else f"; in golds that were edited so it is found {power:.0%} of the time"


def _worst_first(found: Sequence[DemoVerdict]) -> list[DemoVerdict]:
    """Failed ones that match their label, then all others."""
    return sorted(found, key=lambda one: (one.decision != "fail", not one.matches))


def _open_ui(home: Home) -> str:
    default = Home.at(DEFAULT_HOME)
    return "make dev" if home == default else f"make dev SOPILOT_HOME={home.root}"
