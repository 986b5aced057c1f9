"""Jobs in the process of the command line, recorded where the web page finds them."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from uuid import uuid4

from dagster import DagsterEvent, DagsterInstance, EventLogEntry

from sopilot_assets.definitions import build_defs
from sopilot_assets.defs.dagster_internals.launcher import PROCESS_TAG, held_run, process_tag
from sopilot_assets.defs.dagster_internals.step_errors import sentence_of
from sopilot_assets.defs.evidence.assets import STUDY_ASSETS
from sopilot_assets.defs.evidence.jobs import evidence_chain
from sopilot_assets.defs.instance import local_instance
from sopilot_assets.defs.partitions import VIDEO
from sopilot_assets.defs.recordings.jobs import rescore_stale, score_new_recordings
from sopilot_assets.defs.recordings.pending import register_recordings, register_studies
from sopilot_assets.defs.recordings.score_updates import score_updates
from sopilot_assets.defs.resources import HomeResource, Watcher
from sopilot_assets.defs.runs import MAX_RETRIES, PARTITION, RANGE_END, RANGE_START
from sopilot_assets.errors import ConfigError
from sopilot_assets.stations.key_ranges import KeyRange, contiguous_ranges
from sopilot_assets.stations.rescoring_plan import ScoringStart, ScoringWork
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.campaign.cycle import RUN_TAGS
from sopilot_assets.upkeep.setting_up import prepare_home

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the station at work, and how many of how many videos (or stations of a study) are done."""

_STATIONS: Final = [asset.key.to_user_string() for asset in STUDY_ASSETS]


@dataclass(frozen=True, slots=True)
class LocalRun:
    """One finished run: its id, the keys it covered, whether all its steps went through, else which failed
    first and why, and what the assets warned about.
    """

    run_id: str
    keys: KeyRange
    succeeded: bool
    error: str | None
    failed_at: str | None
    warnings: tuple[str, ...]


def run_scoring(
    home: Home, work: Sequence[ScoringWork], *, on_progress: Progress | None = None
) -> list[LocalRun]:
    """The run that does all of ``work``; none where there is none.

    New neighbours go through the job that the capture sensor launches, as the partitions of one run. Anything
    else is one run of `rescore_stale`, which takes any selection.
    """
    keys = sorted(key for one in work for key in one.why)
    if not keys:
        return []
    prepare_home(home)
    with local_instance(home) as instance:
        register_recordings(instance, home)
        ranges = contiguous_ranges(instance.get_dynamic_partitions(str(VIDEO.name)), keys)
        if len(ranges) == 1 and {one.start for one in work} == {ScoringStart.NEW}:
            tags = {RANGE_START: ranges[0].start, RANGE_END: ranges[0].end}
            local = _Local(score_new_recordings.name, ranges[0], tags)
        else:
            selection = {"ops": {score_updates.op.name: {"config": {"recordings": keys}}}}
            local = _Local(rescore_stale.name, KeyRange(keys[0], keys[-1], len(keys)), run_config=selection)
        return [_execute(home, instance, local, on_progress=on_progress)]


def add_study_partitions(home: Home) -> None:
    """Give every registered study its partition, and every task with labels."""
    prepare_home(home)
    with local_instance(home) as instance:
        register_studies(instance, home)


def run_study(home: Home, study_id: str, *, on_progress: Progress | None = None) -> LocalRun:
    """One run of the job ``evidence_chain`` over one study, whose partition is added where it is missing.

    ``on_progress`` is called with each station that is done.
    """
    prepare_home(home)
    with local_instance(home) as instance:
        register_studies(instance, home)
        keys = KeyRange(study_id, study_id, 1)
        local = _Local(evidence_chain.name, keys, {PARTITION: study_id})
        return _execute(home, instance, local, on_progress=on_progress)


def local_tags(environment: Mapping[str, str]) -> dict[str, str]:
    """The tags of a run in this process: what the caller wants it to carry, and by what it is found dead.

    Dagster does not start such a run again; whoever ran the command does.
    """
    text = environment.get(RUN_TAGS, "{}")
    try:
        wanted = {str(name): str(value) for name, value in json.loads(text).items()}
    except (ValueError, AttributeError) as error:
        raise ConfigError(f"{RUN_TAGS}: expected a JSON object of tags, found {text[:80]!r}.") from error
    return {**wanted, PROCESS_TAG: process_tag(), MAX_RETRIES: "0"}


@dataclass(frozen=True, slots=True)
class _Local:
    """What a run shall do."""

    job: str
    keys: KeyRange
    tags: Mapping[str, str] = field(default_factory=dict)
    run_config: Mapping[str, object] = field(default_factory=dict)


def _execute(
    home: Home, instance: DagsterInstance, local: _Local, *, on_progress: Progress | None
) -> LocalRun:
    watcher = Watcher(on_progress) if on_progress else Watcher()
    definitions = build_defs(home=HomeResource(root=str(home.root)), watcher=watcher)
    run_id = str(uuid4())
    warnings: list[str] = []
    instance.add_event_listener(run_id, _listener(watcher, warnings))
    job = definitions.resolve_job_def(local.job)
    with held_run(instance, run_id):
        result = job.execute_in_process(
            instance=instance,
            run_id=run_id,
            tags={**local_tags(os.environ), **local.tags},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}, **local.run_config},
            raise_on_error=False,
        )
    failed = [event for event in result.all_events if event.is_step_failure or event.is_run_failure]
    error, step = (_why(failed[0]), failed[0].step_key) if failed else (None, None)
    return LocalRun(run_id, local.keys, result.success, error, step, tuple(warnings))


def _why(event: DagsterEvent) -> str:
    """What a failed step said, with the sentence of the error behind it."""
    error = event.step_failure_data.error if event.is_step_failure else None
    return f"{event.message or ''} {sentence_of(error)}".strip()


def _listener(watcher: Watcher, warnings: list[str]) -> Callable[[EventLogEntry], None]:
    """Tells the watcher which station of a study begins, and collects the assets' warnings."""
    begun: list[str] = []

    def listen(entry: EventLogEntry) -> None:
        if entry.is_dagster_event:
            event = entry.get_dagster_event()
            if event.is_step_start and entry.step_key in _STATIONS:
                watcher.told(entry.step_key, len(begun), len(_STATIONS))
                begun.append(entry.step_key)
        elif entry.level == logging.WARNING:
            warnings.append(entry.user_message)

    return listen
