"""Cases of a study, as they come from the ledgers, the stored embeddings and the stored videos."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sopilot_assets.capture.ledgers import RETIRED, videos_ledger
from sopilot_assets.embedding.clips import save_embedding
from sopilot_assets.evidence.duplicates import near_duplicate_names
from sopilot_assets.evidence.evidence_dossiers import study_inputs
from sopilot_assets.evidence.scored import scored_cases
from sopilot_assets.evidence.stills import COURSE, error_stills
from sopilot_assets.evidence.study import Study
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.store.publish import local_path
from sopilot_assets.studies.cases import case_frame
from sopilot_assets_tests.evidence.made_up_study import (
    CHAIN,
    GOLD,
    START,
    TASK,
    made_up_home,
    made_up_recordings,
    run_chain,
)
from sopilot_assets_tests.evidence.run_again import LATER
from sopilot_assets_tests.studies.test_near_duplicates import performance

VIDEOS, SCORES, TRUTH = made_up_recordings()


def deviation(kind: str, severity: str, *steps: str) -> dict[str, object]:
    return {
        "type": kind,
        "severity": severity,
        "steps": list(steps),
        "trainee_start_s": 0.0,
        "trainee_end_s": 1.0,
        "gold_id": GOLD,
        "gold_start_s": None,
        "gold_end_s": None,
    }


def register(home: Home, *changes: dict[str, Cell]) -> list[str]:
    """One registered recording for each of ``changes`` of its row; returns their keys."""
    rows = [{**video, **change} for video, change in zip(VIDEOS, changes, strict=False)]
    videos_ledger(home).append(rows, run_id="intake", written_at=START)
    return [str(row["key"]) for row in rows]


def score(home: Home, place: int, *found: dict[str, object], at: str = START, **cells: Cell) -> None:
    """A score of the recording at ``place`` with these deviations."""
    counts = {
        f"{severity}_deviations": sum(one["severity"] == severity for one in found)
        for severity in ("critical", "quality", "efficiency")
    }
    types = ",".join(sorted({str(one["type"]) for one in found}))
    row = {**SCORES[place], "deviations": json.dumps(found), "deviation_types": types, **counts, **cells}
    scores_ledger(home).append([row], run_id=f"score-{place}", written_at=at)


def test_deviations_are_counted_by_severity_and_by_the_steps_they_are_about(home: Home) -> None:
    (key,) = register(home, {})
    score(
        home,
        0,
        deviation("missing_step", "critical", "open_cover", "fit_filter"),
        deviation("missing_step", "quality", "tidy_up"),
        deviation("order_swap", "quality", "a", "b"),
        deviation("wrong_step", "critical", "c"),
        deviation("over_time", "efficiency"),
    )
    (case,) = scored_cases(home, TASK).to_dict("records")
    assert case["case_id"] == key
    assert (case["critical"], case["quality"], case["efficiency"]) == (2, 2, 1)
    assert case["any_critical"]
    assert (case["miss_steps"], case["swap_steps"], case["deviation_steps"]) == (3, 2, 1)
    assert case["critical_missing"] == 1
    assert case["deviation_types"] == "missing_step,order_swap,over_time,wrong_step"
    assert math.isnan(case["expected"])


def test_recordings_without_a_usable_score_are_cases_with_a_problem(home: Home) -> None:
    register(home, {}, {}, {}, {})
    score(home, 0)
    score(home, 1, task_fingerprint="an older task")
    score(home, 2, problem="unreadable", score=None)
    cases = scored_cases(home, TASK, task_fingerprint=str(SCORES[0]["task_fingerprint"]))
    problems = cases.set_index("video_id")["problem"][[str(one["video_id"]) for one in VIDEOS[:4]]]
    assert list(problems) == ["", "scored by another version of the task", "unreadable", "not scored yet"]


def test_cases_are_in_the_order_of_recording_and_without_golds_retired_and_other_tasks(home: Home) -> None:
    keys = register(
        home,
        {"recorded_at": "2026-01-03T08:00:00+00:00"},
        {"recorded_at": "2026-01-02T20:00:00+09:00"},
        {},  # by its intake, which was later
        {"role": "gold"},
        {"status": RETIRED},
        {"task_id": "oil_change"},
    )
    assert list(scored_cases(home, TASK)["case_id"]) == [keys[1], keys[0], keys[2]]


def test_copies_are_named_by_their_stored_embeddings_of_the_same_model(home: Home) -> None:
    takes = {"one": performance(1), "copy": performance(1, noise=0.3), "other": performance(2)}
    for video_id, embedding in takes.items():
        save_embedding(home.embedding("m", video_id), replace(embedding, model_id="m"))
    save_embedding(home.embedding("n", "copy_by_n"), replace(takes["copy"], model_id="n"))
    models = {**dict.fromkeys(takes, "m"), "copy_by_n": "n", "none": "m", "unscored": ""}
    cases = case_frame(
        {"case_id": name, "video_id": name, "backend": model} for name, model in models.items()
    )
    named = dict(zip(cases["case_id"], near_duplicate_names(home, cases), strict=True))
    assert named == {**dict.fromkeys(models, ""), "one": "copy", "copy": "copy"}


@pytest.fixture
def filmed(home: Home, tiny_video: Callable[..., Path]) -> list[str]:
    """Two registered recordings with a video of two seconds, one without."""
    keys = register(home, {"duration_s": 2.0}, {"duration_s": 2.0}, {"duration_s": 2.0})
    for video in VIDEOS[:2]:
        tiny_video(Path(str(home.videos)) / str(video["stored_name"]), seconds=2)
    return keys


def test_a_miss_shows_its_course_and_a_false_alarm_the_moment_that_was_reported(
    home: Home, filmed: list[str]
) -> None:
    quiet, alarmed, gone = filmed
    found = {quiet: [], alarmed: [deviation("missing_step", "critical", "open_cover")], gone: []}
    stills, lacking = error_stills(home, found, processes=1)
    assert len([name for name in stills if name.startswith(f"{quiet}/")]) == len(COURSE)
    assert [name for name in stills if name.startswith(f"{alarmed}/")] == [
        f"{alarmed}/1_missing_step_recording.jpg"
    ]
    assert all(data.startswith(b"\xff\xd8") for data in stills.values())
    assert set(lacking) == {gone}


def test_pictures_show_what_the_study_judged_whatever_was_scored_since(
    tmp_path: Path, tiny_video: Callable[..., Path]
) -> None:
    home = made_up_home(tmp_path / "home")
    place = next(place for place, video in enumerate(VIDEOS) if not TRUTH[str(video["key"])])
    video, reported = VIDEOS[place], deviation("missing_step", "critical", "open_cover")
    tiny_video(local_path(home.videos) / str(video["stored_name"]), seconds=2)
    videos_ledger(home).append([{**video, "duration_s": 2.0}], run_id="video", written_at=LATER)
    score(home, place, reported, at=LATER)
    run_chain(home, only=CHAIN[:-1], written_at=LATER)
    shown = [f"{video['key']}/1_missing_step_recording.jpg"]
    assert list(study_inputs(Study.open(home, "spring")).pictures.stills or ()) == shown
    score(home, place, at=f"{LATER[:11]}10{LATER[13:]}", reference_id="of other golds")
    assert list(study_inputs(Study.open(home, "spring")).pictures.stills or ()) == shown
