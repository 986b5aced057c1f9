"""`sopilot simulate` and `sopilot variants`: recordings with known deviations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sopilot_assets.cli.options import examples
from sopilot_assets.cli.output import say, show_rows, stage
from sopilot_assets.errors import ConfigError

if TYPE_CHECKING:
    from sopilot_assets.store.ledgers import Cell


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        epilog=examples(
            "sopilot simulate --out /tmp/recordings",
            "sopilot simulate --out /tmp/hard --variants freeze:resumes,double --pauses --seed 3",
        )
    )(simulate)
    app.command(
        epilog=examples(
            "sopilot variants ~/recordings/golds --out /tmp/bad",
            "sopilot variants take_07.mp4 --kinds freeze,swap",
        )
    )(variants)


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
    from sopilot_assets.capture.simulate import simulate as render  # noqa: PLC0415

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


def variants(
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
    from sopilot_assets.capture.variants import Damage, make_variants  # noqa: PLC0415

    unknown = sorted(set(_listed(kinds) or ()) - set(Damage))
    if unknown:
        raise ConfigError(f"--kinds {', '.join(unknown)}: expected some of {', '.join(Damage)}.")
    with stage("Making bad examples") as bar:
        made = make_variants(
            sources, out_dir=out, kinds=[Damage(kind) for kind in _listed(kinds) or ()], on_progress=bar
        )
    rows: list[dict[str, Cell]] = [_row(one.source, one.kind.value, str(one.path)) for one in made.made]
    rows += [_row(one.source, f"not possible: {one.problem}") for one in made.bad]
    rows += [_row(path, "is one itself") for path in made.skipped]
    show_rows(rows, columns=("made", "kind", "of"), empty="No recordings there.")
    if made.bad:
        raise typer.Exit(1)


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
