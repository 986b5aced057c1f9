"""The picture of an alignment, and the times by which both players go together."""

from __future__ import annotations

import dataclasses
import io
import random

import numpy as np
import pytest
from PIL import Image

from sopilot_assets.alignment.spans import Span, Warp
from sopilot_assets.scoring.review import alignment_strip_svg
from sopilot_assets.scoring.review.drawing import PNG_SCALE, png
from sopilot_assets.scoring.review.strip import draw_strip
from sopilot_assets.scoring.review.sync import sync_table
from sopilot_assets_tests.scoring.review_pages import (
    FREEZE,
    GOLD,
    GOLD_STEPS,
    MISSING,
    OTHER_GOLD,
    TASK,
    Page,
    make_alignment,
    make_score,
)


def _strip_options(**changes: object) -> dict[str, object]:
    return {
        "task": TASK,
        "alignment": make_alignment(),
        "score": make_score(),
        "gold_steps": GOLD_STEPS,
        **changes,
    }


def test_the_strip_is_a_small_picture_and_the_same_each_time() -> None:
    first = png(draw_strip(**_strip_options()))  # type: ignore[arg-type]
    assert first == png(draw_strip(**_strip_options()))  # type: ignore[arg-type]
    assert len(first) < 40_000
    with Image.open(io.BytesIO(first)) as picture:
        assert picture.width == 1000 * PNG_SCALE


def test_the_strip_of_a_long_recording_stays_small() -> None:
    chance = np.random.default_rng(1)
    middles = np.arange(1, 3600, 0.5)
    posterior = chance.dirichlet(np.full(4, 0.3), len(middles)).astype(np.float32)
    alignment = dataclasses.replace(
        make_alignment(),
        duration_s=3600.0,
        held_out="person",
        clip_middle_s=middles,
        posterior=posterior,
        warp=Warp(GOLD, np.linspace(0, 3, len(middles)), middles, 0.3),
    )
    picture = png(draw_strip(**_strip_options(alignment=alignment)))  # type: ignore[arg-type]
    svg = alignment_strip_svg(**_strip_options(alignment=alignment))  # type: ignore[arg-type]
    assert len(picture) < 40_000
    assert len(svg) < 80_000


def test_the_strip_shows_a_deviation_s_colour_where_it_is() -> None:
    picture = png(draw_strip(**_strip_options(score=make_score(deviations=(MISSING,)))))  # type: ignore[arg-type]
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)
    red = (abs(pixels - np.array([0xB3, 0x26, 0x1E])).sum(axis=2) < 30).any(axis=0).nonzero()[0]
    middle = PNG_SCALE * (84 + (990 - 84) * 1.5 / 3.0)
    assert red.size
    assert (abs(red - middle) < PNG_SCALE * 20).any()
    calm = png(draw_strip(**_strip_options(score=make_score(deviations=()))))  # type: ignore[arg-type]
    pixels = np.asarray(Image.open(io.BytesIO(calm)).convert("RGB")).astype(int)
    assert not (abs(pixels - np.array([0xB3, 0x26, 0x1E])).sum(axis=2) < 30).any()


def test_the_strip_names_bands_by_deviation_and_puts_overlapping_ones_on_their_own_lane() -> None:
    twice = make_score(deviations=(FREEZE, FREEZE, MISSING))
    page = Page(alignment_strip_svg(**_strip_options(score=twice)))  # type: ignore[arg-type]
    bands = [a for a in page.attributes("polygon") if "data-deviation" in a]
    tops = [float(str(band["points"]).split()[0].split(",")[1]) for band in bands]
    assert [band["data-deviation"] for band in bands] == ["0", "1", "2"]
    assert tops[0] < tops[1]
    assert tops[2] == tops[0]


@pytest.mark.parametrize("spans", [(), make_alignment().spans])
def test_the_strip_does_without_clips_steps_or_a_path(spans: tuple[Span, ...]) -> None:
    nothing = np.zeros(0)
    bare = dataclasses.replace(
        make_alignment(),
        spans=spans,
        clip_middle_s=nothing,
        posterior=np.zeros((0, 4), np.float32),
        warp=Warp(GOLD, nothing, nothing, 0.0),
    )
    page = Page(alignment_strip_svg(**_strip_options(alignment=bare, gold_steps=())))  # type: ignore[arg-type]
    assert not page.unbalanced


def test_the_gold_s_time_follows_the_path_to_within_half_a_picture() -> None:
    chance = random.Random(3)
    gold_s = np.cumsum([chance.choice([0.0, 0.5, 0.5, 1.0]) for _ in range(60)])
    trainee_s = np.arange(60) * 0.5 + 1.0
    alignment = dataclasses.replace(
        make_alignment(), duration_s=31.0, warp=Warp(GOLD, gold_s, trainee_s, 0.1)
    )
    table = np.array(sync_table(alignment, gold_id=GOLD, gold_steps=()))
    assert (np.diff(table, axis=0) >= 0).all()
    for time_s, expected in zip(trainee_s, gold_s, strict=True):
        found = np.interp(time_s, table[:, 0], table[:, 1])
        assert abs(found - expected) < 0.1
    assert len(table) < 62


def test_a_gold_without_a_path_is_followed_step_by_step() -> None:
    table = sync_table(make_alignment(), gold_id=OTHER_GOLD, gold_steps=GOLD_STEPS)
    assert table == [(0.0, 0.0), (1.5, 1.0), (2.5, 2.0), (3.0, 3.0)]
