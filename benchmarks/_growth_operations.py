"""Operations on a grown home, each measured in a process of its own; prints a JSON line for each `Cost`.

    python -m benchmarks._growth_operations HOME OPERATION...

`benchmarks.growth` runs it, also with the package of an older revision before this one on the path. Each
process is forked from one that has imported everything.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import dagster as dg
from starlette.testclient import TestClient

from benchmarks._growth_home import BATCH, materialize
from benchmarks._growth_web import web_page
from sopilot_assets.capture.registry import Registry
from sopilot_assets.definitions import build_defs
from sopilot_assets.defs.alerts.sensor import alerts_sensor
from sopilot_assets.defs.instance import local_instance
from sopilot_assets.defs.recordings.capture_sensor import capture_sensor
from sopilot_assets.defs.references.golds_sensor import golds_sensor
from sopilot_assets.defs.resources import RESOURCES, HomeResource
from sopilot_assets.desk import create_app
from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.desk.log import Doer
from sopilot_assets.desk.tokens import Scope, add_token
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.rescoring_plan import rescoring_plan
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import find_tasks
from sopilot_assets.upkeep.daily.report import write_report
from sopilot_assets.upkeep.results.standing import standing_results

ROUNDS: Final = 3
HERE: Final = "http://127.0.0.1:8000"
COMMANDS: Final = (
    "score run",
    "score run --stale",
    "score list --task {task} --json",
    "score list --stale",
    "score export {task} --csv",
    "recording list --json",
    "recording list --refused",
    "recording show {key}",
    "label list {task} --json",
    "label prepare {task} {folder}/sheet.csv --who eve",
    "gold candidates {task} --json",
    "home doctor",
    "retention apply",
    "backup create {folder}/backups",
    "backup list {folder}/backups",
)
"""``score run`` and the backup find nothing new: what is there was scored and backed up before."""
FINDS: Final = ("home doctor",)
"""Commands with another exit code where they find something, as in a home that nobody looks after."""
SAME: Final = ("score list", "recording list", "recording show", "label list", "gold candidates")
"""Commands whose output holds no time of its own, so that two revisions have to print the same."""
PAGES: Final = (
    "/",
    "/recordings",
    "/recordings?page=100",
    "/recordings?q={key}",
    "/recordings?decision=fail&deviation=missing_step&order=lowest",
    "/recordings?person={person}&since=2026-02-01&until=2026-05-01&order=urgent",
    "/recordings/{judged}",
    "/changes",
    "/label",
    "/label/{key}",
    "/golds",
    "/promotions",
    "/promotions/history/{task}",
    "/policies",
    "/times",
    "/times/{task}",
    "/times/{task}?by=person",
    "/people",
    "/people/results?person={person}",
    "/tasks",
    "/tasks/{task}",
    "/tasks/{task}/edit",
    "/tasks/{task}/versions",
    "/tasks/{task}/instruction",
    "/upload",
    "/api",
    "/api/v1/recordings",
    "/api/v1/recordings?decision=fail&deviation=missing_step&contested=false",
    "/api/v1/tasks/{task}/times",
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What an operation took: seconds of CPU and on the clock, the first time in its process and, where it
    was repeated, the median of the next ones; ``peak_mb`` is the most memory of the process, and ``result``
    a hash of what came out, empty where that depends on the time.
    """

    what: str
    first_cpu_s: float
    cpu_s: float
    wall_s: float
    peak_mb: float = 0.0
    result: str = ""


Operation = Callable[[Home], Iterator[Cost]]


def main() -> None:
    """Measure the operations and print their costs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("operations", nargs="+", choices=list(OPERATIONS))
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    for operation in options.operations:
        child = os.fork()
        if child == 0:
            _measure(Home.at(options.home), operation)
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            raise SystemExit(f"{operation}: its process failed")


def _measure(home: Home, operation: str) -> None:
    for cost in OPERATIONS[operation](home):
        print(json.dumps({**asdict(cost), "peak_mb": _peak_mb()}), flush=True)


def measured(
    what: str, task: Callable[[], object], *, rounds: int = ROUNDS, clock: Callable[[], float] | None = None
) -> Cost:
    """The cost of a task; ``clock`` gives CPU seconds, those of this process unless another's are asked."""
    clock, spent, result = clock or time.process_time, list[tuple[float, float]](), b""
    for _ in range(rounds + 1):
        began, cpu_s = time.perf_counter(), clock()
        given = task()
        spent.append((clock() - cpu_s, time.perf_counter() - began))
        result = given if isinstance(given, bytes) else b""
    cpu_s, wall_s = (statistics.median(one) for one in zip(*(spent[1:] or spent), strict=True))
    return Cost(what, spent[0][0], cpu_s, wall_s, result=hashlib.sha256(result).hexdigest() if result else "")


def _capture_sensor(home: Home) -> Iterator[Cost]:
    with local_instance(home) as instance:

        def tick(cursor: str | None = None) -> dg.SensorResult:
            result = capture_sensor(_sensor_context(home, instance, cursor))
            if not isinstance(result, dg.SensorResult) or result.run_requests:
                raise SystemExit(f"expected nothing to do, found {result}")
            return result

        yield measured("sensor `capture`: every recording (once a minute)", tick)
        cursor = tick().cursor
        yield measured("sensor `capture`: nothing new (every 10 s)", lambda: tick(cursor))


def _golds_sensor(home: Home) -> Iterator[Cost]:
    with local_instance(home) as instance:
        yield measured(
            "sensor `golds` (every minute)",
            lambda: golds_sensor(_sensor_context(home, instance, None, "home", "clock")),
        )


def _alerts_sensor(home: Home) -> Iterator[Cost]:
    with local_instance(home) as instance:
        yield measured(
            "sensor `alerts`: all conditions (once a minute)",
            lambda: alerts_sensor(_sensor_context(home, instance, None, "home", "clock")),
        )


def _sensor_context(
    home: Home, instance: dg.DagsterInstance, cursor: str | None, *names: str
) -> dg.SensorEvaluationContext:
    resources = {**RESOURCES, "home": HomeResource(root=str(home.root))}
    wanted = {name: one for name, one in resources.items() if not names or name in names}
    return dg.build_sensor_context(instance=instance, cursor=cursor, resources=wanted)


def _results(home: Home) -> Iterator[Cost]:
    yield measured("sensor `results`: what other programs ought to know", lambda: standing_results(home))


def _checks(home: Home) -> Iterator[Cost]:
    job = build_defs(home=HomeResource(root=str(home.root))).resolve_job_def("check_everything")
    with local_instance(home) as instance:
        yield measured("all asset checks", lambda: job.execute_in_process(instance=instance), rounds=1)


def _plan(home: Home) -> Iterator[Cost]:
    with local_instance(home) as instance:
        registered = instance.get_dynamic_partitions("video")
    yield measured("plan of what is out of date", lambda: rescoring_plan(home, registered))


def _storing(home: Home) -> Iterator[Cost]:
    with local_instance(home) as instance:
        keys = list(instance.get_dynamic_partitions("video"))[-BATCH:]
        what = f"storing the materializations of {BATCH} recordings"
        yield measured(what, lambda: materialize(home, instance, keys), rounds=0)


def _report(home: Home) -> Iterator[Cost]:
    now = datetime.now(UTC)
    yesterday = (now - timedelta(days=1)).date()
    what = "daily report"
    yield measured(what, lambda: write_report(home, yesterday, now=now, run_id="growth"))


def _command(command: str) -> Operation:
    def run(home: Home) -> Iterator[Cost]:
        folder = local_path(home.root).parent
        words = command.format(folder=folder, **_named(home)).split()
        (folder / "sheet.csv").unlink(missing_ok=True)

        def task() -> bytes:
            ran = subprocess.run(
                [sys.executable, "-m", "sopilot_assets.cli", "--home", str(home.root), *words],
                stdout=subprocess.PIPE,
                check=command not in FINDS,
            )
            return ran.stdout if command.startswith(SAME) else b""

        yield measured(f"`sopilot {command}`", task, rounds=0, clock=_children_s)

    return run


def _named(home: Home) -> dict[str, str]:
    registry = Registry.read(home).recordings
    last = next(one for one in reversed(registry.values()) if one.retired is None)
    judged = next(key for key in registry if key.role == "trainee")
    task = next(iter(find_tasks(home.root).tasks))
    return {"task": task, "key": str(last.key), "person": str(last.person), "judged": str(judged)}


def _desk(home: Home) -> Iterator[Cost]:
    browser = TestClient(create_app(DeskConfig(home)), base_url=HERE, headers={"origin": HERE})
    browser.post("/sign-in", data={"who": "ada"})
    by, name = Doer("bench", "", datetime.now(UTC)), f"bench-{time.time_ns()}"
    token = add_token(home, name, list(Scope), days=1, owner=None, by=by)
    headers, named = {"accept": "text/html", "authorization": f"Bearer {token}"}, _named(home)

    def ask(path: str) -> bytes:
        answer = browser.get(path.format(**named), headers=headers, follow_redirects=False)
        if answer.status_code != 200:
            raise SystemExit(f"{path}: expected 200, found {answer.status_code}")
        return b"" if path in ("/", "/api") else answer.content

    unlabelled = reversed(Registry.read(home).active())

    def label() -> None:
        sent = {"critical": "no"}
        answer = browser.post(
            f"/label/{next(unlabelled)}", data=sent, headers=headers, follow_redirects=False
        )
        if answer.status_code != 303:
            raise SystemExit(f"POST of a label: expected 303, found {answer.status_code}")

    for page in PAGES:
        yield measured(f"desk: {page}", lambda page=page: ask(page))
    yield measured("desk: POST /label/{key}", label)
    for page in ("/", "/recordings", "/times/{task}", "/people"):
        for _ in range(2):
            _add_score(home)
            cost = measured(f"desk: {page} after a new score", lambda page=page: ask(page), rounds=0)
        yield cost


def _add_score(home: Home) -> None:
    """A newer row of one score."""
    ledger, at = scores_ledger(home), datetime.now(UTC).isoformat()
    row = plain_rows(ledger.query("select * from latest order by key limit 1"))[0]
    again = {name: row[name] for name in ledger.columns} | {"fit": time.time()}
    ledger.append([again], run_id=f"growth-{time.time_ns()}", written_at=at)


def _web_page(home: Home) -> Iterator[Cost]:
    with web_page(home) as (queries, clock):
        for what, query in queries:
            yield measured(f"Dagster: {what}", query, clock=clock)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _peak_mb() -> float:
    """Of this process, or of the largest of those it started where that is more."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return round(max(resource.getrusage(one).ru_maxrss for one in whose) / 1024, 1)


OPERATIONS: Final[dict[str, Operation]] = {
    "capture_sensor": _capture_sensor,
    "golds_sensor": _golds_sensor,
    "alerts_sensor": _alerts_sensor,
    "results": _results,
    "checks": _checks,
    "plan": _plan,
    "storing": _storing,
    "report": _report,
    **{command: _command(command) for command in COMMANDS},
    "desk": _desk,
    "web_page": _web_page,
}


if __name__ == "__main__":
    main()
