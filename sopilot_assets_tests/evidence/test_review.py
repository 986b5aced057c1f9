"""Evidence that must not count: looks nobody wrote down, stale scores and labels, few raters."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sopilot_assets.capture.ledgers import VIDEO_COLUMNS, videos_ledger
from sopilot_assets.embedding.clips import save_embedding
from sopilot_assets.errors import StudyError
from sopilot_assets.evidence.blind_labels import blind_queues
from sopilot_assets.evidence.evidence_dossiers import study_inputs
from sopilot_assets.evidence.gate_reports import check_study_gates, damaged_studies, judged, relevant_looks
from sopilot_assets.evidence.results import gate_verdict
from sopilot_assets.evidence.split_evaluations import evaluate_study_splits
from sopilot_assets.evidence.split_manifests import split_study_cases
from sopilot_assets.evidence.study import Study
from sopilot_assets.labels.chain import append_events, read_chain
from sopilot_assets.labels.events import Source
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.score_repeats import COLUMNS as REPEAT_COLUMNS
from sopilot_assets.stations.score_repeats import repeats_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.studies.looks import distinct_looks
from sopilot_assets.studies.registration import read_registration
from sopilot_assets.tasks import load_task, lock_task
from sopilot_assets_tests.capture.removed import note_removed
from sopilot_assets_tests.evidence.made_up_study import (
    CHAIN,
    START,
    TASK,
    labels_by,
    made_up_home,
    made_up_recordings,
    run_chain,
    write_study,
)
from sopilot_assets_tests.studies.test_near_duplicates import performance
from sopilot_assets_tests.tasks.task_files import FILTER_CHANGE

LATER = (datetime.fromisoformat(START) + timedelta(hours=1)).isoformat()
FITTED = CHAIN[:2]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return made_up_home(tmp_path / "home")


def summary(home: Home, study_id: str = "spring") -> dict[str, Any]:
    (path,) = Path(str(home.dossiers / study_id)).glob("*/dossier.json")
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def blockers(home: Home, study_id: str = "spring") -> dict[str, str]:
    return {one["input"]: one["reason"] for one in summary(home, study_id)["readiness"]["blockers"]}


def gates_of(home: Home, study_id: str) -> dict[str, float | None]:
    study = Study.open(home, study_id)
    return judged(study, relevant_looks(study))[1]


def looks_at_test(home: Home, study_id: str = "spring") -> int:
    return distinct_looks(relevant_looks(Study.open(home, study_id)))


def truth_of() -> dict[str, bool]:
    return made_up_recordings()[2]


def relabeled(home: Home, key: str, said: bool) -> None:
    drafts = [*labels_by("ann", {key: said}, at=LATER), *labels_by("bob", {key: said}, at=LATER)]
    append_events(home, drafts, run_id="later", written_at=LATER)


def test_no_picture_is_asked_of_a_recording_whose_video_was_removed_after_its_time(home: Home) -> None:
    run_chain(home, only=FITTED)
    note_removed(home, truth_of(), at=START)
    assert study_inputs(Study.open(home, "spring")).pictures.erased == truth_of().keys()


def test_comparing_with_the_baseline_is_a_look_at_the_held_out_recordings(home: Home) -> None:
    run_chain(home, only=[*FITTED, "shadow_reports"])
    assert looks_at_test(home) == 1
    run_chain(home, only=["split_evaluations"])
    assert looks_at_test(home) == 1  # the same inputs
    key, said = next(iter(truth_of().items()))
    relabeled(home, key, not said)
    run_chain(home, only=[*FITTED, "split_evaluations"], written_at=LATER)
    assert looks_at_test(home) == 2  # labels were changed after seeing what comes of them


def test_what_another_study_was_fitted_on_is_no_fresh_test(home: Home) -> None:
    write_study(home, "autumn", split={"strategy": "group_person", "seed": 99})
    run_chain(home, only=[*FITTED, "split_evaluations"])
    run_chain(home, "autumn", only=[*FITTED, "split_evaluations"])
    spring, autumn = (Study.open(home, name).manifest.case_ids for name in ("spring", "autumn"))
    assert set(autumn["test"]) & set(spring["dev"])
    assert looks_at_test(home, "autumn") == 2


def test_registering_the_same_study_under_another_name_gives_no_second_first_look(home: Home) -> None:
    write_study(home, "again")
    run_chain(home, only=CHAIN[:3])
    run_chain(home, "again", only=CHAIN[:3])
    assert gates_of(home, "again")["test_looks"] == 2.0


def test_a_study_whose_folder_was_removed_counts_as_far_as_it_can_have_looked_and_holds_nobody_up(
    home: Home,
) -> None:
    """Removing it by hand neither blocks others nor makes the recordings that it looked at fresh again."""
    write_study(home, "again")
    run_chain(home, only=CHAIN[:4])
    shutil.rmtree(str(home.study("spring")))
    run_chain(home, "again", only=CHAIN[:3], written_at=LATER)
    told = check_study_gates(home, "again", run_id="run", written_at=LATER)
    assert told.warnings == damaged_studies(Study.open(home, "again"))
    assert [str(home.study("spring")) in one for one in told.warnings] == [True]
    assert gates_of(home, "again")["test_looks"] == 2.0
    spring = Path(str(home.studies)) / "spring.yaml"
    spring.write_text(spring.read_text().replace(f'"task": "{TASK}"', '"task": "another_one"'))
    assert gates_of(home, "again")["test_looks"] == 1.0  # the two have no recording together


def test_labels_guessed_from_file_names_do_not_count_for_research(tmp_path: Path) -> None:
    home = made_up_home(tmp_path / "home", second_rater=False, source=Source.PREFILL)
    write_study(home, "circular", gate_profile="research_v2", gate_overrides=[], label_sources=["prefill"])
    run_chain(home, "circular", only=CHAIN[:4])
    verdict = gate_verdict(home, "circular")
    assert verdict.blocks
    (blind,) = [check for check in verdict.rows if check["name"] == "blind_label_share"]
    assert (blind["passed"], blind["value"]) == (False, 0.0)


@pytest.mark.parametrize("source", [Source.PREFILL, Source.IMPORTED, Source.HUMAN])
def test_only_who_labeled_blind_is_a_second_rater_beside_a_blind_one(tmp_path: Path, source: Source) -> None:
    home = made_up_home(tmp_path / "home", second_rater=False)
    _, _, truth = made_up_recordings()
    append_events(home, labels_by("other", truth, source=source), run_id="labels", written_at=START)
    sources = ["blind_human", source.value]
    write_study(home, "mixed", gate_profile="research_v3", gate_overrides=[], label_sources=sources)
    run_chain(home, "mixed")
    checks = {str(one["name"]): one for one in gate_verdict(home, "mixed").rows}
    assert (checks["blind_label_share"]["value"], checks["rater_kappa_ci95_low"]["passed"]) == (1.0, False)
    assert "two raters" in blockers(home, "mixed")["agreement"]


def test_the_order_of_second_ratings_does_not_say_what_the_first_rater_said(tmp_path: Path) -> None:
    home = made_up_home(tmp_path / "home", second_rater=False)
    write_study(home, "research", gate_profile="research_v3", gate_overrides=[])
    run_chain(home, "research", only=CHAIN[:-1])
    said = {event.key: event.critical_expected for event in read_chain(home, TASK)}
    orders = [blind_queues(home)[TASK].queue(who).in_order() for who in ("bob", "cyd", "dan")]
    assert len({tuple(order) for order in orders}) == 3, "each has an order of their own"
    for order in orders:
        assert set(order) == set(said)
        answers = [said[key] for key in order]
        alternating = [place % 2 == 0 for place in range(2 * sum(answers))]
        assert answers[: len(alternating)] != alternating
        assert any(answers[len(alternating) :]), "the last ones are not all of one kind"


def test_a_study_that_is_not_registered_or_was_changed_is_refused(home: Home) -> None:
    path = Path(str(home.studies)) / "spring.yaml"
    registration = path.with_name("spring.registration.json")
    run_chain(home, only=CHAIN[:1])
    text, kept = path.read_text(), registration.read_bytes()
    path.write_text(text.replace("legacy_poc", "ops_v1"))
    with pytest.raises(StudyError, match="spring"):
        run_chain(home, only=CHAIN[:1])
    path.write_text(text)
    registration.unlink()
    with pytest.raises(StudyError, match="spring"):
        run_chain(home, only=CHAIN[:1])
    registration.write_bytes(kept)
    run_chain(home, only=CHAIN[:1])
    frozen = read_registration(home, "spring")
    assert frozen is not None
    assert frozen.frozen


def test_the_same_videos_under_another_task_are_the_same_recordings(home: Home) -> None:
    run_chain(home, only=[*FITTED, "split_evaluations"])
    other = "filter_again"
    text = FILTER_CHANGE.replace(f"task_id: {TASK}", f"task_id: {other}")
    task_file = Path(str(home.tasks)) / f"{other}.yaml"
    task_file.write_text(text, encoding="utf-8")
    fingerprint = load_task(task_file).fingerprint()
    videos, scores, truth = made_up_recordings()

    def moved(row: dict[str, Cell]) -> dict[str, Cell]:
        return {**row, "key": str(row["key"]).replace(TASK, other), "task_id": other}

    videos_ledger(home).append(map(moved, videos), run_id="intake", written_at=START)
    scores_ledger(home).append(
        [{**moved(row), "task_fingerprint": fingerprint} for row in scores], run_id="s", written_at=START
    )
    renamed = {key.replace(TASK, other): said for key, said in truth.items()}
    drafts = [draft.model_copy(update={"task_id": other}) for draft in labels_by("ann", renamed)]
    append_events(home, drafts, run_id="labels", written_at=START)
    write_study(home, "again", task=other)
    run_chain(home, "again", only=[*FITTED, "split_evaluations"])
    assert looks_at_test(home, "again") == 2


def repeated(home: Home, key: str, number: int, **changes: object) -> dict[str, Cell]:
    base = next(row for row in scores_ledger(home).latest().to_dict("records") if row["key"] == key)
    values: dict[str, Any] = {
        **dict.fromkeys(REPEAT_COLUMNS),
        **{name: base[name] for name in ("key", "task_id", "video_id")},
        **{name: base[name] for name in ("task_fingerprint", "model_id", "reference_id", "algorithm")},
        **{name: base[name] for name in ("score", "critical_probability", "decision")},
        **{f"base_{name}": base[name] for name in ("score", "critical_probability", "decision")},
        "repeat_id": f"{key}-{number}",
        "kind": "exact",
        "phase_s": 0.0,
        **changes,
    }
    return values


def test_a_hundred_repeats_of_one_recording_are_one(home: Home) -> None:
    key = next(iter(truth_of()))
    rows = [repeated(home, key, number) for number in range(100)]
    repeats_ledger(home).append(rows, run_id="repeat", written_at=START)
    run_chain(home, only=CHAIN[:3])
    values = gates_of(home, "spring")
    assert values["rescore_pairs"] == 1


def test_unknown_persons_on_both_sides_of_a_split_leak(tmp_path: Path) -> None:
    home = made_up_home(tmp_path / "home")
    run_chain(home, only=CHAIN[:3])
    assert gates_of(home, "spring")["leaking_groups"] == 0
    rows = videos_ledger(home).latest()
    manifest = Study.open(home, "spring").manifest
    wanted = {manifest.case_ids["dev"][0], manifest.case_ids["test"][0]}
    some = rows[rows["key"].isin(wanted)].astype(object)
    some = some.where(some.notna(), None).drop(columns=["run_id", "written_at", "row_id"], errors="ignore")
    nobody = [
        {**{str(name): value for name, value in row.items()}, "person": None}
        for row in some.to_dict("records")
    ]
    assert len(nobody) == 2
    videos_ledger(home).append(nobody, run_id="intake", written_at=LATER)
    run_chain(home, only=CHAIN[:3], written_at=LATER)
    study = Study.open(home, "spring")
    # their sessions keep them where they were
    unknown = study.cases["case_id"][study.cases["person"] == ""]
    assert set(study.manifest.split_of(unknown)) == {"dev", "test"}
    assert gates_of(home, "spring")["leaking_groups"] == 1


def test_scores_by_another_version_of_the_task_are_no_scores(home: Home) -> None:
    rows = scores_ledger(home).latest().astype(object)
    rows = rows.where(rows.notna(), None)
    old = {str(name): value for name, value in rows.to_dict("records")[0].items() if name in rows.columns}
    old = {name: value for name, value in old.items() if name not in ("run_id", "written_at", "row_id")}
    scores_ledger(home).append([{**old, "task_fingerprint": "0" * 64}], run_id="s", written_at=LATER)
    split_study_cases(home, "spring", run_id="r", written_at=LATER)
    study = Study.open(home, "spring")
    assert study.manifest.unscored == (old["key"],)
    (problem,) = study.cases.loc[study.cases["case_id"] == old["key"], "problem"]
    assert problem == "scored by another version of the task"


def page_of(home: Home, study_id: str) -> str:
    (page,) = Path(str(home.dossiers / study_id)).glob("*/index.html")
    return " ".join(page.read_text("utf-8").split())


def test_a_page_claims_people_whom_nothing_was_fitted_on_only_where_they_were_kept_apart(home: Home) -> None:
    for study_id, strategy in (("by_person", "group_person"), ("by_chance", "random_stratified")):
        write_study(home, study_id, split={"strategy": strategy})
        run_chain(home, study_id)
    apart, mixed = page_of(home, "by_person"), page_of(home, "by_chance")
    assert "on recordings by people on whom nothing was fitted" in apart
    assert "by people on whom nothing was fitted" not in mixed
    assert "on recordings on which nothing was fitted" in mixed
    assert "調整に使っていない人の録画" in apart
    assert "調整に使っていない人の録画" not in mixed


def test_people_in_golds_who_are_held_out_are_told_on_the_page(home: Home) -> None:
    strategy = {"strategy": "group_site"}
    write_study(home, "before", split=strategy)
    run_chain(home, "before")
    row = plain_rows(videos_ledger(home).latest())
    sites = {key.rpartition(":")[2] for key in Study.open(home, "before").manifest.groups["test"]}
    seen = next(one for one in row if one["site"] in sites)
    gold = {name: seen[name] for name in VIDEO_COLUMNS} | {
        "key": f"{TASK}-g-{'0' * 12}",
        "video_id": "0" * 12,
        "role": "gold",
    }
    videos_ledger(home).append([gold], run_id="intake", written_at=LATER)
    write_study(home, "after", split=strategy)
    run_chain(home, "after")
    assert "on recordings by people on whom nothing was fitted" in page_of(home, "before")
    page = page_of(home, "after")
    assert "by people on whom nothing was fitted" not in page
    assert "Held-out recordings show 1 person whom golds show too" in page


def test_recordings_of_nobody_known_are_no_person_on_the_page(home: Home) -> None:
    unknown = [
        {name: row[name] for name in VIDEO_COLUMNS} | {"person": None}
        for row in plain_rows(videos_ledger(home).latest())[:4]
    ]
    videos_ledger(home).append(unknown, run_id="corrected", written_at=LATER)
    write_study(home, "nobody", split={"strategy": "random_stratified"})
    run_chain(home, "nobody")
    known = len({row["person"] for row in plain_rows(videos_ledger(home).latest())} - {None})
    assert f"the figures are about {known} people, and others whom nobody named," in page_of(home, "nobody")


def test_a_dossier_names_labels_that_changed_since(home: Home) -> None:
    run_chain(home, only=CHAIN[:-1])
    key, said = next(iter(truth_of().items()))
    relabeled(home, key, not said)
    run_chain(home, only=CHAIN[-1:], written_at=LATER)
    assert key in blockers(home)["label_events"]


def test_labels_of_other_recordings_do_not_hold_up_a_dossier(home: Home) -> None:
    run_chain(home, only=CHAIN[:-1])
    append_events(home, labels_by("ann", {f"{TASK}-t-{'f' * 12}": True}), run_id="l", written_at=LATER)
    run_chain(home, only=CHAIN[-1:], written_at=LATER)
    assert set(blockers(home)) == {"repeats"}


def test_a_dossier_with_a_single_rater_is_not_ready(tmp_path: Path) -> None:
    home = made_up_home(tmp_path / "home", second_rater=False)
    run_chain(home)
    assert "two raters" in blockers(home)["agreement"]


def test_a_lock_of_another_version_is_none(home: Home) -> None:
    task_file = Path(str(home.tasks)) / f"{TASK}.yaml"
    text = FILTER_CHANGE.replace("version: 1", "version: 2").replace("pass_score: 90", "pass_score: 95")
    task_file.write_text(text, encoding="utf-8")
    fingerprint = load_task(task_file).fingerprint()
    _, scores, _ = made_up_recordings()
    again = [{**row, "task_version": 2, "task_fingerprint": fingerprint} for row in scores]
    scores_ledger(home).append(again, run_id="s", written_at=LATER)
    write_study(home, "summer")
    run_chain(home, "summer")
    assert "task_lock" in blockers(home, "summer")
    lock_task(home.tasks / f"{TASK}.yaml", locked_at=datetime.fromisoformat(LATER))
    run_chain(home, "summer", only=CHAIN[-1:])
    found = [
        "task_lock" in {one["input"] for one in json.loads(path.read_bytes())["readiness"]["blockers"]}
        for path in Path(str(home.dossiers / "summer")).glob("*/dossier.json")
    ]
    assert sorted(found) == [False, True]


def test_raters_who_agree_on_other_recordings_show_nothing_about_these(home: Home) -> None:
    run_chain(home, only=CHAIN[:1])
    before = Study.open(home, "spring").results.read("agreement.json")
    easy = {f"{TASK}-t-{number:012x}": number % 2 == 0 for number in range(100)}
    append_events(home, [*labels_by("ann", easy), *labels_by("bob", easy)], run_id="l", written_at=LATER)
    run_chain(home, written_at=LATER)
    assert Study.open(home, "spring").results.read("agreement.json") == before
    assert set(blockers(home)) == {"repeats"}


def test_the_sweep_names_its_detector_and_keeps_the_limits_that_were_registered(home: Home) -> None:
    override = {"check": "critical_miss_rate", "threshold": 0.02, "reason": "misses are dear here"}
    jitter = {"check": "rescore_jitter_max_delta", "threshold": None, "reason": "nothing was scored again"}
    write_study(home, "strict", detectors=["legacy_binary"], gate_overrides=[override, jitter])
    run_chain(home, "strict", only=FITTED)
    outcome = evaluate_study_splits(home, "strict", run_id="r", written_at=START)
    study = Study.open(home, "strict")
    sweep = json.loads(study.results.read("split_evaluations.json"))["sweep"]
    assert sweep["detector"] == (study.policy.detector if study.policy else "baseline")
    assert sweep["constraints"]["max_critical_miss_rate"] == 0.02
    shown = outcome.tables["thresholds_on_dev"]
    assert [row["threshold"] for row in shown if row["recommended"]] == [sweep["recommended"]["threshold"]]
    assert len(shown) == len(sweep["rows"])


def test_copies_of_one_take_by_two_people_stay_on_one_side_of_the_split(home: Home) -> None:
    before = Study.open(home, "spring")
    run_chain(home, only=CHAIN[:1])
    apart = [before.manifest.case_ids[split][0] for split in ("dev", "test")]
    for key, noise in zip(apart, (0.2, 0.3), strict=True):
        embedding = replace(performance(1, noise=noise), model_id="made_up")
        save_embedding(home.embedding("made_up", key.rpartition("-")[2]), embedding)
    run_chain(home, only=CHAIN[:1], written_at=LATER)
    study = Study.open(home, "spring")
    named = study.cases.set_index("case_id")["near_duplicate"]
    assert set(named[apart]) == {min(apart)}
    assert (named.drop(apart) == "").all()
    first, second = study.manifest.split_of(apart)
    assert first == second


def test_a_site_that_was_held_out_is_not_told_as_the_hardest_recordings(home: Home) -> None:
    held_out = {"strategy": "leave_one_site_out", "holdout_site": "site_1"}
    write_study(home, "sites", split=held_out)
    run_chain(home, "sites")
    (path,) = Path(str(home.dossiers / "sites")).glob("*/index.html")
    page = path.read_text(encoding="utf-8")
    assert "The challenge split holds the recordings of the site site_1, which was held out" in page
    assert "challenge holds the cases of the site site_1, which was held out." in page
    assert "challenge は除外しておいた拠点 site_1 の録画です。" in page
    assert "hardest cases" not in page
