"""Units: systemd itself finds nothing wrong with them and rates them walled off, whatever the names are."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from sopilot_assets.upkeep.services.facts import Part, ServiceFacts
from sopilot_assets.upkeep.services.units import facts_of, render, unit_of
from sopilot_assets_tests.upkeep.services.installed_programs import analyze, installation, written

SECRETS = "/etc/sopilot/sopilot.env"
EXPOSED_MAX = 4.0


@pytest.fixture
def facts(tmp_path: Path) -> ServiceFacts:
    """All services, with a home and programs whose names are hard to write down."""
    prefix = tmp_path / "pre fix %n $HOME"
    home = tmp_path / 'ho"me 100%'
    home.mkdir()
    programs = installation(prefix).parent
    return ServiceFacts(str(home), str(programs), "sopilot", tuple(Part), writable=("/mnt/back up",))


@pytest.mark.parametrize("account", ["sopilot", None])
def test_systemd_finds_nothing_wrong(facts: ServiceFacts, tmp_path: Path, account: str | None) -> None:
    paths = written(render(replace(facts, account=account), SECRETS), tmp_path / "units")
    done = analyze("verify", "--man=no", *([] if account else ["--user"]), *paths, runtime=tmp_path)
    about_ours = [line for line in done.stderr.splitlines() if "sopilot" in line]
    assert (done.returncode, about_ours) == (0, [])


@pytest.mark.parametrize("account", ["sopilot", None])
def test_every_service_is_walled_off(facts: ServiceFacts, tmp_path: Path, account: str | None) -> None:
    facts = replace(facts, account=account)
    paths = [
        path for path in written(render(facts, SECRETS), tmp_path / "units") if path.suffix == ".service"
    ]
    assert len(paths) == len(Part) + 1
    for path in paths:
        done = analyze(
            "security",
            *([] if account else ["--user"]),
            "--offline=true",
            "--no-pager",
            path,
            runtime=tmp_path,
        )
        found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
        assert found, done.stderr
        assert float(found[1]) < EXPOSED_MAX, path.name


def test_the_text_of_the_target_gives_the_facts_back(facts: ServiceFacts) -> None:
    assert facts_of(render(facts, SECRETS)["sopilot.target"]) == facts


def test_facts_of_an_earlier_and_of_a_later_version_are_read() -> None:
    found = facts_of('Facts={"home": "/h", "programs": "/p", "account": null, "colour": "blue"}')
    assert found == ServiceFacts("/h", "/p", None)


@pytest.mark.parametrize("text", ["", "Facts={", 'Facts={"home": "/x"}', 'Facts={"parts": ["sewing"]}'])
def test_a_target_of_somebody_else_gives_none(text: str) -> None:
    assert facts_of(f"[Unit]\n{text}\n") is None


def test_a_port_below_1024_is_the_only_capability(facts: ServiceFacts) -> None:
    low = render(replace(facts, desk_port=443), SECRETS)
    with_it = [name for name, text in low.items() if "CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n" in text]
    assert with_it == [unit_of(Part.DESK)]


def test_a_card_of_nvidia_is_seen_by_what_computes(facts: ServiceFacts) -> None:
    units = render(replace(facts, gpu=True), SECRETS)
    without = [name for name in units if name.endswith("e") and "PrivateDevices=yes" not in units[name]]
    assert without == [unit_of(Part.DAEMON), unit_of(Part.WORKER)]


def test_a_home_of_a_person_is_not_hidden(facts: ServiceFacts) -> None:
    assert "ProtectHome=read-only\n" in render(replace(facts, hidden=False), SECRETS)[unit_of(Part.DESK)]
