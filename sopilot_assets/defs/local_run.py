"""Jobs in the process of the command line, recorded where the web page finds them."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias
from uuid import uuid4

from dagster import DagsterInstance, EventLogEntry

from sopilot_assets.definitions import build_defs
from sopilot_assets.defs.batches import KeyRange, contiguous_ranges
from sopilot_assets.defs.partitions import VIDEO
from sopilot_assets.defs.pending import RANGE_END, RANGE_START, register_recordings
from sopilot_assets.defs.resources import HomeResource
from sopilot_assets.errors import ConfigError
from sopilot_assets.operations.initialise import dagster_home, prepare_home
from sopilot_assets.store.home import Home

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the station at work (``embedded``, ``aligned``, ``scored``), videos done and videos in all."""

_DONE_OF: Final = re.compile(r"(?:^| - )(embedded|aligned|scored) (\d+) of (\d+)$")
_DAGSTER_HOME: Final = "DAGSTER_HOME"


@dataclass(frozen=True, slots=True)
class LocalRun:
    """One finished run: its id, the keys it covered, whether all its steps went through, and what the assets
    warned about.
    """

    run_id: str
    keys: KeyRange
    succeeded: bool
    error: str | None
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
            raise ConfigError(f"{unknown[0]}: no such partition; `sopilot show recordings` lists the keys.")
        ranges = contiguous_ranges(registered, keys)
        return [_run(home, instance, part, job=job, on_progress=on_progress) for part in ranges]


@contextmanager
def local_instance(home: Home) -> Iterator[DagsterInstance]:
    """The Dagster instance of a home; its settings read ``DAGSTER_HOME``, which is set meanwhile."""
    folder, before = str(dagster_home(home)), os.environ.get(_DAGSTER_HOME)
    os.environ[_DAGSTER_HOME] = folder
    try:
        with DagsterInstance.from_config(folder) as instance:
            yield instance
    finally:
        if before is None:
            del os.environ[_DAGSTER_HOME]
        else:
            os.environ[_DAGSTER_HOME] = before


def _run(
    home: Home, instance: DagsterInstance, keys: KeyRange, *, job: str, on_progress: Progress | None
) -> LocalRun:
    definitions = build_defs(home=HomeResource(root=str(home.root)))
    run_id = str(uuid4())
    warnings: list[str] = []
    instance.add_event_listener(run_id, _listener(on_progress, warnings))
    result = definitions.resolve_job_def(job).execute_in_process(
        instance=instance,
        run_id=run_id,
        tags={RANGE_START: keys.start, RANGE_END: keys.end},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )
    failed = [event for event in result.all_events if event.is_step_failure or event.is_run_failure]
    error = failed[0].message if failed else None
    return LocalRun(run_id, keys, result.success, error, tuple(warnings))


def _listener(on_progress: Progress | None, warnings: list[str]) -> Callable[[EventLogEntry], None]:
    """Turns the assets' own log lines into progress, and collects their warnings."""

    def listen(entry: EventLogEntry) -> None:
        said = _DONE_OF.search(entry.user_message)
        if said and on_progress:
            on_progress(said[1], int(said[2]), int(said[3]))
        if entry.level == logging.WARNING and not entry.is_dagster_event:
            warnings.append(entry.user_message)

    return listen
