"""All definitions load, and each says what it is and whose it is."""

from __future__ import annotations

import dagster as dg
import pytest

from sopilot_assets.definitions import build_defs, defs
from sopilot_assets.defs.resources import ClockResource

SCORING = ("alignments", "captured_videos", "clip_embeddings", "gold_references", "scores")
EVIDENCE = (
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
RESCORING = ("rescoring_plan", "score_repeats", "score_updates")
OPERATIONS = ("backups", "campaign_cycles", "campaign_summaries", "daily_reports", "housekeeping")
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


def test_the_named_assets_are_all_there_are() -> None:
    assert sorted(spec.key.to_user_string() for spec in defs.resolve_all_asset_specs()) == ASSETS


def test_every_check_job_sensor_and_schedule_is_described() -> None:
    repository = defs.get_repository_def()
    checks = [spec for check in repository.asset_checks_defs_by_key.values() for spec in check.check_specs]
    described = [*checks, *repository.get_all_jobs(), *repository.sensor_defs, *repository.schedule_defs]
    assert len(checks) >= 9
    assert [item.name for item in described if not item.description and not item.name.startswith("__")] == []


def test_a_batch_is_one_run_and_a_study_a_run_of_its_own_also_when_the_ui_asks_for_it() -> None:
    graph = defs.resolve_asset_graph()
    policies = {node.key.to_user_string(): node.backfill_policy for node in graph.asset_nodes}
    one, each = dg.BackfillPolicy.single_run(), dg.BackfillPolicy.multi_run(max_partitions_per_run=1)
    expected = {name: one if name in (*SCORING, "labels") else each for name in (*SCORING, *EVIDENCE)}
    assert {name: policies[name] for name in expected} == expected


def test_no_new_recording_makes_a_reference_look_stale() -> None:
    graph = defs.resolve_asset_graph()
    for child, parent in (("gold_references", "clip_embeddings"), ("alignments", "gold_references")):
        mapping = graph.get_partition_mapping(dg.AssetKey(child), dg.AssetKey(parent))
        assert mapping == dg.SpecificPartitionsPartitionMapping([])
