"""What all labels of a recording say together."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopilot_assets.errors import LabelError
from sopilot_assets.labels.events import Draft, LabelEvent, Source, place
from sopilot_assets.labels.state import STATE_COLUMNS, Coverage, label_coverage, label_state
from sopilot_assets.store.chain import chain_head
from sopilot_assets_tests.labels.made_up import draft


def events(*drafts: Draft) -> list[LabelEvent]:
    """The labels as a chain."""
    chain: list[LabelEvent] = []
    for one in drafts:
        head = chain_head(chain)
        chain.append(place(one, seq=head.seq + 1, previous_hash=head.event_id))
    return chain


def state(*drafts: Draft, sources: Sequence[str] = tuple(Source)) -> dict[str, Any]:
    """The state of the only recording."""
    (row,) = label_state(events(*drafts), sources).to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_the_strongest_source_decides_in_any_order() -> None:
    said = [
        draft(who="prefill", critical=True, source="prefill"),
        draft(who="old", critical=False, source="imported"),
        draft(who="bob", critical=True, source="human"),
        draft(who="ann", critical=False, source="blind_human"),
    ]
    expected = [1.0, 0.0, 1.0, 0.0]
    for count, order in itertools.product(range(1, 5), (1, -1)):
        found = state(*said[:count][::order])
        assert (found["expected"], found["label_source"]) == (expected[count - 1], said[count - 1].source)
        assert found["raters"] == 1
    assert state(*said, sources=["prefill", "imported"])["label_source"] == "imported"


def test_the_newest_label_of_each_person_counts() -> None:
    found = state(draft(critical=True), draft(who="bob", critical=False), draft(critical=False))
    assert (found["expected"], found["raters"], found["rater_ids"], found["events"]) == (0, 2, "ann,bob", 3)
    assert not found["disagree"]


def test_disagreement_is_unknown_until_it_is_settled() -> None:
    said = [draft(critical=True), draft(who="bob", critical=False)]
    found = state(*said)
    assert np.isnan(found["expected"])
    assert (found["disagree"], found["adjudicated"]) == (True, False)
    settled = state(*said, draft(who="chief", critical=False, adjudicates=True), draft(who="cyd"))
    assert (settled["expected"], settled["disagree"], settled["adjudicated"]) == (0, False, True)
    assert settled["rater_ids"] == "ann,bob,cyd"


def test_a_disagreement_is_not_settled_by_somebody_of_a_weaker_source() -> None:
    chief = draft(who="chief", critical=False, adjudicates=True, source="human")
    assert state(draft(critical=True), draft(who="bob", critical=False), chief)["disagree"]


def test_who_cannot_say_contradicts_nobody() -> None:
    assert state(draft(critical=None), draft(who="bob", critical=True))["expected"] == 1
    nobody = state(draft(critical=None))
    assert np.isnan(nobody["expected"])
    assert not nobody["disagree"]


def test_a_blind_label_after_the_findings_were_seen_is_not_blind() -> None:
    seen_before = [draft(source="human", critical=True), draft(critical=False)]
    assert state(*seen_before)["label_source"] == "human"
    assert state(*seen_before)["expected"] == 0
    assert label_state(events(*seen_before), ["blind_human"]).empty
    assert state(*seen_before[::-1])["label_source"] == "blind_human"
    assert state(seen_before[0], draft(who="bob"))["label_source"] == "blind_human"


def test_no_labels_make_an_empty_table_of_the_same_columns() -> None:
    empty = label_state([])
    assert empty.dtypes.astype(str).to_dict() == dict(STATE_COLUMNS)


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(LabelError, match="guess"):
        label_state([], ["guess"])


DRAFTS = st.lists(
    st.builds(
        draft,
        key=st.sampled_from(["job-1", "job-2", "job-3"]),
        who=st.sampled_from(["ann", "bob", "cyd"]),
        critical=st.sampled_from([True, False, None]),
        source=st.sampled_from(["blind_human", "human"]),
        adjudicates=st.booleans(),
    ),
    max_size=12,
)


@given(DRAFTS)
def test_one_row_a_recording_and_weaker_sources_never_change_what_is_known(drafts: list[Draft]) -> None:
    found = label_state(events(*drafts))
    assert list(found["key"]) == sorted({one.key for one in drafts})
    guesses = [draft(key, "prefill", source="prefill") for key in ("job-1", "job-2", "job-3")]
    more = label_state(events(*drafts, *guesses))
    of_people = more[more["key"].isin(found["key"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(of_people.drop(columns="events"), found.drop(columns="events"))
    assert not (found["disagree"] & found["expected"].notna()).any()


def test_coverage_counts_every_recording_once() -> None:
    chain = events(
        draft("job-1", critical=True),
        draft("job-1", who="bob", critical=True),
        draft("job-2", critical=False, source="human"),
        draft("job-3", critical=None),
        draft("job-4", critical=True),
        draft("job-4", who="bob", critical=False),
        draft("job-99"),
    )
    assert label_coverage(label_state(chain), [f"job-{n}" for n in range(1, 7)]) == Coverage(
        recordings=6,
        labelled=2,
        positives=1,
        negatives=1,
        blind=1,
        two_raters=2,
        cannot_say=1,
        disputed=1,
        unlabelled=2,
        unknown_keys=1,
    )
