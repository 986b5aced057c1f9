"""Review pages and strips: what a score says, shown next to a gold."""

from __future__ import annotations

from sopilot_assets.scoring.review.index import IndexRow, index_page
from sopilot_assets.scoring.review.page import review_page
from sopilot_assets.scoring.review.picture import score_picture_png
from sopilot_assets.scoring.review.proxy import playable, plays_as_it_is, proxy
from sopilot_assets.scoring.review.stills import StillPair, deviation_stills
from sopilot_assets.scoring.review.strip import alignment_strip_svg
from sopilot_assets.scoring.review.verifiability import verifiability_rows

__all__ = [
    "IndexRow",
    "StillPair",
    "alignment_strip_svg",
    "deviation_stills",
    "index_page",
    "playable",
    "plays_as_it_is",
    "proxy",
    "review_page",
    "score_picture_png",
    "verifiability_rows",
]
