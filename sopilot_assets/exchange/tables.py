"""Steps in a sheet, a row each: `video`, `step`, `start_s` and `end_s`, as ``steps.csv`` has them.

How spreadsheets write them is read by `sopilot_assets.reference.annotations`; this only puts it beside the
other formats.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from sopilot_assets.exchange.said import MarkedVideo
from sopilot_assets.reference.annotations import COLUMNS


def write_table(videos: Sequence[MarkedVideo]) -> bytes:
    """The intervals of recordings as CSV in UTF-8 with the mark by which spreadsheets know it; seconds with
    up to three decimals, so no time is changed.
    """
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    for video in videos:
        for one in video.intervals:
            rows.writerow((video.name, one.name, one.start_ms / 1000, one.end_ms / 1000))
    return out.getvalue().encode("utf-8-sig")
