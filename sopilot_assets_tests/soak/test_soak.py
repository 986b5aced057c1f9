"""A short soak: a few cycles on real servers with faults. `make soak` is the long one."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets_tests.soak import verify
from sopilot_assets_tests.soak.clock import Clock
from sopilot_assets_tests.soak.drops import Drop
from sopilot_assets_tests.soak.faults import FAULTS, schedule
from sopilot_assets_tests.soak.report import report
from sopilot_assets_tests.soak.run import Soaked, Wanted, soak

pytestmark = pytest.mark.whole

SHORT = Wanted(
    cycles=5,
    interval_s=12.0,
    seed=1,
    faults_every=1,
    kinds=("kill -9 of the code server", "disk full", "corrupt file dropped"),
    calm_s=12.0,
)


@dataclass(frozen=True)
class Short:
    """A short soak and what it said."""

    soaked: Soaked
    said: list[str]


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Short:
    said: list[str] = []
    return Short(soak(tmp_path_factory.mktemp("soak"), SHORT, say=said.append), said)


def test_a_short_soak_holds(short: Short) -> None:
    against = {verdict.what: verdict.against for verdict in short.soaked.verdicts if not verdict.holds}
    assert against == {}, report(short.soaked)
    assert short.soaked.standing["state"] == "finished"
    assert sum(drop.is_good for drop in short.soaked.dropped) == 3 + 3


def test_its_report_has_a_line_for_each_fault(short: Short) -> None:
    text = report(short.soaked)
    assert len(short.soaked.faults) + len(short.soaked.never_hit) >= 2
    assert all(f"| {fault.kind} | {fault.target} |" in text for fault in short.soaked.faults)
    assert "| no row is lost or doubled | yes |  |" in text


def test_a_lost_score_and_a_doubled_one_are_found(short: Short) -> None:
    home, dropped = short.soaked.home, short.soaked.dropped
    assert list(verify._scored(home, dropped)) == []
    never_seen = Drop(Path("lost.mp4"), "0" * 64)
    assert list(verify._scored(home, [*dropped, never_seen])) == [
        "lost.mp4 is not scored",
        "lost.mp4 is registered 0 times",
    ]
    newest = scores_ledger(home).latest().iloc[0].to_dict()
    row = {name: newest[name] for name in scores_ledger(home).columns}
    other = {name: None if pd.isna(value) else value for name, value in row.items()} | {"fit": 0.125}
    scores_ledger(home).append([other], run_id="again", written_at="2030-01-01T00:00:00+00:00")
    assert any("2 rows of one version" in one for one in verify._scored(home, dropped))


def test_a_bad_file_that_got_in_and_one_that_was_lost_are_found(short: Short) -> None:
    home = short.soaked.home
    good = next(drop for drop in short.soaked.dropped if drop.is_good)
    wrong = [
        Drop(Path("got_in.mp4"), good.sha256, frozenset({"truncated"})),
        Drop(Path("lost.mp4"), "0" * 64, frozenset({"truncated"})),
    ]
    assert list(verify._quarantined(home, wrong)) == [
        "got_in.mp4 was taken in",
        "lost.mp4: expected ['truncated'], found None",
    ]


def test_a_torn_file_and_a_waiting_one_are_found(short: Short) -> None:
    root = Path(str(short.soaked.home.root))
    page = next((root / "reviews").glob("filter_change-*.html"))
    page.write_bytes(page.read_bytes()[:-100])
    (root / "capture" / "left.mp4").write_bytes(b"left")
    assert list(verify._torn(short.soaked.home)) == [f"reviews/{page.name}: the page is cut short"]
    assert list(verify._waiting(short.soaked.home)) == ["left.mp4"]


def test_every_kind_of_fault_comes_equally_often() -> None:
    planned = schedule(tuple(FAULTS), first=1, last=81, every=2, chance=random.Random(1))
    assert set(Counter(kind for _, kind in planned).values()) == {4}
    assert [int(cycle) for cycle, _ in planned] == list(range(1, 81, 2))
    assert planned == schedule(tuple(FAULTS), first=1, last=81, every=2, chance=random.Random(1))


def test_a_clock_that_is_set_reaches_only_who_is_under_it(tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    if not clock.can_be_set:
        pytest.skip("there is no C compiler here")
    code = (
        "import datetime, psutil, time\n"
        "print(time.time(), datetime.datetime.now().timestamp(), psutil.boot_time(), time.monotonic())"
    )

    def seen() -> list[float]:
        command, environment = [sys.executable, "-c", code], {**os.environ, **clock.environment}
        return [float(one) for one in subprocess.check_output(command, env=environment, text=True).split()]

    before = seen()
    clock.step(-3600)
    after, now_s = seen(), time.time()
    assert [round((one - other) / 60) for one, other in zip(after, before, strict=True)] == [-60, -60, -60, 0]
    assert abs(now_s - before[0]) < 300
