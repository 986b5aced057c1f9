"""The sensor that tells other programs of results."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import dagster as dg
import pytest

from sopilot_assets.defs.resources import ClockResource, HomeResource
from sopilot_assets.defs.results.sensor import results_sensor
from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import Home
from sopilot_assets_tests.upkeep.alerts.receivers import webhook_receiver
from sopilot_assets_tests.upkeep.results.made_up import after, one_judged


def tick(home: Home, instance: dg.DagsterInstance, at: datetime) -> str:
    context = dg.build_sensor_context(
        instance=instance,
        resources={
            "home": HomeResource(root=str(home.root)),
            "clock": ClockResource(fixed=at.isoformat()),
        },
    )
    said = results_sensor(context)
    assert isinstance(said, dg.SkipReason)
    return said.skip_message or ""


def test_it_sends_what_was_decided_since_it_was_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home.at(tmp_path)
    with dg.DagsterInstance.ephemeral() as instance, webhook_receiver() as hook:
        monkeypatch.setenv("HOOK", hook.url)
        assert "names no program" in tick(home, instance, after(0))
        (tmp_path / "settings.yaml").write_text("results: {webhook: {url_env: HOOK}}", "utf-8")
        assert tick(home, instance, after(1)) == "0 results sent, 0 wait"
        one_judged(home, minutes=2)
        hook.answers = [503]
        assert tick(home, instance, after(3)) == "0 results sent, 1 wait"
        assert tick(home, instance, after(4)) == "1 results sent, 0 wait"
        assert tick(home, instance, after(5)) == "0 results sent, 0 wait"
        (tmp_path / "settings.yaml").write_text("results: {webhook: {}}", "utf-8")
        with pytest.raises(ConfigError):
            tick(home, instance, after(6))
