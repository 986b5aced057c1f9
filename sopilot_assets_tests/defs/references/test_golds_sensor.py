"""An edit of steps.csv while the daemon runs: told at every tick, and at rest in the end by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from sopilot_assets.capture.registry import Registry
from sopilot_assets.capture.simulate.dataset import SimulatedSet
from sopilot_assets.definitions import build_defs
from sopilot_assets.defs.alerts.sensor import alerts_sensor
from sopilot_assets.defs.references.golds_sensor import golds_sensor
from sopilot_assets.labels.chain import append_events
from sopilot_assets.labels.events import Draft, Source
from sopilot_assets.reference.ledger import reference_rows, reference_states
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.staleness import stale_scores
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.alerts.noting import open_alerts
from sopilot_assets_tests.defs.conftest import NEXT_DAY, Scored, Shop, open_shop, resources, take_and_score


@pytest.fixture
def shop(scored: Scored, tmp_path: Path) -> Iterator[Shop]:
    """A scored shop that a test may change, a day later."""
    with scored.shop.copy(tmp_path) as copied:
        yield copied


@pytest.fixture
def fresh(home: Home, tiny_set: SimulatedSet) -> Iterator[Shop]:
    """A shop with steps and nothing dropped yet."""
    yield from open_shop(home, tiny_set)


class Daemon:
    """Ticks of the sensor `golds`, and the runs that they ask for."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.cursor, self.seen = shop, "", set[str | None]()
        self.said = ""

    def look(self, after_s: float) -> int:
        """One tick, ``after_s`` seconds after the start of the day, with its runs; how many there were."""
        now = (datetime.fromisoformat(NEXT_DAY) + timedelta(seconds=after_s)).isoformat()
        given = resources(self.shop.home, now=now)
        given.pop("limits")
        context = dg.build_sensor_context(self.shop.instance, cursor=self.cursor, resources=given)
        result = golds_sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor or ""
        self.said = str(result.skip_reason.skip_message if result.skip_reason else "")
        fresh = [one for one in result.run_requests or [] if one.run_key not in self.seen]
        self.seen |= {one.run_key for one in fresh}
        for request in fresh:
            definitions = build_defs(**resources(self.shop.home, now=now))
            job = definitions.resolve_job_def("rescore_stale")
            assert job.execute_in_process(instance=self.shop.instance, run_config=request.run_config).success
        return len(fresh)


def steps_csv(shop: Shop) -> Path:
    return local_path(shop.home.steps_csv("filter_change"))


def decisions(shop: Shop) -> dict[str, object]:
    frame = scores_ledger(shop.home).latest()
    return dict(zip(frame["key"], frame["reference_id"], strict=True))


def test_rows_that_were_typed_later_are_scored_with_once_nothing_changes_any_more(shop: Shop) -> None:
    daemon, path = Daemon(shop), steps_csv(shop)
    refused = shop.defs.resolve_job_def("score_new_recordings")  # its launch was, and it holds up nothing
    shop.instance.create_run_for_job(refused, status=dg.DagsterRunStatus.NOT_STARTED)
    assert daemon.look(0) == 0
    before = decisions(shop)
    text = path.read_text("utf-8")
    path.write_text(text.replace("gold_001.mp4,wipe_seat", "gold_001.mp4 , wipe_seat ", 1), "utf-8")
    assert stale_scores(shop.home).empty  # the same steps
    path.write_text("\n".join(text.splitlines()[:-7]) + "\n", "utf-8")
    assert set(stale_scores(shop.home)["why"]) == {"reference"}
    assert [daemon.look(after_s) for after_s in (30, 60)] == [0, 0]
    assert "golds of filter_change changed" in daemon.said
    path.write_text(text.replace(".000", ".100", 1), "utf-8")
    assert [daemon.look(after_s) for after_s in (90, 120)] == [0, 0]
    assert daemon.look(150) == 1
    assert stale_scores(shop.home).empty
    assert set(decisions(shop)) == set(before)
    assert len({*decisions(shop).values(), *before.values()}) == 2
    assert [daemon.look(after_s) for after_s in (180, 300)] == [0, 0]


def test_a_faulty_row_is_named_and_the_reference_before_it_counts_until_it_is_mended(shop: Shop) -> None:
    daemon, path = Daemon(shop), steps_csv(shop)
    text, before = path.read_text("utf-8"), decisions(shop)
    path.write_text(text.replace("wipe_seat", "wipe_set", 1), "utf-8")
    assert [daemon.look(after_s) for after_s in (0, 70)] == [0, 0]
    fault = "capture/filter_change/gold/steps.csv, line 5, column step: expected one of the task's steps"
    assert fault in daemon.said
    assert "found 'wipe_set' (did you mean wipe_seat?)" in daemon.said
    context = dg.build_sensor_context(
        shop.instance,
        resources={name: one for name, one in resources(shop.home, now=NEXT_DAY).items() if name != "limits"},
        repository_def=shop.defs.get_repository_def(),
    )
    alerts_sensor(context)
    (alert,) = (one for one in open_alerts(shop.home) if one.newest.kind == "steps.csv")
    assert fault in alert.newest.what
    run = shop.defs.resolve_job_def("check_everything").execute_in_process(instance=shop.instance)
    (check,) = (one for one in run.get_asset_check_evaluations() if one.check_name == "steps_are_confirmed")
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert fault in (check.description or "")
    assert (stale_scores(shop.home).empty, decisions(shop)) == (True, before)
    path.write_text(text, "utf-8")
    assert [daemon.look(after_s) for after_s in (90, 160)] == [0, 0]
    assert daemon.said == "no score is out of date because of golds"


def test_a_promotion_from_the_web_page_is_scored_with_and_taken_back(shop: Shop) -> None:
    daemon, before = Daemon(shop), decisions(shop)
    trainees = [one for one in Registry.read(shop.home).active().values() if one.role == "trainee"]
    key = str(min(trainees, key=lambda one: one.original_name).key)  # the one that is done right
    label = Draft(
        task_id="filter_change",
        key=key,
        who="ann",
        at=NEXT_DAY,
        source=Source.BLIND_HUMAN,
        critical_expected=False,
    )
    append_events(shop.home, [label], run_id="labels", written_at=NEXT_DAY)

    listed = shop.defs.resolve_job_def("list_gold_candidates").execute_in_process(
        instance=shop.instance, partition_key="filter_change"
    )
    (made,) = listed.asset_materializations_for_node("gold_candidates")
    assert made.metadata["candidates"].value == 1

    def order(change: str, **more: str) -> dg.ExecuteInProcessResult:
        said = {"recording": key, "change": change, "by": "tess", "reason": "right", **more}
        return shop.defs.resolve_job_def("promote_gold").execute_in_process(
            instance=shop.instance,
            run_config={"ops": {"gold_promotions": {"config": said}}},
            raise_on_error=False,
        )

    assert not order("promote", steps_file="gone.csv").success
    assert order("promote").success
    assert [daemon.look(after_s) for after_s in (0, 70)] == [0, 1]
    assert stale_scores(shop.home).empty
    assert reference_rows(shop.home)["filter_change"]["promoted"] == key
    assert decisions(shop) != before
    assert order("demote").success
    assert [daemon.look(after_s) for after_s in (100, 170)] == [0, 1]
    assert decisions(shop) == before


def test_a_gold_whose_steps_are_too_short_is_told_as_the_cause_and_ends_the_day_at_rest(shop: Shop) -> None:
    daemon, path = Daemon(shop), steps_csv(shop)
    text = path.read_text("utf-8")
    lines = [line for line in text.splitlines() if ",oil_gasket," not in line]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    assert [daemon.look(after_s) for after_s in (0, 70)] == [0, 1]
    assert stale_scores(shop.home).empty
    state = reference_states(shop.home)["filter_change"]
    assert state.problem is not None
    assert "no row of steps.csv says when oil_gasket is done" in state.problem.en
    assert state.reference_id is not None
    assert daemon.look(100) == 0
    assert "oil_gasket" in daemon.said
    path.write_text(text, "utf-8")
    assert [daemon.look(after_s) for after_s in (130, 200)] == [0, 1]
    assert stale_scores(shop.home).empty
    assert reference_states(shop.home)["filter_change"].problem is None


def test_a_drop_whose_steps_have_a_fault_says_so_and_is_scored_once_they_are_mended(
    fresh: Shop, tiny_set: SimulatedSet
) -> None:
    path = steps_csv(fresh)
    text = path.read_text("utf-8")
    path.write_text(text.replace("\ngold_002.mp4,lift_off_cover,", "\ngold_002.mp4,lift_cover,"), "utf-8")
    assert take_and_score(fresh, tiny_set).success
    rows = scores_ledger(fresh.home).latest()
    assert rows["problem"].notna().all()
    fault = "gold/steps.csv, line 10, column step: expected one of the task's steps, found 'lift_cover'"
    assert all(fault in reason for reason in rows["reason_en"])
    assert all("10 行目 step 列" in reason for reason in rows["reason_ja"])
    assert stale_scores(fresh.home).empty
    path.write_text(text, "utf-8")
    daemon = Daemon(fresh)
    assert [daemon.look(after_s) for after_s in (0, 61)] == [0, 1]
    assert scores_ledger(fresh.home).latest()["problem"].isna().all()
    assert stale_scores(fresh.home).empty
    assert not fresh.tick(now="2025-06-03T09:00:00+00:00").run_requests
