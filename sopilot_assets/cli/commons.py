"""`sopilot commons`: freely licensed videos to try the product with."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sopilot_assets.capture.commons.licences import DEFAULT_FAMILIES
from sopilot_assets.cli.options import AS_JSON, examples
from sopilot_assets.cli.output import say, show_rows, stage

if TYPE_CHECKING:
    from sopilot_assets.store.ledgers import Cell

app = typer.Typer(no_args_is_help=True, help="Freely licensed videos to try the product with.")


@app.callback()
def commons() -> None:
    """Freely licensed videos to try the product with."""


@app.command(
    epilog=examples(
        'sopilot commons fetch ~/seed --query "oil filter change" --contact you@example.org',
        'sopilot commons fetch ~/seed --query "hand washing" --most 25 --golds 5 --licence cc0 --licence pd '
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
    from sopilot_assets.capture.commons.api import (  # noqa: PLC0415
        COMMONS_API,
        COMMONS_FILES,
        MediaWiki,
    )
    from sopilot_assets.capture.commons.fetch import Wanted, counts, fetch_videos  # noqa: PLC0415

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
