"""Retention removes what is over its time, and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.settings import RetentionSettings
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.retention import DAY_S, Expired, remove_expired_files
from sopilot_assets_tests.upkeep.made_up_days import score

NOW_S = time.time()
LIMITS = RetentionSettings(proxies_days=30, campaign_logs_days=60, compact_ledger_files=3)


def put(path: Path, *, days_old: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"0123456789")
    at = NOW_S - days_old * DAY_S
    os.utime(path, (at, at))
    return path


def tidy(home: Home, *, dry_run: bool = False) -> dict[str, Expired]:
    return {one.what: one for one in remove_expired_files(home, LIMITS, now_s=NOW_S, dry_run=dry_run)}


def test_proxies_go_when_nobody_used_them_for_long(home: Home) -> None:
    root = local_path(home.root)
    old, read = (put(root / "proxies" / name, days_old=31) for name in ("old.mp4", "read.mp4"))
    os.utime(read, (NOW_S, read.stat().st_mtime))
    young = put(root / "proxies" / "young.mp4", days_old=29)
    review = put(root / "reviews" / "page.html", days_old=999)
    assert (tidy(home, dry_run=True)["proxies"].removed, old.exists()) == (1, True)
    found = tidy(home)["proxies"]
    assert (found.removed, found.freed_bytes, found.kept) == (1, 10, 2)
    assert [path.exists() for path in (old, read, young, review)] == [False, True, True, True]


@pytest.mark.parametrize(
    ("ended", "days_old", "stays"), [(True, 61, False), (True, 59, True), (False, 61, True)]
)
def test_logs_go_when_their_campaign_is_over_for_long(
    home: Home, ended: bool, days_old: float, stays: bool
) -> None:
    campaign = local_path(home.campaigns) / "c20260302-070000"
    log = put(campaign / "logs" / "000001-intake.1.log", days_old=days_old)
    plan = put(campaign / "plan.json", days_old=999)
    if ended:
        put(campaign / "summary.json", days_old=999)
    tidy(home)
    assert (log.exists(), plan.exists()) == (stays, True)


def test_ledgers_are_merged_once_they_have_many_files(home: Home) -> None:
    for number in range(3):
        score(home, ["a"], [90 + number], at=f"2026-03-0{number + 1}T00:00:00+00:00")
    before = scores_ledger(home).all_rows()
    assert (tidy(home, dry_run=True)["ledgers"].removed, len(scores_ledger(home).files())) == (1, 3)
    assert (tidy(home)["ledgers"].removed, len(scores_ledger(home).files())) == (1, 1)
    assert scores_ledger(home).all_rows().equals(before)


def test_unfinished_files_go_after_a_day(home: Home) -> None:
    folder = local_path(home.ledgers) / "scores"
    old, young = (put(folder / f".publishing-{days}.parquet", days_old=days) for days in (1.1, 0.5))
    assert tidy(home)["unfinished files"].removed == 1
    assert (old.exists(), young.exists()) == (False, True)


def test_an_empty_home_has_nothing_to_remove(home: Home) -> None:
    assert all(one.removed == 0 for one in tidy(home).values())
