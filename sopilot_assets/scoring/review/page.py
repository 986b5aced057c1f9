"""The review page of one recording: what was found, next to a gold, in one HTML file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from upath import UPath

from sopilot_assets.alignment.spans import Alignment
from sopilot_assets.privacy.covering import Covering
from sopilot_assets.scoring.result import Objection, Score, Verifiability
from sopilot_assets.scoring.review.contest import contest_section
from sopilot_assets.scoring.review.document import data_uri, render
from sopilot_assets.scoring.review.proxy import playable
from sopilot_assets.scoring.review.stills import StillPair
from sopilot_assets.scoring.review.strip import GoldStep
from sopilot_assets.scoring.review.values import Field, Review, ReviewGold, named_golds, review_values
from sopilot_assets.tasks import TaskSpec
from sopilot_assets.texts.languages import Text

_MP4: Final = "video/mp4"
_COVERED_AS: Final = re.compile(rb'<meta name="covered-as" content="([^"]*)">')
_HEAD_BYTES: Final = 4096
"""The head of a page before its styles is shorter."""


def covered_as(page: Path) -> str:
    """The `Covering.tag` of what is covered in a page; empty where nothing is."""
    with page.open("rb") as file:
        found = _COVERED_AS.search(file.read(_HEAD_BYTES))
    return found[1].decode() if found else ""


def review_page(
    *,
    task: TaskSpec,
    score: Score,
    alignment: Alignment,
    trainee_video: Path | None,
    gold_videos: Mapping[str, Path],
    gold_steps: Mapping[str, Sequence[GoldStep]],
    row: Mapping[str, Field],
    proxy_folder: Path | UPath,
    stills: Sequence[StillPair],
    covering: Covering,
    verifiability: Sequence[Verifiability] = (),
    gold_names: Mapping[str, str] | None = None,
    noise_floor_score: float | None = None,
    is_gold: bool = False,
    objections: Sequence[Objection] = (),
    steps_faults: Sequence[Text] = (),
    video: str | None = None,
    gone: Text | None = None,
    privacy: Sequence[tuple[Text, Text]] = (),
) -> str:
    """One self-contained HTML file: the decision and what decided it, two players in step, the strip, the
    deviations with their stills, what else is possible, the steps' times, its origin; and behind a switch for
    experts how it came to that: points and limits, evidence, what can be verified, figures.

    ``stills`` has a pair for each deviation and then for each suspicion (see `deviation_stills`),
    ``verifiability`` is the table of the task's reference, ``gold_names`` are the golds' names for people, by
    id. The page embeds small copies (see `proxy`, kept in ``proxy_folder``) of the recording and of the golds
    that the warp and the deviations name; ``gold_videos`` and ``gold_steps`` may hold more. ``covering`` is
    what is covered in them. ``row`` is shown as the recording's origin, in its order. ``noise_floor_score``
    is what this task's golds score against each other; ``is_gold`` says that the recording is one of them.
    ``objections`` are what people say against the decision, ``steps_faults`` why nothing of the golds'
    ``steps.csv`` was taken when it was made, and ``video`` is the address of the recording itself, relative
    to the page, None where that is not shown; ``gone`` tells where there is no ``trainee_video``, and
    ``privacy`` why people are filmed, line by line. The same input gives the same bytes. Raises ``GoldError``
    when a gold that is named has no video, and ``UnreadableVideo``.
    """
    named = named_golds(score, alignment, gold_videos)
    review = Review(
        task=task,
        score=score,
        alignment=alignment,
        row=row,
        noise_floor_score=noise_floor_score,
        is_gold=is_gold,
        trainee_source=""
        if trainee_video is None
        else data_uri(playable(trainee_video, proxy_folder, alignment.video_id, covering), kind=_MP4),
        golds=tuple(
            ReviewGold(
                gold_id=gold_id,
                steps=gold_steps.get(gold_id, ()),
                source=data_uri(playable(gold_videos[gold_id], proxy_folder, gold_id, covering), kind=_MP4),
            )
            for gold_id in named
        ),
        gold_names=gold_names or {},
        stills=stills,
        verifiability=verifiability,
        steps_faults=steps_faults,
        video=video,
        gone=gone,
    )
    return render(
        "review.html.j2",
        styles=("base.css", "review.css"),
        script="review.js",
        values={
            **review_values(review),
            "contest": contest_section(objections),
            "covered_as": covering.tag,
            "privacy": privacy,
        },
    )
