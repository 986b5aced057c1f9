"""The guides, the texts of the package and the commands agree: every command that is named exists with its
options, every line of a guide parses, and the guide to old installations can be followed as it stands.
"""

from __future__ import annotations

import ast
import re
import shlex
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from sopilot_assets.cli import app, guide
from sopilot_assets.cli.groups import GROUPS, LazyGroup, commands_in
from sopilot_assets.cli.renamed import NEW_NAMES
from sopilot_assets_tests.cli.running import sopilot
from sopilot_assets_tests.legacy.conftest import ARCHIVE

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "sopilot_assets"
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHELL = {"|", "<", ">", ">>", "&&", ";"}
LISTS_OLD_NAMES = {ROOT / "docs" / "commands.md", PACKAGE / "cli" / "renamed.py"}
COMMANDS = {
    (group.name, *words): command
    for group in GROUPS
    for words, command in commands_in(LazyGroup(group).commands)
}
ALONE = {(group.name,): COMMANDS[group.name, group.alone] for group in GROUPS if group.alone}
"""Nouns that are a command by themselves."""
TEXTS = sorted(
    {
        *(
            path
            for path in PACKAGE.rglob("*")
            if path.suffix in {".py", ".j2", ".html", ".js", ".yaml", ".md"}
        ),
        *(ROOT / "benchmarks").glob("*.py"),
        *GUIDES,
        *(ROOT / name for name in ("Makefile", "dagster.yaml", "pyproject.toml")),
    }
    - LISTS_OLD_NAMES
)

# `sopilot` and what follows it, up to the end of the code span, the sentence or the line
MENTION = re.compile(r"(?<![\w./-])sopilot ((?:--home \S+ )?[a-z][^`\n\"'<>|#;,()]*)")
NO_COMMAND = {"backups"}  # what a repository says that it holds


def pieces(path: Path) -> Iterator[str]:
    """The texts of a file: the strings of a module, with X for what is filled in, else all of it."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield text.replace("\\\n", " ")
        return
    tree = ast.parse(text)
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
            yield "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


def mentions(path: Path) -> Iterator[str]:
    """What follows `sopilot` wherever a file names a command."""
    for text in pieces(path):
        for found in MENTION.finditer(text):
            ends = re.split(r"[.:] |[.:]$|``", found[1].removeprefix("sopilot "))
            yield re.sub(r"^--home \S+ ", "", ends[0]).strip()


def lines(path: Path) -> Iterator[str]:
    """The `sopilot ...` lines in the code blocks of a guide, continued lines joined."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        found = re.match(r"(?:    |)\$? ?(sopilot .*)", line)
        if found:
            yield found[1]


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


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_the_lines_of_a_guide_parse(guide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, line in enumerate(lines(guide)):
        (tmp_path / str(number)).mkdir()
        monkeypatch.chdir(tmp_path / str(number))
        try:
            parse(words_of(line))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the command line raises
            pytest.fail(f"{line}: {error!r}")


def test_every_command_that_a_text_names_exists_with_its_options() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: sopilot {mention}: {problem}"
        for path in TEXTS
        for mention in mentions(path)
        if (problem := unknown_in(mention.split()))
    ]
    assert wrong == []


def unknown_in(words: list[str]) -> str:
    """What of a command does not exist."""
    if words[0] in NO_COMMAND:
        return ""
    if words[0] not in {noun for noun, *_ in COMMANDS}:
        return "no such noun"
    known = {**COMMANDS, **ALONE}
    found = [command for path, command in known.items() if tuple(words[: len(path)]) == path]
    if len(words) == 1 or not found:
        return "" if len(words) == 1 else "no such command"
    options = {option for one in found[0].params for option in (*one.opts, *one.secondary_opts)}
    named = {word.split("=")[0].rstrip("].") for word in words if word.startswith("--")}
    return " ".join(sorted(named - options - {"--help"}))


def test_the_changelog_names_commands_as_they_were_called() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    old = {name.split()[0] for name in NEW_NAMES}
    named = {words.split()[0] for words in re.findall(r"`sopilot ([a-z][^`\n]*)`", text)}
    assert named <= old | {noun for noun, *_ in COMMANDS}


def test_the_page_of_commands_is_what_the_command_line_says() -> None:
    written = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert written == guide.page(), "docs/commands.md is out of date: `make commands` writes it"


def test_there_are_no_more_commands_than_a_person_can_survey() -> None:
    assert len(GROUPS) <= 27
    assert len(COMMANDS) <= 92


def test_one_grammar_a_noun_then_a_verb() -> None:
    assert {noun for path in COMMANDS for noun in path[:-1] if noun.endswith("s")} == set()
    assert {path[-1] for path in COMMANDS if path != ("desk", "user", "role")} <= {
        *("add", "apply", "build", "check", "compare", "correct", "create", "damage", "deliver", "doctor"),
        *("erase", "export", "install", "render", "revert", "status", "uninstall"),
        *("adopt", "candidates", "demote", "fetch", "promote", "withdraw"),
        *("forget", "import", "init", "label", "list", "lock", "prefill", "preload", "prepare", "register"),
        *("remove", "repeat", "restore", "run", "serve", "show", "simulate", "start", "stop", "verify"),
    }


@pytest.mark.parametrize("old", NEW_NAMES)
def test_an_old_name_does_what_the_new_one_does_and_says_it(old: str) -> None:
    new = NEW_NAMES[old]
    by_old, by_new = (CliRunner().invoke(app, [*name.split(), "--no-such"]) for name in (old, new))
    assert tuple(new.split()[:2]) in COMMANDS
    warning = f"Warning: `sopilot {old} --no-such` is now `sopilot {new} --no-such`.\n"
    assert by_old.stderr == warning + by_new.stderr
    assert (by_old.exit_code, by_old.stdout) == (by_new.exit_code, by_new.stdout) == (2, "")


def test_a_script_from_before_gets_the_same_rows(tmp_path: Path) -> None:
    sopilot(tmp_path, "home", "init")
    by_old, by_new = (
        CliRunner().invoke(app, ["--home", str(tmp_path), *words, "--json"])
        for words in (["show", "scores"], ["score", "list"])
    )
    assert (by_old.exit_code, by_old.stdout) == (by_new.exit_code, by_new.stdout) == (0, "[]\n")


@pytest.mark.parametrize("words", ["labels", "show", "labels --help", "show me"])
def test_an_old_group_names_what_was_in_it(words: str) -> None:
    result = CliRunner().invoke(app, words.split())
    assert result.exit_code == 2
    assert f"`sopilot {words.split(maxsplit=1)[0]}` is gone" in result.stderr


def test_help_of_a_noun_that_was_a_command_is_about_the_noun() -> None:
    result = CliRunner().invoke(app, ["score", "--help"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert "sopilot score [OPTIONS] COMMAND" in result.stdout


def test_a_slip_of_the_pen_is_no_old_name() -> None:
    result = CliRunner().invoke(app, ["scoer", "list"])
    assert result.exit_code == 2
    assert "No such command 'scoer'" in result.stderr


@pytest.mark.parametrize("noun", ["label", "recording", "task"])
def test_a_verb_that_is_none_says_so_of_a_noun_that_has_old_names_too(noun: str) -> None:
    result = CliRunner().invoke(app, [noun, "lst"])
    assert result.exit_code == 2
    assert "No such command 'lst'" in result.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete(shell: str) -> None:
    variables = {"_SOPILOT_COMPLETE": f"complete_{shell}", "COMP_WORDS": "sopilot sc", "COMP_CWORD": "1"}
    variables |= {"_TYPER_COMPLETE_ARGS": "sopilot sc", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    result = CliRunner().invoke(app, [], prog_name="sopilot", env=variables)
    assert "score" in result.stdout


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


@pytest.mark.whole
def test_the_guide_to_old_installations_can_be_followed(old_installation: Path) -> None:
    home, guide = old_installation, list(lines(ROOT / "docs" / "legacy.md"))
    printed = {line: sopilot(home, *words_of(line)).stdout for line in guide}
    assert [line.split()[1:3] for line in guide] == [
        ["legacy", "import"],
        ["study", "create"],
        ["legacy", "compare"],
        ["legacy", "compare"],
    ]
    assert "42 files compared, 42 equal to 1e-6" in printed[guide[2]]

    study = home / "studies" / "old_poc.yaml"
    written = study.read_text(encoding="utf-8")
    edited = re.sub(r"^gate_profile: \w+", "gate_profile: legacy_poc", written, flags=re.MULTILINE)
    study.write_text(edited, encoding="utf-8")
    sopilot(home, "key", "create")
    sopilot(home, "study", "register", "old_poc")
    ran = sopilot(home, "study", "run", "old_poc").stdout
    assert "Gates: legacy_poc: 4 checks fail" in ran  # no fit keeps its limits, so nothing was looked at
    assert "Nobody has looked yet" in sopilot(home, "study", "show", "--looks", "old_poc").stdout
    built = sopilot(home, "dossier", "build", "old_poc").stdout
    assert "Verdict: not ready" in built
    (archive,) = (home / "dossiers" / "old_poc").glob("*.zip")
    sopilot(home, "dossier", "verify", archive)
