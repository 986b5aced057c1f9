"""The guides and the commands agree: every command is documented, every documented line parses, and the guide
to old installations can be followed as it stands.
"""

from __future__ import annotations

import re
import shlex
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from sopilot_assets.cli import app
from sopilot_assets_tests.cli.running import sopilot
from sopilot_assets_tests.legacy.conftest import ARCHIVE

ROOT = Path(__file__).parents[2]
GUIDES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
SHELL = {"|", ">", ">>", "&&", ";"}


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, by its words."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands(get_command(app)))


def lines(path: Path) -> Iterator[str]:
    """The `sopilot ...` lines in the code blocks of a guide, continued lines joined."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        found = re.match(r"(?:    |)\$? ?(sopilot .*)", line)
        if found:
            yield found[1]


def spans(path: Path) -> Iterator[str]:
    """The `sopilot ...` commands in the running text of a guide."""
    yield from re.findall(r"`(sopilot [^`\n]+)`", path.read_text(encoding="utf-8"))


def words_of(line: str) -> list[str]:
    words = shlex.split(line, comments=True)[1:]
    ends = [number for number, word in enumerate(words) if word in SHELL]
    return words[: ends[0]] if ends else words


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are parsed in an empty folder, so that none depends on where the tests are run."""
    monkeypatch.chdir(tmp_path)


def lay_out(words: list[str]) -> None:
    """Put files where a line names them by a relative path: some commands look whether they are there."""
    for word in words:
        if not re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", word) or word.startswith(("-", ".")):
            continue
        if word.endswith("/"):
            Path(word).mkdir(parents=True, exist_ok=True)
        elif "/" in word or re.search(r"\.[a-z]\w+$", word):
            Path(word).parent.mkdir(parents=True, exist_ok=True)
            Path(word).touch()


def parse(words: list[str]) -> None:
    """Parse like the command line itself, without running anything; raises where that fails."""
    lay_out(words)
    command: Any = get_command(app)
    context = None
    while True:
        context = command.make_context(words[0] if words else None, list(words), parent=context)
        rest = [*getattr(context, "_protected_args", []), *context.args]
        if not hasattr(command, "commands"):
            return
        _, command, words = command.resolve_command(context, rest)


@pytest.mark.parametrize("line", [line for path in GUIDES for line in lines(path)])
def test_a_line_of_a_guide_parses(line: str) -> None:
    parse(words_of(line))


@pytest.mark.parametrize("span", sorted({span for path in GUIDES for span in spans(path)}))
def test_a_command_named_in_a_guide_exists_with_its_options(span: str) -> None:
    words = words_of(span)
    name = next((path for path in COMMANDS if tuple(words[: len(path)]) == path), None)
    if name is None:
        assert words[0] in {path[0] for path in COMMANDS} | {"--help", "..."}, span
        return
    known = {option for parameter in COMMANDS[name].params for option in parameter.opts} | {"--help"}
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_is_in_the_readme(path: tuple[str, ...]) -> None:
    assert f"| `sopilot {' '.join(path)}` |" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_lists_no_command_that_does_not_exist() -> None:
    listed = re.findall(r"^\| `sopilot ([^`]+)` \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert {tuple(words.split()) for words in listed} == set(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_explains_every_option_and_gives_examples_that_parse(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert [parameter.name for parameter in command.params if not getattr(parameter, "help", None)] == []
    examples = re.findall(r"\$ (sopilot .*)", command.epilog or "")
    assert examples
    for example in examples:
        assert tuple(words_of(example)[: len(path)]) == path
        parse(words_of(example))
    shown = CliRunner().invoke(app, [*path, "--help"])
    assert shown.exit_code == 0
    assert examples[0] in " ".join(shown.stdout.split())


@pytest.fixture
def old_installation(tmp_path: Path) -> Path:
    """A home in the folder in which an old installation lies under the names that the guide uses."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    (tmp_path / "expected").rename(tmp_path / "reports")
    return tmp_path / "home"


def test_the_guide_to_old_installations_can_be_followed(old_installation: Path) -> None:
    home, guide = old_installation, list(lines(ROOT / "docs" / "legacy.md"))
    printed = {line: sopilot(home, *words_of(line)).stdout for line in guide}
    assert [line.split()[1:3] for line in guide] == [
        ["import-legacy", "--db"],
        ["study", "new"],
        ["legacy", "compare"],
        ["legacy", "right"],
    ]
    assert "42 files compared, 42 equal to 1e-6" in printed[guide[2]]

    study = home / "studies" / "old_poc.yaml"
    written = study.read_text(encoding="utf-8")
    edited = re.sub(r"^gate_profile: \w+", "gate_profile: legacy_poc", written, flags=re.MULTILINE)
    study.write_text(edited, encoding="utf-8")
    sopilot(home, "keys", "new")
    sopilot(home, "study", "register", "old_poc")
    ran = sopilot(home, "study", "run", "old_poc").stdout
    assert "Gates: legacy_poc: 4 checks fail" in ran  # no fit keeps its limits, so nothing was looked at
    assert "Nobody has looked yet" in sopilot(home, "study", "looks", "old_poc").stdout
    built = sopilot(home, "dossier", "build", "old_poc").stdout
    assert "Verdict: not ready" in built
    (archive,) = (home / "dossiers" / "old_poc").glob("*.zip")
    sopilot(home, "dossier", "verify", archive)
