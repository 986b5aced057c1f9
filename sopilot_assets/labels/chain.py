"""The chains of label events, one for each task: the ledger ``labels``, and how it is read and appended to.

A dossier states the head of its chain, and its signature helps where somebody rewrites all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import pyarrow as pa

from sopilot_assets.errors import LabelError
from sopilot_assets.labels.disputes import refuse_own_disputes
from sopilot_assets.labels.events import Draft, LabelEvent
from sopilot_assets.store.chain import CHAIN_COLUMNS, Chain
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Ledger

COLUMNS: Final = {
    **CHAIN_COLUMNS,
    "key": pa.string(),
    "who": pa.string(),
    "at": pa.string(),
    "source": pa.string(),
    "critical_expected": pa.bool_(),
    "verdict": pa.string(),
    "deviations": pa.string(),
    "seen": pa.string(),
    "note": pa.string(),
    "adjudicates": pa.bool_(),
}
"""``deviations`` and ``seen`` are JSON lists."""


def labels_ledger(home: Home) -> Ledger:
    """The ledger of label events of all tasks."""
    return Ledger(home.ledgers, "labels", COLUMNS, "event_id")


def labels_chain(home: Home) -> Chain[Draft, LabelEvent]:
    """The chains of label events of a home."""
    return Chain(labels_ledger(home), LabelEvent, ("deviations", "seen"), _voice, LabelError)


def append_events(
    home: Home,
    drafts: Iterable[Draft],
    *,
    run_id: str,
    written_at: str,
    require: Callable[[Sequence[LabelEvent]], None] | None = None,
    again: bool = False,
) -> list[LabelEvent]:
    """Append the drafts to the chains of their tasks; returns the new events.

    A draft that says what its person said last of that recording (from the same source, settling or not) adds
    nothing; see `Chain.append`, also for ``require`` and ``again``. Raises ``LabelError`` where a chain is
    broken already, and where somebody settles what they disagree on themselves; then nothing is taken.
    """
    wanted = list(drafts)

    def may_be_taken(before: Sequence[LabelEvent]) -> None:
        refuse_own_disputes(before, wanted)
        if require is not None:
            require(before)

    return labels_chain(home).append(
        wanted, run_id=run_id, written_at=written_at, require=may_be_taken, again=again
    )


def read_chain(home: Home, task_id: str) -> list[LabelEvent]:
    """The events of a task in order, verified; ``LabelError`` names the first one that is not what it says,
    or that is missing.
    """
    return labels_chain(home).read(task_id)


def tasks_with_labels(home: Home) -> list[str]:
    """The tasks that have label events."""
    return labels_chain(home).tasks()


def _voice(draft: Draft) -> tuple[str, str, str, bool]:
    """Whose earlier word it replaces; who settles a dispute may have said before that they cannot say."""
    return draft.who, draft.key, draft.source.value, draft.adjudicates
