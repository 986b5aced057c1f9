"""What the desk's pages cost with many recordings, in CPU of the server.

A made-up home of so many recordings, all judged, is asked through the whole app, from the session to the last
byte of the page; pictures are there already, as after the first look. Prints CPU in milliseconds, the median
and the worst of the repeats:

    python -m benchmarks.desk --recordings 10000
    python -m benchmarks.desk --home HOME --results 20    # with the page of results of a real home, too
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from starlette.testclient import TestClient

from sopilot_assets.capture.ledgers import VIDEO_COLUMNS, videos_ledger
from sopilot_assets.capture.registry import Registry
from sopilot_assets.desk import create_app
from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.desk.log import Doer
from sopilot_assets.desk.tokens import Scope, add_token
from sopilot_assets.scoring.ledger import COLUMNS, scores_ledger
from sopilot_assets.stations.media import thumbnail_ms
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import Step, new_task
from sopilot_assets.upkeep.setting_up import prepare_home

HERE = "http://127.0.0.1:8000"
FILES = 20
"""A ledger has so many files, as after a week without merging."""
PAGES = (
    "/recordings",
    "/recordings?page=100",
    "/recordings?q=take_0123",
    "/recordings?decision=fail&deviation=missing_step&order=lowest",
    "/recordings?person=p007&since=2026-01-05&until=2026-01-20&order=urgent",
    "/changes",
    "/people",
    "/people/results?person=p007",
    "/",
    "/api/v1/recordings",
    "/api/v1/recordings?decision=fail&deviation=missing_step&contested=false",
    "/api/v1/tasks/gasket/times",
)
_FOUND = {
    "type": "missing_step",
    "severity": "critical",
    "steps": ["oil"],
    "trainee_start_s": 12.2,
    "trainee_end_s": 12.2,
    "gold_id": "0" * 12,
    "gold_start_s": 17.7,
    "gold_end_s": 22.1,
    "confidence": 0.97,
    "votes": {f"{n:012x}": 21.4 for n in range(4)},
    "en": "“Oil the gasket” is missing; it was expected at 0:12.2.",
    "ja": "「ガスケットに油を塗る」が見つかりません(0:12.2 付近で行われるはずでした)。",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recordings", type=int, default=10_000, help="how many (default 10000)")
    parser.add_argument("--repeats", type=int, default=9, help="requests of each page (default 9)")
    parser.add_argument("--home", type=Path, help="a home with results, whose pages are measured as well")
    parser.add_argument("--results", type=int, default=10, help="how many of its results (default 10)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home.at(Path(folder) / "home")
        make_home(home, options.recordings)
        measure(home, PAGES, options.repeats)
    if options.home is not None:
        home = Home.at(options.home)
        keys = list(Registry.read(home).recordings)[: options.results]
        measure(home, [f"/recordings/{key}" for key in keys], options.repeats)


def measure(home: Home, paths: tuple[str, ...] | list[str], repeats: int) -> None:
    """Print what each page costs; the first request of each is not counted."""
    browser = TestClient(create_app(DeskConfig(home)), base_url=HERE, headers={"origin": HERE})
    browser.post("/sign-in", data={"who": "ada"})
    by, name = Doer("bench", "", datetime.now(UTC)), f"bench-{time.time_ns()}"
    token = add_token(home, name, list(Scope), days=1, owner=None, by=by)
    headers = {"accept": "text/html", "authorization": f"Bearer {token}"}
    for path in paths:
        costs = []
        for _ in range(repeats + 1):
            began = time.process_time()
            answer = browser.get(path, headers=headers)
            costs.append((time.process_time() - began) * 1000)
            if answer.status_code != 200:
                raise SystemExit(f"{path}: expected 200, found {answer.status_code}")
        middle, worst = statistics.median(costs[1:]), max(costs[1:])
        print(f"{middle:7.1f} ms  worst {worst:7.1f} ms  {len(answer.content):8d} bytes  {path}")


def make_home(home: Home, recordings: int) -> None:
    """A home with so many trainee recordings of one task, each with a result and a picture."""
    prepare_home(home)
    steps = [Step(id="oil", name="Oil the gasket"), Step(id="close", name="Close it")]
    new_task(home.root, "gasket", name="Gasket", steps=steps)
    rng = random.Random(1)
    rows = [_rows(number, f"{rng.getrandbits(48):012x}", rng) for number in range(recordings)]
    share = -(-recordings // FILES)
    for part in range(FILES):
        some, at = rows[part * share : (part + 1) * share], f"2026-02-01T00:{part:02d}:00+00:00"
        videos_ledger(home).append([video for video, _ in some], run_id=f"v{part}", written_at=at)
        scores_ledger(home).append([score for _, score in some], run_id=f"s{part}", written_at=at)
    proxies = local_path(home.proxies)
    proxies.mkdir(parents=True, exist_ok=True)
    for video, _ in rows:
        duration_s = float(video["duration_s"] or 0.0)
        (proxies / f"{video['video_id']}-still-{thumbnail_ms(duration_s)}.jpg").touch()


def _rows(number: int, video_id: str, rng: random.Random) -> tuple[dict[str, Cell], dict[str, Cell]]:
    fails = rng.random() < 0.3
    about: dict[str, Cell] = {
        "key": f"gasket-t-{video_id}",
        "video_id": video_id,
        "task_id": "gasket",
        "role": "trainee",
        "person": f"p{number % 200:03d}",
        "site": f"line{number % 5}",
        "original_name": f"take_{number:05d}.mp4",
    }
    video: dict[str, Cell] = {
        **dict.fromkeys(VIDEO_COLUMNS),
        **about,
        "sha256": f"{video_id:0<64}",
        "recorded_at": f"2026-01-{1 + number % 28:02d}T{number % 24:02d}:{number % 60:02d}:00+00:00",
        "capture_path": f"gasket/trainee/line{number % 5}/take_{number:05d}.mp4",
        "stored_name": f"{video_id:0<64}.mp4",
        "duration_s": 20.0 + number % 30,
        "status": "active",
    }
    score: dict[str, Cell] = {
        **dict.fromkeys(COLUMNS),
        **about,
        "score": round(60 + 40 * rng.random(), 1),
        "decision": "fail" if fails else "pass",
        "cause": "critical" if fails else "pass_points",
        "reason_en": str(_FOUND["en"]) if fails else "No deviation that matters; pass at 90.",
        "reason_ja": str(_FOUND["ja"]) if fails else "問題となる逸脱はありません。",
        "deviations": json.dumps([_FOUND] * 2 if fails else [], ensure_ascii=False),
        "deviation_types": "missing_step" if fails else "",
        "critical_probability": rng.random(),
        "suspected": "[]",
    }
    return video, score


if __name__ == "__main__":
    main()
