"""How findings fare with the people who check them."""

from __future__ import annotations

import math

import pytest

from sopilot_assets.labels.events import Agreement, Draft, LabelEvent, Seen, Source, place
from sopilot_assets.labels.findings import finding_agreement
from sopilot_assets.store.chain import NO_EVENT
from sopilot_assets.tasks import DeviationType

MISSING, SWAP = DeviationType.MISSING_STEP, DeviationType.ORDER_SWAP


def chain(*drafts: Draft) -> list[LabelEvent]:
    events: list[LabelEvent] = []
    for draft in drafts:
        previous = events[-1].event_id if events else NO_EVENT
        events.append(place(draft, seq=len(events) + 1, previous_hash=previous))
    return events


def checked(key: str, *found: Agreement, who: str = "ann", seen: tuple[Seen, ...] = ()) -> Draft:
    return Draft(
        task_id="oil",
        key=key,
        who=who,
        at="2026-01-01T08:00:00+00:00",
        source=Source.HUMAN,
        critical_expected=True,
        deviations=found,
        seen=seen,
    )


def test_each_type_counts_what_was_confirmed_refused_and_overlooked() -> None:
    events = chain(
        checked("a", Agreement(type=MISSING, steps=("fill",), agree=True), Agreement(type=SWAP, agree=False)),
        checked("b", Agreement(type=MISSING, agree=True), seen=(Seen(type=SWAP),)),
        checked("c", Agreement(type=MISSING, agree=None)),
        checked("d", Agreement(type=MISSING, agree=False)),
    )
    table = finding_agreement(events).set_index("type")
    missing = table.loc["missing_step"]
    assert (missing["confirmed"], missing["refused"], missing["unsure"]) == (2, 1, 1)
    assert missing["precision"] == pytest.approx(2 / 3)
    assert missing["low"] < 2 / 3 < missing["high"]
    assert (table.loc["order_swap", "refused"], table.loc["order_swap", "overlooked"]) == (1, 1)


def test_the_newest_word_of_each_person_counts() -> None:
    events = chain(
        checked("a", Agreement(type=MISSING, agree=True)),
        checked("a", Agreement(type=MISSING, agree=False)),
        checked("a", Agreement(type=MISSING, agree=True), who="bob"),
    )
    (row,) = finding_agreement(events).to_dict("records")
    assert (row["confirmed"], row["refused"]) == (1, 1)


def test_a_type_that_was_only_overlooked_has_no_precision() -> None:
    (row,) = finding_agreement(chain(checked("a", seen=(Seen(type=SWAP),)))).to_dict("records")
    assert (row["overlooked"], row["confirmed"]) == (1, 0)
    assert math.isnan(row["precision"])


def test_blind_labels_say_nothing_of_findings() -> None:
    blind = Draft(
        task_id="oil",
        key="a",
        who="ann",
        at="2026-01-01T08:00:00+00:00",
        source=Source.BLIND_HUMAN,
        critical_expected=True,
        seen=(Seen(type=SWAP),),
    )
    assert finding_agreement(chain(blind)).empty
