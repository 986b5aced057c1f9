"""The place of a page where it says that its verdict is contested, also in pages made before it was."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from sopilot_assets.scoring.result import Objection
from sopilot_assets.texts.times import minute

_PLACE: Final = re.compile(r'<main>\n(?:<section id="contest".*?</section>\n)?', re.DOTALL)


def contest_section(objections: Sequence[Objection]) -> Markup:
    """Who objects, when and why, and how it is answered; empty where nobody does."""
    if not objections:
        return Markup()
    said = Markup().join(
        Markup("<li><b>{}</b> · {}{}</li>").format(one.who, minute(one.at), _quoted(one.note))
        for one in objections
    )
    command = f"sopilot label add {objections[0].task_id} {objections[0].key} ANSWER --who ID --adjudicates"
    return _SECTION.format(said, command, command)


def with_contest(page: str, objections: Sequence[Objection]) -> str:
    """The page with these objections in the place of those that it shows."""
    return _PLACE.sub(lambda _: f"<main>\n{contest_section(objections)}", page, count=1)


_SECTION: Final = Markup(
    """<section id="contest" class="sheet" aria-label="Contested / 異議あり">"""
    """<h2><span lang="en">Contested: a person says that this verdict is wrong</span>"""
    """<span lang="ja">異議あり：この判定は誤りだという申し立てがあります</span></h2>"""
    "<ul>{}</ul>"
    """<p class="soft"><span lang="en">It stays contested until somebody answers, yes or no, """
    """whether there is a critical deviation: <code>{}</code></span>"""
    """<span lang="ja">重大な逸脱の有無（yes か no）を誰かが回答するまで「異議あり」のままです："""
    "<code>{}</code></span></p></section>\n"
)


def _quoted(note: str) -> Markup:
    return Markup("<br>{}").format(f"“{note}”") if note else Markup()
