"""Jobs in the process of the command line, recorded where the web page finds them."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from uuid import uuid4

from dagster import DagsterEvent, DagsterInstance, EventLogEntry

from sopilot_assets.definitions import build_defs
from sopilot_assets.defs.dagster_internals.launcher import PROCESS_TAG, process_tag
from sopilot_assets.defs.dagster_internals.step_errors import sentence_of
from sopilot_assets.defs.evidence.assets import STUDY_ASSETS
from sopilot_assets.defs.instance import local_instance
from sopilot_assets.defs.partitions import VIDEO
from sopilot_assets.defs.recordings.pending import (
    PARTITION,
    RANGE_END,
    RANGE_START,
    register_recordings,
    register_studies,
)
from sopilot_assets.defs.resources import HomeResource
from sopilot_assets.errors import ConfigError
from sopilot_assets.stations.key_ranges import KeyRange, contiguous_ranges
from sopilot_assets.stations.rescoring_plan import ScoringWork
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.campaign.cycle import RUN_TAGS
from sopilot_assets.upkeep.setting_up import prepare_home

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the station at work, and how many of how many videos (or stations of a study) are done."""

_DONE_OF: Final = re.compile(r"(?:^| - )(embedded|aligned|scored) (\d+) of (\d+)$")
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


def run_keys(
    home: Home, keys: Sequence[str], *, job: str, on_progress: Progress | None = None
) -> list[LocalRun]:
    """The runs of ``job`` over the keys, as few contiguous ranges as there are, one after the other.

    Recordings that intake accepted get their partitions first. Raises ``ConfigError`` for keys that are not
    registered. A failed run does not stop the next.
    """
    prepare_home(home)
    with local_instance(home) as instance:
        register_recordings(instance, home)
        registered = instance.get_dynamic_partitions(str(VIDEO.name))
        unknown = sorted(set(keys) - set(registered))
        if unknown:
            raise ConfigError(f"{unknown[0]}: no such partition; `sopilot recording list` lists the keys.")
        ranges = contiguous_ranges(registered, keys)
        return [_run(home, instance, part, job=job, on_progress=on_progress) for part in ranges]


def run_scoring(
    home: Home, work: Sequence[ScoringWork], *, on_progress: Progress | None = None
) -> list[LocalRun]:
    """The run that does all of ``work``; none where there is none.

    Neighbours that need the same go through the job that says so, as the partitions of one run. Anything
    else is one run of `rescore_stale`, which takes any selection.
    """
    keys = sorted(key for one in work for key in one.why)
    if not keys:
        return []
    prepare_home(home)
    with local_instance(home) as instance:
        register_recordings(instance, home)
        ranges = contiguous_ranges(instance.get_dynamic_partitions(str(VIDEO.name)), keys)
        if len(work) == 1 and len(ranges) == 1:
            return [_run(home, instance, ranges[0], job=work[0].job.value, on_progress=on_progress)]
        every = KeyRange(keys[0], keys[-1], len(keys))
        selection = {"ops": {"score_updates": {"config": {"recordings": keys}}}}
        return [
            _execute(
                home,
                instance,
                every,
                job="rescore_stale",
                tags={},
                on_progress=on_progress,
                run_config=selection,
            )
        ]


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
        return _execute(
            home, instance, keys, job="evidence_chain", tags={PARTITION: study_id}, on_progress=on_progress
        )


def _run(
    home: Home, instance: DagsterInstance, keys: KeyRange, *, job: str, on_progress: Progress | None
) -> LocalRun:
    tags = {RANGE_START: keys.start, RANGE_END: keys.end}
    return _execute(home, instance, keys, job=job, tags=tags, on_progress=on_progress)


def local_tags(environment: Mapping[str, str]) -> dict[str, str]:
    """The tags of a run in this process: what the caller wants it to carry, and by what it is found dead.

    Dagster does not start such a run again; whoever ran the command does.
    """
    text = environment.get(RUN_TAGS, "{}")
    try:
        wanted = {str(name): str(value) for name, value in json.loads(text).items()}
    except (ValueError, AttributeError) as error:
        raise ConfigError(f"{RUN_TAGS}: expected a JSON object of tags, found {text[:80]!r}.") from error
    return {**wanted, PROCESS_TAG: process_tag(), "dagster/max_retries": "0"}


def _execute(
    home: Home,
    instance: DagsterInstance,
    keys: KeyRange,
    *,
    job: str,
    tags: dict[str, str],
    on_progress: Progress | None,
    run_config: Mapping[str, object] | None = None,
) -> LocalRun:
    definitions = build_defs(home=HomeResource(root=str(home.root)))
    run_id = str(uuid4())
    warnings: list[str] = []
    instance.add_event_listener(run_id, _listener(on_progress, warnings))
    result = definitions.resolve_job_def(job).execute_in_process(
        instance=instance,
        run_id=run_id,
        tags={**local_tags(os.environ), **tags},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}, **(run_config or {})},
        raise_on_error=False,
    )
    failed = [event for event in result.all_events if event.is_step_failure or event.is_run_failure]
    error, step = (_why(failed[0]), failed[0].step_key) if failed else (None, None)
    return LocalRun(run_id, keys, result.success, error, step, tuple(warnings))


def _why(event: DagsterEvent) -> str:
    """What a failed step said, with the sentence of the error behind it."""
    error = event.step_failure_data.error if event.is_step_failure else None
    return f"{event.message or ''} {sentence_of(error)}".strip()


def _listener(on_progress: Progress | None, warnings: list[str]) -> Callable[[EventLogEntry], None]:
    """Turns the assets' own log lines into progress, and collects their warnings."""

    begun: list[str] = []

    def listen(entry: EventLogEntry) -> None:
        station = (
            entry.step_key if entry.is_dagster_event and entry.get_dagster_event().is_step_start else None
        )
        if station in _STATIONS and on_progress:
            on_progress(station, len(begun), len(_STATIONS))
            begun.append(station)
        said = _DONE_OF.search(entry.user_message)
        if said and on_progress:
            on_progress(said[1], int(said[2]), int(said[3]))
        if entry.level == logging.WARNING and not entry.is_dagster_event:
            warnings.append(entry.user_message)

    return listen
