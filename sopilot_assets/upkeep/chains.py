"""The chains of events of a home: of labels, promotions, marks, adopted policies, task files and erasures."""

from __future__ import annotations

from typing import TypeAlias

from sopilot_assets.capture.erasures import ErasureDraft, ErasureEvent, erasures_chain
from sopilot_assets.capture.marks import MarkDraft, MarkEvent, marks_chain
from sopilot_assets.capture.promotions import PromotionDraft, PromotionEvent, promotions_chain
from sopilot_assets.labels.chain import labels_chain
from sopilot_assets.labels.events import Draft, LabelEvent
from sopilot_assets.store.chain import Chain
from sopilot_assets.store.home import Home
from sopilot_assets.studies.adoptions import AdoptionDraft, AdoptionEvent, adoptions
from sopilot_assets.tasks.history import TaskFileDraft, TaskFileEvent, task_history

Chains: TypeAlias = tuple[
    Chain[Draft, LabelEvent],
    Chain[PromotionDraft, PromotionEvent],
    Chain[MarkDraft, MarkEvent],
    Chain[AdoptionDraft, AdoptionEvent],
    Chain[TaskFileDraft, TaskFileEvent],
    Chain[ErasureDraft, ErasureEvent],
]


def event_chains(home: Home) -> Chains:
    """All of them, to be verified."""
    return (
        labels_chain(home),
        promotions_chain(home),
        marks_chain(home),
        adoptions(home),
        task_history(home),
        erasures_chain(home),
    )
