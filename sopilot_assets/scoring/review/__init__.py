"""Review pages and strips: what a score says, shown next to a gold."""

from __future__ import annotations

from sopilot_assets.scoring.review.index import IndexRow, index_page
from sopilot_assets.scoring.review.page import review_page
from sopilot_assets.scoring.review.proxy import playable, plays_as_it_is, proxy
from sopilot_assets.scoring.review.strip import alignment_strip_png, alignment_strip_svg

__all__ = [
    "IndexRow",
    "alignment_strip_png",
    "alignment_strip_svg",
    "index_page",
    "playable",
    "plays_as_it_is",
    "proxy",
    "review_page",
]
