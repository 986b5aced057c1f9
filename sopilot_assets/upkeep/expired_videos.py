"""Videos of trainees whose time is over: so many days after the last decision, as their task says.

The video goes, and every picture that was made of it; embedding, score, labels and the recording itself stay,
so that it can be judged again. Kept past its time is what somebody still has to look at: a recording that is
contested, disputed, asked to be labelled by a plan or by chance, that waits for a person's review, or that
belongs to a study without a finished dossier. Golds are never removed. What was withdrawn or replaced by its
whole is kept no longer than others.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.capture.erasures import (
    ErasureChange,
    ErasureDraft,
    erasures,
    erasures_chain,
    removed_videos,
)
from sopilot_assets.capture.ledgers import ERASED, RETIRED
from sopilot_assets.capture.lock import only_intake
from sopilot_assets.capture.registry import Recording, Registry, retired_keys
from sopilot_assets.errors import SopilotError
from sopilot_assets.labels.contests import contested
from sopilot_assets.labels.queues import given_answers
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.scoring.result import Decision
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.store.publish import local_path, publish_text
from sopilot_assets.tasks import find_tasks
from sopilot_assets.upkeep.erasing.databases import ShownInEvents, clean_dagster
from sopilot_assets.upkeep.erasing.files import FoundFile, pictures_of, remove_files
from sopilot_assets.upkeep.erasing.texts import NamesInText

with at_first_use():  # plans of studies compute, and most nights no video is over its time
    from sopilot_assets.evidence import blind_labels
    from sopilot_assets.evidence import study as evidence
    from sopilot_assets.studies import registration, spec

BY: Final = "retention"
_STANDS_SINCE: Final = """
select key, decision, written_at as since from (
    select *, lag(decision) over (partition by key order by written_at, row_id) as before
    from written where role = 'trainee' and problem is null
) where before is distinct from decision
qualify row_number() over (partition by key order by written_at desc, row_id desc) = 1
"""
"""Since when the present decision of each recording stands: who is judged again and comes out the same has no
new decision.
"""


@dataclass(frozen=True, slots=True)
class ExpiredVideo:
    """A recording whose video is over its time: how long videos of its task are kept, and when it was decided
    last (ISO 8601 in UTC).
    """

    recording: Recording
    days: int
    decided_at: str


@dataclass(frozen=True, slots=True)
class ExpiredVideos:
    """The videos whose time is over, and by key why others stay past their time."""

    over: tuple[ExpiredVideo, ...]
    kept: Mapping[str, str]


def expired_videos(home: Home, *, at: datetime) -> ExpiredVideos:
    """What is over its time at a moment; nothing is changed."""
    days = {
        task_id: task.privacy.keep_videos_days
        for task_id, task in find_tasks(home.root).tasks.items()
        if task.privacy.keep_videos_days is not None
    }
    if not days:
        return ExpiredVideos((), {})
    decided = {
        str(row["key"]): (str(row["decision"]), str(row["since"]))
        for row in plain_rows(scores_ledger(home).query(_STANDS_SINCE))
    }
    gone = removed_videos(erasures(home))
    old = [
        ExpiredVideo(one, days[one.task_id] or 0, decided[key][1])
        for key, one in _with_pictures(home).items()
        if one.role == "trainee" and one.task_id in days and key in decided and key not in gone
        if _is_over(decided[key][1], days[one.task_id] or 0, at)
    ]
    reasons = _needed(home, {str(one.recording.key): decided[str(one.recording.key)][0] for one in old})
    over = tuple(one for one in old if str(one.recording.key) not in reasons)
    return ExpiredVideos(over, reasons)


def remove_expired_videos(
    home: Home, expired: ExpiredVideos, *, at: datetime, run_id: str
) -> tuple[FoundFile, ...]:
    """Remove these videos and what shows them, and go on where an earlier call was killed; what went.

    The event comes first: from then on pages say that the video is gone.
    """
    waiting = local_path(home.erasing) / "videos.todo"
    before = removed_videos(erasures(home))
    begun = before.keys() & (waiting.read_text("utf-8").split() if waiting.exists() else ())
    keys = sorted({*begun, *(str(one.recording.key) for one in expired.over)})
    if keys:
        publish_text(waiting, "\n".join(keys) + "\n")
    elif not before:
        return ()
    with only_intake(home, wait=True):
        erasures_chain(home).append(
            [_draft(one, at) for one in expired.over], run_id=run_id, written_at=at.isoformat()
        )
        # of all that ever went: another recording may have needed the bytes, or somebody made a picture since
        files = pictures_of(home, _needed_by_nobody(home), keys)
        remove_files(files)
    if keys:
        shown = ShownInEvents(frozenset(), frozenset(keys), NamesInText(()))
        clean_dagster(home, shown.cleaned)
    waiting.unlink(missing_ok=True)
    return tuple(files)


def _draft(one: ExpiredVideo, at: datetime) -> ErasureDraft:
    return ErasureDraft(
        task_id=one.recording.task_id,
        at=at.isoformat(),
        key=str(one.recording.key),
        sha256=one.recording.sha256,
        who=BY,
        change=ErasureChange.VIDEO_REMOVED,
        why=f"kept for {one.days} days after the decision of {one.decided_at[:10]}",
    )


def _is_over(since: str, days: int, at: datetime) -> bool:
    return datetime.fromisoformat(since) + timedelta(days=days) <= at


def _with_pictures(home: Home) -> dict[str, Recording]:
    """The recordings whose video is somewhere under their own name, by the text of their key."""
    recordings = Registry.read(home).recordings
    return {str(key): one for key, one in recordings.items() if one.row["status"] not in (ERASED, RETIRED)}


def _needed_by_nobody(home: Home) -> set[str]:
    """The video ids whose time is over under every key that has them."""
    gone, known = removed_videos(erasures(home)), _with_pictures(home)
    needed = {one.key.video_id for key, one in known.items() if key not in gone}
    return {one.key.video_id for key, one in known.items() if key in gone} - needed


def _needed(home: Home, decisions: Mapping[str, str]) -> dict[str, str]:
    """Why somebody still has to look at some of these recordings, by key."""
    if not decisions:
        return {}
    reasons = dict.fromkeys(_of_studies(home, decisions), "its study has no finished dossier")
    open_labels = {key for labels in blind_labels.blind_queues(home).values() for key in labels.open}
    reasons |= dict.fromkeys(open_labels & decisions.keys(), "it is yet to be labelled or settled")
    reasons |= dict.fromkeys(contested(home).keys() & decisions.keys(), "its decision is contested")
    answered = {one.key for answers in given_answers(home).values() for one in answers}
    waits = {
        key for key, one in decisions.items() if one == Decision.NEEDS_REVIEW and key not in answered
    } - retired_keys(home)
    return reasons | dict.fromkeys(waits, "it waits for a person to look")


def _of_studies(home: Home, keys: Collection[str]) -> Iterator[str]:
    """Those of the recordings that a registered study needs: its cases, or before they are fixed all of its
    task, as long as it has no dossier that is ready.
    """
    for study_id in spec.study_ids(home):
        if registration.read_registration(home, study_id) is None or _is_finished(home, study_id):
            continue
        try:
            study = evidence.Study.open(home, study_id)
            fixed = set(study.cases["case_id"]) if study.results.has(evidence.CASES) else None
        except SopilotError:  # what cannot be read now may need all of them
            yield from keys
            return
        prefix = f"{study.spec.task}-t-"
        yield from (key for key in keys if (key in fixed if fixed is not None else key.startswith(prefix)))


def _is_finished(home: Home, study_id: str) -> bool:
    """Whether the study has a dossier that is ready."""
    found = sorted((local_path(home.dossiers) / study_id).glob("*/dossier.json"))
    return any(json.loads(path.read_bytes())["readiness"]["ready"] for path in found)
