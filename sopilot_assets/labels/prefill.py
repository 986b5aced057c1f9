"""Labels guessed from file names, for a quick look before people have labelled anything.

They say what somebody called a file, not what is to be seen in it. A detector that is measured against them
may only measure how files were made and named; so they are marked, and no research gate counts them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from sopilot_assets.errors import LabelError
from sopilot_assets.labels.events import Draft, LabelEvent, Source
from sopilot_assets.labels.recordings import RecordingToLabel

BAD_FREEZE: Final = "_bad_freeze"
"""The mark of recordings that were damaged on purpose, in the names that `sopilot sample damage` gives."""

PREFILL: Final = "prefill"
"""Who labels by file name."""


def prefill_drafts(
    recordings: Sequence[RecordingToLabel],
    events: Iterable[LabelEvent],
    *,
    task_id: str,
    at: str,
    pattern: str = BAD_FREEZE,
    only_matching: bool = False,
) -> list[Draft]:
    """A label for each recording by its file name: critical where the regular expression ``pattern`` is
    found in it, else not critical (or none, where ``only_matching``).

    Recordings that a person labelled, or whose label was imported, are left alone.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise LabelError(f"pattern {pattern!r}: expected a regular expression, found {error}.") from error
    labelled = {event.key for event in events if event.source is not Source.PREFILL}
    drafts = []
    for one in recordings:
        found = expression.search(one.name) is not None
        if one.key not in labelled and (found or not only_matching):
            drafts.append(
                Draft(
                    task_id=task_id,
                    key=one.key,
                    who=PREFILL,
                    at=at,
                    source=Source.PREFILL,
                    critical_expected=found,
                    note=f"file name {'matches' if found else 'does not match'} {pattern}"[:200],
                )
            )
    return drafts
