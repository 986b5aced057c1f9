"""A study is registered before its results, and does not change after them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from sopilot_assets.errors import StudyError, TaskError
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.studies.registration import (
    freeze,
    read_registration,
    register,
    registered_study,
    registration_path,
)
from sopilot_assets.studies.spec import ScoreOrigin, study_path
from sopilot_assets.studies.starter import new_study
from sopilot_assets.tasks import new_task

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LATER = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)
RESULT = "ab" * 32


@pytest.fixture
def spring(home: Home) -> Home:
    """A home with one task and one study, not registered."""
    new_task(home.root, "filter_change", name="Filter change")
    new_study(home, "spring", task="filter_change", title="Spring")
    return home


def _edit(home: Home, before: str, after: str) -> None:
    path = local_path(study_path(home, "spring"))
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after), "utf-8")


def test_nothing_is_computed_from_a_study_that_is_not_registered(spring: Home) -> None:
    with pytest.raises(StudyError, match=r"not registered.*sopilot study register spring"):
        registered_study(spring, "spring")


def test_a_registration_holds_the_content_and_its_hashes(spring: Home) -> None:
    registration = register(spring, "spring", registered_at=NOON, by="sato")
    spec, read = registered_study(spring, "spring")
    assert read == registration
    assert registration.current.spec_sha256 == spec.sha256()
    assert registration.current.task_version == 1
    assert (registration.current.by, registration.previous, registration.frozen) == ("sato", (), False)


def test_registering_again_changes_nothing(spring: Home) -> None:
    register(spring, "spring", registered_at=NOON, by="sato")
    before = registration_path(spring, "spring").read_bytes()
    _edit(spring, "# A study:", "# A study, again:")
    register(spring, "spring", registered_at=LATER, by="mori")
    assert registration_path(spring, "spring").read_bytes() == before
    registered_study(spring, "spring")


def test_a_changed_study_is_refused_until_it_is_registered_again_and_keeps_its_past(spring: Home) -> None:
    first = register(spring, "spring", registered_at=NOON, by="sato")
    _edit(spring, "miss_rate_target: 0.05", "miss_rate_target: 0.1")
    with pytest.raises(StudyError, match=r"miss_rate_target changed 0\.05 -> 0\.1.*no result yet"):
        registered_study(spring, "spring")
    second = register(spring, "spring", registered_at=LATER, by="mori")
    assert second.previous == (first.current,)
    assert registered_study(spring, "spring")[0].miss_rate_target == 0.1


def test_after_a_result_every_change_is_refused_by_its_field(spring: Home) -> None:
    register(spring, "spring", registered_at=NOON, by="sato")
    assert freeze(spring, "spring", RESULT).frozen
    before = registration_path(spring, "spring").read_bytes()
    assert freeze(spring, "spring", RESULT).results == (RESULT,)
    _edit(spring, "seed: 20260223", "seed: 7")
    _edit(spring, "strategy: group_person", "strategy: group_site")
    for refused in (
        lambda: register(spring, "spring", registered_at=LATER, by="mori"),
        lambda: registered_study(spring, "spring"),
        lambda: freeze(spring, "spring", "cd" * 32),
    ):
        with pytest.raises(StudyError, match="has results and is frozen") as refusal:
            refused()
        assert "split.seed changed 20260223 -> 7" in str(refusal.value)
        assert "split.strategy changed group_person -> group_site" in str(refusal.value)
    assert registration_path(spring, "spring").read_bytes() == before


def test_a_task_that_judges_otherwise_is_not_what_was_registered(spring: Home) -> None:
    register(spring, "spring", registered_at=NOON, by="sato")
    task = local_path(spring.tasks) / "filter_change.yaml"
    task.write_text(task.read_text("utf-8").replace("pass_score: 90", "pass_score: 95"), "utf-8")
    with pytest.raises(StudyError, match="task filter_change: what it judges by changed"):
        registered_study(spring, "spring")


def test_a_study_of_a_task_that_is_not_there_is_not_registered(home: Home) -> None:
    new_study(home, "spring", task="filter_change", title="Spring")
    with pytest.raises(TaskError, match="no such task file"):
        register(home, "spring", registered_at=NOON, by="sato")
    assert read_registration(home, "spring") is None


def test_imported_scores_need_no_task_file(home: Home) -> None:
    new_study(home, "old", task="filter_change", title="Old", scores=ScoreOrigin.IMPORTED)
    assert register(home, "old", registered_at=NOON, by="sato").current.task_fingerprint is None
    registered_study(home, "old")


@pytest.mark.parametrize(
    ("field", "value", "found"),
    [
        (("current", "content", "confidence"), 0.5, "expected content with the SHA-256"),
        (("current", "spec_sha256"), "00" * 32, "expected content with the SHA-256"),
        (("study_id",), "autumn", "study_id: expected 'spring'"),
        (("results",), ["short"], "results"),
    ],
)
def test_an_altered_registration_is_refused(
    spring: Home, field: tuple[str, ...], value: object, found: str
) -> None:
    register(spring, "spring", registered_at=NOON, by="sato")
    path = local_path(registration_path(spring, "spring"))
    content = json.loads(path.read_text("utf-8"))
    section = content
    for name in field[:-1]:
        section = section[name]
    section[field[-1]] = value
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(StudyError, match=found):
        registered_study(spring, "spring")


def test_a_time_without_a_zone_is_refused(spring: Home) -> None:
    with pytest.raises(StudyError, match="with a time zone"):
        register(spring, "spring", registered_at=NOON.replace(tzinfo=None), by="sato")
