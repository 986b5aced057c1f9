"""The sensor on golds: when their steps, persons or number change, the scores that rest on them are made
again.
"""

import json
from collections.abc import Mapping
from typing import Final

import dagster as dg

from sopilot_assets.defs.recordings.jobs import rescore_stale
from sopilot_assets.defs.recordings.pending import SCORE_NEW
from sopilot_assets.defs.recordings.score_updates import score_updates
from sopilot_assets.defs.resources import ClockResource, HomeResource
from sopilot_assets.defs.runs import STATION, UNFINISHED
from sopilot_assets.stations.gold_inputs import gold_remarks, task_inputs
from sopilot_assets.stations.staleness import outdated_by_golds
from sopilot_assets.tasks import find_tasks

SETTLED_S: Final = 60.0
"""How long nothing may change before scores are made again: somebody may still be typing."""


@dg.sensor(
    name="golds",
    job=rescore_stale,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Looks at the golds of every task: their number, their persons, and their steps, marked or in "
        "steps.csv. What cannot be taken of that file is named in every tick, by line. When something "
        "changed and then stayed the same for a minute, one run makes the reference and the task's scores "
        "again."
    ),
    tags={STATION: "0"},
)
def golds_sensor(
    context: dg.SensorEvaluationContext, home: HomeResource, clock: ClockResource
) -> dg.SensorResult:
    """One tick."""
    now_s = clock.now().timestamp()
    tasks = find_tasks(home.home.root).tasks
    inputs = task_inputs(home.home, tasks)
    remarks = gold_remarks(home.home, inputs)
    seen = _seen(context.cursor)
    changed = outdated_by_golds(home.home, tasks, inputs)
    since = {
        task_id: (state, seen[task_id][1] if seen.get(task_id, ("",))[0] == state else now_s)
        for task_id, state in changed.items()
    }
    cursor = json.dumps(since)
    settled = [task_id for task_id, (_, since_s) in since.items() if abs(now_s - since_s) >= SETTLED_S]
    if not settled or _at_work(context.instance):
        return dg.SensorResult(skip_reason="; ".join([_summary(changed), *remarks]), cursor=cursor)
    return dg.SensorResult(
        run_requests=[_request(task_id, *since[task_id]) for task_id in settled], cursor=cursor
    )


def _seen(cursor: str | None) -> dict[str, tuple[str, float]]:
    """What was out of date at the last tick by task, and since when; a damaged cursor costs one tick."""
    try:
        found = json.loads(cursor or "{}")
        return {str(task_id): (str(state), float(since_s)) for task_id, (state, since_s) in found.items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def _at_work(instance: dg.DagsterInstance) -> bool:
    """Whether a run scores recordings: it may be the one that brings everything up to date."""
    jobs = (SCORE_NEW, rescore_stale.name)
    filters = [dg.RunsFilter(job_name=job, statuses=list(UNFINISHED)) for job in jobs]
    return any(instance.get_run_records(one, limit=1) for one in filters)


def _request(task_id: str, state: str, since_s: float) -> dg.RunRequest:
    """One run for all scores of a task, asked for once however often what is out of date stays the same."""
    config = {"ops": {score_updates.op.name: {"config": {"task": task_id}}}}
    return dg.RunRequest(run_key=f"{task_id} {state} since {since_s:.0f}", run_config=config)


def _summary(changed: Mapping[str, str]) -> str:
    if not changed:
        return "no score is out of date because of golds"
    return f"golds of {', '.join(sorted(changed))} changed: waiting until nothing changes and no run scores"
