"""Which recordings are scored by which job."""

from __future__ import annotations

import pytest

from sopilot_assets.capture.ledgers import VIDEO_COLUMNS, videos_ledger
from sopilot_assets.errors import ConfigError
from sopilot_assets.reference.ledger import COLUMNS as REFERENCE_COLUMNS
from sopilot_assets.reference.ledger import references_ledger
from sopilot_assets.scoring.ledger import COLUMNS as SCORE_COLUMNS
from sopilot_assets.scoring.ledger import algorithm_version, scores_ledger
from sopilot_assets.stations.clip_embeddings import embeddings_ledger, task_embedder
from sopilot_assets.stations.rescoring_plan import (
    ScoringStart,
    ScoringWork,
    plan_scoring,
    rescoring_plan,
)
from sopilot_assets.stations.staleness import stale_scores
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.tasks import load_task, new_task

EARLIER, LATER = "2026-01-02T00:00:00+00:00", "2026-01-03T00:00:00+00:00"
FIRST, SECOND, OTHER = "tea-t-000000000001", "tea-t-000000000002", "coffee-t-000000000003"
NAMES = {FIRST: "take.mp4", SECOND: "other.mp4", OTHER: "take.mp4"}


@pytest.fixture
def registered(home: Home) -> Home:
    """A home with three recordings of two tasks, none scored; two have the same file name."""
    for task in ("tea", "coffee"):
        path = new_task(home.root, task, name=task)
        path.write_text(path.read_text().replace("lite0_box", "color_motion"))
    rows = [
        dict.fromkeys(VIDEO_COLUMNS)
        | {"key": key, "video_id": key[-12:], "sha256": key[-12:], "task_id": key.split("-")[0]}
        | {"role": "trainee", "site": "a", "original_name": name, "stored_name": name, "status": "active"}
        for key, name in NAMES.items()
    ]
    videos_ledger(home).append(rows, run_id="test", written_at="2026-01-01T00:00:00+00:00")
    return home


def test_without_a_choice_what_has_no_score_is_scored(registered: Home) -> None:
    assert plan_scoring(registered) == [
        ScoringWork(ScoringStart.NEW, dict.fromkeys((FIRST, SECOND, OTHER), "new"))
    ]
    assert plan_scoring(registered, task_id="coffee") == [ScoringWork(ScoringStart.NEW, {OTHER: "new"})]


def test_a_task_without_recordings_is_refused(registered: Home) -> None:
    with pytest.raises(ConfigError, match="tasks that have some: coffee, tea"):
        plan_scoring(registered, task_id="milk")


def judged(home: Home, key: str, **changed: Cell) -> None:
    """A score row of a recording whose task has no reference, by what is there now but for ``changed``."""
    task = load_task(home.tasks / f"{key.split('-', maxsplit=1)[0]}.yaml")
    row: dict[str, Cell] = dict.fromkeys(SCORE_COLUMNS)
    about = {"role": "trainee", "site": "a", "original_name": NAMES[key]}
    row |= about | {
        "key": key,
        "task_id": task.task_id,
        "algorithm": algorithm_version(),
        "task_version": task.version,
    }
    row |= {"task_fingerprint": task.fingerprint(), "reference_id": None, "model_id": None} | changed
    scores_ledger(home).append([row], run_id="test", written_at=LATER if changed else EARLIER)


def embedded(home: Home, key: str, model_id: str | None = None) -> None:
    """An embedding of a recording, by its task's model unless told otherwise."""
    by = model_id or task_embedder(home, key.split("-", maxsplit=1)[0]).model_id
    row: dict[str, Cell] = {"key": key, "model_id": by, "clips": 9, "reader": "pyav", "problem": None}
    embeddings_ledger(home).append([row], run_id="test", written_at=LATER if model_id else EARLIER)


def referenced(home: Home, task_id: str, reference_id: str) -> None:
    """A reference of a task."""
    row: dict[str, Cell] = dict.fromkeys(REFERENCE_COLUMNS) | {
        "task_id": task_id,
        "reference_id": reference_id,
    }
    references_ledger(home).append([row], run_id="test", written_at=EARLIER)


@pytest.fixture
def up_to_date(registered: Home) -> Home:
    """The home with all recordings judged and embedded by what is there now."""
    for key in (FIRST, SECOND, OTHER):
        judged(registered, key)
        embedded(registered, key)
    return registered


def test_nothing_is_stale_before_there_is_a_reference_however_often_it_is_asked(up_to_date: Home) -> None:
    assert stale_scores(up_to_date).empty
    assert plan_scoring(up_to_date, stale=True) == []


def test_a_new_reference_makes_the_scores_of_its_task_stale(up_to_date: Home) -> None:
    referenced(up_to_date, "tea", "ref1")
    assert plan_scoring(up_to_date, stale=True) == [
        ScoringWork(ScoringStart.RESCORE, dict.fromkeys((FIRST, SECOND), "reference"))
    ]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"algorithm": "older"}, "algorithm"),
        ({"task_fingerprint": "0"}, "task"),
        ({"task_version": 0}, "task"),
    ],
)
def test_a_score_by_something_older_is_stale(up_to_date: Home, changed: dict[str, Cell], why: str) -> None:
    judged(up_to_date, FIRST, **changed)
    (row,) = stale_scores(up_to_date).to_dict("records")
    assert (row["key"], row["why"], row["also"], row["embedded"]) == (FIRST, why, "", True)


def test_a_score_may_be_stale_for_several_reasons_and_the_embedding_decides_where_to_begin(
    up_to_date: Home,
) -> None:
    referenced(up_to_date, "tea", "ref1")
    judged(up_to_date, FIRST, algorithm="older", model_id="older-1", reference_id="older")
    judged(up_to_date, SECOND, algorithm="older", model_id="older-1", reference_id="ref1")
    embedded(up_to_date, FIRST, "older-1")
    plan = rescoring_plan(up_to_date, [FIRST, OTHER, SECOND])
    assert [(row["key"], row["why"], row["also"], row["job"]) for row in plan.stale] == [
        (FIRST, "algorithm", "model, reference", "embed_again"),
        (SECOND, "algorithm", "model", "rescore"),
    ]
    assert [work.start for work in plan_scoring(up_to_date, stale=True)] == [
        ScoringStart.EMBED,
        ScoringStart.RESCORE,
    ]


def test_a_recording_that_was_judged_while_there_was_no_model_is_stale_once_there_is_one(
    up_to_date: Home,
) -> None:
    row = {"key": FIRST, "model_id": None, "clips": None, "reader": None, "problem": "no model there"}
    embeddings_ledger(up_to_date).append([row], run_id="test", written_at=LATER)
    assert plan_scoring(up_to_date, stale=True) == [ScoringWork(ScoringStart.EMBED, {FIRST: "model"})]


def test_a_recording_that_could_not_be_embedded_is_embedded_again_when_somebody_asks_for_it(
    up_to_date: Home,
) -> None:
    row = {"key": FIRST, "model_id": "any", "clips": None, "reader": None, "problem": "it took too long"}
    embeddings_ledger(up_to_date).append([row], run_id="test", written_at=LATER)
    asked = plan_scoring(up_to_date, names=[FIRST, SECOND])
    assert {one.start: one.keys for one in asked} == {
        ScoringStart.EMBED: (FIRST,), ScoringStart.RESCORE: (SECOND,),
    }  # fmt: skip


def test_a_plan_counts_by_reason_and_says_how_many_runs(up_to_date: Home) -> None:
    for key in (FIRST, SECOND, OTHER):
        judged(up_to_date, key, algorithm="older")
    plan = rescoring_plan(up_to_date, [FIRST, "gone", SECOND, OTHER])
    assert (plan.runs, len(plan.ranges)) == (1, 2)
    assert [(row["task_id"], row["recordings"]) for row in plan.groups()] == [("tea", 2), ("coffee", 1)]
    assert rescoring_plan(up_to_date, [], task_id="tea", leave_out={FIRST}).stale[0]["key"] == SECOND


def test_what_another_run_is_at_work_on_is_left_out(registered: Home) -> None:
    assert plan_scoring(registered, leave_out={FIRST}) == [
        ScoringWork(ScoringStart.NEW, {SECOND: "new", OTHER: "new"})
    ]
    assert plan_scoring(registered, names=[FIRST], leave_out={FIRST}) == []
