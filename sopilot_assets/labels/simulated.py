"""Sheets filled in by simulated raters, to try the chain of evidence on simulated recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sopilot_assets.capture.simulate.raters import Rater, rated
from sopilot_assets.errors import LabelError
from sopilot_assets.labels.cells import answer_text
from sopilot_assets.labels.events import Source
from sopilot_assets.labels.recordings import RecordingToLabel
from sopilot_assets.labels.sheet_files import write_sheet
from sopilot_assets.labels.sheets import BLIND_COLUMNS, template_row


def fill_as(
    path: Path, recordings: Sequence[RecordingToLabel], truth: Mapping[str, bool], rater: Rater, *, seed: int
) -> int:
    """Write a blind sheet with the rater's answers on the recordings whose file names ``truth`` knows, and
    return how many.

    Raises ``LabelError`` where there is such a file already: a person may have filled it in.
    """
    if path.exists():
        raise LabelError(f"{path}: expected no such file yet, found one; name another folder.")
    known = [one for one in recordings if one.name in truth]
    said = rated({one.name: truth[one.name] for one in known}, rater, seed=seed)
    rows = [
        {
            **template_row(one, Source.BLIND_HUMAN, rater.name),
            "critical_expected": answer_text(said[one.name]),
        }
        for one in known
    ]
    write_sheet(path, BLIND_COLUMNS, rows)
    return len(rows)
