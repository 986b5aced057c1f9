"""What is covered follows from the settings and the task, and from who sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sopilot_assets.privacy.covering import UNCOVERED, Covering
from sopilot_assets.privacy.policy import EVERYTHING, covering_for
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, publish_text
from sopilot_assets.tasks import MaskedRegion, new_task

REGIONS = (MaskedRegion(left=0.8, top=0.0, width=0.2, height=0.3),)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    new_task(tmp_path, "tea", name="Tea")
    return Home.at(tmp_path)


def settings(home: Home, text: str) -> None:
    publish_text(home.root / "settings.yaml", text)


def masked(home: Home) -> None:
    """Let the task mask the corner."""
    path = local_path(home.tasks) / "tea.yaml"
    text = path.read_text("utf-8")
    filled = "  masked_regions: [{left: 0.8, top: 0, width: 0.2, height: 0.3}]"
    path.write_text(text.replace("  masked_regions: []", filled), "utf-8")


def test_faces_are_covered_in_what_leaves_the_house_unless_told(home: Home) -> None:
    assert covering_for(home, "tea") == UNCOVERED
    assert covering_for(home, "tea", leaves_house=True) == Covering(faces=True)


@pytest.mark.parametrize(("where", "inside", "outside"), [("everywhere", 1, 1), ("nowhere", 0, 0)])
def test_the_settings_say_where(home: Home, where: str, inside: bool, outside: bool) -> None:
    covering_for(home, "tea")
    settings(home, f"privacy: {{blur_faces: {where}}}\n")
    assert covering_for(home, "tea").faces == inside
    assert covering_for(home, "tea", leaves_house=True).faces == outside


def test_regions_are_covered_whatever_the_settings_say(home: Home) -> None:
    settings(home, "privacy: {blur_faces: nowhere}\n")
    assert not covering_for(home, "tea")
    masked(home)
    assert covering_for(home, "tea") == Covering(regions=REGIONS)
    assert covering_for(home, "tea", leaves_house=True) == Covering(regions=REGIONS)


def test_what_cannot_be_read_covers_more(home: Home) -> None:
    settings(home, "privacy: {blur_faces: nowhere\n")
    assert covering_for(home, "tea") == Covering(faces=True)
    local_path(home.tasks / "tea.yaml").write_text("steps: {", "utf-8")
    assert covering_for(home, "tea") == Covering(faces=True, regions=(EVERYTHING,))
    assert covering_for(home, "gone").regions == (EVERYTHING,)
