"""What is removed after its time: proxies and logs, which can be made again or are only bookkeeping, uploads
that were not finished, temporary files, and videos of trainees where their task says how long they are kept;
and ledgers of many small files are merged. Scores, labels, studies, dossiers and golds are never touched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sopilot_assets.capture.landing import forget_expired_uploads
from sopilot_assets.capture.registry import stored_file
from sopilot_assets.capture.uploads import all_uploads, left_over_folders, upload_data
from sopilot_assets.settings import RetentionSettings
from sopilot_assets.store.compaction import compact_ledgers, fragmented
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import TEMPORARY_PREFIX, local_path, published_files, sweep_unfinished
from sopilot_assets.upkeep.campaign.plan import campaign_ids, folder, has_ended
from sopilot_assets.upkeep.expired_videos import expired_videos, remove_expired_videos

DAY_S: Final = 86_400.0
UNFINISHED_S: Final = 86_400.0
"""A temporary file this old belongs to nobody who is still at work."""


_KILLED: Final = "left by killed processes, a day old"


@dataclass(frozen=True, slots=True)
class Expired:
    """One kind of thing: how many were removed (of ledgers: merged) and what that frees, in bytes; ``kept``
    are those that stay, ``rule`` says what decides.
    """

    what: str
    removed: int
    freed_bytes: int
    kept: int
    rule: str


def remove_expired_files(
    home: Home, limits: RetentionSettings, *, now_s: float, dry_run: bool = False
) -> list[Expired]:
    """Remove the files of the home whose time is over at ``now_s`` (seconds since the epoch), and merge
    ledgers. A dry run only says what it would do.
    """
    proxies = published_files(home.proxies, "*")
    days = limits.proxies_days
    return [
        _expire("proxies", proxies, days, now_s=now_s, dry_run=dry_run),
        _expire("campaign logs", _logs(home), limits.campaign_logs_days, now_s=now_s, dry_run=dry_run),
        _uploads(home, limits.uploads_days, now_s=now_s, dry_run=dry_run),
        _unfinished(home, now_s=now_s, dry_run=dry_run),
        _ledgers(home, at_least=limits.compact_ledger_files, dry_run=dry_run),
        _videos(home, now_s=now_s, dry_run=dry_run),
    ]


def _videos(home: Home, *, now_s: float, dry_run: bool) -> Expired:
    """Videos of trainees, so many days after the last decision as their task says."""
    at = datetime.fromtimestamp(now_s, UTC)
    expired = expired_videos(home, at=at)
    stored = [stored_file(home, one.recording) for one in expired.over]
    freed = _bytes(_states(stored))
    if not dry_run:
        run_id = f"retention-{at:%Y%m%dT%H%M%S}"
        freed = sum(one.size_bytes for one in remove_expired_videos(home, expired, at=at, run_id=run_id))
    rule = "keep_videos_days of the task after the last decision; kept is what somebody still has to look at"
    return Expired("videos of trainees", len(expired.over), freed, len(expired.kept), rule)


def _logs(home: Home) -> Iterator[Path]:
    """The logs of campaigns that have ended."""
    for campaign_id in campaign_ids(home):
        if has_ended(home, campaign_id):
            yield from published_files(folder(home, campaign_id), "logs/*.log")


def _expire(what: str, files: Iterable[Path], days: int, *, now_s: float, dry_run: bool) -> Expired:
    """Remove the files that were neither written nor read for so many days."""
    known = _states(files)
    old = {
        path: state
        for path, state in known.items()
        if now_s - max(state.st_mtime, state.st_atime) > days * DAY_S
    }
    for path in () if dry_run else old:
        path.unlink(missing_ok=True)
    return Expired(what, len(old), _bytes(old), len(known) - len(old), f"not used for {days} days")


def _uploads(home: Home, days: int, *, now_s: float, dry_run: bool) -> Expired:
    """Uploads that may not go on any more, and what is remembered of those that landed."""
    known = list(all_uploads(home))
    at = datetime.fromtimestamp(now_s, UTC)
    old = [upload for upload in known if upload.expires_at <= at]
    freed = _bytes(_states(upload_data(home, upload) for upload in old))
    removed = len(old) if dry_run else forget_expired_uploads(home, old)
    for left in () if dry_run else left_over_folders(home):
        if now_s - left.stat().st_mtime > UNFINISHED_S:
            shutil.rmtree(left)
    return Expired("uploads", removed, freed, len(known) - removed, f"began more than {days} days ago")


def _unfinished(home: Home, *, now_s: float, dry_run: bool) -> Expired:
    root = local_path(home.root)
    known = _states(path for path in root.rglob(f"{TEMPORARY_PREFIX}*") if path.is_file())
    old = {path: state for path, state in known.items() if now_s - state.st_mtime > UNFINISHED_S}
    count = len(old) if dry_run else sweep_unfinished(root, older_than_s=UNFINISHED_S, now_s=now_s)
    return Expired("unfinished files", count, _bytes(old), len(known) - len(old), _KILLED)


def _ledgers(home: Home, *, at_least: int, dry_run: bool) -> Expired:
    rule = f"{at_least} files or more are merged into one; no row changes"
    if not local_path(home.ledgers).is_dir():
        return Expired("ledgers", 0, 0, 0, rule)
    known = [path for path in local_path(home.ledgers).iterdir() if path.is_dir()]
    if dry_run:
        count = len(fragmented(home.ledgers, at_least=at_least))
        return Expired("ledgers", count, 0, len(known) - count, rule)
    done = compact_ledgers(home.ledgers, at_least=at_least)
    freed = sum(one.bytes_before - one.bytes_after for one in done)
    return Expired("ledgers", len(done), freed, len(known) - len(done), rule)


def _states(files: Iterable[Path]) -> dict[Path, os.stat_result]:
    """The files that are still there, and what the system says of them."""
    found: dict[Path, os.stat_result] = {}
    for path in files:
        with contextlib.suppress(FileNotFoundError):
            found[path] = path.stat()
    return found


def _bytes(states: Mapping[Path, os.stat_result]) -> int:
    return sum(state.st_size for state in states.values())
