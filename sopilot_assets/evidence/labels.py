"""Station of the labels: the state of a task's label events, and how far raters agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import pandas as pd

from sopilot_assets.capture.registry import Registry
from sopilot_assets.evidence.outcome import StudyOutcome, rows_of
from sopilot_assets.labels.agreement import disagreements, rater_agreement
from sopilot_assets.labels.chain import read_chain
from sopilot_assets.labels.events import LabelEvent
from sopilot_assets.labels.findings import finding_agreement
from sopilot_assets.labels.state import label_coverage, label_state
from sopilot_assets.store.chain import chain_head
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell


def describe_labels(home: Home, task_id: str) -> StudyOutcome:
    """What the label events of a task say together; raises `LabelError` where their chain is broken."""
    return labels_outcome(home, task_id, read_chain(home, task_id))


def labels_outcome(home: Home, task_id: str, events: Sequence[LabelEvent]) -> StudyOutcome:
    """The same of events that were read already."""
    state = label_state(events)
    agreement = rater_agreement(events)
    head = chain_head(events)
    metadata: dict[str, Cell] = {
        **asdict(label_coverage(state, _trainees(home, task_id))),
        "label_events": head.seq,
        "chain_head": head.event_id,
        "kappa": agreement.kappa,
        "kappa_low": agreement.low,
        "kappa_high": agreement.high,
        "agreement": agreement.reason or f"{agreement.statistic}, {agreement.recordings} recordings",
    }
    return StudyOutcome(
        task_id,
        metadata,
        tables={
            "labels": rows_of(state),
            "disagreements": rows_of(disagreements(events)),
            "findings": rows_of(finding_agreement(events)),
        },
    )


def with_labels(cases: pd.DataFrame, events: Sequence[LabelEvent], sources: Sequence[str]) -> pd.DataFrame:
    """The cases (n rows) with the label that counts of each, from these sources."""
    state = label_state(events, sources).set_index("key")
    found = state.reindex(cases["case_id"].to_numpy())
    return cases.assign(
        expected=found["expected"].to_numpy(dtype="float64"),
        label_source=found["label_source"].fillna("").to_numpy(),
    ).astype({"label_source": "str"})


def _trainees(home: Home, task_id: str) -> list[str]:
    return [key for key, one in Registry.read(home).active(task_id).items() if one.role == "trainee"]
