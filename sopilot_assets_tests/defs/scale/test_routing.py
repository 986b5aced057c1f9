"""Scoring is done by any machine; what needs settings, logs or keys of the main one goes there."""

from __future__ import annotations

import dagster as dg
import pytest

from sopilot_assets.definitions import defs
from sopilot_assets.defs.dagster_internals.worker_launcher import WorkerRunLauncher
from sopilot_assets.defs.scale.routing import (
    MAIN_QUEUE,
    SCORING_ASSETS,
    SCORING_JOBS,
    needs_main_machine,
)


def run(job: str, *assets: str) -> dg.DagsterRun:
    return dg.DagsterRun(job_name=job, asset_selection=frozenset(map(dg.AssetKey, assets)) or None)


def test_the_named_assets_are_those_of_the_group_scoring() -> None:
    graph = defs.resolve_asset_graph()
    scoring = {key for key in graph.get_all_asset_keys() if graph.get(key).group_name == "scoring"}
    assert {key.to_user_string() for key in scoring} == SCORING_ASSETS


def test_the_named_jobs_make_assets_of_the_group_scoring_only() -> None:
    for name in SCORING_JOBS:
        job = defs.resolve_job_def(name)
        made = {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
        assert made <= SCORING_ASSETS, name
    others = {job.name for job in defs.resolve_all_job_defs()} - SCORING_JOBS
    assert {"campaign_cycle", "make_backup", "evidence_chain", "make_daily_report"} <= others


@pytest.mark.parametrize(
    ("job", "assets", "main"),
    [
        ("rescore_stale", (), False),
        ("rescore_stale", ("alignments", "scores"), False),
        ("__ASSET_JOB", ("scores",), False),
        ("__ASSET_JOB", ("scores", "evidence_dossiers"), True),
        ("campaign_cycle", (), True),
        ("a_job_of_tomorrow", (), True),
    ],
)
def test_a_run_needs_the_main_machine_unless_it_only_scores(
    job: str, assets: tuple[str, ...], main: bool
) -> None:
    assert needs_main_machine(run(job, *assets)) == main


class Sent:
    """What is sent to Celery: a task that only notes how."""

    task_id = "id"

    def __init__(self) -> None:
        self.queues: list[str] = []

    def set(self, **_: object) -> Sent:
        return self

    def apply_async(self, *, queue: str, **_: object) -> Sent:
        self.queues.append(queue)
        return self


@pytest.mark.parametrize(("job", "queue"), [("rescore_stale", "dagster"), ("make_backup", MAIN_QUEUE)])
def test_the_launcher_sends_a_run_to_its_queue(job: str, queue: str) -> None:
    launcher = WorkerRunLauncher(default_queue="dagster", broker="memory://", backend="cache+memory://")
    sent = Sent()
    with dg.DagsterInstance.ephemeral() as instance:
        launcher.register_instance(instance)
        stored = instance.add_run(run(job))
        launcher._launch_celery_task_run(stored, sent, "key")  # type: ignore[arg-type]
    assert sent.queues == [queue]
