"""What a home with many recordings costs: the sensor's tick, a cycle in which nothing changed, the plan of
what is out of date, and the page of partitions, at two sizes side by side.

    python -m benchmarks.partitions                                   1,000 and 10,000 recordings, simulated
    python -m benchmarks.partitions --recordings 500 5000 --source HOME

Recordings are copies of those of the source home under ids of their own: embeddings are linked, scores are
copied, and Dagster's materializations are recorded by the project's own job with stations that do nothing.
The page is asked of a real dagster-webserver, with the queries that its page of an asset's partitions makes.

Each figure is the median of the rounds, in seconds: on the clock, and of CPU time (of this process; of the
command; of the web server and its code server), which other work on the machine changes less.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import dagster as dg
import psutil

from benchmarks._copied_home import copied_home
from benchmarks.dagster_overhead import idle_stations
from sopilot_assets.capture.registry import Registry
from sopilot_assets.definitions import build_defs
from sopilot_assets.defs.instance import local_instance
from sopilot_assets.defs.recordings.capture_sensor import capture_sensor
from sopilot_assets.defs.recordings.pending import register_recordings
from sopilot_assets.defs.references.golds_sensor import golds_sensor
from sopilot_assets.defs.resources import RESOURCES, HomeResource
from sopilot_assets.defs.runs import RANGE_END, RANGE_START
from sopilot_assets.reference.ledger import COLUMNS as REFERENCE_COLUMNS
from sopilot_assets.reference.ledger import references_ledger
from sopilot_assets.scoring.ledger import COLUMNS as SCORE_COLUMNS
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.rescoring_plan import rescoring_plan
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.setting_up import dagster_home

_MODULE: Final = ("-m", "sopilot_assets.definitions")
BATCH: Final = 500
"""Recordings of one run, as the sensor launches them."""

HEALTH: Final = """
query PartitionHealthQuery($assetKey: AssetKeyInput!) {
  assetNodeOrError(assetKey: $assetKey) { ... on AssetNode { id
    partitionKeysByDimension { name type partitionKeys }
    assetPartitionStatuses { ... on DefaultPartitionStatuses {
      materializedPartitions materializingPartitions failedPartitions } } } } }"""
LATEST: Final = """
query LatestAssetPartitionsQuery($assetKey: AssetKeyInput!, $limit: Int!) {
  assetNodeOrError(assetKey: $assetKey) { ... on AssetNode { id
    partitionKeyConnection(limit: $limit, ascending: false) { results } } } }"""
DETAIL: Final = """
query AssetPartitionDetailQuery($assetKey: AssetKeyInput!, $partitionKey: String!) {
  assetOrError(assetKey: $assetKey) { ... on Asset { id
    definition { id opNames latestRunForPartition(partition: $partitionKey) { id status endTime } }
    assetEventHistory(partitions: [$partitionKey], limit: 1000,
        eventTypeSelectors: [MATERIALIZATION, OBSERVATION, FAILED_TO_MATERIALIZE]) {
      results { ... on MaterializationEvent { runId timestamp partition
        metadataEntries { label __typename ... on TextMetadataEntry { text }
          ... on MarkdownMetadataEntry { mdStr } ... on FloatMetadataEntry { floatValue } } } } } } } }"""
STALE: Final = """
query AssetPartitionStaleQuery($assetKey: AssetKeyInput!, $partitionKey: String!) {
  assetNodeOrError(assetKey: $assetKey) { ... on AssetNode { id
    staleStatus(partition: $partitionKey)
    staleCauses(partition: $partitionKey) { key { path } reason category dependency { path } } } } }"""


@dataclass(frozen=True, slots=True, order=True)
class Cost:
    """Seconds on the clock, and of CPU time."""

    wall_s: float
    cpu_s: float


Costs = dict[str, Cost]
CpuClock = Callable[[], float]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = _options(arguments)
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="sopilot-benchmark-", dir=options.scratch) as name:
        scratch = Path(name)
        source = Home.at(options.source) if options.source else _simulated(scratch / "source")
        found = {
            size: _measured(source, scratch / str(size), size, rounds=options.rounds)
            for size in options.recordings
        }
    _print_table(found)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--recordings", type=int, nargs="+", default=[1000, 10_000], help="sizes (default 1000 10000)"
    )
    parser.add_argument("--source", type=Path, help="a scored home with golds (default: a simulated one)")
    parser.add_argument("--rounds", type=int, default=3, help="repetitions; the median counts (default 3)")
    parser.add_argument("--scratch", type=Path, help="where homes are made (default: the temporary folder)")
    return parser.parse_args(arguments)


def _simulated(root: Path) -> Home:
    """A small scored home."""
    _sopilot(root, "demo", "run", "--golds", "4", "--trainees", "8", "--size", "320x240")
    return Home.at(root)


def _measured(source: Home, root: Path, size: int, *, rounds: int) -> Costs:
    home = filled_home(source, root, recordings=size)
    with local_instance(home) as instance:
        found = {"(recording the materializations)": _cost(lambda: materialize(home, instance))}
        found |= {what: _median(task, rounds) for what, task in _tasks(home, instance).items()}
    found |= {what: _median(task, 1, _children_s) for what, task in _commands(root).items()}
    with _web_server(home) as (ask, cpu_clock):
        found |= _page(ask, rounds, cpu_clock)
    shutil.rmtree(root)
    return found


def filled_home(source: Home, root: Path, *, recordings: int) -> Home:
    """A home of so many recordings with embeddings and scores that are up to date; Dagster knows none."""
    golds = _count_golds(source)
    home = copied_home(source, root, recordings=recordings, golds=golds)
    shutil.copytree(local_path(source.root) / "references", local_path(home.root) / "references")
    bookkeeping = {"run_id": "copied", "written_at": "2025-01-01T00:00:00+00:00"}
    references = [
        {name: row[name] for name in REFERENCE_COLUMNS} | {"inputs": None}  # of golds with other names
        for row in plain_rows(references_ledger(source).latest())
    ]
    references_ledger(home).append(references, **bookkeeping)
    scores_ledger(home).append(_score_rows(source, home), **bookkeeping)
    return home


def _count_golds(source: Home) -> int:
    keys = sorted(Registry.read(source).recordings)
    return sum(key.task_id == keys[0].task_id and key.role == "gold" for key in keys)


def _score_rows(source: Home, home: Home) -> Iterator[dict[str, Cell]]:
    """A copy of a gold's or trainee's score for each recording; which one does not matter here."""
    rows = {row["role"]: row for row in plain_rows(scores_ledger(source).latest()) if row["problem"] is None}
    for key in Registry.read(home).recordings:
        row = {name: rows[key.role][name] for name in SCORE_COLUMNS}
        yield row | {"key": str(key), "video_id": key.video_id}


def materialize(home: Home, instance: dg.DagsterInstance) -> None:
    """A materialization of each recording by each station, as the sensor's runs would have left it."""
    register_recordings(instance, home)
    keys = instance.get_dynamic_partitions("video")
    job = build_defs(home=HomeResource(root=str(home.root))).resolve_job_def("score_new_recordings")
    names = ("captured_videos", "clip_embeddings", "alignments", "scores")
    with idle_stations():
        for start in range(0, len(keys), BATCH):
            part = keys[start : start + BATCH]
            job.execute_in_process(
                instance=instance,
                tags={RANGE_START: part[0], RANGE_END: part[-1]},
                asset_selection=[dg.AssetKey(name) for name in names],
            )


def _tasks(home: Home, instance: dg.DagsterInstance) -> dict[str, Callable[[], object]]:
    mine = HomeResource(root=str(home.root))
    checks = build_defs(home=mine).resolve_job_def("check_everything")
    registered = instance.get_dynamic_partitions("video")

    def tick(cursor: str | None = None) -> dg.SensorResult:
        context = dg.build_sensor_context(
            instance=instance, cursor=cursor, resources={**RESOURCES, "home": mine}
        )
        result = capture_sensor(context)
        assert isinstance(result, dg.SensorResult)
        assert not result.run_requests
        return result

    def look_at_golds() -> dg.SensorResult:
        context = dg.build_sensor_context(
            instance=instance, resources={"home": mine, "clock": RESOURCES["clock"]}
        )
        result = golds_sensor(context)
        assert isinstance(result, dg.SensorResult)
        assert not result.run_requests
        return result

    cursor = tick().cursor
    return {
        "sensor tick, nothing new": lambda: tick(cursor),
        "sensor tick that looks at every recording": tick,
        "tick of the sensor on golds, nothing changed": look_at_golds,
        "all checks, nothing changed": lambda: checks.execute_in_process(instance=instance),
        "plan of what is out of date": lambda: rescoring_plan(home, registered),
    }


def _commands(root: Path) -> dict[str, Callable[[], object]]:
    return {
        "`sopilot score run`, nothing to do": lambda: _sopilot(root, "score", "run"),
        "`sopilot score run --stale`, nothing to do": lambda: _sopilot(root, "score", "run", "--stale"),
    }


Ask = Callable[[str, dict[str, object]], object]


def _page(ask: Ask, rounds: int, cpu_clock: CpuClock) -> Costs:
    """The queries of the page of an asset's partitions; the first look fills Dagster's cache."""
    scores: dict[str, object] = {"assetKey": {"path": ["scores"]}}
    latest: Any = ask(LATEST, {**scores, "limit": 1})
    one = {
        **scores,
        "partitionKey": latest["assetNodeOrError"]["partitionKeyConnection"]["results"][0],
    }
    return {
        "partition page, first look": _cost(lambda: ask(HEALTH, scores), cpu_clock),
        "partition page, next look": _median(lambda: ask(HEALTH, scores), rounds, cpu_clock),
        "one partition: events and latest run": _median(lambda: ask(DETAIL, one), rounds, cpu_clock),
        "one partition: whether it is stale": _median(lambda: ask(STALE, one), rounds, cpu_clock),
    }


@contextlib.contextmanager
def _web_server(home: Home) -> Iterator[tuple[Ask, CpuClock]]:
    """A web server on a free port of this machine: how to ask it, and its CPU time."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), *_MODULE],
        env={**os.environ, "DAGSTER_HOME": str(dagster_home(home)), "SOPILOT_HOME": str(home.root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def ask(query: str, variables: dict[str, object]) -> object:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/graphql",
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=300) as answer:
            said = json.load(answer)
        if said.get("errors"):
            raise SystemExit(f"the web server answers {said['errors'][:1]}")
        return said["data"]

    try:
        _wait_for(lambda: ask("query { version }", {}), server)
        process = psutil.Process(server.pid)
        yield ask, lambda: sum(map(_cpu_s, [process, *process.children(recursive=True)]))
    finally:
        server.terminate()
        server.wait(timeout=60)


def _wait_for(answer: Callable[[], object], server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 300
    while server.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError):
            answer()
            return
        time.sleep(0.5)
    raise SystemExit("the web server does not answer")


def _sopilot(root: Path, *words: str) -> None:
    command = [sys.executable, "-m", "sopilot_assets.cli", "--home", str(root), *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _cost(task: Callable[[], object], cpu_clock: CpuClock = time.process_time) -> Cost:
    started, cpu_s = time.perf_counter(), cpu_clock()
    task()
    return Cost(time.perf_counter() - started, cpu_clock() - cpu_s)


def _median(task: Callable[[], object], rounds: int, cpu_clock: CpuClock = time.process_time) -> Cost:
    costs = [_cost(task, cpu_clock) for _ in range(rounds)]
    return Cost(
        statistics.median(cost.wall_s for cost in costs), statistics.median(cost.cpu_s for cost in costs)
    )


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _cpu_s(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


def _print_table(found: dict[int, Costs]) -> None:
    sizes = list(found)
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {datetime.now(UTC):%Y-%m-%d}; seconds\n")
    print(f"{'recordings':>44}" + "".join(f"{size:>10,} {'CPU':>8}" for size in sizes) + f"{'growth':>9}")
    for what in found[sizes[0]]:
        costs = [found[size][what] for size in sizes]
        figures = "".join(f"{cost.wall_s:>10.3f} {cost.cpu_s:>8.2f}" for cost in costs)
        print(f"{what:>44}{figures}{costs[-1].wall_s / costs[0].wall_s:>8.1f}x")


if __name__ == "__main__":
    main()
