"""What a task says of the people it films: read strictly, kept by every edit, no part of a judgement."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from upath import UPath

from sopilot_assets.errors import TaskError
from sopilot_assets.settings import PrivacySettings
from sopilot_assets.tasks import (
    LockState,
    MaskedRegion,
    TaskPrivacy,
    load_task,
    lock_task,
    parse_task,
    privacy_notice,
    verify_task,
)
from sopilot_assets.tasks.compared import told_differences
from sopilot_assets.tasks.editing import edit_of, edited
from sopilot_assets.tasks.rewriting import rewritten
from sopilot_assets_tests.tasks.task_files import FILTER_CHANGE, write_task

SECTION = """\
privacy:
  purpose: Training on line 3      # agreed with the works council
  keep_videos_days: 30
  masked_regions: [{left: 0.8, top: 0, width: 0.2, height: 0.3}]
"""
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SOURCE = UPath("tasks/filter_change.yaml")


def test_a_task_without_the_section_keeps_every_video_and_says_nothing() -> None:
    assert parse_task(FILTER_CHANGE, source=SOURCE).privacy == TaskPrivacy()


def test_the_section_is_read_and_judges_nobody(tmp_path: Path) -> None:
    path = write_task(tmp_path)
    lock = lock_task(path, locked_at=NOON)
    before = load_task(path)
    write_task(tmp_path, FILTER_CHANGE + SECTION)
    after = load_task(path)
    assert after.privacy.keep_videos_days == 30
    assert after.privacy.masked_regions == (MaskedRegion(left=0.8, top=0.0, width=0.2, height=0.3),)
    assert after.fingerprint() == before.fingerprint()
    assert verify_task(path).state is LockState.OK
    assert "privacy" not in lock.path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        ("{purpos: x}", "did you mean 'purpose'"),
        ("{keep_videos_days: 0}", "privacy.keep_videos_days"),
        ("{masked_regions: [{left: 0.9, top: 0, width: 0.2, height: 0.3}]}", "at most 1, found 1.1 and 0.3"),
        ("{masked_regions: [{left: 1, top: 0, width: 0.2, height: 0.3}]}", "left: expected less than 1"),
        ("{purpose: ''}", "privacy.purpose"),
    ],
)
def test_what_is_wrong_in_it_is_named(section: str, fault: str) -> None:
    with pytest.raises(TaskError, match=fault):
        parse_task(f"{FILTER_CHANGE}privacy: {section}\n", source=SOURCE)


def test_editing_a_task_at_the_desk_keeps_the_section_and_its_comments() -> None:
    data = (FILTER_CHANGE + SECTION).encode()
    task = parse_task(data, source=SOURCE)
    saved = edited(task, edit_of(task), used=task.step_ids)
    assert saved == task
    higher = task.model_copy(update={"pass_score": 95.0})
    assert rewritten(data, higher, source=SOURCE).decode().endswith(SECTION)
    shorter = TaskPrivacy(keep_videos_days=14, masked_regions=task.privacy.masked_regions)
    text = rewritten(data, task.model_copy(update={"privacy": shorter}), source=SOURCE).decode()
    assert "keep_videos_days: 14" in text
    assert "Training" not in text


def test_a_change_of_it_is_told_in_words() -> None:
    before = parse_task(FILTER_CHANGE, source=SOURCE)
    told = told_differences(before, parse_task(FILTER_CHANGE + SECTION, source=SOURCE))
    assert [(one.name.en, one.after.en) for one in told] == [
        ("Purpose of filming", "Training on line 3"),
        ("Videos are kept for days", "30"),
        ("Regions that are always masked", "80 % from left, 0 % from top, 20 x 30 %"),
    ]


def test_what_the_task_says_takes_the_place_of_what_the_settings_say() -> None:
    settings = PrivacySettings(purpose="Training", legal_basis="Agreement 7", contact="hr@example.org")
    assert privacy_notice(PrivacySettings(), TaskPrivacy()).empty
    told = privacy_notice(settings, TaskPrivacy(purpose="Audit", keep_videos_days=9))
    assert (told.purpose, told.legal_basis, told.contact) == ("Audit", "Agreement 7", "hr@example.org")
    assert told.keep_videos_days == 9
