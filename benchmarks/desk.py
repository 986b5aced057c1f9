"""What the desk's pages cost with many recordings, in CPU of the server.

A copy of a home with results gets so many made-up recordings of its first task beside them, by 200 persons
and all judged, and labels of two raters for a tenth of them. Every page is asked through the whole app, from
the session to the last byte; pictures are there already, as after the first look. Prints CPU in milliseconds,
the median and the worst of the repeats and the first request before them, and the bytes of the answer.

    python -m benchmarks.desk --home HOME --recordings 10000
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from starlette.testclient import TestClient

from sopilot_assets.capture.registry import Registry
from sopilot_assets.desk import create_app
from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.desk.log import Doer
from sopilot_assets.desk.tokens import Scope, add_token
from sopilot_assets.labels.chain import labels_chain
from sopilot_assets.labels.events import Draft, Source
from sopilot_assets.reference.ledger import current_reference_ids
from sopilot_assets.stations.gold_references import read_reference
from sopilot_assets.stations.media import thumbnail_ms
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import find_tasks
from sopilot_assets_tests.times.made_up import add_recordings

HERE: Final = "http://127.0.0.1:8000"
AT: Final = "2026-07-06T00:00:00+00:00"
PERSONS: Final = 200
FILES: Final = 20
"""A ledger has so many files more, as after a week without merging."""
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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path, required=True, help="a home with results; it is copied")
    parser.add_argument("--recordings", type=int, default=10_000, help="how many are added (default 10000)")
    parser.add_argument("--repeats", type=int, default=9, help="requests of each page (default 9)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home.at(shutil.copytree(options.home, Path(folder) / "home"))
        task = fill(home, options.recordings)
        measure(home, task, options.repeats)


def fill(home: Home, count: int) -> str:
    """Add the recordings and labels; returns the task's id."""
    judged = set(Registry.read(home).recordings)
    task_id, spec = next(iter(find_tasks(home.root).tasks.items()))
    reference = read_reference(home, task_id, current_reference_ids(home)[task_id])
    add_recordings(home, spec, reference, count, seed=11, persons=PERSONS, files=FILES)
    added = [one for key, one in Registry.read(home).recordings.items() if key not in judged]
    proxies = local_path(home.proxies)
    proxies.mkdir(parents=True, exist_ok=True)
    for one in added:
        (proxies / f"{one.key.video_id}-still-{thumbnail_ms(one.duration_s)}.jpg").touch()
    chance = random.Random(1)
    drafts = [
        Draft(
            task_id=task_id,
            at=AT,
            key=str(one.key),
            who=who,
            source=Source.BLIND_HUMAN,
            critical_expected=chance.random() < 0.3,
        )
        for one in added[: count // 10]
        for who in ("ann", "bob")
    ]
    labels_chain(home).append(drafts, run_id="labels", written_at=AT)
    return task_id


def measure(home: Home, task: str, repeats: int) -> None:
    """Print what each page costs."""
    browser = TestClient(create_app(DeskConfig(home)), base_url=HERE, headers={"origin": HERE})
    browser.post("/sign-in", data={"who": "ada"})
    by, name = Doer("bench", "", datetime.now(UTC)), f"bench-{time.time_ns()}"
    token = add_token(home, name, list(Scope), days=1, owner=None, by=by)
    headers = {"accept": "text/html", "authorization": f"Bearer {token}"}
    registry = Registry.read(home).recordings
    last = list(registry.values())[-1]
    judged = next(key for key in registry if key.role == "trainee")
    named = {"task": task, "key": str(last.key), "person": str(last.person), "judged": str(judged)}
    for page in PAGES:
        path, costs = page.format(**named), list[float]()
        for _ in range(repeats + 1):
            began = time.process_time()
            answer = browser.get(path, headers=headers)
            costs.append((time.process_time() - began) * 1000)
            if answer.status_code != 200:
                raise SystemExit(f"{path}: expected 200, found {answer.status_code}")
        print(_line(costs, len(answer.content), path))
    began, sent = time.process_time(), {"critical": "no"}
    answer = browser.post(f"/label/{last.key}", data=sent, headers=headers, follow_redirects=False)
    print(_line([(time.process_time() - began) * 1000] * 2, answer.status_code, "POST /label/KEY"))


def _line(costs: Sequence[float], size: int, path: str) -> str:
    middle, worst = statistics.median(costs[1:]), max(costs[1:])
    return f"{middle:7.1f} ms  worst {worst:7.1f}  first {costs[0]:7.1f}  {size:8d}  {path}"


if __name__ == "__main__":
    main()
