"""Blind labels given one by one: whose turn is what, and that nothing is lost, doubled or overwritten."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from sopilot_assets.capture.registry import Recording, registered_recording
from sopilot_assets.errors import LabelError
from sopilot_assets.evidence.blind_labels import BlindAnswer, blind_queues, give_blind_label
from sopilot_assets.evidence.results import Results
from sopilot_assets.evidence.study import PLAN
from sopilot_assets.labels.chain import append_events, read_chain
from sopilot_assets.labels.events import LabelEvent, Source
from sopilot_assets.labels.queues import LabelQueue, TaskLabels
from sopilot_assets.labels.recordings import by_key, recordings_to_label
from sopilot_assets.labels.sheet_files import read_sheet, write_sheet
from sopilot_assets.labels.sheets import sheet_drafts, write_template
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.publish import publish_text
from sopilot_assets.tasks import TaskSpec, load_task
from sopilot_assets_tests.capture.removed import note_removed
from sopilot_assets_tests.labels.made_up import AT, TASK, append, draft, register

NAMES = tuple(f"take_{n}.mp4" for n in range(8))
LATER = "2026-02-23T10:00:00+00:00"


@pytest.fixture
def keys(home: Home) -> list[str]:
    """Eight recordings of which chance picks none."""
    publish_text(home.root / "settings.yaml", "audit:\n  share: 0.0\n")
    return register(home, *NAMES)


def task_of(home: Home) -> TaskSpec:
    return load_task(home.tasks / f"{TASK}.yaml")


def recording_of(home: Home, key: str) -> Recording:
    found = registered_recording(home, PartitionKey.parse(key))
    assert found is not None
    return found


def give(
    home: Home, key: str, who: str, said: BlindAnswer | str = "no", *, at: str = LATER
) -> LabelEvent | None:
    answer = BlindAnswer(said) if isinstance(said, str) else said
    return give_blind_label(home, task_of(home), recording_of(home, key), answer, who=who, at=at)


def plan(home: Home, study: str, *rows: tuple[str, str]) -> None:
    """Publish a labeling plan of these actions and keys."""
    lines = [f"{rank},{action},{key}" for rank, (action, key) in enumerate(rows, start=1)]
    text = "\n".join(["rank,action,case_id", *lines, ""])
    Results(home, study).publish("plans", {PLAN: text.encode()}, made_from=(), run_id="p", written_at=AT)


def labels(home: Home) -> TaskLabels:
    return blind_queues(home)[TASK]


def queue(home: Home, who: str) -> LabelQueue:
    return labels(home).queue(who)


def test_a_plan_is_asked_for_in_its_order_and_nothing_else(home: Home, keys: list[str]) -> None:
    plan(home, "spring", ("label", keys[3]), ("second_rater", keys[5]), ("adjudicate", keys[6]))
    assert queue(home, "ann").in_order() == [keys[3], keys[5]]
    plan(home, "summer", ("relabel_blind", keys[1]), ("label", keys[5]))
    assert queue(home, "ann").in_order()[-1] == keys[5]
    assert set(queue(home, "ann").in_order()) == {keys[1], keys[3], keys[5]}


def test_one_label_is_enough_but_where_the_plan_asks_twice(home: Home, keys: list[str]) -> None:
    plan(home, "spring", ("label", keys[0]), ("second_rater", keys[1]))
    for key in keys[:2]:
        give(home, key, "ann")
    assert queue(home, "ann").asked == frozenset()
    assert queue(home, "bob").asked == {keys[1]}
    assert [(one.given, one.to_give) for one in labels(home).progress(["bob", "cyd"])] == [
        (2, 0),
        (0, 1),
        (0, 1),
    ]
    give(home, keys[1], "bob", "unsure")
    assert [(one.who, one.given) for one in labels(home).progress()] == [("ann", 2), ("bob", 1)]
    assert queue(home, "cyd").asked == frozenset()


def test_a_plan_that_was_changed_afterwards_asks_for_nothing(home: Home, keys: list[str]) -> None:
    plan(home, "spring", ("label", keys[0]))
    publish_text(home.study("spring") / PLAN, f"rank,action,case_id\n1,label,{keys[4]}\n")
    assert queue(home, "ann").asked == frozenset()


def test_what_chance_picks_is_asked_for_whatever_was_decided(home: Home, keys: list[str]) -> None:
    publish_text(home.root / "settings.yaml", "audit:\n  share: 1.0\n")
    assert queue(home, "ann").asked == set(keys)
    plan(home, "spring", ("label", keys[7]))
    assert queue(home, "ann").in_order()[0] == keys[7], "plans come first"


def test_what_nobody_asked_for_is_offered_until_two_people_labeled_it(home: Home, keys: list[str]) -> None:
    assert (queue(home, "ann").asked, queue(home, "ann").others) == (frozenset(), set(keys))
    for key in keys:
        give(home, key, "ann")
    assert queue(home, "ann").others == frozenset()
    assert queue(home, "bob").others == set(keys)
    give(home, keys[0], "bob")
    assert queue(home, "cyd").others == set(keys[1:])


def test_nobody_is_asked_to_label_what_has_no_video_any_more(home: Home, keys: list[str]) -> None:
    publish_text(home.root / "settings.yaml", "audit:\n  share: 1.0\n")
    plan(home, "spring", ("label", keys[0]))
    assert queue(home, "ann").asked == set(keys)
    note_removed(home, keys[:2], at=AT)
    assert queue(home, "ann").asked == set(keys[2:])
    publish_text(home.root / "settings.yaml", "audit:\n  share: 0.0\n")
    assert (queue(home, "ann").asked, queue(home, "ann").others) == (frozenset(), set(keys[2:]))
    publish_text(home.root / "settings.yaml", "audit:\n  share: 1.0\n")
    assert labels(home).open == set(keys[2:])


def test_each_person_has_an_order_of_their_own_in_which_what_was_skipped_comes_last(
    home: Home, keys: list[str]
) -> None:
    orders = {who: queue(home, who).in_order(others=True) for who in ("ann", "bob", "cyd")}
    assert len({tuple(order) for order in orders.values()}) == 3
    first, second, *rest = orders["ann"]
    assert queue(home, "ann").in_order(after=first, others=True) == [second, *rest, first]
    give(home, second, "ann")  # what was skipped does not come back at once
    assert queue(home, "ann").in_order(after=second, others=True) == [*rest, first]


def test_who_said_something_of_the_result_is_not_asked_blind(home: Home, keys: list[str]) -> None:
    plan(home, "spring", ("label", keys[0]))
    append(home, draft(keys[0], "ann", True, source="human"))
    assert queue(home, "ann").asked == frozenset()
    assert queue(home, "bob").asked == {keys[0]}


def test_a_dispute_waits_for_somebody_else(home: Home, keys: list[str]) -> None:
    publish_text(home.root / "settings.yaml", "audit:\n  share: 1.0\n")
    append(home, draft(keys[0], "ann", True), draft(keys[0], "bob", False))
    append(
        home, draft(keys[0], "eve", True, source="human"), draft("job-1", "ann"), draft("job-1", "bob", False)
    )
    found = labels(home)
    assert {who: [one.key for one in found.may_settle(who)] for who in ("ann", "bob", "cyd", "eve")} == {
        "ann": [],
        "bob": [],
        "cyd": [keys[0]],
        "eve": [],
    }
    assert keys[0] not in found.queue("cyd").asked, "as one more label it would settle nothing"
    give(home, keys[0], "cyd", BlindAnswer("yes", settles=True))
    assert labels(home).may_settle("dan") == []
    assert labels(home).progress_of("cyd").given == 0, "who settles is no rater"


def test_a_sheet_and_a_single_answer_are_the_same_event(home: Home, keys: list[str], tmp_path: Path) -> None:
    other = Home.at(tmp_path / "other")
    register(other, *NAMES)
    answers = {
        keys[0]: BlindAnswer("yes", ("missing_step:pour@12.4", "freeze@3"), "カップがない, twice"),
        keys[1]: BlindAnswer("no", (), ""),
        keys[2]: BlindAnswer("unsure", ("order_swap:pour+stir",), "dark"),
    }
    path, recordings = tmp_path / "ann.csv", recordings_to_label(other, TASK)
    write_template(path, recordings, source=Source.BLIND_HUMAN, who="ann")
    sheet = read_sheet(path)
    rows = [
        {**row.cells, "critical_expected": said.critical, "seen": " ".join(said.seen), "note": said.note}
        for key, said in answers.items()
        for row in sheet.rows
        if row.cells["key"] == key
    ]
    write_sheet(path, sheet.columns, rows)
    steps, known = task_of(other).step_ids, by_key(recordings)
    drafts = sheet_drafts(read_sheet(path), task_id=TASK, steps=steps, recordings=known, at=LATER)
    append_events(other, drafts, run_id="sheet", written_at=LATER)
    for key, said in answers.items():
        give(home, key, "ann", said)
    assert read_chain(home, TASK) == read_chain(other, TASK)


def test_what_is_sent_twice_is_one_event(home: Home, keys: list[str]) -> None:
    said = BlindAnswer("yes", ("freeze@3",), "cup")
    assert give(home, keys[0], "ann", said) is not None
    assert give(home, keys[0], "ann", said) is None
    assert len(read_chain(home, TASK)) == 1


def test_a_correction_is_a_new_event_and_both_stay(home: Home, keys: list[str]) -> None:
    first = give(home, keys[0], "ann", "yes")
    assert first is not None
    second = give(home, keys[0], "ann", BlindAnswer("no", before=first.event_id))
    assert read_chain(home, TASK) == [first, second]
    assert labels(home).progress_of("ann").given == 1


def test_what_another_window_said_is_not_overwritten(home: Home, keys: list[str]) -> None:
    first = give(home, keys[0], "ann", "yes")
    with pytest.raises(LabelError, match="you said “yes” of it meanwhile") as refused:
        give(home, keys[0], "ann", BlindAnswer("no", before=""))
    assert "別の画面" in (refused.value.ja or "")
    assert read_chain(home, TASK) == [first]


def test_a_dispute_is_settled_once_and_never_by_one_of_the_two(home: Home, keys: list[str]) -> None:
    settles = BlindAnswer("yes", settles=True)
    with pytest.raises(LabelError, match="found none"):
        give(home, keys[0], "cyd", settles)
    append(home, draft(keys[0], "ann", True), draft(keys[0], "bob", False))
    with pytest.raises(LabelError, match="third person"):
        give(home, keys[0], "bob", settles)
    settled = give(home, keys[0], "cyd", settles)
    assert settled is not None
    with pytest.raises(LabelError, match="settled meanwhile by cyd"):
        give(home, keys[0], "dan", BlindAnswer("no", settles=True))
    give(home, keys[0], "cyd", BlindAnswer("no", settles=True, before=settled.event_id))
    assert [event.critical_expected for event in read_chain(home, TASK)][2:] == [True, False]


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (BlindAnswer(""), "critical_expected"),
        (BlindAnswer("maybe"), "critical_expected"),
        (BlindAnswer("yes", ("missing_step:nowhere",)), "seen"),
        (BlindAnswer("yes", ("freeze@x",)), "seen"),
        (BlindAnswer("yes", note="x" * 2001), "note"),
    ],
)
def test_what_no_sheet_could_say_is_refused(
    home: Home, keys: list[str], said: BlindAnswer, says: str
) -> None:
    with pytest.raises(LabelError, match=says):
        give(home, keys[0], "ann", said)
    assert read_chain(home, TASK) == []


def test_raters_at_once_lose_and_double_nothing(home: Home, keys: list[str]) -> None:
    def rate(who: str) -> None:
        for key in keys[:3]:
            give(home, key, who, "yes" if who == "ann" else "no")

    threads = [threading.Thread(target=rate, args=(who,)) for who in ("ann", "bob", "ann")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = {(event.key, event.who) for event in read_chain(home, TASK)}
    assert said == {(key, who) for key in keys[:3] for who in ("ann", "bob")}
    assert len(read_chain(home, TASK)) == 6
