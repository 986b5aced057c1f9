"""Three small videos, and review pages of the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from sopilot_assets.privacy.covering import UNCOVERED
from sopilot_assets.reference.model import Reference, build_reference
from sopilot_assets.scoring.result import Score
from sopilot_assets.scoring.review import (
    deviation_stills,
    review_page,
)
from sopilot_assets.video.write import write_h264
from sopilot_assets_tests.reference.made_up import STEP_IDS, gold
from sopilot_assets_tests.scoring.review_pages import (
    GOLD,
    GOLD_STEPS,
    OTHER_GOLD,
    TASK,
    VIDEO,
    make_alignment,
    make_score,
)


@pytest.fixture(scope="session")
def reference() -> Reference:
    """Two golds of four steps of five seconds each."""
    return build_reference("job", STEP_IDS, [gold(number) for number in range(2)])


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folder = tmp_path_factory.mktemp("videos")
    paths = {name: folder / f"{name}.mp4" for name in (VIDEO, GOLD, OTHER_GOLD)}
    for shift, path in enumerate(paths.values()):
        write_h264(path, _pictures(60, shift * 40), fps=20)
    return paths


def _pictures(count: int, shift: int) -> Iterator[np.ndarray]:
    """Even grey pictures that brighten with time, so that a picture tells its own number."""
    for number in range(count):
        yield np.full((64, 96, 3), 40 + 3 * number - shift // 4, np.uint8)


@pytest.fixture
def make_page(videos: Mapping[str, Path], tmp_path: Path):
    def make(score: Score | None = None, file_name: str = "visit_01.mp4", **options: object) -> str:
        score, golds = score or make_score(), {GOLD: videos[GOLD], OTHER_GOLD: videos[OTHER_GOLD]}
        stills = deviation_stills(
            score.deviations, trainee_video=videos[VIDEO], gold_videos=golds, covering=UNCOVERED
        )
        return review_page(
            task=TASK,
            score=score,
            alignment=make_alignment(),
            trainee_video=videos[VIDEO],
            gold_videos=golds,
            gold_steps={GOLD: GOLD_STEPS, OTHER_GOLD: GOLD_STEPS},
            stills=stills,
            covering=UNCOVERED,
            row={"key": "filter_change-t-b", "person": "Aoki", "camera": None, "file_name": file_name},
            proxy_folder=tmp_path / "proxies",
            **options,  # type: ignore[arg-type]
        )

    return make
