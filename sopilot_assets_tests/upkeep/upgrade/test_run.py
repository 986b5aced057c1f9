"""An upgrade changes what it says, keeps what that was, and is taken back to the byte."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sopilot_assets.errors import BackupError, ConfigError, FormatError, StoreError
from sopilot_assets.store.home import Home
from sopilot_assets.store.home_format import FORMAT_FILE, HOME_FORMAT, HomeFormat, read_format
from sopilot_assets.store.journal import read_journal
from sopilot_assets.store.publish import local_path, publish_text
from sopilot_assets.upkeep.backup.repository import open_repository
from sopilot_assets.upkeep.setting_up import prepare_home, shipped_settings
from sopilot_assets.upkeep.upgrade import exchange
from sopilot_assets.upkeep.upgrade.instance_settings import FILE, INSTANCE_SETTINGS
from sopilot_assets.upkeep.upgrade.migrations import Migration
from sopilot_assets.upkeep.upgrade.run import HISTORY, Reverted, Upgraded, revert_upgrade, run_upgrade
from sopilot_assets_tests.upkeep.upgrade.tree import content

NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)
MIGRATIONS = (INSTANCE_SETTINGS,)


def upgrade(home: Home, migrations: tuple[Migration, ...] = MIGRATIONS, *, minutes: int = 0) -> Upgraded:
    done = run_upgrade(home, migrations, now=NOW + timedelta(minutes=minutes))
    assert done is not None
    return done


def revert(home: Home, *, keep_aside: bool = False) -> Reverted:
    return revert_upgrade(home, now=NOW, keep_aside=keep_aside)


def test_a_home_gets_this_format_and_nothing_else_of_it_changes(old: Home) -> None:
    root = local_path(old.root)
    before = content(root)
    done = upgrade(old)
    assert (done.finished, done.backup, done.upgrade.before, done.upgrade.after) == (False, None, 1, 2)
    assert [one.path for one in done.upgrade.files] == [FILE]
    after = content(root)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed == {FILE, FORMAT_FILE}
    assert after[FILE][1] == shipped_settings("dagster.yaml")
    assert read_format(root) == HomeFormat(HOME_FORMAT, done.upgrade.made_by, done.upgrade.name)
    publish_text(root / "reviews" / "x.html", "x")
    assert run_upgrade(old, MIGRATIONS, now=NOW) is None


def test_it_is_taken_back_to_the_byte(old: Home) -> None:
    root = local_path(old.root)
    (root / FILE).chmod(0o600)
    before = content(root)
    upgrade(old)
    assert revert(old).aside is None
    assert content(root) == before
    events = [line["event"] for line in read_journal(root / exchange.UPGRADES / HISTORY)]
    assert events == ["begun", "done", "taking back", "taken back"]
    upgrade(old)
    revert(old)
    assert content(root) == before


def test_what_was_written_since_stays(old: Home) -> None:
    root = local_path(old.root)
    upgrade(old)
    publish_text(root / "reviews" / "since.html", "since")
    revert(old)
    assert (root / "reviews" / "since.html").read_text("utf-8") == "since"


def test_a_new_home_has_nothing_to_do_and_nothing_to_take_back(home: Home) -> None:
    prepare_home(home)
    before = content(local_path(home.root))
    assert run_upgrade(home, MIGRATIONS, now=NOW) is None
    with pytest.raises(ConfigError, match="found one of format 2 that never was"):
        revert(home)
    assert content(local_path(home.root)) == before


def test_a_home_without_anything_to_change_gets_the_number_alone(old: Home) -> None:
    (local_path(old.root) / FILE).write_bytes(shipped_settings("dagster.yaml"))
    assert upgrade(old).upgrade.files == ()
    assert read_format(local_path(old.root)).number == HOME_FORMAT


def test_what_changed_since_is_named_and_not_lost(old: Home) -> None:
    root = local_path(old.root)
    before = content(root)
    done = upgrade(old)
    (root / FILE).write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    upgraded = content(root)
    with pytest.raises(ConfigError, match=r"would be lost: dagster/dagster.yaml\. Nothing was taken back"):
        revert(old)
    assert content(root) == upgraded
    kept = revert(old, keep_aside=True).aside
    assert kept is not None
    assert kept == exchange.folder_of(root, done.upgrade.name) / exchange.ASIDE
    assert (kept / FILE).read_text("utf-8") == "telemetry: {enabled: false}\n"
    assert content(root) == before


def working_in(path: Path) -> subprocess.Popen[bytes]:
    reading = f"import sys; f = open({str(path)!r}); print(1, flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", reading], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_nobody_may_work_in_the_home_meanwhile(old: Home) -> None:
    root = local_path(old.root)
    before = content(root)
    with working_in(root / FILE) as process:
        with pytest.raises(ConfigError, match=rf"1 processes work in it: python[\d.]* \({process.pid}\)"):
            upgrade(old)
        assert content(root) == before
        process.kill()
    upgrade(old)
    with working_in(root / FILE) as process:
        with pytest.raises(ConfigError, match="1 processes work in it"):
            revert(old)
        process.kill()
    revert(old)


def test_a_full_disk_is_said_before_anything_changes(old: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(local_path(old.root))
    usage = shutil.disk_usage(local_path(old.root))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(ConfigError, match=r"expected 64 MiB of free space .* found 0 MiB"):
        upgrade(old)
    assert content(local_path(old.root)) == before


def test_the_home_is_backed_up_first_where_its_settings_name_a_place(old: Home, tmp_path: Path) -> None:
    root, place = local_path(old.root), tmp_path / "backups"
    (root / "settings.yaml").write_text(f"backup: {{destination: {place}}}\n", encoding="utf-8")
    done = upgrade(old)
    assert done.backup is not None
    (name,) = open_repository(place).snapshot_names()
    snapshot = open_repository(place).snapshot(name)
    assert done.backup.backup.name == name
    assert FORMAT_FILE not in snapshot.by_path
    assert snapshot.by_path[FILE].sha256 == done.upgrade.files[0].before
    revert(old)
    run_upgrade(old, MIGRATIONS, now=NOW + timedelta(hours=1), backup=False)
    assert open_repository(place).snapshot_names() == [name]


def test_where_the_backup_cannot_be_made_nothing_changes(old: Home, tmp_path: Path) -> None:
    root, place = local_path(old.root), tmp_path / "backups"
    place.mkdir()
    (place / "other.txt").touch()
    (root / "settings.yaml").write_text(f"backup: {{destination: {place}}}\n", encoding="utf-8")
    before = content(root)
    with pytest.raises(BackupError, match="found other files"):
        upgrade(old)
    assert content(root) == before


@pytest.mark.parametrize("act", [upgrade, revert])
def test_a_newer_home_is_left_alone(old: Home, act: Callable[[Home], object]) -> None:
    root = local_path(old.root)
    (root / FORMAT_FILE).write_bytes(HomeFormat(HOME_FORMAT + 1, "sopilot 9.9.9", "x").as_json())
    before = content(root)
    with pytest.raises(FormatError, match=r"Activate sopilot 9\.9\.9"):
        act(old)
    assert content(root) == before


@pytest.mark.parametrize(
    ("number", "towards"), [(HOME_FORMAT, HOME_FORMAT + 1), (HOME_FORMAT + 1, HOME_FORMAT)]
)
def test_what_a_later_version_began_is_not_finished_by_this_one(old: Home, number: int, towards: int) -> None:
    """It would leave a home that this version must not write into."""
    root = local_path(old.root)
    made = upgrade(old).upgrade
    exchange.write_upgrade(root, replace(made, before=HOME_FORMAT, after=HOME_FORMAT + 1))
    said = HomeFormat(number, "sopilot 9.9.9", made.name, towards)
    (root / FORMAT_FILE).write_bytes(said.as_json())
    with pytest.raises(FormatError, match=r"sopilot 9\.9\.9"):
        upgrade(old)
    assert read_format(root) == said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may write into the home of somebody else")
def test_root_does_not_upgrade_the_home_of_somebody_else(old: Home) -> None:
    """What root wrote, the home's own account could not change."""
    root = local_path(old.root)
    before = content(root)
    os.chown(root, pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(ConfigError, match=r"expected to be called as nobody, .*`sudo -u nobody"):
        upgrade(old)
    assert content(root) == before
    os.chown(root, 0, -1)
    upgrade(old)
    os.chown(root, pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(ConfigError, match="expected to be called as nobody"):
        revert(old)


def half_way(home: Home, towards: int) -> str:
    """An upgrade, or the reversal of one, of which no file has been exchanged yet; returns its name."""
    root = local_path(home.root)
    done = upgrade(home)
    if towards == done.upgrade.after:
        revert(home)
    number = done.upgrade.before if towards == done.upgrade.after else done.upgrade.after
    said = HomeFormat(number, "sopilot 0.2.0", done.upgrade.name, towards)
    (root / FORMAT_FILE).write_bytes(said.as_json())
    return done.upgrade.name


@pytest.mark.parametrize("towards", [1, HOME_FORMAT])
def test_what_was_interrupted_is_finished_or_taken_back(old: Home, towards: int) -> None:
    root = local_path(old.root)
    before = content(root)
    name = half_way(old, towards)
    with pytest.raises(FormatError, match=f"on its way .*{name} has not ended"):
        publish_text(root / "x", "x")
    done = upgrade(old)
    assert (done.finished, done.upgrade.name) == (True, name)
    assert read_format(root).number == HOME_FORMAT
    assert (root / FILE).read_bytes() == shipped_settings("dagster.yaml")
    revert(old)
    half_way(old, towards)
    revert(old)
    assert content(root) == before


def test_who_may_read_a_file_is_the_same_after_a_kill_between_exchanging_it_and_saying_so(old: Home) -> None:
    file = local_path(old.root) / FILE
    file.chmod(0o600)
    half_way(old, 1)
    file.chmod(0o644)
    upgrade(old)
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_was_interrupted_and_edited_since_is_not_finished_blindly(old: Home) -> None:
    root = local_path(old.root)
    before = content(root)
    half_way(old, HOME_FORMAT)
    (root / FILE).write_text("telemetry: {enabled: true}\n", encoding="utf-8")
    with pytest.raises(FormatError, match=r"changed while .* dagster/dagster.yaml"):
        upgrade(old)
    assert (root / FILE).read_text("utf-8") == "telemetry: {enabled: true}\n"
    revert(old, keep_aside=True)
    assert content(root) == before


def test_what_was_killed_before_it_changed_anything_is_begun_anew(old: Home) -> None:
    root = local_path(old.root)
    left = root / exchange.UPGRADES / "20261130T080000Z" / exchange.AFTER / "dagster" / "half.db"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    upgrade(old)
    assert not left.exists()


def test_a_damaged_copy_is_not_put_back(old: Home) -> None:
    root = local_path(old.root)
    done = upgrade(old)
    kept = exchange.folder_of(root, done.upgrade.name) / exchange.BEFORE / FILE
    kept.write_bytes(b"damaged")
    with pytest.raises(FormatError, match=r"before/dagster/dagster.yaml: expected SHA-256 .*backup restore"):
        revert(old)
    assert (root / FILE).read_bytes() == shipped_settings("dagster.yaml")


def test_what_cannot_be_read_of_an_upgrade_is_named(old: Home) -> None:
    root = local_path(old.root)
    done = upgrade(old)
    (exchange.folder_of(root, done.upgrade.name) / exchange.MANIFEST).write_text("{}", encoding="utf-8")
    with pytest.raises(FormatError, match=r"upgrade.json: expected what the upgrade .* changed"):
        revert(old)


def test_a_database_in_which_somebody_works_is_not_exchanged(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    path.write_bytes(b"no database at all, whatever its name says" * 100)
    with pytest.raises(StoreError, match=r"runs.db: expected a database in which nobody works"):
        exchange.settle(path)


def test_two_upgrades_are_taken_back_one_after_the_other(old: Home) -> None:
    """As when the installed Dagster is a later one, within the same format."""
    later = Migration(
        name="later",
        what="a line is added",
        since=None,
        touched=lambda root: {FILE: "gets a line"} if b"# later" not in (root / FILE).read_bytes() else {},
        apply=lambda folder: publish_text(folder / FILE, (folder / FILE).read_text("utf-8") + "# later\n"),
    )
    root = local_path(old.root)
    first, before = upgrade(old), content(root)
    second = upgrade(old, (*MIGRATIONS, later), minutes=1)
    assert (second.upgrade.before, second.upgrade.after) == (HOME_FORMAT, HOME_FORMAT)
    assert (root / FILE).read_text("utf-8").endswith("# later\n")
    assert revert(old).upgrade.name == second.upgrade.name
    assert content(root) == before
    assert revert(old).upgrade.name == first.upgrade.name
    assert read_format(root).number == 1


def test_what_the_version_before_would_refuse_is_said(old: Home) -> None:
    root = local_path(old.root)
    task = root / "tasks" / "filter_change.yaml"
    upgrade(old)
    written = task.read_text("utf-8")
    written = "\n".join(line for line in written.splitlines() if "accepted_" not in line)
    written = written.replace("embedder: color_motion", "embedder: lite0_box")
    task.write_text(f"{written}\ntakt_s: 60\n", encoding="utf-8")
    (root / "settings.yaml").write_text("uploads: {largest_gib: 1}\n", encoding="utf-8")
    refused = ", which sopilot 0.1.0 does not know and refuses; remove that before going back to it"
    assert list(revert(old).unknown) == [
        f"settings.yaml has uploads{refused}",
        f"tasks/filter_change.yaml has embedder: lite0_box, takt_s{refused}",
    ]
