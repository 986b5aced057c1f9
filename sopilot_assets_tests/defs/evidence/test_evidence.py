"""The evidence chain as its users run it: a registered study in one run of the job."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import dagster as dg
import pytest

from sopilot_assets.capture.simulate.dataset import simulate
from sopilot_assets.capture.simulate.raters import read_truth
from sopilot_assets.definitions import build_defs
from sopilot_assets.defs.alerts.sensor import alerts_sensor
from sopilot_assets.dossier.signing import new_key
from sopilot_assets.errors import StudyError
from sopilot_assets.labels.chain import append_events
from sopilot_assets.labels.recordings import recordings_to_label
from sopilot_assets.store.home import Home
from sopilot_assets.tasks import lock_task
from sopilot_assets.upkeep.alerts import open_alerts
from sopilot_assets.upkeep.alerts.noting import OpenAlert
from sopilot_assets_tests.defs.conftest import NEXT_DAY, START, Shop, open_shop, resources, take_and_score
from sopilot_assets_tests.evidence.made_up_study import (
    CHAIN,
    TASK,
    labels_by,
    made_up_home,
    write_study,
)

pytestmark = pytest.mark.whole

RESEARCH = {"gate_profile": "research_v3", "gate_overrides": [], "use_intervals": True}


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with scores, labels and the study ``spring``, without a video."""
    return made_up_home(tmp_path_factory.mktemp("made_up") / "home")


@pytest.fixture
def shop(made_up: Home, tmp_path: Path) -> Iterator[Shop]:
    """A copy of the made-up home, of this test's own."""
    home = Home.at(shutil.copytree(str(made_up.root), tmp_path / "home"))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("task", [TASK])
        yield Shop(home, instance, build_defs(**resources(home, now=NEXT_DAY)))


def run_job(shop: Shop, study_id: str) -> dg.ExecuteInProcessResult:
    """The job over one study."""
    shop.instance.add_dynamic_partitions("study", [study_id])
    job = shop.defs.resolve_job_def("evidence_chain")
    return job.execute_in_process(instance=shop.instance, partition_key=study_id, raise_on_error=False)


def made(run: dg.ExecuteInProcessResult) -> set[str]:
    """The assets that a run materialized."""
    return {
        event.asset_key.to_user_string()
        for event in run.get_asset_materialization_events()
        if event.asset_key is not None
    }


def metadata(run: dg.ExecuteInProcessResult, asset: str) -> dict[str, object]:
    """What an asset said of itself in a run."""
    (event,) = run.asset_materializations_for_node(asset)
    return {name: value.value for name, value in event.metadata.items()}


def test_one_run_leads_from_labels_to_a_dossier_that_a_stranger_can_verify(
    tmp_path: Path, lite0_models: Path
) -> None:
    shutil.copytree(lite0_models, tmp_path / "home" / "models")
    recorded = simulate(
        tmp_path / "people",
        seed=5,
        golds=4,
        trainees=20,
        persons=["p01-p20"],
        variants=["correct", "missing_step:two"],
        size=(160, 120),
        fps=8,
        step_seconds=2.5,
    )
    for shop in open_shop(Home.at(tmp_path / "home"), recorded, embedder="lite0_box"):
        assert take_and_score(shop, recorded).success
        critical = read_truth(recorded.labels)
        truth = {one.key: critical[one.name] for one in recordings_to_label(shop.home, TASK)}
        drafts = [*labels_by("ann", truth), *labels_by("bob", truth, errs_at=7)]
        append_events(shop.home, drafts, run_id="labels", written_at=START)
        lock_task(shop.home.tasks / f"{TASK}.yaml", locked_at=datetime.fromisoformat(START))
        new_key(shop.home.keys)
        overrides = [
            {"check": "rescore_jitter_max_delta", "threshold": None, "reason": "nothing was scored again"},
            {"check": "dtw_normalized_cost_p90", "threshold": 2.0, "reason": "people differ a lot"},
        ]
        write_study(shop.home, "spring", gate_overrides=overrides)
        run = run_job(shop, "spring")
    assert run.success
    assert made(run) == {*CHAIN, "labels"}
    gates = metadata(run, "gate_reports")
    assert gates["overall_pass"] is True
    assert {"checks", "gates"} <= gates.keys()
    assert "scores_on_dev" in metadata(run, "critical_policies")
    said = metadata(run, "evidence_dossiers")

    elsewhere = tmp_path / "elsewhere"
    with zipfile.ZipFile(str(said["zip"])) as archive:
        archive.extractall(elsewhere)
    (folder,) = elsewhere.iterdir()
    checked = subprocess.run(
        [sys.executable, "-I", "verify.py", "--json"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout[-2000:] + checked.stderr
    events = [json.loads(line) for line in (folder / "rows/label_events.jsonl").read_text().splitlines()]
    assert len(events) == 40


def test_a_research_gate_that_fails_blocks_the_dossier_and_leaves_a_plan(shop: Shop) -> None:
    write_study(shop.home, "research", **RESEARCH)
    run = run_job(shop, "research")
    assert not run.success
    assert made(run) == {*CHAIN, "labels"} - {"evidence_dossiers"}
    assert metadata(run, "gate_reports")["overall_pass"] is False
    checks = {event.check_name: event for event in run.get_asset_check_evaluations()}
    assert not checks["gates_pass"].passed
    assert checks["gates_pass"].severity == dg.AssetCheckSeverity.ERROR
    assert checks["nothing_leaks"].passed
    folder = Path(str(shop.home.study("research")))
    assert "independent_positives" in (folder / "labeling_forecast.csv").read_text()
    # without a feasible policy, held-out recordings stay closed
    assert json.loads((folder / "policy.json").read_text())["policy_id"] is None
    assert set(json.loads((folder / "split_evaluations.json").read_text())["splits"]) == {"dev"}
    assert json.loads((folder / "gate_report.json").read_text())["values"]["test_looks"] == 0.0


def test_what_passes_of_one_study_does_not_end_the_alert_of_another(shop: Shop) -> None:
    write_study(shop.home, "research", **RESEARCH)
    assert not run_job(shop, "research").success
    assert run_job(shop, "spring").success
    gate = "gate_reports: gates_pass (research)"
    assert gate in {one.newest.subject for one in alerts_after_a_tick(shop)}
    shop.instance.delete_dynamic_partition("study", "research")
    assert gate not in {one.newest.subject for one in alerts_after_a_tick(shop)}


def alerts_after_a_tick(shop: Shop) -> list[OpenAlert]:
    """What is open once the sensor `alerts` has looked, with a lost cursor."""
    given = resources(shop.home, now=NEXT_DAY)
    context = dg.build_sensor_context(
        instance=shop.instance,
        resources={name: given[name] for name in ("home", "clock")},
        definitions=shop.defs,
    )
    alerts_sensor(context)
    return open_alerts(shop.home)


def test_a_check_of_studies_that_is_evaluated_by_itself_asks_for_a_study(shop: Shop) -> None:
    gates_pass = dg.AssetCheckKey(dg.AssetKey("gate_reports"), "gates_pass")
    job = shop.defs.resolve_implicit_global_asset_job_def()
    subset = job.get_subset(asset_selection=set(), asset_check_selection={gates_pass})
    with pytest.raises(StudyError, match="Materialize the asset for the study"):
        subset.execute_in_process(instance=shop.instance)


def test_the_sensor_gives_registered_studies_their_partition(shop: Shop) -> None:
    shop.tick(now="2025-06-05T08:00:00+00:00")
    assert shop.instance.get_dynamic_partitions("study") == ["spring"]


def test_the_job_adopts_a_policy_and_takes_it_back(ready_dossier: Home, tmp_path: Path) -> None:
    home = Home.at(shutil.copytree(str(ready_dossier.root), tmp_path / "home"))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("task", [TASK])
        job = build_defs(**resources(home, now="2026-03-04T08:00:00+00:00")).resolve_job_def("adopt_policy")

        def run(**config: object) -> dg.ExecuteInProcessResult:
            wish = {"ops": {"adopted_policies": {"config": config}}} if config else {}
            return job.execute_in_process(
                instance=instance, partition_key=TASK, run_config=wish, raise_on_error=False
            )

        assert metadata(run(), "adopted_policies")["decided_by"] == "golds"
        by = {"by": "sato", "reason": "as agreed"}
        said = metadata(run(adopt="summer", **by), "adopted_policies")
        assert said["decided_by"] == f"policy {said['policy_id']}"
        assert (said["state"], said["who"], said["reason"]) == ("decides", "sato", "as agreed")
        assert not run(adopt="summer", **by).success
        assert metadata(run(withdraw=True, **by), "adopted_policies")["state"] == "withdrawn"
        assert not run(adopt="nothing", **by).success


def test_labels_are_described_for_each_task(shop: Shop) -> None:
    job = shop.defs.resolve_implicit_global_asset_job_def()
    run = job.execute_in_process(
        instance=shop.instance, partition_key=TASK, asset_selection=[dg.AssetKey("labels")]
    )
    said = metadata(run, "labels")
    assert said["label_events"] == 96
    assert said["recordings"] == 48
    assert said["two_raters"] == 48
    assert 0 < float(str(said["kappa"])) < 1
