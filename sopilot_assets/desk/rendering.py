"""Pages from templates, in one of two languages: whatever people read passes through ``say`` or ``t``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined

from sopilot_assets.texts.languages import Language, Text

PACKAGE: Final = "sopilot_assets.desk"
REVIEW: Final = "sopilot_assets.scoring.review"
INSTRUCTIONS: Final = "sopilot_assets.stations"
"""What the desk has in common with review pages, as ``review/<template>``, and with the files of work
instructions, as ``instruction/<template>``.
"""


def render_page(template: str, *, language: Language, values: Mapping[str, object]) -> str:
    """The page as HTML; all values are escaped.

    In templates ``{{ say("English", "...") }}`` is a sentence of the template itself, in both languages, and
    ``{{ t(text) }}`` a `Text`.
    """
    japanese = language is Language.JA
    words: Mapping[str, Callable[..., str]] = {
        "say": lambda en, ja: ja if japanese else en,
        "t": lambda text: _in(text, japanese=japanese),
    }
    return _environment().get_template(template).render(**words, language=language.value, **values)


def _in(text: Text, *, japanese: bool) -> str:
    return text.ja if japanese else text.en


@cache
def _environment() -> Environment:
    """Compiled templates are kept; compiling takes longer than rendering."""
    shared = {"review": PackageLoader(REVIEW), "instruction": PackageLoader(INSTRUCTIONS)}
    return Environment(
        loader=ChoiceLoader([PackageLoader(PACKAGE), PrefixLoader(shared)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
