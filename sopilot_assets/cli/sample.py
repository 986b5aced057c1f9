"""`sopilot sample`: recordings and labels to try the product with."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sopilot_assets.capture.commons.api import COMMONS_API, COMMONS_FILES, MediaWiki
from sopilot_assets.capture.commons.fetch import Wanted, counts, fetch_videos
from sopilot_assets.capture.commons.licences import DEFAULT_FAMILIES
from sopilot_assets.capture.damaged_copies import Damage, make_damaged_copies
from sopilot_assets.capture.simulate import simulate as render
from sopilot_assets.capture.simulate.raters import Rater, read_truth
from sopilot_assets.cli.options import AS_JSON, HOME, TASK, examples
from sopilot_assets.cli.output import say, show_rows, stage
from sopilot_assets.errors import ConfigError
from sopilot_assets.labels.recordings import recordings_to_label
from sopilot_assets.labels.simulated import fill_as

if TYPE_CHECKING:
    from sopilot_assets.store.ledgers import Cell


app = typer.Typer()


@app.command(
    epilog=examples(
        "sopilot sample simulate --out /tmp/recordings",
        "sopilot sample simulate --out /tmp/hard --variants freeze:resumes,double --pauses --seed 3",
    )
)
def simulate(
    *,
    out: Annotated[Path, typer.Option("--out", help="The folder to write to.", file_okay=False)],
    seed: Annotated[int, typer.Option(help="The same seed and options give the same bytes.")] = 7,
    golds: Annotated[int, typer.Option(min=0, help="How many gold recordings.")] = 4,
    trainees: Annotated[int, typer.Option(min=0, help="How many trainee recordings.")] = 18,
    variants: Annotated[
        str | None,
        typer.Option(
            help="What the trainees do, in turn, separated by commas: correct, missing_step, order_swap, "
            "wrong_step, over_time, freeze, cut_tail, skip_start, double, other_task, empty_bench; with a "
            "mode as in freeze:resumes. (Default: a mixture.)",
            show_default=False,
        ),
    ] = None,
    persons: Annotated[
        str | None, typer.Option(help="Who is seen, at least 3 of p01 to p99, e.g. p01,p05 or p01-p40.")
    ] = None,
    gold_sites: Annotated[
        str | None, typer.Option(help="Where golds are filmed: site_a, site_b or site_a,site_b.")
    ] = None,
    size: Annotated[str, typer.Option(help="Width and height in pixels.")] = "480x320",
    fps: Annotated[int, typer.Option(min=1, help="Frames a second.")] = 25,
    step_seconds: Annotated[float, typer.Option(help="The usual length of a step in seconds.")] = 4.5,
    pauses: Annotated[bool, typer.Option("--pauses", help="Pause between the steps.")] = False,
) -> None:
    """Render recordings of a filter change, with exact labels, a task file and the golds' steps.csv."""
    with stage("Simulating recordings") as bar:
        made = render(
            out,
            seed=seed,
            golds=golds,
            trainees=trainees,
            variants=_listed(variants),
            persons=_listed(persons),
            gold_sites=_listed(gold_sites),
            size=parse_size(size),
            fps=fps,
            step_seconds=step_seconds,
            pauses=pauses,
            on_progress=bar,
        )
    say(f"{len(made.golds)} gold and {len(made.trainees)} trainee recordings below {out}")
    say(f"Labels: {made.labels}   steps: {made.steps_csv}   task: {made.task_file}")


@app.command(
    "damage",
    epilog=examples(
        "sopilot sample damage ~/recordings/golds --out /tmp/bad",
        "sopilot sample damage take_07.mp4 --kinds freeze,swap",
    ),
)
def damage(
    sources: Annotated[list[Path], typer.Argument(help="Recordings, or folders of them.")],
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Where to write. (Default: beside each source.)", file_okay=False),
    ] = None,
    kinds: Annotated[
        str, typer.Option(help="Which bad examples, separated by commas.")
    ] = "freeze,cut_tail,skip_start,swap,slow",
) -> None:
    """Make bad examples (frozen, cut, swapped, slowed copies) of recordings; the same files on every run."""
    unknown = sorted(set(_listed(kinds) or ()) - set(Damage))
    if unknown:
        raise ConfigError(f"--kinds {', '.join(unknown)}: expected some of {', '.join(Damage)}.")
    with stage("Making bad examples") as bar:
        made = make_damaged_copies(
            sources, out_dir=out, kinds=[Damage(kind) for kind in _listed(kinds) or ()], on_progress=bar
        )
    rows: list[dict[str, Cell]] = [_row(one.source, one.kind.value, str(one.path)) for one in made.made]
    rows += [_row(one.source, f"not possible: {one.problem}") for one in made.bad]
    rows += [_row(path, "is one itself") for path in made.skipped]
    show_rows(rows, columns=("made", "kind", "of"), empty="No recordings there.")
    if made.bad:
        raise typer.Exit(1)


@app.command(
    epilog=examples(
        'sopilot sample fetch ~/seed --query "oil filter change" --contact you@example.org',
        'sopilot sample fetch ~/seed --query "hand washing" --most 25 --golds 5 --licence cc0 --licence pd '
        "--contact you@example.org",
    )
)
def fetch(
    out: Annotated[
        Path, typer.Argument(help="The folder to write to; the same again goes on.", file_okay=False)
    ],
    *,
    query: Annotated[list[str], typer.Option(help="What to search for; may be given several times.")],
    contact: Annotated[
        str, typer.Option(help="Your e-mail address or page: the site asks every program to name one.")
    ],
    most: Annotated[int, typer.Option(min=1, help="Files in all.")] = 20,
    golds: Annotated[int, typer.Option(min=0, help="How many of them, the first ones, go to gold/.")] = 5,
    licence: Annotated[
        list[str] | None,
        typer.Option(help=f"Allowed licences; several times. (Default: {', '.join(DEFAULT_FAMILIES)}.)"),
    ] = None,
    longest_s: Annotated[
        float, typer.Option("--longest", min=1, help="Seconds of the longest video.")
    ] = 900.0,
    largest_mib: Annotated[int, typer.Option("--largest", min=1, help="MiB of the largest file.")] = 500,
    pause_s: Annotated[float, typer.Option("--pause", min=0, help="Seconds before each request.")] = 1.0,
    api: Annotated[
        str | None, typer.Option(help="The API of another MediaWiki site. (Default: Wikimedia Commons.)")
    ] = None,
    file_host: Annotated[
        list[str] | None, typer.Option(help="A host that the site keeps its files on; several times.")
    ] = None,
    as_json: AS_JSON = False,
) -> None:
    """Search Wikimedia Commons, and fetch freely licensed videos with their attribution.

    It fills OUT/gold and OUT/trainee, and writes OUT/manifest.json and OUT/ATTRIBUTION.txt, which have to
    stay with the files. Whether a video shows your procedure, and done right, only a person can say: look
    first.
    """
    source = api or COMMONS_API
    hosts = tuple(file_host or ((COMMONS_FILES,) if api is None else ()))
    site = MediaWiki(endpoint=source, file_hosts=hosts, contact=contact, pause_s=pause_s, wait=time.sleep)
    wanted = Wanted(
        tuple(query),
        most=most,
        golds=min(golds, most),
        families=tuple(licence or DEFAULT_FAMILIES),
        longest_s=longest_s,
        largest_bytes=largest_mib << 20,
    )
    with stage("Fetching videos") as bar:
        seen = fetch_videos(
            site, out, wanted, source=source, now=lambda: datetime.now(UTC).isoformat(), on_progress=bar
        )
    rows: list[dict[str, Cell]] = [
        {"title": one.title, "outcome": one.outcome, "path": one.path, "why": one.why or None} for one in seen
    ]
    show_rows(rows, columns=("title", "outcome", "path", "why"), empty="nothing was found", as_json=as_json)
    number = counts(seen)
    if not as_json:
        there = number["fetched"] + number["there"]
        say(
            f"{there} of {most} wanted videos are in {out}; {number['refused']} refused, "
            f"{number['failed']} failed."
        )
        say(
            f"Next, after looking at them: `sopilot capture add {out}/gold --task TASK --role gold "
            "--site SITE`."
        )
    if number["failed"]:
        raise typer.Exit(1)


@app.command(
    name="label",
    epilog=examples(
        "sopilot sample label filter_change --truth /tmp/recordings/labels.jsonl --out /tmp/sheets"
    ),
)
def label_sample(
    task: TASK,
    *,
    truth: Annotated[Path, typer.Option(help="The labels.jsonl of simulated recordings.", dir_okay=False)],
    out: Annotated[Path, typer.Option("--out", help="The folder of the sheets.", file_okay=False)],
    who: Annotated[
        list[str] | None, typer.Option("--who", help="A rater; repeat it. (Default: r1, r2.)")
    ] = None,
    miss: Annotated[float, typer.Option(help="The share of critical deviations a rater misses.")] = 0.03,
    false_alarm: Annotated[float, typer.Option(help="The share of faultless ones called critical.")] = 0.02,
    unsure: Annotated[float, typer.Option(help="The share of which a rater cannot say.")] = 0.02,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answers.")] = 7,
    home: HOME,
) -> None:
    """Fill in blind sheets of simulated recordings as people would who err now and then; to try things."""
    known, recordings = read_truth(truth), recordings_to_label(home, task)
    for name in who or ("r1", "r2"):
        rater = Rater(name, miss_rate=miss, false_alarm_rate=false_alarm, unsure_rate=unsure)
        sheet = out / f"{task}.{name}.csv"
        filled = fill_as(sheet, recordings, known, rater, seed=seed)
        say(f"{sheet}: {filled} of {len(recordings)} recordings")
    say(f"Next: `sopilot label import {task} SHEET`.")


def parse_size(text: str) -> tuple[int, int]:
    """Width and height in pixels from e.g. ``480x320``; raises ``ConfigError`` for anything else."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise ConfigError(f"--size {text}: expected width and height such as 480x320.")
    return int(width), int(height)


def _listed(text: str | None) -> tuple[str, ...] | None:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text else None


def _row(source: Path, kind: str, made: str | None = None) -> dict[str, Cell]:
    return {"made": made, "kind": kind, "of": source.name}
