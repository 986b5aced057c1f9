"""The guides and the commands agree: every command is documented, and every documented line parses."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from sopilot_assets.cli import app

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


def parse(words: list[str]) -> None:
    """Parse like the command line itself, without running anything; raises where that fails."""
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
