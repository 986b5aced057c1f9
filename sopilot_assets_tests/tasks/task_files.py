"""Small task files for the tests of this package."""

from __future__ import annotations

from pathlib import Path

FILTER_CHANGE = """\
# how the line changes a filter
task_id: filter_change
name: Filter change
name_ja: フィルタ交換
version: 1
steps:
  - id: open_cover
    name: Open the cover
  - id: lift_filter
    name: Lift out the old filter
  - id: wipe_seat
    name: Wipe the seat
    critical: false
    after: [open_cover]
  - id: insert_filter
    name: Insert the new filter
    after: [lift_filter, wipe_seat]
pass_score: 90
retrain_score: 80
weights:
  miss: .40
  swap: .25
  deviation: .25
  time: .10
"""


def write_task(folder: Path, text: str = FILTER_CHANGE, *, name: str = "filter_change.yaml") -> Path:
    """The path of a task file with this text."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """The name and bytes of every file below a folder, to show that nothing changed."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
