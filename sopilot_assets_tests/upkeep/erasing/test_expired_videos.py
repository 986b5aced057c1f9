"""Videos of trainees go so many days after the last decision, unless somebody still has to look at them."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sopilot_assets.capture.drain import drain_capture
from sopilot_assets.capture.erasures import ErasureChange, erasures
from sopilot_assets.capture.facts import withdraw_recordings
from sopilot_assets.capture.ledgers import videos_ledger
from sopilot_assets.capture.registry import Recording, Registry, stored_file
from sopilot_assets.capture.simulate.dataset import SimulatedSet
from sopilot_assets.labels.chain import append_events
from sopilot_assets.labels.events import Draft, RaterVerdict, Source
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.settings import RetentionSettings, settings_path
from sopilot_assets.stations.alignments import align_videos
from sopilot_assets.stations.clip_embeddings import embed_videos
from sopilot_assets.stations.media import video_of
from sopilot_assets.stations.review_pages import review_page_of
from sopilot_assets.stations.scores import score_videos
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.store.publish import local_path, publish_text
from sopilot_assets.tasks.history import task_file
from sopilot_assets.upkeep.conditions.recordings import stored_files
from sopilot_assets.upkeep.conditions.situation import Situation
from sopilot_assets.upkeep.erasing.erase import erase_person
from sopilot_assets.upkeep.expired_videos import expired_videos
from sopilot_assets.upkeep.retention import Expired, remove_expired_files
from sopilot_assets_tests.capture.removed import note_removed
from sopilot_assets_tests.stations.small_homes import AT
from sopilot_assets_tests.upkeep.erasing.leftovers import traces_of

SCORED = datetime.fromisoformat(AT).astimezone(UTC)


@pytest.fixture
def limited(original: Home, tmp_path: Path) -> Home:
    """A scored home whose task keeps videos of trainees for 30 days, and whose audit picks nothing."""
    home = Home.at(shutil.copytree(str(original.root), tmp_path / "home"))
    source = task_file(home, "filter_change")
    text = source.read_text("utf-8").replace("keep_videos_days: null", "keep_videos_days: 30")
    assert "keep_videos_days: 30" in text
    publish_text(source, text)
    publish_text(settings_path(home), "audit: {share: 0}\n")
    return home


def trainees(home: Home) -> list[Recording]:
    return [one for one in Registry.read(home).recordings.values() if one.role == "trainee"]


def decisions(home: Home) -> dict[str, str]:
    return {str(row["key"]): str(row["decision"]) for row in plain_rows(scores_ledger(home).latest())}


def clear(home: Home, *, days: float, dry_run: bool = False) -> Expired:
    at = SCORED + timedelta(days=days)
    found = remove_expired_files(home, RetentionSettings(), now_s=at.timestamp(), dry_run=dry_run)
    return next(one for one in found if one.what == "videos of trainees")


def looked_at(home: Home, recording: Recording, *, who: str = "ann", verdict: RaterVerdict) -> None:
    draft = Draft(
        task_id=recording.task_id,
        at=SCORED.isoformat(),
        key=str(recording.key),
        who=who,
        source=Source.HUMAN,
        critical_expected=None,
        verdict=verdict,
    )
    append_events(home, [draft], run_id="label", written_at=SCORED.isoformat())


def test_the_video_goes_and_the_result_stays(limited: Home, tiny_set: SimulatedSet) -> None:
    for one in trainees(limited):
        looked_at(limited, one, verdict=RaterVerdict.AGREE)
    before, golds = decisions(limited), Registry.read(limited).golds("filter_change")
    assert clear(limited, days=29).removed == 0
    one = trainees(limited)[0]
    traces = traces_of(limited, [str(one.key)], [])
    assert clear(limited, days=31, dry_run=True).removed == 3
    assert stored_file(limited, one).exists()
    done = clear(limited, days=31)
    assert (done.removed, done.kept) == (3, 0)
    assert done.freed_bytes > 0
    assert all(stored_file(limited, gold).exists() for gold in golds)
    left = [path for path in traces.left_in(local_path(limited.root)) if ".npz" not in path]
    assert left == []
    assert {one.change for one in erasures(limited).values()} == {ErasureChange.VIDEO_REMOVED}
    assert clear(limited, days=40).removed == 0
    # whoever looks is told, and everything else goes on
    page = review_page_of(limited, one.key).path
    assert page is not None
    assert "The video was removed on 2025-07-03" in page.read_text("utf-8")
    assert "映像は 2025-07-03 に削除されました" in page.read_text("utf-8")
    assert "The video was removed" in str(video_of(limited, one).why)
    answer = stored_files(Situation(limited, SCORED, {}))
    assert "of 3 more the video was removed after its time" in str(answer)
    keys = [one.key for one in trainees(limited)]
    again = embed_videos(limited, keys, processes=1, run_id="again", written_at=SCORED.isoformat())
    assert [outcome.problem for outcome in again] == [None] * 3
    align_videos(limited, keys)
    scored = score_videos(limited, keys, run_id="again", written_at=SCORED.isoformat())
    assert [outcome.problem for outcome in scored] == [None] * 3
    assert decisions(limited) == before
    # the same file again is the same recording, and its video is not put back
    folder = local_path(limited.capture) / "filter_change" / "trainee" / "site_a"
    shutil.copy(tiny_set.trainees[0], folder)
    drain_capture(limited, run_id="again", now=lambda: SCORED, wait=lambda _: None, settle_s=0.0)
    assert not any(stored_file(limited, one).exists() for one in trainees(limited))
    assert not any(path.suffix == ".mp4" for path in folder.iterdir())


def test_what_somebody_still_has_to_look_at_is_kept(limited: Home) -> None:
    one, other, third = trainees(limited)
    looked_at(limited, other, verdict=RaterVerdict.AGREE)
    looked_at(limited, third, verdict=RaterVerdict.AGREE)
    looked_at(limited, one, verdict=RaterVerdict.DISAGREE)
    kept = expired_videos(limited, at=SCORED + timedelta(days=31)).kept
    assert kept == {str(one.key): "its decision is contested"}
    publish_text(settings_path(limited), "audit: {share: 1}\n")
    kept = expired_videos(limited, at=SCORED + timedelta(days=31)).kept
    assert kept[str(other.key)] == "it is yet to be labelled or settled"


def test_a_recording_for_review_waits_for_a_person(limited: Home) -> None:
    waiting = [key for key, one in decisions(limited).items() if one == "needs_review" and "-t-" in key]
    kept = expired_videos(limited, at=SCORED + timedelta(days=31)).kept
    assert kept == dict.fromkeys(waiting, "it waits for a person to look")


def test_a_withdrawn_recording_has_no_video_for_longer(limited: Home) -> None:
    for one in trainees(limited):
        looked_at(limited, one, verdict=RaterVerdict.AGREE)
    one = trainees(limited)[0]
    by = {"who": "ann", "why": "the lens was dirty", "at": SCORED, "run_id": "out"}
    withdraw_recordings(limited, [str(one.key)], **by)  # type: ignore[arg-type]
    assert clear(limited, days=31).removed == 3
    assert not stored_file(limited, one).exists()


def test_bytes_that_two_tasks_have_go_when_the_second_needs_them_no_more(limited: Home) -> None:
    for one in trainees(limited):
        looked_at(limited, one, verdict=RaterVerdict.AGREE)
    one = trainees(limited)[0]
    twin = {**one.row, "key": str(one.key).replace("filter_change", "other_task"), "task_id": "other_task"}
    videos_ledger(limited).append([twin], run_id="twin", written_at=AT)
    assert clear(limited, days=31).removed == 3
    assert stored_file(limited, one).exists(), "the other task keeps its videos"
    by = {"who": "ann", "why": "asked", "clock": lambda: SCORED, "run_id": "e"}
    erase_person(limited, str(one.person), **by)  # type: ignore[arg-type]
    assert not stored_file(limited, one).exists()


def test_bytes_go_although_the_other_task_s_time_was_over_before(limited: Home) -> None:
    for one in trainees(limited):
        looked_at(limited, one, verdict=RaterVerdict.AGREE)
    one = trainees(limited)[0]
    twin = {**one.row, "key": str(one.key).replace("filter_change", "other_task"), "task_id": "other_task"}
    videos_ledger(limited).append([twin], run_id="twin", written_at=AT)
    note_removed(limited, [str(twin["key"])], at=AT, sha256=one.sha256)
    assert clear(limited, days=31).removed == 3
    assert not stored_file(limited, one).exists()


def test_what_is_made_of_a_removed_video_meanwhile_goes_the_next_night(limited: Home) -> None:
    for one in trainees(limited):
        looked_at(limited, one, verdict=RaterVerdict.AGREE)
    clear(limited, days=31)
    late = local_path(limited.proxies) / f"{trainees(limited)[0].key.video_id}-still-100.jpg"
    late.parent.mkdir(exist_ok=True)
    late.write_bytes(b"made by somebody who had begun before")
    clear(limited, days=32)
    assert not late.exists()


def test_a_task_without_a_time_keeps_every_video(original: Home) -> None:
    found = expired_videos(original, at=SCORED + timedelta(days=9999))
    assert (found.over, found.kept) == ((), {})
