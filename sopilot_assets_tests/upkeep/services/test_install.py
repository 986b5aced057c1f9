"""What root does for the system's services: an account of its own, and the home in its hands."""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path

import pytest

from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.services.facts import ServiceOptions
from sopilot_assets.upkeep.services.install import Services, give, others
from sopilot_assets.upkeep.services.place import Place
from sopilot_assets.upkeep.services.systemd import Systemd
from sopilot_assets.upkeep.setting_up import prepare_home

NOBODY = pwd.getpwnam("nobody")
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")


def services(tmp_path: Path) -> Services:
    return Services(Place.of_system(tmp_path / "machine"), Systemd(user=False), Path(sys.executable))


def test_services_run_as_whom_the_home_belongs_to_but_never_as_root(home: Home, tmp_path: Path) -> None:
    prepare_home(home)
    mine = pwd.getpwuid(os.geteuid()).pw_name
    assert services(tmp_path).plan(home, ServiceOptions()).account == ("sopilot" if mine == "root" else mine)
    assert services(tmp_path).plan(home, ServiceOptions(account="ada")).account == "ada"


@pytest.mark.parametrize("name", ["root", "Ada", "-x", "a b", ""])
def test_an_account_that_cannot_be_is_refused(home: Home, tmp_path: Path, name: str) -> None:
    prepare_home(home)
    with pytest.raises(ConfigError, match="expected the name of an account that is not root's"):
        services(tmp_path).plan(home, ServiceOptions(account=name))


@root_only
def test_what_is_roots_is_given_and_links_are_not_followed(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    (home / "videos").mkdir(parents=True)
    (home / "videos" / "a.mp4").touch()
    elsewhere.mkdir()
    (elsewhere / "b.mp4").touch()
    (home / "capture").symlink_to(elsewhere)
    assert give(home, NOBODY.pw_uid, NOBODY.pw_gid) == 4
    assert list(others(home, NOBODY.pw_uid)) == []
    assert (home / "videos" / "a.mp4").stat().st_gid == NOBODY.pw_gid
    assert (elsewhere / "b.mp4").stat().st_uid == 0
    (home / "later").touch()
    assert list(others(home, NOBODY.pw_uid)) == [home / "later"]


@root_only
def test_files_that_people_dropped_belong_to_them(tmp_path: Path) -> None:
    """They wait, or stay as `steps.csv` does; a folder of Windows gives all files to one person."""
    steps = tmp_path / "capture" / "tea" / "gold" / "steps.csv"
    steps.parent.mkdir(parents=True)
    steps.touch()
    (tmp_path / "tasks").mkdir()
    os.chown(tmp_path / "tasks", NOBODY.pw_uid, NOBODY.pw_gid)
    assert list(others(tmp_path, NOBODY.pw_uid)) == []
    (tmp_path / "tasks" / "capture").mkdir()
    assert list(others(tmp_path, NOBODY.pw_uid)) == [tmp_path / "tasks" / "capture"]


@root_only
def test_a_home_that_is_reached_by_a_link_is_given_too(tmp_path: Path) -> None:
    home, link = tmp_path / "home", tmp_path / "link"
    (home / "videos").mkdir(parents=True)
    link.symlink_to(home)
    assert list(others(link, NOBODY.pw_uid)) == [home / "videos"]
    assert give(link, NOBODY.pw_uid, NOBODY.pw_gid) == 2
    assert home.stat().st_uid == (home / "videos").stat().st_uid == NOBODY.pw_uid


def test_the_files_of_the_system_lie_where_systemd_looks(home: Home, tmp_path: Path) -> None:
    prepare_home(home)
    made = services(tmp_path)
    files = made.place.files(made.plan(home, ServiceOptions(account="ada")))
    shown = sorted(str(path.relative_to(tmp_path / "machine")) for path in files)
    assert shown == [
        "etc/systemd/system/sopilot-clock.service",
        "etc/systemd/system/sopilot-clock.timer",
        "etc/systemd/system/sopilot-daemon.service",
        "etc/systemd/system/sopilot-desk.service",
        "etc/systemd/system/sopilot-web.service",
        "etc/systemd/system/sopilot.target",
        "etc/sysusers.d/sopilot.conf",
        "etc/tmpfiles.d/sopilot.conf",
    ]
    account = files[tmp_path / "machine" / "etc" / "sysusers.d" / "sopilot.conf"]
    assert 'u ada - "services of sopilot" /var/cache/sopilot\n' in account


def test_commands_typed_as_the_account_keep_what_they_compile_where_its_services_do(
    home: Home, tmp_path: Path
) -> None:
    """Compiled functions are kept below HOME; with none that can be written, scoring fails."""
    prepare_home(home)
    made = services(tmp_path)
    files = made.place.files(made.plan(home, ServiceOptions(account="ada")))
    (account,) = [text for path, text in files.items() if path.parent.name == "sysusers.d"]
    of_account = account.split()[-1]
    (unit,) = [text for path, text in files.items() if path.name == "sopilot-daemon.service"]
    assert f'Environment="HOME={of_account.replace("/var/cache", "%C")}"\n' in unit
    assert f"CacheDirectory={Path(of_account).name}\n" in unit
