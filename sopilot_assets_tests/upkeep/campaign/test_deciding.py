"""No cycle is launched twice, and none is lost without being counted, whatever the clock does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopilot_assets.upkeep.campaign.deciding import Act, CampaignState, NextAct, decide
from sopilot_assets.upkeep.campaign.records import CycleOutcome
from sopilot_assets_tests.upkeep.campaign.plans import plan

RUN, SKIPPED, MISSED = (one.value for one in (CycleOutcome.RUN, CycleOutcome.SKIPPED, CycleOutcome.MISSED))


def decided(
    elapsed_s: float,
    *,
    settled: dict[int, str] | None = None,
    under_way: dict[int, bool] | None = None,
    stop: bool = False,
) -> NextAct:
    return decide(plan(), CampaignState(settled or {}, under_way or {}, stop), elapsed_s=elapsed_s)


@pytest.mark.parametrize(
    ("elapsed_s", "settled", "under_way", "act", "cycle", "missed"),
    [
        (0.0, {}, {}, Act.LAUNCH, 0, ()),
        (59.9, {}, {0: True}, Act.WAIT, None, ()),
        (60.0, {}, {0: True}, Act.SKIP, 1, ()),
        (60.0, {0: RUN}, {0: False}, Act.LAUNCH, 1, ()),
        (90.0, {0: RUN, 1: SKIPPED}, {0: False}, Act.WAIT, None, ()),
        (185.0, {0: RUN}, {}, Act.LAUNCH, 3, (1, 2)),
        (70.0, {0: RUN, 5: RUN}, {}, Act.WAIT, None, ()),
        (-5.0, {}, {}, Act.WAIT, None, ()),
        (600.0, dict.fromkeys(range(10), RUN), {}, Act.END, None, ()),
        (600.0, dict.fromkeys(range(9), RUN), {9: True}, Act.WAIT, None, ()),
        (9999.0, dict.fromkeys(range(8), RUN), {}, Act.END, None, (8, 9)),
    ],
)
def test_what_is_next(
    elapsed_s: float,
    settled: dict[int, str],
    under_way: dict[int, bool],
    act: Act,
    cycle: int | None,
    missed: tuple[int, ...],
) -> None:
    found = decided(elapsed_s, settled=settled, under_way=under_way)
    assert (found.act, found.cycle) == (act, cycle)
    assert found.missed == missed


def test_a_stop_ends_the_campaign_once_nothing_is_under_way() -> None:
    assert decided(70.0, under_way={1: True}, stop=True).act is Act.WAIT
    ended = decided(70.0, under_way={1: False}, stop=True)
    assert (ended.act, ended.ending, ended.missed) == (Act.END, "stop", ())


def test_a_clock_that_went_back_is_named() -> None:
    assert "the clock went back" in decided(70.0, settled={5: RUN}).why


STEPS = st.lists(
    st.tuples(
        st.floats(min_value=-400, max_value=400),  # what the clock does until the next look
        st.booleans(),  # whether what is under way ends before it
        st.booleans(),  # whether anybody looks
    ),
    max_size=60,
)


@given(STEPS)
def test_every_cycle_has_one_end_whatever_the_clock_does(steps: list[tuple[float, bool, bool]]) -> None:
    campaign, elapsed_s, launched = plan(), 0.0, []
    settled: dict[int, str] = {}
    under_way: dict[int, bool] = {}

    def look(at_s: float) -> NextAct:
        found = decide(campaign, CampaignState(settled, under_way), elapsed_s=at_s)
        for cycle in found.missed:
            assert cycle not in settled
            settled[cycle] = MISSED
        if found.act is Act.SKIP and found.cycle is not None:
            assert found.cycle not in settled
            settled[found.cycle] = SKIPPED
        if found.act is Act.LAUNCH and found.cycle is not None:
            assert found.cycle not in settled
            assert not any(under_way.values())
            launched.append(found.cycle)
            under_way[found.cycle] = True
        return found

    for moved_s, ends, looked in steps:
        if looked:
            look(elapsed_s)
        if ends:
            settled |= {cycle: RUN for cycle, unfinished in under_way.items() if unfinished}
            under_way = dict.fromkeys(under_way, False)
        elapsed_s += moved_s
    settled |= {cycle: RUN for cycle, unfinished in under_way.items() if unfinished}
    under_way = dict.fromkeys(under_way, False)
    assert look(campaign.duration_s).act is Act.END
    assert launched == sorted(set(launched))
    assert sorted(settled) == list(range(campaign.cycles))
    assert {cycle for cycle, outcome in settled.items() if outcome == RUN} == set(launched)
