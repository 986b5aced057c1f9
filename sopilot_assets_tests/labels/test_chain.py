"""The chain of label events: nothing is lost, doubled or forked, and whatever was changed is named."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sopilot_assets.errors import LabelError
from sopilot_assets.labels.chain import labels_chain, labels_ledger, read_chain, tasks_with_labels
from sopilot_assets.labels.events import Draft, LabelEvent, place
from sopilot_assets.store.chain import NO_EVENT, chain_head
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets_tests.labels.made_up import AT, TASK, append, draft

CHAIN = labels_chain(Home.at("."))
NOTES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@st.composite
def chains(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The stored fields of a chain of 2 to 6 events."""
    events: list[LabelEvent] = []
    for number in range(draw(st.integers(2, 6))):
        said = draft(
            f"job-{number}",
            critical=draw(st.sampled_from([True, False, None])),
            note=draw(NOTES),
            seen=[{"type": "missing_step", "steps": ["pour"]}] if draw(st.booleans()) else [],
        )
        head = chain_head(events)
        events.append(place(said, seq=head.seq + 1, previous_hash=head.event_id))
    return [event.as_dict() for event in events]


def test_what_was_appended_is_read_back(home: Home) -> None:
    findings = {"verdict": "disagree", "deviations": [{"type": "freeze", "steps": [], "agree": None}]}
    said = [
        draft("job-1", note="水を 'こぼした'\n\"twice\""),
        draft("job-1", "bob", None, source="human", **findings),
        draft("job-2", "bob", False, seen=[{"type": "order_swap", "steps": ["pour", "stir"]}]),
    ]
    added = append(home, *said)
    assert [event.seq for event in added] == [1, 2, 3]
    assert added[0].previous_hash == NO_EVENT
    assert read_chain(home, TASK) == added
    assert [event.says() for event in added] == [one.says() for one in said]
    assert tasks_with_labels(home) == [TASK]
    assert read_chain(home, "coffee") == []


def test_the_same_label_again_adds_nothing_but_a_change_of_mind_does(home: Home) -> None:
    append(home, draft())
    later = draft(at="2026-03-01T00:00:00Z")
    assert append(home, later, later) == []
    assert [event.seq for event in append(home, draft(critical=False), draft(critical=True))] == [2, 3]
    assert [event.seq for event in append(home, draft(who="bob"), draft(source="human"))] == [4, 5]


def test_the_order_in_which_deviations_are_named_says_nothing(home: Home) -> None:
    named = [{"type": "freeze"}, {"type": "missing_step", "steps": ["pour"]}]
    assert len(append(home, draft(seen=named), draft(seen=[*named[::-1], named[0]]))) == 1


def test_a_rater_who_settles_as_well_keeps_both_labels(home: Home) -> None:
    both = [draft(critical=True), draft(critical=False, adjudicates=True)]
    assert len(append(home, *both)) == 2
    assert append(home, *both) == []


def test_tasks_have_chains_of_their_own(home: Home) -> None:
    other = Draft.model_validate({**draft().model_dump(), "task_id": "coffee"})
    assert [event.seq for event in append(home, draft(), other)] == [1, 1]
    assert [len(read_chain(home, task)) for task in (TASK, "coffee")] == [1, 1]


def test_anybody_can_compute_the_hash_of_an_event(home: Home) -> None:
    fields = append(home, draft(note="é"))[0].as_dict()
    event_id = fields.pop("event_id")
    text = json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == event_id


WRITER = """
import sys
from sopilot_assets.labels.chain import append_events
from sopilot_assets.labels.events import Draft
from sopilot_assets.store.home import Home
home, who, at = Home.at(sys.argv[1]), sys.argv[2], sys.argv[3]
for number in range(6):
    drafts = [
        Draft(task_id="tea", key=f"job-{number}", who=who, at=at, source="human", critical_expected=critical)
        for critical in (True, None)
    ]
    append_events(home, drafts, run_id="test", written_at=at)
"""


def test_writers_at_the_same_time_do_not_fork_the_chain(home: Home) -> None:
    root = Path(__file__).parents[2]
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(home.root), who, AT], cwd=root)
        for who in ("ann", "bob", "cyd")
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    chain = read_chain(home, TASK)
    assert [event.seq for event in chain] == list(range(1, 37))
    for who in ("ann", "bob", "cyd"):
        assert [event.key for event in chain if event.who == who] == [f"job-{n // 2}" for n in range(12)]


@given(chains())
def test_an_untouched_chain_is_verified(rows: list[dict[str, Any]]) -> None:
    assert [event.as_dict() for event in CHAIN.verified(rows, name="x")] == rows


@settings(max_examples=150)
@given(chains(), st.data())
def test_the_first_event_that_was_touched_is_named(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(rows) - 1))
    how = data.draw(st.sampled_from(["change", "rehash", "drop", "swap", "double", "strip"]))
    if how in ("drop", "rehash", "swap"):
        at = min(at, len(rows) - 2)
    changed = [dict(row) for row in rows]
    if how == "change":
        changed[at]["note"] += "!"
    elif how == "rehash":
        other = draft("job-77")
        changed[at] = place(other, seq=at + 1, previous_hash=changed[at]["previous_hash"]).as_dict()
    elif how == "drop":
        del changed[at]
    elif how == "swap":
        changed[at : at + 2] = changed[at + 1], changed[at]
    elif how == "double":
        changed.insert(at, changed[at])
    else:
        changed[at]["event_id"] = ""
    named = {"rehash": at + 2, "double": at + 2}.get(how, at + 1)
    with pytest.raises(LabelError, match=rf"^x: event {named} "):
        CHAIN.verified(changed, name="x")


def files(home: Home) -> list[Path]:
    """The ledger's files by their first event."""
    found = [Path(name) for name in labels_ledger(home).files()]
    return sorted(found, key=lambda path: int(pd.read_parquet(path)["seq"].min()))


def three_files(home: Home) -> list[Path]:
    for number in range(3):
        append(home, draft(f"job-{number}"))
    return files(home)


def edit(path: Path) -> None:
    frame = pd.read_parquet(path)
    frame["critical_expected"] = False
    frame.to_parquet(path)


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize(
    ("touch", "says"),
    [
        (Path.unlink, "dropped"),
        (edit, "changed after it was written"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "cannot be read"),
    ],
    ids=["drop", "edit", "cut"],
)
def test_a_touched_ledger_is_refused_for_reading_and_writing(
    home: Home, which: int, touch: Callable[[Path], Any], says: str
) -> None:
    touch(three_files(home)[which])
    with pytest.raises(LabelError, match=says):
        read_chain(home, TASK)
    before = files(home) if says != "cannot be read" else []
    with pytest.raises(LabelError, match=says):
        append(home, draft("job-9"))
    assert not before or files(home) == before


@pytest.mark.parametrize("which", [0, 1, 2])
def test_an_event_that_is_put_in_beside_another_is_noticed_by_who_read_them_before(
    home: Home, which: int
) -> None:
    path = three_files(home)[which]
    assert len(read_chain(home, TASK)) == 3
    frame = pd.read_parquet(path)
    frame["row_id"] = "0" * 64
    frame.to_parquet(path.with_name(f"z{path.name}"))
    with pytest.raises(LabelError, match="dropped, added or reordered"):
        read_chain(home, TASK)
    path.with_name(f"z{path.name}").unlink()
    assert len(read_chain(home, TASK)) == 3


def test_a_lost_folder_is_noticed(home: Home) -> None:
    for path in three_files(home):
        path.unlink()
    with pytest.raises(LabelError, match=r"expected event 3 .* found 0 events"):
        read_chain(home, TASK)


def test_a_writer_that_died_before_noting_the_head_does_no_harm(home: Home) -> None:
    append(home, draft("job-1"))
    head = local_path(home.ledgers) / f"labels.{TASK}.head"
    noted = head.read_text("utf-8")
    append(home, draft("job-2"))
    head.write_text(noted, "utf-8")
    assert [event.seq for event in append(home, draft("job-3"))] == [3]
    assert len(read_chain(home, TASK)) == 3


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"who": "ann lee"}, "who"),
        ({"who": ""}, "who"),
        ({"at": "2026-02-23"}, "UTC"),
        ({"at": "2026-02-23T09:30:00"}, "UTC"),
        ({"critical": "yes"}, "critical_expected"),
        ({"source": "guess"}, "source"),
        ({"verdict": "agree"}, "findings in view"),
        ({"deviations": [{"type": "freeze", "agree": True}]}, "findings in view"),
        ({"source": "prefill", "adjudicates": True}, "only a person"),
        ({"seen": [{"type": "slip"}]}, "type"),
        ({"key": "Job 1"}, "key"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_label_that_says_what_it_cannot_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        draft(**fields)


def test_times_are_kept_in_utc() -> None:
    assert draft(at="2026-02-23T18:30:00+09:00").at == AT
