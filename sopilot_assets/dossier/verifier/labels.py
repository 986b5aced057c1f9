"""The chain of label events, and what the labels of each recording say together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sopilot_assets.dossier.verifier.fields import JsonField, read_json
from sopilot_assets.dossier.verifier.findings import Findings
from sopilot_assets.dossier.verifier.tables import CaseRow

LABELS_FILE: Final = "rows/label_events.jsonl"
_FIRST: Final = "0" * 64
_STRENGTH: Final = {"blind_human": 4, "human": 3, "imported": 2, "prefill": 1}


def canonical(value: object) -> bytes:
    """The one way to write a JSON value that hashes are made of."""
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()


@dataclass(frozen=True)
class RaterLabel:
    """What one person said of one recording: 1 event of the chain."""

    key: str
    who: str
    source: str
    critical_expected: bool | None
    adjudicates: bool


def rater_label(event: JsonField) -> RaterLabel:
    """The label that an event of the chain holds."""
    return RaterLabel(
        key=event["key"].text(),
        who=event["who"].text(),
        source=event["source"].text(),
        critical_expected=event["critical_expected"].flag_or_none(),
        adjudicates=event["adjudicates"].flag(),
    )


def check_chain(data: bytes, head: object, findings: Findings) -> list[JsonField]:
    """The events of the file in order; every link that does not hold is noted."""
    events: list[JsonField] = []
    previous = _FIRST
    for number, line in enumerate(data.decode("utf-8").removesuffix("\n").split("\n"), start=1):
        event = JsonField(LABELS_FILE, f"line {number}", read_json(line))
        body = {name: value for name, value in event.object().items() if name != "event_id"}
        found = hashlib.sha256(canonical(body)).hexdigest()
        seq, before, own = (event.get(name).value for name in ("seq", "previous_hash", "event_id"))
        if seq != number:
            findings.bad(LABELS_FILE, f"line {number}: place in the chain", seq, number)
        if before != previous:
            findings.bad(LABELS_FILE, f"line {number}: the event before", before, previous)
        if own != found:
            findings.bad(LABELS_FILE, f"line {number}: hash of the event", own, found)
        previous = str(own)
        events.append(event)
    if head is not None:
        findings.add(LABELS_FILE, "label chain: last event", head, previous)
    return events


def label_states(
    labels: Sequence[RaterLabel], sources: Collection[str]
) -> dict[str, tuple[float | None, str]]:
    """By recording whether a critical deviation is there (1, 0, None where nobody can say) and the source.

    The newest label of each person from the strongest source that counts; people who contradict each other
    leave it open until one adjudicates. A blind label after one by the same person with the findings in view
    counts as ``human``.
    """
    said: dict[str, list[tuple[str, RaterLabel]]] = {}
    for source, label in counting_labels(labels, sources):
        said.setdefault(label.key, []).append((source, label))
    return {key: _label_of(of_one) for key, of_one in said.items()}


def counting_labels(labels: Sequence[RaterLabel], sources: Collection[str]) -> list[tuple[str, RaterLabel]]:
    """The labels that count, in order, each with the source it counts as."""
    saw: set[tuple[str, str]] = set()
    counting = []
    for label in labels:
        source, voice = label.source, (label.who, label.key)
        if source == "human" or (source == "blind_human" and voice in saw):
            source = "human"
            saw.add(voice)
        if source in sources:
            counting.append((source, label))
    return counting


def deciding_labels(labels: Sequence[RaterLabel], sources: Collection[str]) -> list[RaterLabel]:
    """The labels that count, in order, of each recording those of its strongest source alone."""
    counting = counting_labels(labels, sources)
    best: dict[str, int] = {}
    for source, label in counting:
        best[label.key] = max(best.get(label.key, 0), _STRENGTH[source])
    return [label for source, label in counting if _STRENGTH[source] == best[label.key]]


def _label_of(labels: Sequence[tuple[str, RaterLabel]]) -> tuple[float | None, str]:
    strongest = max((source for source, _ in labels), key=lambda source: _STRENGTH[source])
    counting = [label for source, label in labels if source == strongest]
    settled = [label.critical_expected for label in counting if label.adjudicates]
    newest = {label.who: label.critical_expected for label in counting if not label.adjudicates}
    answers = set(newest.values()) - {None}
    answer = settled[-1] if settled else (answers.pop() if len(answers) == 1 else None)
    return (None if answer is None else float(answer)), strongest


def check_labels(
    rows: Sequence[CaseRow], states: Mapping[str, tuple[float | None, str]], findings: Findings
) -> None:
    """Hold the labels of the rows (``expected``, ``label_source``) against the chain."""
    wrong = []
    for row in rows:
        expected, source = states.get(row.case_id, (None, ""))
        if (row.expected, row.text("label_source")) != (expected, source):
            wrong.append(row.case_id)
    shown = ", ".join(wrong[:5])
    findings.add(
        "rows/cases.csv",
        "labels of the rows that the chain of label events does not give",
        0,
        len(wrong) if not wrong else f"{len(wrong)}: {shown}",
        ok=not wrong,
    )
