"""What promotions did to decisions: which recordings are compared, and what is said of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from sopilot_assets.capture.promotions import (
    PromotionChange,
    PromotionDraft,
    PromotionEvent,
    promotions_chain,
)
from sopilot_assets.labels.chain import append_events, read_chain
from sopilot_assets.labels.events import Draft, Source
from sopilot_assets.reference.ledger import COLUMNS as REFERENCE_COLUMNS
from sopilot_assets.reference.ledger import references_ledger
from sopilot_assets.scoring.ledger import COLUMNS as SCORE_COLUMNS
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.settings import AuditSettings
from sopilot_assets.stations.gold_effects import GoldEffect, GoldRound, gold_effect, gold_rounds
from sopilot_assets.stations.gold_history import promotions_of, references_made
from sopilot_assets.store.compaction import compact_ledgers
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell

TASK = "filter_change"
ALL = AuditSettings(share=1.0)
Decisions = Mapping[int, str | Mapping[str, Cell]]


def moment(day: int) -> str:
    return f"2026-03-{day:02d}T08:00:00+00:00"


def key(number: int) -> str:
    return f"{TASK}-t-{number:012x}"


def judge(home: Home, decisions: Decisions, *, day: int, reference: str) -> None:
    """Rows of scores: a decision, or more of the row, for each recording by number; two of each person."""
    rows: list[dict[str, Cell]] = []
    for number, said in decisions.items():
        more = {"decision": said} if isinstance(said, str) else said
        own: dict[str, Cell] = {
            "key": key(number),
            "video_id": f"{number:012x}",
            "task_id": TASK,
            "role": "trainee",
            "person": f"p{number // 2}",
            "reference_id": reference,
            "algorithm": "1",
            "decided_by": "golds",
        }
        rows.append({**dict.fromkeys(SCORE_COLUMNS), **own, **more})
    scores_ledger(home).append(rows, run_id=f"scores-{day}", written_at=moment(day))


def refer(home: Home, reference: str, *promoted: int, day: int) -> None:
    """A reference that was made of four golds and the promoted ones."""
    row: dict[str, Cell] = {
        **dict.fromkeys(REFERENCE_COLUMNS),
        "task_id": TASK,
        "reference_id": reference,
        "golds": 4 + len(promoted),
        "persons": 1 + len(promoted),
        "promoted": ",".join(map(key, promoted)) or None,
    }
    references_ledger(home).append([row], run_id=reference, written_at=moment(day))


def change(home: Home, number: int, what: PromotionChange, *, day: int) -> PromotionEvent:
    """Somebody promotes a recording or takes it back."""
    steps = [{"step": "wipe_seat", "start_s": 0.0, "end_s": 1.0}] if what is PromotionChange.PROMOTE else []
    draft = PromotionDraft.model_validate(
        {
            "task_id": TASK,
            "key": key(number),
            "who": "tess",
            "at": moment(day),
            "change": what,
            "why": "looked at",
            "steps": steps,
        }
    )
    (event,) = promotions_chain(home).append([draft], run_id=f"{number}", written_at=moment(day))
    return event


def rounds(home: Home) -> tuple[GoldRound, ...]:
    return gold_rounds(promotions_of(home, TASK), references_made(home, TASK))


def effect(home: Home, *, active: Iterable[int] = range(100), audit: AuditSettings = ALL) -> GoldEffect:
    """The effect of the newest round."""
    found = gold_effect(
        home, rounds(home)[0], read_chain(home, TASK), audit, active=[key(one) for one in active]
    )
    assert found is not None
    return found


BEFORE: Decisions = {0: "pass", 1: "needs_review", 2: "not_verifiable", 3: "fail", 4: "pass", 5: "retrain"}


@pytest.fixture
def promoted(home: Home) -> Home:
    """Six recordings judged by four golds; then number 0 was promoted, and the others were judged again."""
    refer(home, "r1", day=1)
    judge(home, BEFORE, day=2, reference="r1")
    change(home, 0, PromotionChange.PROMOTE, day=3)
    refer(home, "r2", 0, day=4)
    after = {1: "pass", 2: "fail", 3: "fail", 4: "needs_review", 5: "retrain"}
    judge(home, {0: {"decision": "pass", "role": "gold"}, **after}, day=5, reference="r2")
    return home


def test_the_same_recordings_are_compared_without_those_that_became_golds(promoted: Home) -> None:
    judge(promoted, {9: "pass"}, day=6, reference="r2")  # came in later
    found = effect(promoted)
    assert (found.before.decided.n, found.before.decided_count, found.before.left) == (5, 3, 2)
    assert (found.after.decided_count, found.after.left) == (4, 1)
    assert (found.newly_decided, found.newly_left) == (2, 1)
    assert (found.before.passes, found.after.passes) == (1, 1)
    assert (found.people, found.few, found.waiting, found.also) == (3, True, 0, ())
    share = found.after.decided
    assert share.low is not None
    assert share.high is not None
    assert share.low < 4 / 5 < share.high


def test_what_counts_no_more_and_other_work_are_left_out(promoted: Home) -> None:
    assert effect(promoted, active=(0, 1, 2)).before.decided.n == 2
    judge(promoted, {7: {"decision": "not_verifiable", "shows_task": False}}, day=2, reference="r1")
    judge(promoted, {7: {"decision": "not_verifiable", "problem": "gone"}}, day=5, reference="r2")
    assert effect(promoted).before.decided.n == 5


def test_rows_from_before_are_still_there_after_ledgers_were_merged(promoted: Home) -> None:
    before = effect(promoted)
    assert compact_ledgers(promoted.ledgers, at_least=2)
    assert effect(promoted) == before


def test_passes_missed_are_those_that_the_audit_found_each_time(promoted: Home) -> None:
    blind = [(1, True), (4, False), (2, True)]
    drafts = [
        Draft(
            task_id=TASK,
            key=key(number),
            who="ann",
            at=moment(6),
            source=Source.BLIND_HUMAN,
            critical_expected=critical,
        )
        for number, critical in blind
    ]
    append_events(promoted, drafts, run_id="labels", written_at=moment(6))
    found = effect(promoted)
    assert (found.before.missed_count, found.before.missed.n) == (0, 1)  # 4 passed, and is right
    assert (found.after.missed_count, found.after.missed.n) == (1, 1)  # 1 passes now, and is not
    nobody = effect(promoted, audit=AuditSettings(share=0.0))
    assert (nobody.after.missed.n, nobody.after.missed.point) == (0, None)


def test_what_else_changed_between_the_two_is_named(promoted: Home) -> None:
    changed: dict[str, Cell] = {"decision": "pass", "decided_by": "policy x", "algorithm": "2"}
    judge(promoted, {6: "pass"}, day=2, reference="r1")
    judge(promoted, {6: changed}, day=5, reference="r2")
    assert effect(promoted).also == ("algorithm", "decided_by")


def test_what_was_not_judged_again_yet_waits(promoted: Home) -> None:
    judge(promoted, {8: "pass", 10: "fail"}, day=2, reference="r1")
    assert effect(promoted).waiting == 2


def test_a_policy_adopted_afterwards_does_not_change_what_a_promotion_did(promoted: Home) -> None:
    before = effect(promoted)
    judge(promoted, {1: {"decision": "needs_review", "decided_by": "policy x"}}, day=8, reference="r2")
    assert effect(promoted) == before


def test_changes_before_one_reference_are_one_round_and_the_newest_comes_first(promoted: Home) -> None:
    change(promoted, 1, PromotionChange.PROMOTE, day=6)
    change(promoted, 0, PromotionChange.DEMOTE, day=7)
    newest, first = rounds(promoted)
    assert newest.reference is None
    assert [one.key for one in newest.changes] == [key(1), key(0)]
    assert (first.reference or references_made(promoted, TASK)[0]).reference_id == "r2"
    assert gold_effect(promoted, newest, [], ALL, active=[]) is None
    refer(promoted, "r3", 1, day=8)
    newest, _ = rounds(promoted)
    assert newest.reference is not None
    assert newest.reference.reference_id == "r3"


def test_what_was_taken_back_before_anything_was_made_of_it_is_no_change(promoted: Home) -> None:
    change(promoted, 1, PromotionChange.PROMOTE, day=6)
    change(promoted, 1, PromotionChange.DEMOTE, day=7)
    assert [[one.key for one in found.changes] for found in rounds(promoted)] == [[key(0)]]


def test_a_reference_that_was_being_made_already_is_not_taken_for_that_of_a_promotion(home: Home) -> None:
    refer(home, "r1", day=1)
    change(home, 0, PromotionChange.PROMOTE, day=2)
    refer(home, "marks", day=3)  # a run that had read the golds before
    refer(home, "r2", 0, day=4)
    (found,) = rounds(home)
    assert found.reference is not None
    assert found.reference.reference_id == "r2"
