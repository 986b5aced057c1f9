"""The guides name what the code has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sopilot_assets.capture.reasons import Reason
from sopilot_assets.capture.sidecar import Sidecar

ROOT = Path(__file__).parents[1]
GUIDES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("reason", Reason)
def test_the_capture_guide_explains_every_reason(reason: Reason) -> None:
    assert f"`{reason}`" in read("docs/capture.md")


def test_the_capture_guide_explains_no_reason_that_does_not_exist() -> None:
    table = read("docs/capture.md").split("| reason | means | do |")[1].split("\n\n")[0]
    named = {name for row in table.splitlines() for name in re.findall(r"`([a-z_]+)`", row.split(" | ")[0])}
    assert named == set(Reason)


@pytest.mark.parametrize("field", Sidecar.model_fields)
def test_the_capture_guide_explains_every_sidecar_field(field: str) -> None:
    assert f"- `{field}`: " in read("docs/capture.md")


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_links_between_guides_lead_somewhere(guide: Path) -> None:
    text = guide.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        assert (guide.parent / target).exists(), f"{guide.name}: {target}"
