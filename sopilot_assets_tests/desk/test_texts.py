"""Whatever the desk says, it says in English and in Japanese."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from sopilot_assets.desk import app

DESK = Path(app.__file__).parent
TEMPLATES = sorted((DESK / "templates").glob("*.j2"))
MODULES = sorted(DESK.rglob("*.py"))
SCRIPTS = sorted((DESK / "static").glob("*.js"))
SAME_IN_BOTH = {"SOPilot", "English", "日本語", "UTC", "CSV", "Excel", "line"}
"""Names and codes."""
READ_ALOUD = {"alt", "aria-description", "aria-label", "aria-roledescription", "placeholder", "title"}
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
WORD = re.compile(r"[A-Za-z\u3040-\u30ff\u4e00-\u9fff]{2,}")


class Visible(HTMLParser):
    """The texts of a piece of HTML that people see or hear."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_starttag(self, _: str, attrs: list[tuple[str, str | None]]) -> None:
        if "lang" in dict(attrs):
            return  # an example in a language, for a field in that language
        self.texts += [value or "" for name, value in attrs if name in READ_ALOUD]


def without_expressions(path: Path) -> str:
    """The template's own HTML: a blank for every expression, comment and statement."""
    source = path.read_text(encoding="utf-8")
    return re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", " ", source, flags=re.DOTALL)


def calls(path: Path, name: str) -> Iterator[nodes.Call]:
    tree = Environment(autoescape=True).parse(path.read_text(encoding="utf-8"))
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == name:
            yield call


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_says_nothing_but_through_say(path: Path) -> None:
    texts = Visible(without_expressions(path)).texts
    words = {word for text in texts for word in WORD.findall(text)}
    assert words <= SAME_IN_BOTH


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_say_has_both_languages(path: Path) -> None:
    for call in calls(path, "say"):
        assert len(call.args) == 2, f"{path.name}:{call.lineno}: expected say(English, Japanese)"
        if not all(isinstance(arg, nodes.Const) for arg in call.args):
            assert not any(isinstance(arg, nodes.Const) for arg in call.args), f"{path.name}:{call.lineno}"
            continue  # both are values, which stand in both languages where they come from
        english, japanese = (arg.value for arg in call.args if isinstance(arg, nodes.Const))
        assert english, f"{path.name}:{call.lineno}: expected a text in English"
        assert japanese, f"{path.name}:{call.lineno}: expected a text in Japanese"
        assert not JAPANESE.search(english), f"{path.name}:{call.lineno}: {english}"
        said = JAPANESE.search(japanese) or english == japanese or not WORD.search(japanese)
        assert said, f"{path.name}:{call.lineno}: {japanese}"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_trusts_nothing(path: Path) -> None:
    tree = Environment(autoescape=True).parse(path.read_text(encoding="utf-8"))
    assert [one.name for one in tree.find_all(nodes.Filter) if one.name == "safe"] == []
    html = without_expressions(path)
    assert not re.search(r"<[^>]*\s(on[a-z]+|style)\s*=", html), "the policy lets neither run"
    assert not re.search(r"<script(?![^>]*\ssrc=)(?![^>]*application/json)", html)
    assert "<style" not in html


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(DESK)))
def test_a_text_has_both_languages(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Text"):
            continue
        assert len(node.args) + len(node.keywords) == 2, f"{path.name}:{node.lineno}"
        for arg in (*node.args, *(keyword.value for keyword in node.keywords)):
            assert not (isinstance(arg, ast.Constant) and not arg.value), f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_has_no_texts_of_its_own(path: Path) -> None:
    source = re.sub(r"/\*.*?\*/|(?<![:\"'`])//[^\n]*", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert not JAPANESE.search(source)
    source = re.sub(r"\$\{[^}]*\}", "", source)
    said = re.findall(
        r"(?:textContent|innerText|title|ariaLabel|alert\()\s*=?\s*[\"'`]([^\"'`]*)[\"'`]", source
    )
    assert [text for text in said if WORD.search(text)] == []
    assert not re.search(r"\b(innerHTML|outerHTML)\s*\+?=(?!=)", source)
    assert not re.search(r"\b(insertAdjacentHTML|document\.write|eval)\b", source)
