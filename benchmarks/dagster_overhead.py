"""What Dagster's own bookkeeping costs.

Without arguments: a batch of 68 recordings through the real job with stations that do nothing, on a fresh
SQLite instance, so that all of the time is bookkeeping. `--run ID` reads the events of a finished run of the
instance in DAGSTER_HOME instead, and says where its time went:

    python benchmarks/dagster_overhead.py --partitions 68 --registered 10000
    python benchmarks/dagster_overhead.py --run ID
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from unittest import mock

import dagster as dg

from sopilot_assets.definitions import build_defs
from sopilot_assets.defs.recordings import captured_videos, clip_embeddings
from sopilot_assets.defs.runs import RANGE_END, RANGE_START
from sopilot_assets.stations import alignments, gold_references, scores
from sopilot_assets.stations.outcome import StationOutcome
from sopilot_assets.store.home import PartitionKey

JOB = "score_new_recordings"
PICTURE = bytes(20_000)
"""As large as an alignment strip."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--partitions", type=int, default=68, help="recordings in the batch (default 68)")
    parser.add_argument(
        "--registered", type=int, default=68, help="recordings registered in all (default 68)"
    )
    parser.add_argument("--run", help="the id of a finished run in the instance of DAGSTER_HOME")
    options = parser.parse_args()
    if options.run:
        explain_run(options.run)
    else:
        measure_empty(options.partitions, max(options.partitions, options.registered))


def measure_empty(partitions: int, registered: int) -> None:
    """Print the cost of a batch whose stations do nothing."""
    logging.disable(logging.CRITICAL)
    keys = [f"filter_change-t-{hashlib.sha256(str(n).encode()).hexdigest()[:12]}" for n in range(registered)]
    with tempfile.TemporaryDirectory() as folder, dg.DagsterInstance.local_temp(folder) as instance:
        instance.add_dynamic_partitions("video", keys)
        batch = {RANGE_START: keys[0], RANGE_END: keys[partitions - 1]}
        job = build_defs().resolve_job_def(JOB)
        with idle_stations():
            for tags, what in (
                (batch | {RANGE_END: keys[0]}, "1 recording"),
                (batch, f"{partitions} recordings"),
            ):
                started, cpu = time.perf_counter(), time.process_time()
                result = job.execute_in_process(
                    instance=instance, tags=tags, asset_selection=_assets(), raise_on_error=True
                )
                seconds, cpu_s = time.perf_counter() - started, time.process_time() - cpu
                events = sum(event.is_step_materialization for event in result.all_events)
                each = f"{1000 * seconds / events:5.1f} ms a result"
                print(f"{what:>16}: {seconds:6.2f} s wall, {cpu_s:6.2f} s CPU, {events} results, {each}")
        started = time.perf_counter()
        found = len(instance.get_materialized_partitions(dg.AssetKey("scores")))
        print(
            f"{'sensor':>16}: {time.perf_counter() - started:6.3f} s to list {found} materialized partitions"
        )


def _assets() -> list[dg.AssetKey]:
    return [dg.AssetKey(name) for name in ("captured_videos", "clip_embeddings", "alignments", "scores")]


@contextmanager
def idle_stations(picture: bytes = PICTURE) -> Iterator[None]:
    """The assets call stations that give an outcome for every recording and do nothing; a score has this
    picture.
    """

    def outcomes(_home: object, keys: Sequence[PartitionKey], **_: object) -> list[StationOutcome]:
        figures = {
            "score": 91.5,
            "decision": "pass",
            "log_odds": 0.25,
            "critical_probability": 0.01,
            "fit": 0.8,
        }
        return [StationOutcome(key, metadata=figures) for key in keys]

    def scored(_home: object, keys: Sequence[PartitionKey], **_: object) -> list[StationOutcome]:
        rows = [
            {"type": "missing_step", "severity": "critical", "from_s": 3.5, "to_s": 3.5, "what": "A step."}
        ]
        return [
            StationOutcome(key, metadata={"score": 91.5}, table=rows, picture_png=picture) for key in keys
        ]

    idle = {
        captured_videos: {"describe_videos": outcomes},
        clip_embeddings: {"embed_videos": outcomes},
        gold_references: {"refresh_references": lambda *_, **__: []},
        alignments: {"align_videos": outcomes},
        scores: {"score_videos": scored},
    }
    with ExitStack() as patched:
        for module, stations in idle.items():
            patched.enter_context(mock.patch.multiple(module, **stations))
        yield


@dataclass(frozen=True)
class Moment:
    """One event of a run: its time in seconds, its kind and its step."""

    at_s: float
    kind: dg.DagsterEventType
    step: str | None


def explain_run(run_id: str) -> None:
    """Print where the time of a finished run went: stations, checks, and what is between them."""
    if "DAGSTER_HOME" not in os.environ:
        raise SystemExit("Set DAGSTER_HOME to the instance that holds the run.")
    with dg.DagsterInstance.get() as instance:
        moments = [
            Moment(entry.timestamp, event.event_type, event.step_key)
            for entry in instance.all_logs(run_id)
            if (event := entry.dagster_event) is not None
        ]
    if not moments:
        raise SystemExit(f"{run_id}: no such run in this instance.")
    total_s = moments[-1].at_s - moments[0].at_s
    started_s = next(m.at_s for m in moments if m.kind is dg.DagsterEventType.RUN_START)
    worked_s = 0.0
    print(f"{'queue and process start':>32}: {started_s - moments[0].at_s:7.2f} s")
    for step in dict.fromkeys(m.step for m in moments if m.step):
        work_s, stored_s, count = _split(step, moments)
        worked_s += work_s
        print(f"{step:>32}: {work_s:7.2f} s of work, {stored_s:6.2f} s to record {count} materializations")
    kept_s = total_s - worked_s
    print(f"{'all':>32}: {total_s:7.2f} s, of which {kept_s:.2f} s ({kept_s / total_s:.0%}) bookkeeping")


def _split(step: str, moments: Sequence[Moment]) -> tuple[float, float, int]:
    """Seconds until a step's first recorded result, seconds from there to its end, and the results."""
    own = [moment for moment in moments if moment.step == step]
    starts = [m.at_s for m in own if m.kind is dg.DagsterEventType.STEP_START]
    results = [m.at_s for m in own if m.kind is dg.DagsterEventType.ASSET_MATERIALIZATION]
    if not starts:
        return 0.0, 0.0, 0
    first_s = results[0] if results else own[-1].at_s
    return first_s - starts[0], own[-1].at_s - first_s, len(results)


if __name__ == "__main__":
    main()
