"""What the checks find in a home, and that they find nothing in a sound one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from sopilot_assets.capture.ledgers import quarantine_ledger
from sopilot_assets.capture.registry import active_recordings
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.settings import Settings
from sopilot_assets.stations.clip_embeddings import embeddings_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.conditions import golds, recordings, scores
from sopilot_assets.upkeep.conditions.condition import Answer
from sopilot_assets.upkeep.conditions.questions import Question
from sopilot_assets.upkeep.conditions.situation import Situation
from sopilot_assets_tests.defs.conftest import NEXT_DAY, Scored, Shop

LATE = "2030-01-01T00:00:00+00:00"


@pytest.fixture
def shop(scored: Scored, tmp_path: Path) -> Iterator[Shop]:
    """A scored shop that a test may damage."""
    with scored.shop.copy(tmp_path) as copied:
        yield copied


def ask(question: Question, home: Home) -> Answer:
    return question(Situation(home, datetime.fromisoformat(NEXT_DAY), {}, seed="s"))


def row_of(frame_home: Home, key: str) -> dict[str, object]:
    """The newest score row of a key, as it was written."""
    ledger = scores_ledger(frame_home)
    row = ledger.latest().set_index("key", drop=False).loc[key].to_dict()
    return {name: None if row[name] != row[name] else row[name] for name in ledger.columns}


def test_a_sound_home_has_no_problems(shop: Shop) -> None:
    for question in (
        recordings.stored_files,
        recordings.few_refused,
        recordings.one_model_a_task,
        recordings.embeddings_finite,
        golds.steps_confirmed,
        scores.have_scores,
        scores.up_to_date,
    ):
        assert (ask(question, shop.home).conditions, list(ask(question, shop.home).rows)) == ((), [])


def test_a_check_that_passes_says_what_is_fine(shop: Shop) -> None:
    run = shop.defs.resolve_job_def("check_everything").execute_in_process(instance=shop.instance)
    said = {one.check_name: str(one.description) for one in run.get_asset_check_evaluations() if one.passed}
    assert said["golds_pass"] == "3 scored golds are right by the others"
    assert said["scores_are_current"] == "out of date: none"
    assert said["few_files_are_quarantined"] == "no file was refused"
    assert said["steps_are_confirmed"] == "filter_change: steps of 3 of 3 golds are annotated"


def test_an_edited_task_makes_exactly_its_scores_stale_and_names_them_as_one_range(shop: Shop) -> None:
    path = Path(str(shop.home.tasks)) / "filter_change.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("pass_score: 90", "pass_score: 91"), encoding="utf-8"
    )
    found = ask(scores.up_to_date, shop.home)
    assert [row["key"] for row in found.rows] == sorted(shop.keys)
    assert {row["why"] for row in found.rows} == {"task"}
    assert found.figures == {"stale": 6, "stale_task": 6}
    run = shop.defs.resolve_job_def("check_everything").execute_in_process(instance=shop.instance)
    (current,) = [one for one in run.get_asset_check_evaluations() if one.check_name == "scores_are_current"]
    assert current.metadata["stale_ranges"].value == f"[{shop.keys[0]}...{shop.keys[-1]}]"


def test_scores_of_an_older_algorithm_are_stale_and_no_others(shop: Shop) -> None:
    old = [shop.keys[1], shop.keys[4]]
    rows = [{**row_of(shop.home, key), "algorithm": "older"} for key in old]
    scores_ledger(shop.home).append(rows, run_id="older", written_at=LATE)  # type: ignore[arg-type]
    found = ask(scores.up_to_date, shop.home)
    assert [(row["key"], row["why"]) for row in found.rows] == [(key, "algorithm") for key in old]


def test_a_lost_file_and_a_changed_file_are_found(shop: Shop) -> None:
    entries = list(active_recordings(shop.home).values())
    stored = [Path(str(shop.home.videos / entry.stored_name)) for entry in entries]
    stored[0].unlink()
    stored[1].write_bytes(b"changed")
    found = ask(recordings.stored_files, shop.home)
    assert [(row["key"], row["problem"]) for row in found.rows] == [
        (str(entries[0].key), "the file is gone"),
        (str(entries[1].key), "the bytes changed"),
    ]


@pytest.mark.parametrize(("most", "problems"), [(0.2, 0), (0.1, 1)])
def test_refused_files_count_when_they_are_more_than_the_share(
    shop: Shop, most: float, problems: int
) -> None:
    refused = dict.fromkeys(quarantine_ledger(shop.home).columns) | {
        "quarantine_id": "q",
        "capture_path": "filter_change/gold/site_a/dark.mp4",
        "reason": "too_dark",
    }
    quarantine_ledger(shop.home).append([refused], run_id="q", written_at=LATE)
    (Path(str(shop.home.root)) / "settings.yaml").write_text(f"limits: {{refused_share: {most}}}\n", "utf-8")
    found = ask(recordings.few_refused, shop.home)
    assert len(found.rows) == problems
    assert found.figures["quarantined_share"] == round(1 / 7, 4)


def test_two_models_in_one_task_are_found(shop: Shop) -> None:
    other = {"key": shop.keys[0], "model_id": "another", "clips": 3, "reader": "decord", "problem": None}
    embeddings_ledger(shop.home).append([other], run_id="other", written_at=LATE)
    found = ask(recordings.one_model_a_task, shop.home)
    assert [(row["model_id"], row["recordings"]) for row in found.rows if row["model_id"] == "another"] == [
        ("another", 1)
    ]
    assert len(found.rows) == 2


def test_a_damaged_embedding_is_found(shop: Shop) -> None:
    damaged = sorted(Path(str(shop.home.root / "embeddings")).rglob("*.npz"))
    for path in damaged:
        path.write_bytes(b"damaged")
    assert len(ask(recordings.embeddings_finite, shop.home).rows) == Settings().limits.files_read_again


@pytest.mark.parametrize(("least", "persons", "few"), [(3, 1, False), (4, 1, True), (3, 9, True)])
def test_golds_are_enough_by_number_and_persons(shop: Shop, least: int, persons: int, *, few: bool) -> None:
    text = f"limits: {{golds: {least}, gold_persons: {persons}}}\n"
    (Path(str(shop.home.root)) / "settings.yaml").write_text(text, "utf-8")
    rows = ask(golds.enough_golds, shop.home).rows
    assert [(row["task_id"], row["golds"]) for row in rows] == [("filter_change", 3)] * few


def test_golds_that_give_no_embedding_do_not_count(shop: Shop) -> None:
    row = dict.fromkeys(embeddings_ledger(shop.home).columns) | {"key": shop.keys[0], "problem": "too dark"}
    embeddings_ledger(shop.home).append([row], run_id="dark", written_at=LATE)
    assert ask(golds.enough_golds, shop.home).rows[0]["golds"] == 2


def test_golds_without_annotated_steps_are_found(shop: Shop) -> None:
    Path(str(shop.home.steps_csv("filter_change"))).unlink()
    (row,) = ask(golds.steps_confirmed, shop.home).rows
    assert (row["golds"], row["annotated"]) == (3, 0)


def test_a_recording_without_a_row_is_found(shop: Shop) -> None:
    for path in Path(str(shop.home.ledgers / "scores")).glob("*.parquet"):
        path.unlink()
    found = ask(scores.have_scores, shop.home)
    assert [row["key"] for row in found.rows] == sorted(shop.keys)


def test_a_gold_below_the_pass_score_is_found_with_the_noise_floor(shop: Shop) -> None:
    gold = shop.keys[0]
    rows = [{**row_of(shop.home, key), "score": 99.0} for key in shop.keys[1:3]]
    rows.append({**row_of(shop.home, gold), "score": 42.0})
    scores_ledger(shop.home).append(rows, run_id="low", written_at=LATE)  # type: ignore[arg-type]
    found = ask(golds.golds_pass, shop.home)
    assert [row["key"] for row in found.rows] == [gold]
    assert found.figures == {"golds": 3, "noise_floor": 42.0}


@pytest.mark.parametrize(
    ("decision", "cause", "points"),
    [
        ("fail", "critical", 94.3),
        ("not_verifiable", "other_work", None),
        ("needs_review", "film_again", 94.3),
    ],
)
def test_a_gold_that_the_others_call_wrong_is_found_whatever_its_points(
    shop: Shop, decision: str, cause: str, points: float | None
) -> None:
    gold = shop.keys[0]
    rows = [{**row_of(shop.home, key), "score": 99.0} for key in shop.keys[1:3]]
    said = {"decision": decision, "cause": cause, "score": points, "reason_en": "“Open” is missing."}
    rows.append({**row_of(shop.home, gold), **said})
    scores_ledger(shop.home).append(rows, run_id="wrong", written_at=LATE)  # type: ignore[arg-type]
    found = ask(golds.golds_pass, shop.home)
    assert [row["key"] for row in found.rows] == [gold]
    (told,) = (str(one.what) for one in found.told)
    assert told.endswith("is not right by the other golds: “Open” is missing.")
