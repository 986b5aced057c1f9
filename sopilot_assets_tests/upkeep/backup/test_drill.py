"""A drill passes where a restore would bring everything back, and says what would be missing."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from sopilot_assets.capture.promotions import ConfirmedStep, PromotionDraft, promotions_chain
from sopilot_assets.errors import BackupError
from sopilot_assets.settings import settings_path
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, publish_bytes, publish_text
from sopilot_assets.studies.adoptions import say_adoption
from sopilot_assets.upkeep.backup.create import create_backup
from sopilot_assets.upkeep.backup.drill import drill
from sopilot_assets.upkeep.backup.forget import forget
from sopilot_assets.upkeep.backup.history import newest_backup_at, newest_drill_at
from sopilot_assets.upkeep.backup.repository import open_repository
from sopilot_assets.upkeep.backup.routine import back_up, drill_newest
from sopilot_assets.upkeep.backup.snapshot import Remark
from sopilot_assets.upkeep.backup.verify import verify_repository
from sopilot_assets_tests.upkeep.backup.made_up import after, happen, tree

AT = "2026-03-02T10:00:00+00:00"


def first(folder: Path, pattern: str) -> Path:
    return sorted(folder.glob(pattern))[0]


def test_a_whole_backup_passes_and_nothing_stays(living: Home, place: str) -> None:
    name = create_backup(living, place, now=after(5)).name
    happen(living, "later")
    before = tree(local_path(living.root))
    done = drill(living, open_repository(place), name)
    assert done.problems == ()
    assert done.rows == 6 * 4 + 6
    assert tree(local_path(living.root)) == before


def test_a_drill_leaves_the_space_below_which_intake_pauses(living: Home, place: str) -> None:
    name = create_backup(living, place, now=after(5)).name
    limits = "pause_gib: 1000000, resume_gib: 1000000, warn_gib: 1000000"
    publish_text(settings_path(living), f"disk: {{{limits}}}\n")
    (problem,) = drill(living, open_repository(place), name).problems
    assert "expected 1000000.0 GiB of free space" in problem.what


def test_a_disk_that_fills_up_is_a_problem_of_the_drill(
    living: Home, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    name = create_backup(living, place, now=after(5)).name
    monkeypatch.setattr("sopilot_assets.upkeep.backup.drill.write_files", full)
    assert drill(living, open_repository(place), name).problems == (
        Remark(name, "could not be written (No space left on device); make room or mend the disk"),
    )


def lose_a_video(home: Home) -> None:
    first(local_path(home.videos), "*.mp4").unlink()


def lose_an_embedding(home: Home) -> None:
    first(local_path(home.root), "embeddings/*/*.npz").unlink()


def change_a_result(home: Home) -> None:
    publish_text(home.study("study1") / "cases.csv", "better figures")


def drop_the_last(home: Home, ledger: str) -> None:
    files = sorted(local_path(home.ledgers / ledger).glob("*.parquet"), key=lambda path: path.stat().st_mtime)
    files[-1].unlink()


def drop_the_last_labels(home: Home) -> None:
    drop_the_last(home, "labels")


def drop_a_demotion(home: Home) -> None:
    said = {"task_id": "tea", "key": "tea-t-000000000001", "who": "tess", "at": AT, "why": "looked at it"}
    steps = (ConfirmedStep(step="boil", start_s=0.0, end_s=2.0),)
    for change, shown in (("promote", steps), ("demote", ())):
        draft = PromotionDraft.model_validate({**said, "change": change, "steps": shown})
        promotions_chain(home).append([draft], run_id=change, written_at=AT)
    drop_the_last(home, "promotions")


def drop_a_withdrawal(home: Home) -> None:
    texts = ("who", "reason", "study_id", "policy_id", "detector", "dossier_id", "signer")
    made = ("task_fingerprint", "model_id", "algorithm")
    said = {
        **dict.fromkeys((*texts, *made), "x"),
        "review": 0.3,
        "dossier_sha256": "0" * 64,
        "task_version": 1,
    }
    for happened in ("adopted", "withdrawn"):
        say_adoption(home, "tea", {**said, "happened": happened}, run_id=happened, written_at=AT)
    drop_the_last(home, "adoptions")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lose_a_video, r"videos/[0-9a-f]+\.mp4: is not there, though a row speaks of it"),
        (lose_an_embedding, r"embeddings/color-1/[0-9a-f]+\.npz: is not there"),
        (change_a_result, r"studies/study1/cases\.csv: is not the file that the ledger study_results"),
        (drop_the_last_labels, r"ledgers/labels: labels of tea: .*Restore ledgers/labels"),
        (drop_a_demotion, r"ledgers/promotions: promotions of tea: .*Restore ledgers/promotions"),
        (drop_a_withdrawal, r"ledgers/adoptions: adoptions of tea: .*Restore ledgers/adoptions"),
    ],
)
def test_a_backup_of_a_damaged_home_does_not_pass(
    living: Home, place: str, damage: Callable[[Home], None], said: str
) -> None:
    damage(living)
    name = create_backup(living, place, now=after(5)).name
    (problem,) = drill(living, open_repository(place), name).problems
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(f"{problem.path}: {problem.what}")


def test_rows_that_the_home_lost_since_are_found(living: Home, place: str) -> None:
    name = create_backup(living, place, now=after(5)).name
    first(local_path(living.ledgers), "videos/*.parquet").unlink()
    (problem,) = drill(living, open_repository(place), name).problems
    assert problem.path == "ledgers/videos"
    assert "the home lost 1 of the 6 rows" in problem.what


def test_a_damaged_backup_does_not_pass(living: Home, place: str) -> None:
    backup = create_backup(living, place, now=after(5))
    repository = open_repository(place)
    publish_bytes(repository.object(backup.snapshot.files[0].objects[0]), b"other")
    (problem,) = drill(living, repository, backup.name).problems
    assert "1 of" in problem.what


def test_what_else_is_asked_counts(living: Home, place: str) -> None:
    name = create_backup(living, place, now=after(5)).name
    looked: list[str] = []

    def look(home: Home) -> list[Remark]:
        looked.append(home.root.name)
        return [Remark("dagster", "does not open")]

    assert drill(living, open_repository(place), name, look=look).problems == (
        Remark("dagster", "does not open"),
    )
    assert looked == ["home"]


def test_backups_and_drills_are_entered_and_the_settings_say_where_and_how_many(
    living: Home, place: str
) -> None:
    publish_text(settings_path(living), f"backup: {{destination: {place}, keep: 2}}\n")
    assert newest_backup_at(living) is newest_drill_at(living) is None
    *_, done = (back_up(living, None, now=after(minute)) for minute in range(4))
    assert done.row["sound"]
    assert done.forgotten is not None
    assert len(open_repository(place).snapshot_names()) == 2
    drilled = drill_newest(living, None, now=after(9))
    assert drilled.row["passed"]
    assert drilled.row["backup"] == done.row["backup"]
    assert str(newest_backup_at(living)) == str(done.row["created_at"]).replace("T", " ")
    assert newest_drill_at(living) is not None


def test_a_backup_counts_also_where_an_older_one_is_damaged_and_nothing_can_be_removed(
    living: Home, place: str
) -> None:
    publish_text(settings_path(living), f"backup: {{destination: {place}, keep: 2}}\n")
    oldest, older, _ = (back_up(living, None, now=after(minute)).backup.name for minute in range(3))
    repository = open_repository(place)
    assert oldest not in repository.snapshot_names()
    Path(repository.snapshot_path(older).path).write_bytes(b"{}")
    publish_text(settings_path(living), f"backup: {{destination: {place}, keep: 3}}\n")
    done = back_up(living, None, now=after(9))
    assert str(newest_backup_at(living)) == str(done.row["created_at"]).replace("T", " ")
    (remark,) = done.remarks
    assert remark.what.startswith(f"no old backup was removed: {older}: ")


def test_forgetting_leaves_what_the_kept_backups_need(living: Home, place: str) -> None:
    create_backup(living, place, now=after(5))
    first(local_path(living.videos), "*.mp4").unlink()
    create_backup(living, place, now=after(6))
    repository = open_repository(place)
    done = forget(repository, living, keep=1)
    assert (len(done.names), done.objects) == (1, 1)
    found = verify_repository(repository)
    assert (found.damaged, found.unused, found.snapshots) == ((), 0, 1)
    assert forget(repository, living, keep=1).names == ()


def test_nothing_is_forgotten_while_a_kept_backup_cannot_be_read(living: Home, place: str) -> None:
    create_backup(living, place, now=after(5))
    name = create_backup(living, place, now=after(6)).name
    repository = open_repository(place)
    repository.snapshot_path(name).write_bytes(b"{}")
    before = tree(Path(place))
    with pytest.raises(BackupError, match="not the one that was sealed"):
        forget(repository, living, keep=1)
    assert tree(Path(place)) == before
