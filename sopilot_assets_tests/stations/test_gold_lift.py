"""What one more gold would lift, said with numbers."""

from __future__ import annotations

from sopilot_assets.capture.facts import withdraw_recordings
from sopilot_assets.capture.registry import Registry
from sopilot_assets.stations.gold_candidates import GoldCandidate
from sopilot_assets.stations.gold_lift import GoldsNow, LeftToPerson, golds_now, lifts
from sopilot_assets.store.home import Home
from sopilot_assets_tests.stations.test_gold_promotions import BEGIN, TASK, trainees


def candidate(home: Home, *, new_person: bool | None, new_site: bool) -> GoldCandidate:
    return GoldCandidate(Registry.read(home)[trainees(home)[0]], new_person, new_site, None)


def test_what_is_left_to_people_is_counted_by_site(scored: Home) -> None:
    registry = Registry.read(scored)
    now = golds_now(scored, {TASK: registry.golds(TASK)})[TASK]
    assert (now.golds, len(now.persons), now.sites) == (3, 3, {"site_a"})
    assert now.everywhere.judged == 3
    assert now.everywhere == now.where_golds_are_from
    taken = [str(trainees(scored)[0])]
    withdraw_recordings(scored, taken, who="ann", why="not the task", at=BEGIN, run_id="r")
    assert golds_now(scored, {TASK: registry.golds(TASK)})[TASK].everywhere.judged == 2


def test_persons_and_sites_are_said_with_numbers(scored: Home) -> None:
    sites = {"site_a": LeftToPerson(5, 7), "site_b": LeftToPerson(1, 9)}
    elsewhere = GoldsNow(2, {"p91"}, {"site_b"}, sites)
    person, site = lifts(elsewhere, candidate(scored, new_person=True, new_site=True))
    code = Registry.read(scored)[trainees(scored)[0]].person
    assert person.en == f"{code} is in no gold: the golds show 1 person now, and 2 with it."
    assert "1 人から 2 人に増えます" in person.ja
    assert site.en == (
        "No gold is from site_a: 5 of 7 recordings from site_a are left to a person, "
        "1 of 9 where golds are from."
    )
    assert "録画 7 件のうち 5 件が人の確認待ち" in site.ja
    here = GoldsNow(2, {"p91", "p92"}, {"site_a"}, sites)
    person, site = lifts(here, candidate(scored, new_person=False, new_site=False))
    assert person.en == f"{code} is in a gold already; the golds show 2 people."
    assert site.en == "5 of 7 recordings from site_a are left to a person."
    person, _ = lifts(here, candidate(scored, new_person=None, new_site=False))
    assert "of no further person" in person.en
