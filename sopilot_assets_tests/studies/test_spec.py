"""What a study file may say, and what is said about one that is wrong."""

from __future__ import annotations

import pytest

from sopilot_assets.errors import StudyError
from sopilot_assets.labels.events import Source
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, publish_text
from sopilot_assets.studies.spec import (
    Detector,
    GateProfileName,
    ScoreOrigin,
    SplitStrategy,
    StudySpec,
    load_study,
    parse_study,
    study_ids,
)
from sopilot_assets.studies.starter import new_study, render_study

SHORT = "study_id: spring\ntitle: Spring\ntask: filter_change\n"


def test_a_short_file_has_the_defaults() -> None:
    study = parse_study(SHORT, source="spring.yaml")
    assert study.split.strategy is SplitStrategy.GROUP_PERSON
    assert study.gate_profile is GateProfileName.RESEARCH_V3
    assert study.label_sources == (Source.BLIND_HUMAN,)
    grid = study.fitting_grid
    assert len(grid.min_dtw) * len(grid.max_distance) * len(grid.max_span) == 294
    assert study.split.ratios.shares() == {"dev": 0.6, "test": 0.2, "challenge": 0.2}


def test_the_starter_spells_out_every_field_and_changes_none() -> None:
    text = render_study("spring", task="filter_change", title="Spring")
    study = parse_study(text, source="spring.yaml")
    assert study == parse_study(SHORT, source="spring.yaml")
    assert all(f"\n{field}:" in text for field in StudySpec.model_fields)


def test_a_title_with_quotes_and_other_scripts_survives_the_starter() -> None:
    title = 'A "quoted": {{ title }} 評価'
    assert parse_study(render_study("s", task="t", title=title), source="s.yaml").title == title


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("detectors: [guess]", "line 4, detectors[0]: expected 'legacy_binary', 'continuous_v1'"),
        ("detectors: []", "line 4, detectors: expected a list of at least 1, found []"),
        ("detectors: [calibrated_v1, calibrated_v1]", "expected each name once, found calibrated_v1 again"),
        ("baseline_detector: calibrated_v1", "expected a detector that needs no fit"),
        ("seed: 3", "line 4, seed: expected one of study_id, title"),
        ("split: {strategy: group_person, holdout: x}", "split.holdout: expected one of strategy, seed"),
        ("split: {ratios: {dev: .5, test: .2, challenge: .2}}", "shares that add up to 1, found 0.9"),
        ("split: {ratios: {dev: .8, test: .2, challenge: 0}}", "expected at least 0.01, found 0"),
        ("split: {strategy: leave_one_site_out}", "expected holdout_site with leave_one_site_out"),
        ("split: {holdout_site: tokyo}", "expected holdout_site only with leave_one_site_out"),
        ("fitting_grid: {min_dtw: [.2, .1]}", "expected rising numbers, found [0.2, 0.1]"),
        (
            "gate_overrides: [{check: coverage_rate, threshold: 1}]",
            "gate_overrides[0].reason: expected a value",
        ),
        (
            "gate_overrides: [{check: coverage_rate, treshold: 1, threshold: 1, reason: r}]",
            "gate_overrides[0].treshold: expected one of check, threshold, reason; found 'treshold' (did",
        ),
        ("miss_rate_target: '5 %'", "line 4, miss_rate_target: expected a number, found '5 %'"),
        ("use_intervals: 1", "expected true or false, found 1"),
        ("label_sources: [me]", "label_sources[0]: expected 'blind_human'"),
    ],
)
def test_a_fault_is_named_with_line_field_expected_and_found(line: str, fault: str) -> None:
    with pytest.raises(StudyError, match=r"studies/spring\.yaml: 1 field is not valid") as refusal:
        parse_study(SHORT + line + "\n", source="studies/spring.yaml")
    assert fault in str(refusal.value)
    assert "sopilot study show spring" in str(refusal.value)


def test_all_faults_are_named_at_once() -> None:
    text = SHORT + "confidence: 2\nsplit:\n  sede: 1\n  seed: -1\n"
    with pytest.raises(StudyError, match="3 fields are not valid") as refusal:
        parse_study(text, source="spring.yaml")
    assert "line 6, split.sede" in str(refusal.value)
    assert "line 7, split.seed: expected at least 0, found -1" in str(refusal.value)


def test_yaml_that_repeats_a_field_is_refused() -> None:
    with pytest.raises(StudyError, match=r"spring.yaml, line 4: title: expected the field once"):
        parse_study(SHORT + "title: Again\n", source="spring.yaml")


def test_a_study_that_is_not_there_is_named_with_those_that_are(home: Home) -> None:
    new_study(home, "spring", task="filter_change", title="Spring")
    with pytest.raises(StudyError, match=r"the studies in that folder are: spring\. Make it with"):
        load_study(home, "autumn")
    assert study_ids(home) == ["spring"]


def test_a_file_of_another_name_is_refused(home: Home) -> None:
    publish_text(home.studies / "autumn.yaml", SHORT)
    with pytest.raises(StudyError, match="study_id: expected 'autumn', the file's name, found 'spring'"):
        load_study(home, "autumn")


def test_a_new_study_of_imported_scores_counts_imported_labels(home: Home) -> None:
    new_study(home, "old", task="filter_change", title="Old", scores=ScoreOrigin.IMPORTED)
    assert load_study(home, "old").label_sources == (Source.IMPORTED,)


def test_a_new_study_never_overwrites_one_and_is_checked_before_it_is_written(home: Home) -> None:
    path = new_study(home, "spring", task="filter_change", title="Spring")
    with pytest.raises(StudyError, match="exists already"):
        new_study(home, "spring", task="other", title="Other")
    assert 'task: "filter_change"' in path.read_text()
    with pytest.raises(StudyError, match="study id: expected a-z"):
        new_study(home, "Spring 2", task="filter_change", title="Spring")
    assert [one.name for one in local_path(home.studies).iterdir()] == ["spring.yaml"]


def test_an_override_may_switch_a_check_off() -> None:
    text = SHORT + "gate_overrides:\n- {check: rescore_pairs, threshold: null, reason: No repeats.}\n"
    assert parse_study(text, source="s").gate_overrides[0].threshold is None


def test_comments_do_not_change_what_a_study_says() -> None:
    study = parse_study(SHORT, source="s")
    assert parse_study("# why\n" + SHORT, source="s").sha256() == study.sha256()
    changed = study.model_copy(update={"detectors": (Detector.CALIBRATED_V1,)})
    assert changed.sha256() != study.sha256()
