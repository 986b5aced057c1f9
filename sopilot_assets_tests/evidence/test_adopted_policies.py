"""A policy decides once it is adopted, from a verified dossier and under the conditions of its study."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sopilot_assets.capture.ledgers import VIDEO_COLUMNS, videos_ledger
from sopilot_assets.dossier.signing import new_key
from sopilot_assets.errors import DossierError, LedgerError, StudyError
from sopilot_assets.evidence.adopted_policies import (
    PolicyDossier,
    adopt_policy,
    policy_dossier,
    refuse_left_open,
    review_limit,
    withdraw_policy,
)
from sopilot_assets.evidence.evidence_dossiers import publish_study_dossier
from sopilot_assets.evidence.policy_standings import current_standings, describe_policy
from sopilot_assets.evidence.study import Study
from sopilot_assets.reference.ledger import COLUMNS as REFERENCE_COLUMNS
from sopilot_assets.reference.ledger import references_ledger
from sopilot_assets.scoring.ledger import COLUMNS as SCORE_COLUMNS
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.scoring.limits import DecisionLimits
from sopilot_assets.stations.adoptions import adopted_limits, lapse_drifting
from sopilot_assets.stations.score_repeats import COLUMNS as REPEAT_COLUMNS
from sopilot_assets.stations.score_repeats import repeats_ledger
from sopilot_assets.store.canonical import content_sha256
from sopilot_assets.store.chain import event_hash
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, Ledger, plain_rows
from sopilot_assets.store.publish import local_path
from sopilot_assets.studies.adoptions import COLUMNS, AdoptionHappening, adoptions
from sopilot_assets.tasks import load_task
from sopilot_assets.upkeep.alerts.lasting import settle_lasting
from sopilot_assets.upkeep.conditions.policies import POLICY, policies_decide
from sopilot_assets.upkeep.conditions.situation import Situation
from sopilot_assets_tests.evidence.adopting import BY, CALIBRATED
from sopilot_assets_tests.evidence.made_up_study import CHAIN, TASK, run_chain, write_study

AFTERWARDS = {**BY, "written_at": "2026-03-20T08:00:00+00:00", "run_id": "later"}


@pytest.fixture
def home(ready_dossier: Home, tmp_path: Path) -> Home:
    return Home.at(shutil.copytree(str(ready_dossier.root), tmp_path / "home"))


def limits(home: Home, *, model_id: str = "made_up") -> DecisionLimits | None:
    return adopted_limits(home, load_task(home.tasks / f"{TASK}.yaml"), model_id=model_id)


def told(home: Home) -> list[str]:
    asked = Situation(home, datetime(2026, 3, 21, tzinfo=UTC), {})
    return [one.what for one in policies_decide(asked).conditions]


def dossier_of(home: Home) -> Path:
    (path,) = local_path(home.dossiers / "summer").glob("*/dossier.json")
    return path.parent


def test_an_adopted_policy_sets_the_limit_of_looking_until_it_is_withdrawn(home: Home) -> None:
    assert limits(home) is None
    event, dossier = adopt_policy(home, "summer", **BY)
    found = limits(home)
    assert found is not None
    assert found.source == f"policy {dossier.policy.policy_id}"
    assert found.review == min(event.review, found.fail)
    assert (event.who, event.reason, event.dossier_id) == ("M. Sato", "all gates passed", dossier.dossier_id)
    withdraw_policy(home, TASK, **AFTERWARDS)
    assert limits(home) is None
    assert [one.happened.value for one in adoptions(home).read(TASK)] == ["adopted", "withdrawn"]
    with pytest.raises(StudyError, match="nothing to withdraw"):
        withdraw_policy(home, TASK, **AFTERWARDS)


def test_the_limit_calls_exactly_those_probabilities_critical_that_the_detector_does(home: Home) -> None:
    policy = policy_dossier(home, "summer").policy
    limit = review_limit(policy)
    assert policy.model is not None
    grid = np.round(np.linspace(0, 1, 2001), 6)
    said = policy.model.probability(pd.DataFrame({"critical_probability": grid})) >= policy.threshold
    assert np.array_equal(grid >= limit, said)


def test_a_detector_of_other_figures_cannot_set_the_limits(ready_dossier: Home, tmp_path: Path) -> None:
    home = Home.at(shutil.copytree(str(ready_dossier.root), tmp_path / "home"))
    write_study(home, "old_rule", detectors=["legacy_binary"])
    run_chain(home, "old_rule")
    with pytest.raises(StudyError, match=r"legacy_binary goes by other figures than that; expected one that"):
        adopt_policy(home, "old_rule", **BY)
    assert adoptions(home).tasks() == []


def _edit(home: Home) -> None:
    path = dossier_of(home) / "rows" / "cases.csv"
    path.write_text(path.read_text().replace("fail", "pass", 1))


def _other_key(home: Home) -> None:
    shutil.rmtree(local_path(home.keys))
    new_key(home.keys)


def _failed_gates(home: Home) -> None:
    path = dossier_of(home) / "dossier.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"verdict": "gates_failed"}))


def _no_dossier(home: Home) -> None:
    shutil.rmtree(local_path(home.dossiers))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_edit, "comparisons do not agree"),
        (_other_key, "expected a signature by a key of this home"),
        (_failed_gates, r"expected one dossier with the verdict gates_passed, found .* \(gates_failed\)"),
        (_no_dossier, "found none"),
    ],
)
def test_only_a_dossier_that_verifies_by_a_known_key_is_adopted(
    home: Home, change: Callable[[Home], None], why: str
) -> None:
    change(home)
    with pytest.raises(DossierError, match=why):
        adopt_policy(home, "summer", **BY)
    assert adoptions(home).tasks() == []


def test_one_of_several_dossiers_has_to_be_named(home: Home) -> None:
    new_key(home.keys, "other")
    first = dossier_of(home)
    copy = first.with_name("summer-000000000000")
    shutil.copytree(first, copy)
    summary = json.loads((copy / "dossier.json").read_text())
    (copy / "dossier.json").write_text(json.dumps(summary | {"dossier_id": "000000000000"}))
    with pytest.raises(DossierError, match="Name one with --dossier"):
        adopt_policy(home, "summer", **BY)
    event, _ = adopt_policy(home, "summer", dossier_id=summary["dossier_id"], **BY)
    assert event.dossier_id == summary["dossier_id"]


def test_a_dossier_is_made_again_to_the_byte_whatever_was_scored_repeated_or_looked_at_since(
    home: Home,
) -> None:
    name, before = dossier_of(home).name, all_of(dossier_of(home))
    (row, *_) = plain_rows(scores_ledger(home).latest())
    again = {name: row[name] for name in SCORE_COLUMNS} | {"reference_id": "r2", "score": 12.0}
    scores_ledger(home).append([again], run_id="golds changed", written_at=AFTERWARDS["written_at"])
    (repeat, *_) = plain_rows(repeats_ledger(home).latest())
    more = {name: repeat[name] for name in REPEAT_COLUMNS} | {"repeat_id": "more", "phase_s": 0.1}
    repeats_ledger(home).append([more], run_id="repeated", written_at=AFTERWARDS["written_at"])
    write_study(home, "autumn", **CALIBRATED, split={"seed": 7})
    run_chain(home, "autumn", only=CHAIN[:3], written_at=AFTERWARDS["written_at"])

    shutil.rmtree(local_path(home.dossiers))
    dossier, _, _ = publish_study_dossier(Study.open(home, "summer"))
    assert (dossier.name, dossier.ready) == (name, True)
    assert all_of(dossier_of(home)) == before


def all_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_policy_of_other_conditions_than_those_of_now_is_refused(home: Home) -> None:
    reference = {"task_id": TASK, "reference_id": "r2", "model_id": "another"}
    references_ledger(home).append(
        [{**dict.fromkeys(REFERENCE_COLUMNS), **reference}], run_id="r", written_at=str(BY["written_at"])
    )
    with pytest.raises(StudyError, match="model_id made_up, now another"):
        adopt_policy(home, "summer", **BY)


def test_what_decides_already_is_not_adopted_again_and_what_was_withdrawn_may_be(home: Home) -> None:
    adopt_policy(home, "summer", **BY)
    with pytest.raises(StudyError, match="decides for filter_change already"):
        adopt_policy(home, "summer", **AFTERWARDS)
    withdraw_policy(home, TASK, **AFTERWARDS)
    adopt_policy(home, "summer", **AFTERWARDS)
    assert limits(home) is not None


def refer_to(home: Home, reference_id: str, *, day: int = 20) -> None:
    """Golds were promoted, say, and the task has this reference now."""
    reference = {"task_id": TASK, "reference_id": reference_id, "model_id": "made_up"}
    references_ledger(home).append(
        [{**dict.fromkeys(REFERENCE_COLUMNS), **reference}],
        run_id=reference_id,
        written_at=f"2026-03-{day}T09:00:00+00:00",
    )


def test_a_policy_goes_on_deciding_with_other_golds_and_that_is_told(home: Home) -> None:
    event, _ = adopt_policy(home, "summer", **BY)
    assert event.reference_id == "r1"
    before, now = limits(home), datetime(2026, 3, 21, tzinfo=UTC)
    refer_to(home, "r2")
    assert limits(home) == before
    (what,) = told(home)
    assert "decides, but its study was scored by the reference r1, and recordings are now by r2" in what
    assert "was not measured with these golds" in str(
        describe_policy(home, TASK, now=now).metadata["not_measured"]
    )
    refer_to(home, "r1", day=21)  # demoted again
    assert told(home) == []
    assert describe_policy(home, TASK, now=now).metadata["not_measured"] == ""


def test_adoptions_from_before_references_were_kept_stay_readable(home: Home) -> None:
    old = {name: kind for name, kind in COLUMNS.items() if name != "reference_id"}
    event, _ = adopt_policy(home, "summer", **BY)
    fields = {name: value for name, value in event.as_dict().items() if name in old}
    for path in local_path(home.ledgers).glob("adoptions*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    Ledger(home.ledgers, "adoptions", old, "event_id").append(
        [{**fields, "event_id": event_hash(fields)}], run_id="old", written_at=str(BY["written_at"])
    )
    (read,) = adoptions(home).read(TASK)
    assert (read.policy_id, read.reference_id) == (event.policy_id, None)
    refer_to(home, "r2")
    assert limits(home) is not None
    assert told(home) == []
    withdraw_policy(home, TASK, **AFTERWARDS)
    assert [one.happened.value for one in adoptions(home).read(TASK)] == ["adopted", "withdrawn"]


def test_a_condition_that_is_gone_is_told_and_the_golds_decide_again(home: Home) -> None:
    adopt_policy(home, "summer", **BY)
    assert told(home) == []
    assert limits(home, model_id="another") is None
    path = local_path(home.tasks) / f"{TASK}.yaml"
    text = path.read_text()
    path.write_text(text.replace("pass_score: 90", "pass_score: 91").replace("version: 1", "version: 2"))
    assert limits(home) is None
    (what,) = told(home)
    assert "does not decide any more, the golds' own rule does (the task is not the one" in what
    path.write_text(text)
    assert limits(home) is not None
    assert told(home) == []


def test_a_policy_that_decides_no_more_is_an_alert_until_it_is_withdrawn(home: Home) -> None:
    def noted() -> list[tuple[str, str, str]]:
        asked = Situation(home, datetime(2026, 3, 21, tzinfo=UTC), {})
        return [(one.event, one.kind, one.subject) for one in settle_lasting(asked, POLICY)]

    adopt_policy(home, "summer", **BY)
    assert noted() == []
    path = local_path(home.tasks) / f"{TASK}.yaml"
    path.write_text(
        path.read_text().replace("pass_score: 90", "pass_score: 91").replace("version: 1", "version: 2")
    )
    assert noted() == [("raised", "policy", TASK)]
    assert noted() == []
    withdraw_policy(home, TASK, **AFTERWARDS)
    assert noted() == [("resolved", "policy", TASK)]


def test_recordings_that_drift_end_an_adoption_for_good(home: Home) -> None:
    adopt_policy(home, "summer", **BY)
    take_in(home, [0.01 + 0.001 * number for number in range(24)] + [0.9] * 12, tag="alike")
    assert lapse_drifting(home, run_id="r", written_at="2026-03-10T08:00:00+00:00") == []
    assert limits(home) is not None
    take_in(home, [0.5] * 40, tag="other", at="2026-03-18T08:00:00+00:00")
    (said,) = lapse_drifting(home, run_id="r", written_at="2026-03-19T08:00:00+00:00")
    assert "does not decide any more: drift" in said
    assert limits(home) is None
    assert adoptions(home).read(TASK)[-1].happened is AdoptionHappening.LAPSED
    assert "drift" in told(home)[0]
    assert lapse_drifting(home, run_id="r", written_at="2026-03-20T08:00:00+00:00") == []
    withdraw_policy(home, TASK, **AFTERWARDS)
    assert told(home) == []
    assert current_standings(home) == {}


def test_no_drift_ends_no_adoption_however_often_one_looks(home: Home) -> None:
    generator = np.random.default_rng(1)
    take_in(home, generator.uniform(size=250).tolist(), tag="before", at="2026-03-02T10:00:00+00:00")
    adopt_policy(home, "summer", **BY)
    rows = plain_rows(scores_ledger(home).latest())
    before = sorted(float(row["critical_probability"] or 0.0) for row in rows)
    for day in range(4, 14):
        alike = generator.choice(before, size=4).tolist()
        take_in(home, alike, tag=f"day{day}", at=f"2026-03-{day:02d}T08:00:00+00:00")
        assert lapse_drifting(home, run_id="r", written_at=f"2026-03-{day:02d}T09:00:00+00:00") == []
    assert limits(home) is not None


def test_recordings_that_become_golds_are_no_drift(home: Home) -> None:
    adopt_policy(home, "summer", **BY)
    take_in(home, [0.01 + 0.001 * number for number in range(48)] + [0.9] * 24, tag="alike")
    moment = "2026-03-10T08:00:00+00:00"
    assert lapse_drifting(home, run_id="r", written_at=moment) == []
    as_golds = [
        {name: "gold" if name == "role" else row[name] for name in SCORE_COLUMNS}
        for row in plain_rows(scores_ledger(home).latest())
        if str(row["person"]).startswith("alike") and float(row["critical_probability"] or 0.0) < 0.5
    ]
    assert len(as_golds) == 48
    scores_ledger(home).append(as_golds, run_id="promoted", written_at=moment)
    assert lapse_drifting(home, run_id="r", written_at="2026-03-11T08:00:00+00:00") == []
    assert limits(home) is not None


def take_in(
    home: Home, probabilities: list[float], *, tag: str, at: str = "2026-03-05T08:00:00+00:00"
) -> None:
    """More trainee recordings with these critical probabilities, each by another person."""
    (video,) = plain_rows(videos_ledger(home).latest())[:1]
    (score,) = plain_rows(scores_ledger(home).latest())[:1]
    videos: list[dict[str, Cell]] = []
    scores: list[dict[str, Cell]] = []
    for number, probability in enumerate(probabilities):
        sha256 = content_sha256([tag, number])
        own = {"key": f"{TASK}-t-{sha256[:12]}", "video_id": sha256[:12], "person": f"{tag}{number}"}
        videos.append({**{name: video[name] for name in VIDEO_COLUMNS}, **own, "sha256": sha256})
        scores.append(
            {**{name: score[name] for name in SCORE_COLUMNS}, **own, "critical_probability": probability}
        )
    videos_ledger(home).append(videos, run_id=tag, written_at=at)
    scores_ledger(home).append(scores, run_id=tag, written_at=at)


def test_an_adoption_that_was_changed_or_dropped_is_named(home: Home) -> None:
    adopt_policy(home, "summer", **BY)
    withdraw_policy(home, TASK, **AFTERWARDS)
    ledger = adoptions(home).ledger
    rows = plain_rows(ledger.all_rows())
    folder = local_path(ledger.folder / ledger.name)
    for path in folder.glob("*.parquet"):
        path.unlink()
    kept = [{name: row[name] for name in COLUMNS} for row in rows]
    ledger.append(kept[:1], run_id="x", written_at=str(BY["written_at"]))
    with pytest.raises(LedgerError, match="expected event 2 to be"):
        limits(home)
    ledger.append([{**kept[1], "reason": "otherwise"}], run_id="x", written_at=str(BY["written_at"]))
    with pytest.raises(LedgerError, match=r"event 2 .*found other content"):
        limits(home)


def test_a_limit_that_lets_pass_what_the_detector_left_open_is_refused(ready_dossier: Home) -> None:
    dossier = policy_dossier(ready_dossier, "summer")
    limit = review_limit(dossier.policy)
    refuse_left_open(dossier, limit)
    critical = (dossier.cases["expected"] == 1).to_numpy()

    def left_open(probability: float) -> PolicyDossier:
        cases = dossier.cases.copy()
        cases.loc[critical, "decision"] = "not_verifiable"
        cases.loc[critical, "critical_probability"] = probability
        return replace(dossier, cases=cases)

    refuse_left_open(left_open(limit), limit)
    with pytest.raises(
        StudyError, match=r"would let critical recordings of \d+ people pass that its detector"
    ):
        refuse_left_open(left_open(limit - 0.01), limit)


def test_somebody_left_open_in_one_recording_and_decided_in_another_counts_once(ready_dossier: Home) -> None:
    dossier = policy_dossier(ready_dossier, "summer")
    policy, limit = dossier.policy, review_limit(dossier.policy)
    assert policy.fit.risk is not None
    # with eight people none may be missed, with nine one
    risk = policy.fit.risk.model_copy(update={"persons": 8, "allowed": 0})
    policy = policy.model_copy(update={"fit": policy.fit.model_copy(update={"risk": risk})})
    cases = dossier.cases.copy()
    (case,) = cases.index[(cases["expected"] == 1) & (cases["person"] == "p0022")][:1]
    cases.loc[case, "decision"] = "not_verifiable"
    cases.loc[case, "critical_probability"] = limit - 0.01
    with pytest.raises(StudyError, match="of 1 people pass"):
        refuse_left_open(replace(dossier, policy=policy, cases=cases), limit)


def test_a_study_on_recordings_that_a_policy_decided_says_so(home: Home) -> None:
    said = policy_dossier(home, "summer").summary["versions"]
    assert isinstance(said, dict)
    assert said["decided by"] == "golds"
    event, _ = adopt_policy(home, "summer", **BY)
    rows = plain_rows(scores_ledger(home).latest())
    decided = [
        {**{name: row[name] for name in SCORE_COLUMNS}, "decided_by": f"policy {event.policy_id}"}
        for row in rows
    ]
    scores_ledger(home).append(decided, run_id="x", written_at=str(BY["written_at"]))
    write_study(home, "autumn")
    run_chain(home, "autumn")
    dossier, _, _ = publish_study_dossier(Study.open(home, "autumn"))
    assert dossier.summary.versions["decided by"] == f"policy {event.policy_id}"
