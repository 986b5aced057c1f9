"""The guides name what the code has."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

import sopilot_assets
from sopilot_assets.capture.reasons import Reason
from sopilot_assets.capture.sidecar import Sidecar
from sopilot_assets.settings import Settings
from sopilot_assets.stations.staleness import REASONS
from sopilot_assets.tasks import QualityGate
from sopilot_assets.upkeep.backup.contents import MADE_AGAIN

PACKAGE = Path(sopilot_assets.__file__).parent
ROOT = Path(__file__).parents[1]
GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_operations_name_what_no_backup_holds() -> None:
    said = read("docs/operations.md").split("- **Not in it** ")[1].split("- **")[0]
    assert [folder for folder in MADE_AGAIN if f"`{folder}/`" not in said] == []


def test_operations_name_every_reason_why_a_score_is_stale() -> None:
    named = read("docs/operations.md").split("The reason is one of ")[1].split(";")[0]
    assert [reason for reason in REASONS if reason not in named] == []


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


@pytest.mark.parametrize("guide", [*GUIDES, ROOT / "CHANGELOG.md"], ids=lambda path: path.name)
def test_links_between_guides_lead_somewhere(guide: Path) -> None:
    text = guide.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        assert (guide.parent / target).exists(), f"{guide.name}: {target}"


def headings(page: str) -> set[str]:
    """The anchors of a page, as they stand in a link."""
    found = re.findall(r"^#+ (.*)$", read(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one.replace("`", "").lower()).strip().replace(" ", "-") for one in found}


def pointers() -> list[tuple[str, str, str]]:
    """Every page of a guide that a text of the package names: in which file, page, heading or ""."""
    texts = [path for path in PACKAGE.rglob("*") if path.suffix in {".py", ".j2", ".html", ".yaml", ".txt"}]
    found = [
        (path.relative_to(PACKAGE).as_posix(), page, heading)
        for path in texts
        for page, heading in re.findall(r"(docs/[\w-]+\.md)(?:#([\w-]+))?", path.read_text(encoding="utf-8"))
    ]
    return sorted({one for one in found if one[1] != "docs/commands.md"})


def test_a_pointer_leads_to_a_page_that_has_what_it_promises() -> None:
    found = pointers()
    anchors = {page: headings(page) for _, page, _ in found if (ROOT / page).is_file()}
    assert [one for one in found if one[1] not in anchors] == []
    assert [(file, page, named) for file, page, named in found if named and named not in anchors[page]] == []


def test_no_text_points_to_a_guide_without_saying_where() -> None:
    vague = re.compile(r"see the (runbook|guide|manual|handbook|documentation|docs)\b", re.IGNORECASE)
    assert [path.name for path in PACKAGE.rglob("*.py") if vague.search(path.read_text("utf-8"))] == []


def test_the_capture_guide_and_the_quality_gate_ask_for_the_same_size() -> None:
    gate = QualityGate(enabled=True)
    found = set(re.findall(r"\b(\d{3,4})\s?[x×]\s?(\d{3,4})\b", read("docs/capture.md")))
    assert found == {(str(gate.min_width), str(gate.min_height))}


def documented_settings() -> dict[str, dict[str, object]]:
    """The settings as the guide shows them."""
    block = read("docs/operations.md").split("## settings.yaml")[1].split("```yaml")[1].split("```")[0]
    shown: dict[str, dict[str, object]] = yaml.safe_load(block)
    return shown


@pytest.mark.parametrize("section", Settings.model_fields)
def test_the_guide_shows_every_setting(section: str) -> None:
    fields = type(getattr(Settings(), section)).model_fields
    assert set(documented_settings()[section]) == set(fields), f"docs/operations.md, settings.yaml: {section}"


@pytest.mark.parametrize("section", ["freshness", "limits", "disk", "retention", "targets"])
def test_the_guide_shows_the_defaults(section: str) -> None:
    defaults = getattr(Settings(), section).model_dump(mode="json")
    assert documented_settings()[section] == defaults, f"docs/operations.md, settings.yaml: {section}"


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_files_that_guides_name_are_there(guide: Path) -> None:
    named = re.findall(r"`((?:sopilot_assets_tests/|benchmarks/)?[a-z_/]+\.py)`", guide.read_text("utf-8"))
    absent = [name for name in named if not any((top / name).exists() for top in (PACKAGE, ROOT))]
    assert absent == [name for name in absent if name in {"verify.py"}]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_files_of_the_home_that_guides_name_are_made_by_the_package(guide: Path) -> None:
    folders = "alerts|campaigns|dagster|desk|dossiers|outbox|reports|studies|upgrades"
    named = re.findall(
        rf"`(?:{folders})/[\w<>/-]*?([a-z_]+\.(?:csv|json|jsonl|log|sqlite|yaml))`", guide.read_text("utf-8")
    )
    package = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    assert [name for name in named if name not in package] == []


def test_the_words_name_classes_that_exist() -> None:
    named = set(re.findall(r"`([A-Z][A-Za-z]+)`", read("docs/words.md")))
    classes = {
        node.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    assert named - classes == set()


def test_each_word_stands_in_the_list_once() -> None:
    words = re.findall(r"^\| ([a-z ,]+) \|", read("docs/words.md").replace("| word |", ""), re.MULTILINE)
    assert len(words) > 50
    assert sorted(set(words)) == sorted(words)


def test_the_readme_takes_five_minutes() -> None:
    assert len(read("README.md").splitlines()) <= 160
