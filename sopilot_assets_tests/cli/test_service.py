"""`sopilot service` for one's own account, with a systemctl that only writes down what it is told."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.setting_up import Profile, prepare_home
from sopilot_assets_tests.cli.running import rows, sopilot

SYSTEMCTL = """#!/bin/sh
echo "$@" >>{told}
case "$*" in
*"show "*desk*) printf '%s\\n' LoadState=loaded ActiveState=failed SubState=failed Result=watchdog \\
           NRestarts=3 ;;
*"show "*) printf '%s\\n' LoadState=loaded ActiveState=active SubState=running Result=success NRestarts=0 \\
           ActiveEnterTimestamp=@1767225600 ;;
esac
"""
WITHOUT_FILES = """#!/bin/sh
echo "$@" >>{told}
verb=$3; shift 3
for unit in "$@"; do
  [ "$verb" != stop ] || [ -e {units}/"$unit" ] || {{ echo "Unit $unit not loaded." >&2; exit 5; }}
done
"""
NOT_ACTIVE = """#!/bin/sh
echo "$@" >>{told}
"""
JOURNALCTL = """#!/bin/sh
case "$*" in
*desk*) echo '{"__REALTIME_TIMESTAMP": "1767225601000000", "MESSAGE": "Watchdog timeout"}' ;;
esac
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What systemctl was told, a line for each call; nothing is active yet."""
    folder, file = tmp_path / "bin", tmp_path / "told"
    folder.mkdir()
    program(folder / "systemctl", NOT_ACTIVE.format(told=file))
    program(folder / "journalctl", JOURNALCTL)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    (tmp_path / "run" / "systemd").mkdir(parents=True)
    return file


def program(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def prepared(home: Home) -> Home:
    prepare_home(home)
    return home


def ports() -> list[str]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        return [
            *("--desk-port", str(one.getsockname()[1])),
            *("--web-port", str(two.getsockname()[1])),
        ]


def everything(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_services_are_installed_once_and_leave_nothing_behind(
    prepared: Home, told: Path, tmp_path: Path
) -> None:
    before = everything(local_path(prepared.root))
    said = sopilot(prepared, "service", "install", "--user", *ports()).stdout
    assert "Started: sopilot-daemon.service, sopilot-web.service, sopilot-desk.service" in said
    units = tmp_path / "config" / "systemd" / "user"
    assert sorted(path.name for path in units.iterdir()) == [
        *("sopilot-clock.service", "sopilot-clock.timer", "sopilot-daemon.service"),
        *("sopilot-desk.service", "sopilot-web.service", "sopilot.target"),
    ]
    assert "--user --no-pager daemon-reload" in told.read_text("utf-8")
    secrets = tmp_path / "config" / "sopilot" / "sopilot.env"
    assert secrets.stat().st_mode & 0o777 == 0o600

    first = everything(tmp_path / "config")
    program(tmp_path / "bin" / "systemctl", SYSTEMCTL.format(told=told))
    said = sopilot(prepared, "service", "install", "--user").stdout
    assert "Wrote" not in said
    assert everything(tmp_path / "config") == first

    assert "Removed" in sopilot(prepared, "service", "uninstall", "--user").stdout
    assert everything(tmp_path / "config") == {}
    assert everything(local_path(prepared.root)) == before


def test_secrets_and_changes_of_ones_own_outlive_install_and_uninstall(
    prepared: Home, told: Path, tmp_path: Path
) -> None:
    secrets = tmp_path / "config" / "sopilot" / "sopilot.env"
    secrets.parent.mkdir(parents=True)
    secrets.write_text("SOPILOT_WEBHOOK_URL=https://hooks.example.org\n", encoding="utf-8")
    sopilot(prepared, "service", "install", "--user", *ports())
    own = tmp_path / "config" / "systemd" / "user" / "sopilot-desk.service.d" / "override.conf"
    own.parent.mkdir()
    own.write_text("[Service]\nNice=5\n", encoding="utf-8")
    said = sopilot(prepared, "service", "uninstall", "--user").stdout
    assert set(everything(tmp_path / "config")) == {
        "sopilot/sopilot.env",
        "systemd/user/sopilot-desk.service.d/override.conf",
    }
    assert secrets.read_text("utf-8") == "SOPILOT_WEBHOOK_URL=https://hooks.example.org\n"
    assert "sopilot.env" in said.partition("Stays")[2]
    assert told.exists()


def test_the_state_of_each_service_is_shown(prepared: Home, told: Path, tmp_path: Path) -> None:
    sopilot(prepared, "service", "install", "--user", *ports())
    program(tmp_path / "bin" / "systemctl", SYSTEMCTL.format(told=told))
    web = tmp_path / "config" / "systemd" / "user" / "sopilot-web.service"
    web.write_text(web.read_text("utf-8").replace("WatchdogSec=120", "WatchdogSec=1"), encoding="utf-8")
    states = {row["service"]: row for row in rows(prepared, "service", "status", "--user", exit_code=1)}
    assert states["sopilot-desk.service"] == {
        "service": "sopilot-desk.service",
        "state": "failed (failed, watchdog)",
        "since": None,
        "restarts": 3,
        "unit": "as written",
        "last_error": "2026-01-01 00:00:01 Watchdog timeout",
        "log": "journalctl --user-unit sopilot-desk.service",
    }
    assert states["sopilot-daemon.service"]["since"] == "2026-01-01 00:00:00"
    assert states["sopilot-web.service"]["unit"] == "differs"


def test_what_differs_is_written_anew_and_started_again(prepared: Home, told: Path, tmp_path: Path) -> None:
    chosen = ports()
    sopilot(prepared, "service", "install", "--user", *chosen)
    program(tmp_path / "bin" / "systemctl", SYSTEMCTL.format(told=told))
    (prepared.root / "settings.yaml").write_text("backup: {destination: /mnt/b}\n", encoding="utf-8")
    told.unlink()
    sopilot(prepared, "service", "install", "--user", "--web-options", "--read-only")
    again = [line for line in told.read_text("utf-8").splitlines() if " restart " in line]
    assert again == ["--user --no-pager restart sopilot-web.service"]
    text = (tmp_path / "config" / "systemd" / "user" / "sopilot-web.service").read_text("utf-8")
    assert f"--port {chosen[3]} --read-only\n" in text


def test_a_dry_run_prints_every_file_and_writes_none(prepared: Home, told: Path, tmp_path: Path) -> None:
    printed = sopilot(prepared, "service", "install", "--dry-run").stdout
    for name in (
        "sopilot.target",
        "sopilot-desk.service",
        "tmpfiles.d/sopilot.conf",
        "sysusers.d/sopilot.conf",
    ):
        assert name in printed
    assert not (tmp_path / "config").exists()
    assert not told.exists()


def test_what_cannot_be_done_says_why_and_changes_nothing(
    prepared: Home, told: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal(home: Home, *words: str) -> str:
        said = sopilot(home, "service", *words, "--user", exit_code=1).stderr
        assert not (tmp_path / "config").exists()
        return said

    assert "home init" in refusal(Home.at(tmp_path / "none"), "install")
    assert "expected services that `sopilot service install` wrote, found none" in refusal(prepared, "status")
    assert "found none" in refusal(prepared, "uninstall")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refusal(prepared, "install", "--desk-port", port)
    assert f"127.0.0.1:{port}: expected a free port for the desk" in said
    (tmp_path / "run" / "systemd").rmdir()
    assert "expected your own systemd (systemctl --user) to run here, found none" in refusal(
        prepared, "install"
    )
    assert not told.exists() or "daemon-reload" not in told.read_text("utf-8")


def test_a_unit_of_somebody_else_is_not_replaced(prepared: Home, told: Path, tmp_path: Path) -> None:
    unit = tmp_path / "config" / "systemd" / "user" / "sopilot-desk.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nExecStart=/bin/true\n", encoding="utf-8")
    said = sopilot(prepared, "service", "install", "--user", *ports(), exit_code=1).stderr
    assert "Move it away" in said
    assert everything(tmp_path / "config") == {
        "systemd/user/sopilot-desk.service": b"[Service]\nExecStart=/bin/true\n"
    }
    assert told.exists()


def test_services_that_are_not_wanted_any_more_are_stopped(told: Path, tmp_path: Path) -> None:
    scale = Home.at(tmp_path / "scale")
    prepare_home(scale, Profile.SCALE)
    sopilot(scale, "service", "install", "--user", *ports())
    told.unlink()
    sopilot(scale, "service", "install", "--user", "--only", "worker")
    (stopped,) = [line for line in told.read_text("utf-8").splitlines() if " stop " in line]
    for part in ("daemon.service", "web.service", "desk.service", "clock.timer"):
        assert f"sopilot-{part}" in stopped
    assert "worker" not in stopped
    units = tmp_path / "config" / "systemd" / "user"
    assert sorted(path.name for path in units.iterdir()) == ["sopilot-worker.service", "sopilot.target"]


def test_what_a_killed_install_or_uninstall_left_is_removed(
    prepared: Home, told: Path, tmp_path: Path
) -> None:
    sopilot(prepared, "service", "install", "--user", *ports())
    units = tmp_path / "config" / "systemd" / "user"
    (units / "sopilot-web.service").unlink()
    program(tmp_path / "bin" / "systemctl", WITHOUT_FILES.format(told=told, units=units))
    removed = sopilot(prepared, "service", "uninstall", "--user").stdout.splitlines()
    assert everything(tmp_path / "config") == {}
    assert [line.endswith("sopilot.target") for line in removed if line.startswith("Removed")][-1]


def test_a_place_for_backups_that_is_not_there_is_named(prepared: Home, told: Path, tmp_path: Path) -> None:
    """systemd opens to services only what is there when they start."""
    place = tmp_path / "nas" / "backup"
    (prepared.root / "settings.yaml").write_text(f"backup: {{destination: {place}}}\n", encoding="utf-8")
    said = " ".join(sopilot(prepared, "service", "install", "--user", *ports()).stdout.split())
    assert f"{place} is not there, and services cannot make it" in said
    assert "systemctl --user restart sopilot.target" in said
    place.mkdir(parents=True)
    assert "is not there" not in sopilot(prepared, "service", "install", "--user").stdout
    assert told.exists()


def test_services_of_another_home_are_not_replaced(prepared: Home, told: Path, tmp_path: Path) -> None:
    sopilot(prepared, "service", "install", "--user", *ports())
    other = Home.at(tmp_path / "other")
    prepare_home(other)
    said = sopilot(other, "service", "install", "--user", exit_code=1).stderr
    assert f"expected services of {other.root}, found those of {prepared.root}" in said
    assert told.exists()
