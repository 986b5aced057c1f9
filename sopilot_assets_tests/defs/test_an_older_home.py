"""A home made by the version before starts with its own settings, shows its history and is scored on.

How it was made is said in ``data/older_home.md``.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from sopilot_assets.definitions import build_defs
from sopilot_assets.defs.alerts.sensor import alerts_sensor
from sopilot_assets.defs.dagster_internals.event_log import BatchedEventLog
from sopilot_assets.defs.dagster_internals.launcher import LocalRunLauncher
from sopilot_assets.defs.instance import local_instance
from sopilot_assets.defs.recordings.capture_sensor import capture_sensor
from sopilot_assets.defs.recordings.scores import scores
from sopilot_assets.local_run import run_scoring
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.rescoring_plan import plan_scoring
from sopilot_assets.stations.staleness import stale_scores
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets_tests.defs.conftest import resources

pytestmark = pytest.mark.whole

ARCHIVE = Path(__file__).parent / "data" / "older_home.tar.xz"
NOW = datetime.now(UTC)
"""After anything in the home: Dagster's own clock cannot be set."""


@dataclass(frozen=True)
class Older:
    """The home, its instance as its own settings make it, and a recording that it has not seen."""

    home: Home
    instance: dg.DagsterInstance
    new: Path

    @property
    def keys(self) -> list[str]:
        return list(self.instance.get_dynamic_partitions("video"))

    def cursor(self, sensor: str) -> str | None:
        """What the sensor's last tick left there."""
        (state,) = (one for one in self.instance.all_instigator_state() if one.name == sensor)
        return getattr(state.instigator_data, "cursor", None)

    def given(self, after_s: float = 0) -> dict[str, object]:
        return resources(self.home, now=(NOW + timedelta(seconds=after_s)).isoformat())

    def look(self, cursor: str | None, after_s: float) -> dg.SensorResult:
        """A tick of the capture sensor."""
        context = dg.build_sensor_context(self.instance, cursor=cursor, resources=self.given(after_s))
        found = capture_sensor(context)
        assert isinstance(found, dg.SensorResult)
        return found

    def run(self, job: str, **settings: object) -> dg.ExecuteInProcessResult:
        return (
            build_defs(**self.given())
            .resolve_job_def(job)
            .execute_in_process(instance=self.instance, **settings)  # type: ignore[arg-type]
        )


@pytest.fixture
def older(tmp_path: Path) -> Iterator[Older]:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    home = Home.at(tmp_path / "home")
    with local_instance(home) as instance:
        yield Older(home, instance, next((tmp_path / "new").glob("*.mp4")))


def test_its_own_settings_name_places_that_are_still_there(older: Older) -> None:
    settings = (local_path(older.home.root) / "dagster" / "dagster.yaml").read_text("utf-8")
    assert "module: sopilot_assets.defs.event_log\n" in settings
    assert "module: sopilot_assets.defs.launcher\n" in settings
    assert isinstance(older.instance.run_launcher, LocalRunLauncher)
    assert isinstance(older.instance.event_log_storage, BatchedEventLog)


def test_it_shows_its_history(older: Older) -> None:
    runs = {run.job_name: run.status for run in older.instance.get_runs()}
    assert runs == {
        "score_new_recordings": dg.DagsterRunStatus.SUCCESS,
        "start_campaign": dg.DagsterRunStatus.FAILURE,
    }
    assert len(older.keys) == 5
    assert older.instance.get_materialized_partitions(scores.key) == set(older.keys)
    newest = older.instance.get_latest_materialization_event(scores.key)
    assert newest is not None
    assert newest.asset_materialization is not None
    assert "decision" in newest.asset_materialization.metadata
    known = {spec.key for spec in build_defs(**older.given()).resolve_all_asset_specs()}
    assert set(older.instance.all_asset_keys()) <= known


def test_what_became_stale_is_found_and_scored_again_into_its_history(older: Older) -> None:
    before = scores_ledger(older.home).latest().set_index("key")
    task = local_path(older.home.tasks) / "filter_change.yaml"
    task.write_text(task.read_text("utf-8").replace("version: 1", "version: 2", 1), "utf-8")
    stale = stale_scores(older.home)
    assert sorted(stale["key"]) == sorted(older.keys)
    assert ["task" in f"{row['why']},{row['also']}" for _, row in stale.iterrows()] == [True] * 5
    (run,) = run_scoring(older.home, plan_scoring(older.home, stale=True))
    assert run.succeeded
    assert stale_scores(older.home).empty
    after = scores_ledger(older.home).latest().set_index("key")
    changed = {
        (was, now)
        for was, now in zip(before["decision"], after["decision"][before.index], strict=True)
        if was != now
    }
    # golds of which nobody said who is seen let something be decided now
    assert changed <= {("not_verifiable", "needs_review"), ("needs_review", "pass")}
    assert after["cause"].notna().all()
    assert before["cause"].isna().all()
    (record,) = older.instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))
    assert record.dagster_run.job_name == "rescore_stale"


def test_a_new_recording_is_taken_in_and_scored_alone(older: Older) -> None:
    before = older.keys
    folder = local_path(older.home.capture) / "filter_change" / "trainee" / "site_a"
    folder.mkdir(parents=True, exist_ok=True)
    for path in (older.new, Path(f"{older.new}.json")):
        shutil.copy(path, folder)
    first = older.look(older.cursor("capture_sensor"), 0)
    (request,) = older.look(first.cursor, 10).run_requests or []
    run = older.run("score_new_recordings", tags=dict(request.tags))
    assert run.success
    (key,) = set(older.keys) - set(before)
    rows = scores_ledger(older.home).latest().set_index("key")
    assert len(rows) == 6
    assert list(rows.index[rows["run_id"] == run.run_id]) == [key]
    assert older.instance.get_materialized_partitions(scores.key) == {*before, key}
    assert older.look(first.cursor, 100).run_requests in ([], None)


def test_alerts_go_on_where_they_were(older: Older) -> None:
    ledger = local_path(older.home.root) / "alerts" / "alerts.jsonl"
    (raised,) = told(ledger)
    assert (raised["event"], raised["kind"], raised["subject"]) == ("raised", "run_failed", "start_campaign")
    wanted = {"ops": {"begin_campaign": {"config": {"duration": "10m", "interval": "1m"}}}}
    assert older.run("start_campaign", run_config=wanted).success
    given = older.given()
    context = dg.build_sensor_context(
        older.instance,
        cursor=older.cursor("alerts"),
        repository_def=build_defs(**given).get_repository_def(),
        resources={name: given[name] for name in ("home", "clock")},
    )
    assert isinstance(alerts_sensor(context), dg.SensorResult)
    resolved = [one for one in told(ledger) if one["event"] == "resolved"]
    assert [one["alert_id"] for one in resolved] == [raised["alert_id"]]
    failures = [one for one in told(ledger) if one["kind"] == "run_failed" and one["event"] == "raised"]
    assert failures == [raised]


def told(ledger: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in ledger.read_text("utf-8").splitlines()]
