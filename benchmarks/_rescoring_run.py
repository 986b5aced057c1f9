"""One rescoring of a whole home, measured in a process of its own; it prints one JSON line.

Another revision of the code is measured by its own version of this file.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import json
import os
import pstats
import resource
import sys
import time
from pathlib import Path

import yaml
from dagster import DagsterEventType, DagsterInstance, EventLogEntry, ExecuteInProcessResult

from sopilot_assets.definitions import build_defs
from sopilot_assets.defs.instance import local_instance
from sopilot_assets.defs.partitions import VIDEO
from sopilot_assets.defs.recordings.alignments import alignments
from sopilot_assets.defs.recordings.pending import register_recordings
from sopilot_assets.defs.recordings.scores import scores
from sopilot_assets.defs.resources import HomeResource
from sopilot_assets.defs.runs import RANGE_END, RANGE_START
from sopilot_assets.store.home import Home

SQLITE = {"sqlite": {"base_dir": {"env": "DAGSTER_HOME"}}}


def main() -> None:
    """Rescore, and print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--stock-events", action="store_true")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    home = Home.at(options.home)
    os.cpu_count = lambda: options.processes
    if options.stock_events:
        _store_events_one_by_one(options.home / "dagster" / "dagster.yaml")
    profile = cProfile.Profile()
    started_s = time.perf_counter()
    run = profile.runcall(rescore, home) if options.profile else rescore(home)
    found = {"wall": time.perf_counter() - started_s}
    found["memory_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    if not run.success:
        raise SystemExit(f"run {run.run_id} failed")
    os.environ["DAGSTER_HOME"] = str(options.home / "dagster")
    with DagsterInstance.get() as instance:
        found["stages"] = stages(instance.all_logs(run.run_id))
    found["database_gb"] = sum(path.stat().st_size for path in options.home.glob("dagster/**/*.db")) / 1e9
    if options.profile:
        found["profile"] = _longest(profile)
    sys.stdout.write(json.dumps(found) + "\n")


def rescore(home: Home) -> ExecuteInProcessResult:
    """One run over all recordings, as a backfill of alignments and scores makes it."""
    with local_instance(home) as instance:
        register_recordings(instance, home)
        keys = instance.get_dynamic_partitions(str(VIDEO.name))
        job = build_defs(home=HomeResource(root=str(home.root))).resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=instance,
            asset_selection=[alignments.key, scores.key],
            tags={RANGE_START: keys[0], RANGE_END: keys[-1]},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )


def stages(log: list[EventLogEntry]) -> dict[str, float]:
    """Seconds of each part of the run, from the times of its events."""
    recorded = {asset: _times(log, DagsterEventType.ASSET_MATERIALIZATION, asset) for asset in _ASSETS}
    said = {
        word: [e.timestamp for e in log if f"{word} " in e.user_message] for word in ("aligned", "scored")
    }
    started = {asset: _times(log, DagsterEventType.STEP_START, asset)[0] for asset in _ASSETS}
    ended = {asset: _times(log, DagsterEventType.STEP_SUCCESS, asset)[0] for asset in _ASSETS}
    referred = (
        _times(log, DagsterEventType.ASSET_MATERIALIZATION, "gold_references") or [started["alignments"]]
    )[-1]
    return {
        "start, events planned": started["alignments"] - log[0].timestamp,
        "reference, calibration": referred - started["alignments"],
        "alignments": said["aligned"][-1] - referred,
        "events of alignments": ended["alignments"] - said["aligned"][-1],
        "judged, pages made": said["scored"][-1] - started["scores"],
        "ledger, index of pages": recorded["scores"][0] - said["scored"][-1],
        "events of scores": ended["scores"] - recorded["scores"][0],
        "checks, end": log[-1].timestamp - ended["scores"],
    }


_ASSETS = ("alignments", "scores")


def _times(log: list[EventLogEntry], kind: DagsterEventType, of: str) -> list[float]:
    """When events of a kind happened in a step or to an asset."""
    return [
        entry.timestamp
        for entry in log
        if (event := entry.dagster_event) is not None
        and event.event_type == kind
        and of in (event.asset_key.to_user_string() if event.asset_key else None, event.step_key)
        and (event.asset_key is None or event.asset_key.to_user_string() == of)
    ]


def _store_events_one_by_one(settings: Path) -> None:
    found = yaml.safe_load(settings.read_text("utf-8"))
    settings.write_text(yaml.safe_dump({**found, "storage": SQLITE}), "utf-8")


def _longest(profile: cProfile.Profile) -> str:
    """The functions that took longest by themselves and with what they called, of the run's own process."""
    stream = io.StringIO()
    figures = pstats.Stats(profile, stream=stream).strip_dirs()
    for order in ("tottime", "cumulative"):
        figures.sort_stats(order).print_stats(25)
    return stream.getvalue()


if __name__ == "__main__":
    main()
