"""Splits by the old rules on cases that can be followed by hand, and the manifest that records a split."""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest

from sopilot_assets.errors import StudyError
from sopilot_assets.store.canonical import pretty_json
from sopilot_assets.studies.cases import case_frame
from sopilot_assets.studies.spec import SplitPlan, SplitStrategy, StudySpec
from sopilot_assets.studies.split_manifest import parse_manifest
from sopilot_assets.studies.splits import (
    require_both_classes,
    split_manifest,
    study_split,
)


def split_of(cases: pd.DataFrame, plan: SplitPlan) -> dict[str, tuple[str, ...]]:
    return split_manifest(cases, study_id="s", task="t", plan=plan).case_ids


RANDOM, GROUPED = SplitStrategy.RANDOM_STRATIFIED, SplitStrategy.GROUP_TRAINEE


def cases_of(*rows: tuple[str, float, float]) -> pd.DataFrame:
    """Cases j1, j2, ... from (video, label, critical count)."""
    return case_frame(
        {
            "case_id": f"j{place}",
            "order": place,
            "video_id": video,
            "site": "a" if int(video) % 2 else "",
            "expected": label,
            "critical": critical,
        }
        for place, (video, label, critical) in enumerate(rows, start=1)
    )


# hard are positives without and negatives with critical findings
TEN = cases_of(
    ("1", 1, 1), ("1", 0, 0), ("2", 1, 0), ("2", 0, 2), ("3", 0, 0),
    ("3", 1, 1), ("4", 0, 0), ("4", 0, 1), ("5", 1, 2), ("5", 0, 0),
)  # fmt: skip


def test_the_hardest_of_each_class_are_the_challenge() -> None:
    found = split_of(TEN, SplitPlan(strategy=RANDOM, seed=1))
    assert found["challenge"] == ("j3", "j4")
    assert [len(found[name]) for name in ("dev", "test")] == [6, 2]


def test_equally_hard_cases_go_by_their_order() -> None:
    same = cases_of(*[("1", float(place % 2), 0.0) for place in range(20)])
    assert split_of(same, SplitPlan(strategy=RANDOM))["challenge"] == ("j1", "j2", "j3", "j4")


def test_the_hardest_groups_are_the_challenge_as_a_whole() -> None:
    found = split_of(TEN, SplitPlan(strategy=GROUPED, seed=1))
    assert found["challenge"] == ("j3", "j4")
    assert sorted(found["dev"] + found["test"]) == ["j1", "j10", "j2", "j5", "j6", "j7", "j8", "j9"]


def test_one_group_alone_is_never_challenge() -> None:
    found = split_of(TEN[:2], SplitPlan(strategy=GROUPED))
    assert found["challenge"] == ()
    assert found["dev"] + found["test"] == ("j1", "j2")


def test_a_held_out_site_is_the_challenge() -> None:
    found = split_of(TEN, SplitPlan(strategy=SplitStrategy.LEAVE_ONE_SITE_OUT, holdout_site="unknown"))
    assert found["challenge"] == ("j3", "j4", "j7", "j8")
    assert len(found["dev"]) + len(found["test"]) == 6


def test_a_site_that_no_case_has_is_refused() -> None:
    with pytest.raises(StudyError, match=r"a holdout_site that has labeled cases \(a, unknown\)"):
        split_of(TEN, SplitPlan(strategy=SplitStrategy.LEAVE_ONE_SITE_OUT, holdout_site="tokyo"))


def test_another_seed_is_another_split_and_the_same_one_is_not() -> None:
    rows = [(str(place), float(place % 3 == 0), 0.0) for place in range(60)]
    cases = cases_of(*rows)
    for strategy in (RANDOM, GROUPED, SplitStrategy.GROUP_PERSON):
        splits = [split_of(cases, SplitPlan(strategy=strategy, seed=seed)) for seed in (1, 1, 2)]
        assert splits[0] == splits[1] != splits[2]


def test_only_labeled_and_scored_cases_are_split_and_the_rest_is_listed() -> None:
    cases = TEN.assign(expected=[math.nan, *TEN["expected"][1:]], problem=["unreadable"] * 2 + [""] * 8)
    manifest = split_manifest(cases, study_id="s", task="t")
    assert manifest.unscored == ("j2",)
    assert sum(one.cases for one in manifest.counts.values()) == 8


def test_a_manifest_is_read_as_it_was_written_and_its_id_is_its_content() -> None:
    manifest = split_manifest(TEN, study_id="s", task="t")
    assert parse_manifest(pretty_json(manifest), name="split_manifest.json") == manifest
    assert split_manifest(TEN, study_id="s", task="t").manifest_id == manifest.manifest_id
    other = split_manifest(TEN, study_id="s", task="t", plan=SplitPlan(seed=9))
    assert other.manifest_id != manifest.manifest_id


def test_an_altered_manifest_is_refused() -> None:
    content = json.loads(pretty_json(split_manifest(TEN, study_id="s", task="t")))
    moved = content["case_ids"]["dev"].pop()
    for change in (
        lambda: content["case_ids"]["test"].append(moved),
        lambda: content["case_ids"]["dev"].append(moved),
        lambda: content.update(manifest_id=""),
    ):
        change()
        with pytest.raises(StudyError, match=r"split_manifest\.json: .*materialize split_manifests"):
            parse_manifest(json.dumps(content).encode(), name="split_manifest.json")


def test_a_new_study_refuses_a_split_of_one_class_with_the_counts() -> None:
    study = StudySpec(study_id="spring", title="Spring", task="filter_change")
    few = cases_of(*[(str(place), float(place < 2), 0.0) for place in range(20)])
    with pytest.raises(StudyError, match=r"study spring: .* has 0 positives") as refusal:
        study_split(few, study)
    assert "All in all there are 2 positives and 18 negatives in 20 groups" in str(refusal.value)
    assert "sopilot label prepare" in str(refusal.value)
    assert "without a score" not in str(refusal.value)
    enough = cases_of(*[(str(place), float(place < 3), 0.0) for place in range(20)])
    assert study_split(enough, study).counts["test"].positives == 1


def test_labels_that_count_nowhere_for_want_of_a_score_are_named() -> None:
    study = StudySpec(study_id="spring", title="Spring", task="filter_change")
    cases = cases_of(*[(str(place), float(place % 2), 0.0) for place in range(20)])
    stale = cases.assign(problem="scored by another version of the task")
    with pytest.raises(
        StudyError, match=r"in no split: 20, e\.g\. j1; score them first \(`sopilot score run`"
    ):
        study_split(stale, study)


def test_no_labels_at_all_are_refused_too() -> None:
    plan = SplitPlan(strategy=SplitStrategy.GROUP_TRAINEE)
    for cases in (TEN[:0], TEN.assign(expected=math.nan)):
        manifest = split_manifest(cases, study_id="s", task="t", plan=plan)
        with pytest.raises(StudyError, match="dev has 0 positives and 0 negatives"):
            require_both_classes(manifest)


@pytest.mark.parametrize("strategy", [one for one in SplitStrategy if one != "leave_one_site_out"])
def test_no_cases_make_empty_splits(strategy: SplitStrategy) -> None:
    assert split_of(TEN[:0], SplitPlan(strategy=strategy)) == {"dev": (), "test": (), "challenge": ()}
