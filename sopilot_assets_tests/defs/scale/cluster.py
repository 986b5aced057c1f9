"""An installation of several machines on one: Dagster's daemon with its code server, and workers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import dagster as dg
import psutil
import pytest
from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._core.execution.backfill import PartitionBackfill

from sopilot_assets.definitions import build_defs
from sopilot_assets.defs.instance import local_instance
from sopilot_assets.defs.recordings.pending import register_recordings
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.setting_up import Profile, dagster_home, join_store, prepare_home
from sopilot_assets_tests.defs.scale import without_sensors
from sopilot_assets_tests.defs.scale.engines import Engines, ended
from sopilot_assets_tests.store.object_store import ObjectStore

ROOT = Path(__file__).parents[3]
SOPILOT = (sys.executable, "-c", "from sopilot_assets.cli import app; app()")
Found = TypeVar("Found")
TAKEN = re.compile(r"Taken by the worker (\w+)@")


@dataclass(frozen=True)
class Cluster:
    """The home of the machine with the daemon, the instance in PostgreSQL, and what all machines have in
    common; every machine has a home of its own, and shares it through the object store.
    """

    home: Home
    instance: dg.DagsterInstance
    store_url: str
    folder: Path

    @contextmanager
    def daemon(self) -> Iterator[subprocess.Popen[bytes]]:
        """Dagster's daemon, which loads the code in a server of its own."""
        program = str(Path(sys.executable).with_name("dagster-daemon"))
        with self._process("daemon", self.home, program, "run", "-m", without_sensors.__name__) as process:
            yield process

    @contextmanager
    def worker(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        """A worker with one place, on a machine that begins with nothing."""
        home = Home.at(self.folder / name)
        join(home, self.store_url)
        with self._process(name, home, *SOPILOT, "worker", "run", "--name", name) as process:
            yield process

    @contextmanager
    def _process(self, name: str, home: Home, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        folders = {"SOPILOT_HOME": str(home.root), "DAGSTER_HOME": str(dagster_home(home))}
        environment = {**os.environ, **folders, "PYTHONPATH": str(ROOT)}
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        with ended(process, signal.SIGTERM):
            yield process

    def backfill(self, keys: Sequence[str], assets: Sequence[dg.AssetsDefinition]) -> str:
        """The id of a new backfill of ``assets`` over ``keys``, as the web page makes it."""
        graph = build_defs().resolve_asset_graph()
        wanted = {AssetKeyPartitionKey(asset.key, key) for asset in assets for key in keys}
        backfill = PartitionBackfill.from_asset_graph_subset(
            backfill_id="everything",
            backfill_timestamp=time.time(),
            tags={},
            dynamic_partitions_store=self.instance,
            asset_graph_subset=AssetGraphSubset.from_asset_partition_set(wanted, graph),
            title=None,
            description=None,
            run_config=None,
        )
        self.instance.add_backfill(backfill)
        return backfill.backfill_id

    def runs(self, *statuses: dg.DagsterRunStatus) -> list[dg.DagsterRun]:
        """The runs so far, those of some statuses if any are given."""
        return list(self.instance.get_runs(dg.RunsFilter(statuses=list(statuses) or None)))

    def takers(self) -> dict[str, list[str]]:
        """The runs that each worker took."""
        taken: dict[str, list[str]] = {}
        for run in self.runs():
            for entry in self.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
                if said := TAKEN.search(entry.message):
                    taken.setdefault(said[1], []).append(run.run_id)
        return taken

    def wait(self, what: str, happened: Callable[[], Found], *, seconds: float = 300.0) -> Found:
        """What ``happened`` returns when that is true; fail with the end of all logs when it never is."""
        deadline = time.monotonic() + seconds
        while not (found := happened()):
            if time.monotonic() > deadline:
                pytest.fail(f"{what}: not within {seconds:.0f} s\n{self.last_words()}")
            time.sleep(1.0)
        return found

    def last_words(self) -> str:
        return "\n".join(
            f"--- {log.name}\n" + log.read_text(encoding="utf-8", errors="replace")[-3000:]
            for log in sorted(self.folder.glob("*.log"))
        )


@contextmanager
def cluster(
    home: Home,
    engines: Engines,
    store: ObjectStore,
    *,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    **variables: str,
) -> Iterator[Cluster]:
    """The installation around a home whose recordings are taken in; they have their partitions."""
    for name, value in {**engines.environment, **variables}.items():
        monkeypatch.setenv(name, value)
    join(home, store.url)
    with local_instance(home) as instance:
        register_recordings(instance, home)
        yield Cluster(home, instance, store.url, folder)


def join(home: Home, store_url: str) -> None:
    """Make a home of a machine more, as `sopilot home init --profile scale --store URL` does."""
    prepare_home(home, Profile.SCALE)
    impatient(dagster_home(home) / "dagster.yaml")
    join_store(home, store_url)


def impatient(settings: Path) -> None:
    """Shorten the waits of the shipped settings, so that a lost worker is missed within seconds."""
    text = settings.read_text(encoding="utf-8")
    for before, after in {
        "lost_after_s: 60": "lost_after_s: 12",
        "poll_interval_seconds: 15": "poll_interval_seconds: 2",
        "dequeue_interval_seconds: 2": "dequeue_interval_seconds: 1",
        "max_concurrent_runs: 8": "max_concurrent_runs: 2",
        "limit: 6": "limit: 2",
    }.items():
        assert before in text
        text = text.replace(before, after)
    settings.write_text(text, encoding="utf-8")


def kill_hard(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """What ran below the process when it was killed with SIGKILL."""
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    return children
