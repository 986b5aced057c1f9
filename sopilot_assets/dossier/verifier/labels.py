"""The chain of label events, and what the labels of each recording say together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sopilot_assets.dossier.verifier.findings import Findings, read_json

LABELS_FILE: Final = "rows/label_events.jsonl"
_FIRST: Final = "0" * 64
_STRENGTH: Final = {"blind_human": 4, "human": 3, "imported": 2, "prefill": 1}


def canonical(value: object) -> bytes:
    """The one way to write a JSON value that hashes are made of."""
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()


def check_chain(data: bytes, head: object, findings: Findings) -> list[dict[str, Any]]:
    """The events of the file in order; every link that does not hold is noted."""
    events: list[dict[str, Any]] = []
    previous = _FIRST
    for number, line in enumerate(data.decode("utf-8").removesuffix("\n").split("\n"), start=1):
        event = read_json(line)
        body = {name: value for name, value in event.items() if name != "event_id"}
        found = hashlib.sha256(canonical(body)).hexdigest()
        if event.get("seq") != number:
            findings.bad(LABELS_FILE, f"line {number}: place in the chain", event.get("seq"), number)
        if event.get("previous_hash") != previous:
            findings.bad(
                LABELS_FILE, f"line {number}: the event before", event.get("previous_hash"), previous
            )
        if event.get("event_id") != found:
            findings.bad(LABELS_FILE, f"line {number}: hash of the event", event.get("event_id"), found)
        previous = str(event.get("event_id"))
        events.append(event)
    if head is not None:
        findings.add(LABELS_FILE, "label chain: last event", head, previous)
    return events


def label_states(
    events: Sequence[Mapping[str, Any]], sources: Sequence[str]
) -> dict[str, tuple[float | None, str]]:
    """By recording whether a critical deviation is there (1, 0, None where nobody can say) and the source.

    The newest label of each person from the strongest source that counts; people who contradict each other
    leave it open until one adjudicates. A blind label after one by the same person with the findings in view
    counts as ``human``.
    """
    said: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for source, event in counting_labels(events, sources):
        said.setdefault(str(event["key"]), []).append((source, event))
    return {key: _label_of(labels) for key, labels in said.items()}


def counting_labels(
    events: Sequence[Mapping[str, Any]], sources: Sequence[str]
) -> list[tuple[str, Mapping[str, Any]]]:
    """The events that count, in order, each with the source it counts as."""
    saw: set[tuple[str, str]] = set()
    counting = []
    for event in events:
        source, voice = str(event["source"]), (str(event["who"]), str(event["key"]))
        if source == "human" or (source == "blind_human" and voice in saw):
            source = "human"
            saw.add(voice)
        if source in sources:
            counting.append((source, event))
    return counting


def _label_of(labels: Sequence[tuple[str, Mapping[str, Any]]]) -> tuple[float | None, str]:
    strongest = max((source for source, _ in labels), key=lambda source: _STRENGTH[source])
    counting = [event for source, event in labels if source == strongest]
    settled = [event["critical_expected"] for event in counting if event["adjudicates"]]
    newest = {event["who"]: event["critical_expected"] for event in counting if not event["adjudicates"]}
    answers = set(newest.values()) - {None}
    answer = settled[-1] if settled else (answers.pop() if len(answers) == 1 else None)
    return (None if answer is None else float(answer)), strongest


def check_labels(
    rows: Sequence[Mapping[str, Any]], states: Mapping[str, tuple[float | None, str]], findings: Findings
) -> None:
    """Hold the labels of the rows (``expected``, ``label_source``) against the chain."""
    wrong = []
    for row in rows:
        expected, source = states.get(row["case_id"], (None, ""))
        if (row["expected"], row["label_source"]) != (expected, source):
            wrong.append(row["case_id"])
    shown = ", ".join(wrong[:5])
    findings.add(
        "rows/cases.csv",
        "labels of the rows that the chain of label events does not give",
        0,
        len(wrong) if not wrong else f"{len(wrong)}: {shown}",
        ok=not wrong,
    )
