"""What a cycle of a campaign costs in which nothing is to be done, in CPU of all processes.

    python -m benchmarks.quiet_cycles --source HOME                    a copy of a scored home is asked
    python -m benchmarks.quiet_cycles --source HOME --before REVISION  also by the code of an earlier revision

The sensor that looks after campaigns is asked as the daemon asks it, and where it wants a run, the run's
process is started as the launcher starts it. The first cycle makes what is missing and may be no quiet one.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin

from benchmarks._checkouts import ROOT, checkout
from sopilot_assets.definitions import build_defs
from sopilot_assets.defs.campaign.watch import campaign_watch
from sopilot_assets.defs.dagster_internals import run_process
from sopilot_assets.defs.instance import local_instance
from sopilot_assets.defs.resources import ClockResource, HomeResource
from sopilot_assets.processes.boot_clock import Moment
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.campaign.plan import CampaignRequest, start_campaign
from sopilot_assets.upkeep.setting_up import dagster_home, prepare_home

INTERVAL_S = 30.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", type=Path, required=True, help="a scored home; it is copied")
    parser.add_argument("--cycles", type=int, default=4, help="how many, the first included (default 4)")
    parser.add_argument("--before", metavar="REVISION", help="measure that revision's code too")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.here:
        sys.stdout.write(json.dumps(cycles(Home.at(options.source), options.cycles)) + "\n")
        return
    found = {"now": _measured(ROOT, options)}
    if options.before:
        with checkout(options.before) as tree:
            found = {"before": _measured(tree, options), **found}
    print("| cycle | " + " | ".join(f"{name}, CPU s" for name in found) + " |")
    print("|--:|" + "--:|" * len(found))
    for cycle in range(options.cycles):
        print(f"| {cycle} | " + " | ".join(f"{costs[cycle]:.2f}" for costs in found.values()) + " |")


def _measured(tree: Path, options: argparse.Namespace) -> list[float]:
    """CPU seconds of each cycle by the code of a tree, with this file."""
    with tempfile.TemporaryDirectory(prefix="sopilot-cycles-") as folder:
        home = Path(folder) / "home"
        shutil.copytree(options.source, home, ignore=shutil.ignore_patterns("dagster"))
        words = ["--here", "--source", str(home), "--cycles", str(options.cycles)]
        ended = subprocess.run(
            [sys.executable, __file__, *words],
            env={**os.environ, "PYTHONPATH": f"{tree}:{ROOT}", "SOPILOT_HOME": str(home)},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return list(json.loads(ended.stdout.splitlines()[-1]))


def cycles(home: Home, count: int) -> list[float]:
    """CPU seconds of each of the first cycles of a campaign."""
    prepare_home(home)
    begun = datetime.now(UTC)
    request = CampaignRequest(
        duration_s=count * INTERVAL_S, interval_s=INTERVAL_S, damaged_every=None, rescore_every=None
    )
    start_campaign(home, request, now=Moment(begun), by="benchmark")
    costs = []
    with local_instance(home) as instance:
        for cycle in range(count):
            before_s = _cpu_s()
            now = begun + timedelta(seconds=cycle * INTERVAL_S + 1)
            _cycle(home, instance, now)
            costs.append(_cpu_s() - before_s)
    return costs


def _cycle(home: Home, instance: dg.DagsterInstance, now: datetime) -> None:
    given = {"home": HomeResource(root=str(home.root)), "clock": ClockResource(fixed=now.isoformat())}
    told = campaign_watch(dg.build_sensor_context(instance=instance, resources=given))
    for request in told.run_requests or [] if isinstance(told, dg.SensorResult) else []:
        job = build_defs(home=given["home"]).resolve_job_def(str(request.job_name))
        tags = {**request.tags, "dagster/partition": str(request.partition_key)}
        pointer = ModuleCodePointer("sopilot_assets.definitions", "defs")
        origin = JobPythonOrigin(job.name, RepositoryPythonOrigin(sys.executable, pointer))
        run = instance.create_run_for_job(job, tags=tags, job_code_origin=origin)
        _run(home, run.run_id)


def _run(home: Home, run_id: str) -> None:
    """The run's process, from its start to its end."""
    environment = {**os.environ, "DAGSTER_HOME": str(dagster_home(home))}
    command = [sys.executable, "-m", run_process.__name__, run_id]
    subprocess.run(command, env=environment, check=True, capture_output=True)


def _cpu_s() -> float:
    """User and system seconds of this process and of all that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    main()
