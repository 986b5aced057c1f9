"""A web server of Dagster's on a grown home, and the queries that its page of an asset's partitions makes."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import psutil

from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.setting_up import dagster_home

_MODULE: Final = ("-m", "sopilot_assets.definitions")

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

Query = Callable[[], object]


@contextlib.contextmanager
def web_page(home: Home) -> Iterator[tuple[Sequence[tuple[str, Query]], Callable[[], float]]]:
    """A web server on a free port of this machine: queries by what they show, and its CPU time in seconds."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), *_MODULE],
        env={**os.environ, "DAGSTER_HOME": str(dagster_home(home)), "SOPILOT_HOME": str(home.root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def ask(query: str, **variables: object) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/graphql",
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=600) as answer:
            said = json.load(answer)
        if said.get("errors"):
            raise SystemExit(f"the web server answers {said['errors'][:1]}")
        return said["data"]

    try:
        _wait_for(lambda: ask("query { version }"), server)
        process = psutil.Process(server.pid)
        yield list(_queries(ask)), lambda: sum(map(_cpu_s, [process, *process.children(recursive=True)]))
    finally:
        server.terminate()
        server.wait(timeout=60)


def _queries(ask: Callable[..., Any]) -> Iterator[tuple[str, Query]]:
    scores = {"path": ["scores"]}
    latest = ask(LATEST, assetKey=scores, limit=1)["assetNodeOrError"]
    key = latest["partitionKeyConnection"]["results"][0]
    yield "partitions of `scores`", lambda: ask(HEALTH, assetKey=scores)
    yield "one partition, events and latest run", lambda: ask(DETAIL, assetKey=scores, partitionKey=key)
    yield "one partition, whether it is stale", lambda: ask(STALE, assetKey=scores, partitionKey=key)


def _wait_for(answer: Query, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 300
    while server.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError):
            answer()
            return
        time.sleep(0.5)
    raise SystemExit("the web server does not answer")


def _cpu_s(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)
