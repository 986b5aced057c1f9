"""Which recordings have a partition, which of them still need a run, and which runs tried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

import dagster as dg

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.capture.registry import active_keys
from sopilot_assets.defs.partitions import STUDY, TASK, VIDEO
from sopilot_assets.defs.recordings.batches import Attempt, Batch, plan_batches
from sopilot_assets.defs.recordings.scores import scores
from sopilot_assets.defs.runs import (
    FINISHED,
    NEW_KEYS,
    PARENT_RUN,
    PARTITION,
    RANGE_END,
    RANGE_START,
    UNFINISHED,
)
from sopilot_assets.labels.chain import tasks_with_labels
from sopilot_assets.reference.ledger import references_ledger
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.clip_embeddings import embeddings_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.studies.spec import study_ids

with at_first_use():
    from sopilot_assets.studies import registration

SCORE_NEW: Final = "score_new_recordings"
"""The job for new recordings, whose runs are looked up by its name."""

_MEMORY: Final = timedelta(days=14)
_MOST_RUNS: Final = 500


def register_recordings(instance: dg.DagsterInstance, home: Home) -> list[str]:
    """The keys of active recordings that had no partition, now with one; their tasks have theirs too.

    All keys go in together, so that they are neighbours, golds before the trainees of the same task.
    Recordings that the command line took in, or that a killed sensor left without a partition, are found here
    as well.
    """
    active = active_keys(home)
    _register(instance, str(TASK.name), active.values())
    return _register(instance, str(VIDEO.name), active)


def _register(instance: dg.DagsterInstance, dimension: str, keys: Iterable[str]) -> list[str]:
    """Those of the keys that had no partition, sorted, now with one."""
    fresh = sorted(set(keys) - set(instance.get_dynamic_partitions(dimension)))
    if fresh:
        instance.add_dynamic_partitions(dimension, fresh)
    return fresh


def register_studies(instance: dg.DagsterInstance, home: Home) -> list[str]:
    """The registered studies that had no partition, now with one; tasks with labels have theirs too."""
    registered = [one for one in study_ids(home) if registration.registration_path(home, one).exists()]
    _register(instance, str(TASK.name), tasks_with_labels(home))
    return _register(instance, str(STUDY.name), registered)


def due_batches(instance: dg.DagsterInstance, home: Home, *, now: datetime, largest: int) -> list[Batch]:
    """The runs that registered recordings need now: those without a score, and those judged before their task
    had a reference.
    """
    registered = instance.get_dynamic_partitions(str(VIDEO.name))
    active = set(active_keys(home))
    open_keys = (active - instance.get_materialized_partitions(scores.key)) | set(judged_too_early(home))
    done = set(registered) - open_keys
    if len(done) == len(registered):
        return []
    attempts = earlier_attempts(instance, now)
    return plan_batches(registered, done=done, attempts=attempts, now_s=now.timestamp(), largest=largest)


def judged_too_early(home: Home) -> list[str]:
    """The recordings whose newest row says that their task had no reference, which has one now, by key."""
    rows = scores_ledger(home).query(
        """
        select key from latest
        join referenced using (task_id)
        anti join unreadable using (key)
        where latest.reference_id is null
        order by key
        """,
        referenced=references_ledger(home).query("select task_id from latest where reference_id is not null"),
        unreadable=embeddings_ledger(home).query("select key from latest where problem is not null"),
    )
    return [str(key) for key in rows["key"]]


def keys_at_work(
    instance: dg.DagsterInstance, registered: Sequence[str], now: datetime, *, except_run: str
) -> set[str]:
    """The recordings that a run which has not ended, other than ``except_run``, is scoring, or will;
    ``registered`` in their order.
    """
    running = [
        attempt
        for attempt in earlier_attempts(instance, now)
        if attempt.ended_s is None and attempt.run_id != except_run
    ]
    places = {key: place for place, key in enumerate(registered)}
    return {
        key
        for attempt in running
        if attempt.start in places and attempt.end in places
        for key in registered[places[attempt.start] : places[attempt.end] + 1]
    }


def earlier_attempts(instance: dg.DagsterInstance, now: datetime) -> list[Attempt]:
    """The runs that score recordings: all that have not ended, and the sensor's of the last two weeks, oldest
    first.

    The retries that Dagster makes of a crashed run by itself count as one attempt with it.
    """
    running = instance.get_run_records(dg.RunsFilter(statuses=list(UNFINISHED)))
    ended = instance.get_run_records(
        dg.RunsFilter(job_name=SCORE_NEW, statuses=list(FINISHED), created_after=now - _MEMORY),
        limit=_MOST_RUNS,
    )
    first_tries = [record for record in ended if PARENT_RUN not in record.dagster_run.tags]
    records = sorted([*running, *first_tries], key=lambda record: record.storage_id)
    return [attempt for record in records for attempt in _attempts(record)]


def _attempts(record: dg.RunRecord) -> Iterator[Attempt]:
    run = record.dagster_run
    ended_s = None if run.status in UNFINISHED else record.end_time or record.update_timestamp.timestamp()
    for start, end in _ranges(run):
        yield Attempt(run.run_id, start, end, ended_s)


def _ranges(run: dg.DagsterRun) -> Iterator[tuple[str, str]]:
    single = run.tags.get(PARTITION)
    start, end = run.tags.get(RANGE_START, single), run.tags.get(RANGE_END, single)
    if start is not None and end is not None and _scores_recordings(run):
        yield start, end
    for one in filter(None, run.tags.get(NEW_KEYS, "").split(",")):
        first, _, last = one.partition("...")
        yield first, last


def _scores_recordings(run: dg.DagsterRun) -> bool:
    return scores.key in run.asset_selection if run.asset_selection else True


def run_request(batch: Batch) -> dg.RunRequest:
    """The request for one run over a batch."""
    return dg.RunRequest(
        run_key=batch.run_key, tags={RANGE_START: batch.keys.start, RANGE_END: batch.keys.end}
    )
