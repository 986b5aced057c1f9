"""Review pages and strips: what a score says, shown next to a gold."""

from __future__ import annotations

from sopilot_assets.scoring.review.index import IndexRow, index_page
from sopilot_assets.scoring.review.page import review_page
from sopilot_assets.scoring.review.proxy import proxy
from sopilot_assets.scoring.review.strip import alignment_strip_png, alignment_strip_svg

__all__ = [
    "IndexRow",
    "alignment_strip_png",
    "alignment_strip_svg",
    "index_page",
    "proxy",
    "review_page",
]
