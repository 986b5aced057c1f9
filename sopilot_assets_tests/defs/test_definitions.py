"""All definitions load, and each says what it is and whose it is."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from functools import cache
from pkgutil import iter_modules

import dagster as dg
import pytest
from dagster._core.definitions.automation_tick_evaluation_context import (
    build_run_requests_with_backfill_policies,
)
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._core.definitions.partitions.context import partition_loading_context

from sopilot_assets import defs as folders
from sopilot_assets.definitions import NOT_SUBJECTS, build_defs, defs, subject_modules
from sopilot_assets.defs.partitions import NEIGHBOURS_TOGETHER
from sopilot_assets.defs.resources import ClockResource
from sopilot_assets.defs.runs import LATE_H, RANGE_END, RANGE_START
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home

SCORING = ("alignments", "captured_videos", "clip_embeddings", "gold_references", "scores", "step_times")
EVIDENCE = (
    "adopted_policies",
    "critical_policies",
    "error_packets",
    "evidence_dossiers",
    "gate_reports",
    "labeling_plans",
    "labels",
    "shadow_reports",
    "split_evaluations",
    "split_manifests",
)
OF_TASKS = ("adopted_policies", "labels")
RESCORING = ("gold_candidates", "gold_promotions", "rescoring_plan", "score_repeats", "score_updates")
OPERATIONS = ("backups", "campaign_cycles", "campaign_summaries", "daily_reports", "retention")
GROUPS = {
    "scoring": (*SCORING, *RESCORING),
    "evidence": EVIDENCE,
    "operations": OPERATIONS,
}
ASSETS = sorted(name for names in GROUPS.values() for name in names)


def test_the_definitions_load() -> None:
    dg.Definitions.validate_loadable(defs)


def test_a_resource_can_be_replaced_and_an_unknown_one_is_refused() -> None:
    clock = ClockResource(fixed="2025-01-01T00:00:00+00:00")
    assert build_defs(clock=clock).resources is not None
    assert build_defs(clock=clock).resources["clock"] is clock
    with pytest.raises(TypeError, match=r"'clok'.*clock"):
        build_defs(clok=clock)


@pytest.mark.parametrize("name", ASSETS)
def test_every_asset_says_what_it_is(name: str) -> None:
    spec = next(spec for spec in defs.resolve_all_asset_specs() if spec.key == dg.AssetKey(name))
    assert spec.description is not None
    assert len(spec.description) > 40
    assert spec.group_name is not None
    assert name in GROUPS[spec.group_name]
    assert spec.kinds
    assert all(owner.startswith("team:") for owner in spec.owners)
    assert spec.owners
    assert spec.code_version


@pytest.mark.parametrize(
    ("name", "schedule"),
    [
        ("daily_reports", "daily_reports_after_midnight"),
        ("backups", "backup_every_night"),
        ("retention", "retention_every_night"),
    ],
)
def test_what_is_made_every_night_is_late_some_hours_after_its_schedule(name: str, schedule: str) -> None:
    policy = defs.resolve_asset_graph().get(dg.AssetKey(name)).freshness_policy
    minute, hour, *rest = str(defs.resolve_schedule_def(schedule).cron_schedule).split()
    late = " ".join([minute, str(int(hour) + LATE_H), *rest])
    assert policy == dg.FreshnessPolicy.cron(deadline_cron=late, lower_bound_delta=timedelta(hours=LATE_H))


def test_assets_with_rows_say_in_which_ledger_and_what_its_columns_are(home: Home) -> None:
    spec = next(spec for spec in defs.resolve_all_asset_specs() if spec.key == dg.AssetKey("scores"))
    kept = scores_ledger(home)
    assert spec.metadata["dagster/table_name"] == kept.name
    assert str(spec.metadata["dagster/uri"]).endswith("/ledgers/scores")
    schema = spec.metadata["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    assert [column.name for column in schema.columns] == kept.schema.names


def test_what_an_asset_keeps_can_be_found_by_its_address() -> None:
    addresses = {
        spec.key.to_user_string(): str(spec.metadata["dagster/uri"]).rpartition("sopilot_home/")[2]
        for spec in defs.resolve_all_asset_specs()
        if "dagster/uri" in spec.metadata
    }
    assert set(ASSETS) - set(addresses) == {"gold_candidates", "rescoring_plan", "retention", "score_updates"}
    assert {name: addresses[name] for name in ("alignments", "evidence_dossiers", "score_repeats")} == {
        "alignments": "alignments",
        "evidence_dossiers": "dossiers",
        "score_repeats": "ledgers/repeats",
    }


def test_the_named_assets_are_all_there_are() -> None:
    assert sorted(spec.key.to_user_string() for spec in defs.resolve_all_asset_specs()) == ASSETS


JOBS = {
    "adopt_policy": ("adopted_policies",),
    "apply_retention": ("retention",),
    "campaign_cycle": ("campaign_cycles", "campaign_cycles_nothing_found", "campaign_cycles_steps_succeeded"),
    "campaign_summary": ("campaign_summaries",),
    "check_everything": (
        "captured_videos_checks",
        "clip_embeddings_checks",
        "gold_references_checks",
        "scores_checks",
    ),
    "drill_backup": ("backups_drill_restores",),
    "evidence_chain": (
        *(name for name in EVIDENCE if name not in OF_TASKS),
        "gate_reports_gates_pass",
        "split_manifests_nothing_leaks",
    ),
    "list_gold_candidates": ("gold_candidates",),
    "make_backup": ("backups",),
    "make_daily_report": ("daily_reports",),
    "plan_rescoring": ("rescoring_plan",),
    "promote_gold": ("gold_promotions",),
    "rebuild_references": ("gold_references", "gold_references_checks"),
    "repeat_scores": ("score_repeats",),
    "rescore_stale": ("gold_references_checks", "rescoring_plan", "score_updates", "scores_checks"),
    "score_new_recordings": (
        "alignments",
        "captured_videos",
        "captured_videos_checks",
        "clip_embeddings",
        "clip_embeddings_checks",
        "gold_references_checks",
        "scores",
        "scores_checks",
        "step_times",
    ),
    "start_campaign": ("begin_campaign",),
    "stop_campaign": ("end_campaign",),
}
CHECKS = {
    "backups": ("backup_is_complete", "drill_restores"),
    "campaign_cycles": ("nothing_found", "steps_succeeded"),
    "captured_videos": ("few_files_are_quarantined", "stored_files_are_intact"),
    "clip_embeddings": ("embeddings_are_finite", "one_model_a_task"),
    "gate_reports": ("gates_pass",),
    "gold_references": ("enough_golds", "reference_is_made", "steps_are_confirmed"),
    "scores": ("every_recording_has_a_row", "golds_pass", "scores_are_current"),
    "split_manifests": ("nothing_leaks",),
}
SCHEDULES = {
    "backup_every_night": ("make_backup", "30 1 * * *"),
    "campaign_cycles_schedule": ("campaign_cycle", "* * * * *"),
    "check_every_morning": ("check_everything", "0 5 * * *"),
    "daily_reports_after_midnight": ("make_daily_report", "20 0 * * *"),
    "drill_every_sunday": ("drill_backup", "0 3 * * 0"),
    "retention_every_night": ("apply_retention", "40 2 * * *"),
}
SENSORS = {
    "alerts": (),
    "campaign_watch": ("campaign_cycle", "campaign_summary"),
    "capture_sensor": ("score_new_recordings",),
    "golds": ("rescore_stale",),
    "results": (),
}


def test_every_job_with_what_it_makes_and_checks_is_found() -> None:
    jobs = {job.name: job for job in defs.resolve_all_job_defs() if not job.name.startswith("__")}
    made = {name: sorted(node.name for node in job.graph.nodes) for name, job in jobs.items()}
    assert made == {name: sorted(nodes) for name, nodes in JOBS.items()}


def test_every_check_is_found() -> None:
    found: dict[str, list[str]] = {}
    for key in sorted(defs.resolve_asset_graph().asset_check_keys):
        found.setdefault(key.asset_key.to_user_string(), []).append(key.name)
    assert found == {asset: list(checks) for asset, checks in CHECKS.items()}, (
        "list a new one in CHECKS, in the order of names"
    )


def test_every_schedule_and_sensor_is_found_and_switched_on() -> None:
    repository = defs.get_repository_def()
    schedules = {one.name: (one.job_name, one.cron_schedule) for one in repository.schedule_defs}
    sensors = {one.name: tuple(sorted(t.job_name for t in one.targets)) for one in repository.sensor_defs}
    assert (schedules, sensors) == (SCHEDULES, SENSORS)
    assert {one.default_status for one in repository.schedule_defs} == {dg.DefaultScheduleStatus.RUNNING}
    assert {one.default_status for one in repository.sensor_defs} == {dg.DefaultSensorStatus.RUNNING}


def test_folders_that_define_nothing_are_named_and_celery_is_not_needed() -> None:
    subjects = {module.__name__.split(".")[2] for module in subject_modules()}
    named = {one.name for one in iter_modules(folders.__path__) if one.ispkg}
    assert subjects == named - NOT_SUBJECTS
    assert not {"celery", "redis"} & loaded_by_the_definitions()


def test_what_computes_is_loaded_by_the_first_run_that_wants_it() -> None:
    libraries = {"matplotlib", "numba", "onnxruntime", "scipy.optimize", "scipy.stats", "sklearn", "torch"}
    assert not libraries & loaded_by_the_definitions()


@cache
def loaded_by_the_definitions() -> frozenset[str]:
    """The modules that a process has loaded when it knows all definitions."""
    code = "import sys, sopilot_assets.definitions; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=120, capture_output=True, text=True
    )
    return frozenset(ran.stdout.split())


def test_every_check_job_sensor_and_schedule_is_described() -> None:
    repository = defs.get_repository_def()
    checks = [spec for check in repository.asset_checks_defs_by_key.values() for spec in check.check_specs]
    described = [*checks, *repository.get_all_jobs(), *repository.sensor_defs, *repository.schedule_defs]
    assert len(checks) >= 9
    assert [item.name for item in described if not item.description and not item.name.startswith("__")] == []


def test_neighbours_are_one_run_and_a_study_a_run_of_its_own_as_the_dialog_of_a_backfill_says() -> None:
    graph = defs.resolve_asset_graph()
    policies = {node.key.to_user_string(): node.backfill_policy for node in graph.asset_nodes}
    together, each = NEIGHBOURS_TOGETHER, dg.BackfillPolicy.multi_run(max_partitions_per_run=1)
    expected = {name: together if name in (*SCORING, *OF_TASKS) else each for name in (*SCORING, *EVIDENCE)}
    assert {name: policies[name] for name in expected} == expected
    # Dagster would say "in a single run", and make one for each stretch of neighbours
    assert dg.BackfillPolicy.single_run() not in policies.values()


def test_a_backfill_of_scattered_recordings_has_a_run_for_each_stretch_of_neighbours() -> None:
    video, keys = dg.AssetKey("scores"), [f"key-{number}" for number in range(9)]
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("video", keys)
        wanted = [AssetKeyPartitionKey(video, keys[place]) for place in (0, 2, 3, 4, 8)]
        with partition_loading_context(dynamic_partitions_store=instance):
            requests = build_run_requests_with_backfill_policies(
                wanted, defs.resolve_asset_graph(), dynamic_partitions_store=instance
            )
    ranges = sorted((one.tags[RANGE_START], one.tags[RANGE_END]) for one in requests)
    assert ranges == [("key-0", "key-0"), ("key-2", "key-4"), ("key-8", "key-8")]


def test_no_new_recording_makes_a_reference_look_stale() -> None:
    graph = defs.resolve_asset_graph()
    for child, parent in (("gold_references", "clip_embeddings"), ("alignments", "gold_references")):
        mapping = graph.get_partition_mapping(dg.AssetKey(child), dg.AssetKey(parent))
        assert mapping == dg.SpecificPartitionsPartitionMapping([])
