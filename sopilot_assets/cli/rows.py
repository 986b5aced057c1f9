"""Ledger rows as people read them: figures, advice in a language, the path of a review page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sopilot_assets.texts.languages import Language

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sopilot_assets.capture.reasons import Reason
    from sopilot_assets.store.home import Home
    from sopilot_assets.store.ledgers import Cell


def figure(value: Cell) -> Cell:
    """A number with three digits that count, and all before the point; anything else as it is.

    >>> figure(0.12345), figure(1234.0), figure("ok")
    ('0.123', '1234', 'ok')
    """
    if not isinstance(value, float):
        return value
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}"


def advice(reason: Reason, lang: Language) -> str:
    """What a reason for refusal means, and what to do about it."""
    text = reason.text
    return (
        f"{text.japanese}{text.do_japanese}" if lang is Language.JA else f"{text.english} {text.do_english}"
    )


def review_page(home: Home, row: Mapping[str, Cell]) -> str | None:
    """The path of a recording's review page; None where it has none."""
    path = home.review(str(row["key"]))
    return str(path) if path.exists() else None
