"""Blind labels that people give one by one: whose turn is what, and what they say.

What is said here passes the same way as a row of a blind sheet: the same reader, the same chain.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sopilot_assets.capture.erasures import erasures, erasures_ledger, removed_videos
from sopilot_assets.capture.ledgers import videos_ledger
from sopilot_assets.capture.promotions import promoted_golds, promotions_ledger
from sopilot_assets.capture.registry import Recording, active_keys
from sopilot_assets.errors import LabelError
from sopilot_assets.evidence.labeling_plans import asked_by_plans
from sopilot_assets.evidence.results import results_ledger
from sopilot_assets.labels.audit import drawn
from sopilot_assets.labels.cells import answer_text
from sopilot_assets.labels.chain import append_events, labels_ledger
from sopilot_assets.labels.disputes import disputes
from sopilot_assets.labels.events import NOTE_LETTERS, LabelEvent, Source
from sopilot_assets.labels.queues import AskedFor, TaskLabels, given_answers, task_labels
from sopilot_assets.labels.recordings import RecordingToLabel
from sopilot_assets.labels.sheet_files import one_row
from sopilot_assets.labels.sheets import sheet_drafts
from sopilot_assets.settings import AuditSettings, load_settings
from sopilot_assets.stations.contests import show_contests
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.tasks import TaskSpec

_PLANS_FIRST: Final = 1_000_000
"""The rank of what chance picks and no plan names: after all that plans ask for."""
_CANNOT_BE_TAKEN: Final = (
    f"入力を受け付けられませんでした。メモは逸脱のメモと合わせて {NOTE_LETTERS} 文字以内とし、"
    "逸脱の種類と手順を確認してください。入力は保存されていません。"
)


@dataclass(frozen=True, slots=True)
class BlindAnswer:
    """What a person says of a recording whose result they have not seen, in the cells of a blind sheet.

    ``critical`` is yes, no or unsure; ``seen`` are deviations such as ``missing_step:boil@12.4``.
    ``settles``: it decides what others disagree on. ``before`` is the id of the event that they said of it
    last, as far as they were shown, empty for none.
    """

    critical: str
    seen: Sequence[str] = ()
    note: str = ""
    settles: bool = False
    before: str = ""


def blind_queues(home: Home) -> Mapping[str, TaskLabels]:
    """The blind labels and queues of every task that has recordings."""
    audit = load_settings(home).audit
    ledgers = (
        videos_ledger(home),
        promotions_ledger(home),
        erasures_ledger(home),
        results_ledger(home),
    )
    asked = _asked_in(home, audit.share, audit.seed, *(tuple(one.files()) for one in ledgers))
    return _queues_in(home, asked, tuple(labels_ledger(home).files()))


@dataclass(frozen=True, slots=True)
class LabelsWaiting:
    """How many recordings of a task are asked of a person, and how many disputes they may settle."""

    task_id: str
    to_give: int
    to_settle: int


def labels_waiting(home: Home, who: str) -> list[LabelsWaiting]:
    """What waits for a person to label; tasks in which nothing does are left out."""
    found = [
        LabelsWaiting(task_id, labels.progress_of(who).to_give, len(labels.may_settle(who)))
        for task_id, labels in blind_queues(home).items()
    ]
    return [one for one in found if one.to_give or one.to_settle]


def give_blind_label(
    home: Home, task: TaskSpec, recording: Recording, said: BlindAnswer, *, who: str, at: str
) -> LabelEvent | None:
    """Append what ``who`` says of a recording at the time ``at`` (ISO 8601, UTC); returns the new event, None
    where they said the same before.

    Raises ``LabelError`` for what no blind sheet could say; where they said something else of it meanwhile,
    in another window; and where a dispute was settled meanwhile, or is one of their own. Then nothing is
    taken.
    """
    key = str(recording.key)
    cells = {
        "key": key,
        "critical_expected": said.critical,
        "seen": " ".join(said.seen),
        "note": said.note,
    }
    if not said.critical:
        raise LabelError(
            f"{key}: column critical_expected: expected yes, no or unsure, found nothing.",
            ja="重大な逸脱の有無（ある・ない・判断できない）を選んでください。",
        )
    try:
        (draft,) = sheet_drafts(
            one_row(key, cells),
            task_id=task.task_id,
            steps=task.step_ids,
            recordings={key: RecordingToLabel(key, recording.original_name, recording.stored_name)},
            at=at,
            who=who,
            source=Source.BLIND_HUMAN,
            adjudicates=said.settles,
        )
    except LabelError as error:
        raise LabelError(str(error), ja=_CANNOT_BE_TAKEN) from error

    def as_they_were_shown(events: Sequence[LabelEvent]) -> None:
        about = [event for event in events if event.key == key]
        last = last_blind_word(about, who, settling=said.settles)
        if last is not None and last.event_id != said.before and last.says() != draft.says():
            raise _said_meanwhile(last)
        if said.settles and last is None:
            _refuse_nothing_to_settle(key, about)

    new = append_events(home, [draft], run_id=f"labels-{at}", written_at=at, require=as_they_were_shown)
    show_contests(home, [key])
    return new[0] if new else None


def last_blind_word(events: Sequence[LabelEvent], who: str, *, settling: bool = False) -> LabelEvent | None:
    """What a person said last of a recording blind, of which ``events`` are all; with ``settling`` what they
    said to settle it.
    """
    own = [one for one in events if (one.who, one.source) == (who, Source.BLIND_HUMAN)]
    return next((one for one in reversed(own) if one.adjudicates is settling), None)


@dataclass(frozen=True, slots=True)
class _Task:
    trainees: frozenset[str]
    shown: frozenset[str]
    wanted: Mapping[str, AskedFor]


@functools.lru_cache(maxsize=1)
def _asked_in(home: Home, share: float, seed: int, *_: tuple[str, ...]) -> _Asked:
    """What is asked for, by task; kept as long as the ledgers have the same files."""
    planned = asked_by_plans(home)
    # golds, and what nobody can look at any more
    left_out = promoted_golds(home).keys() | removed_videos(erasures(home)).keys()
    by_task: dict[str, set[str]] = {}
    for key, task_id in active_keys(home).items():
        if PartitionKey.parse(key).role == "trainee":
            by_task.setdefault(task_id, set()).add(key)
    picked = drawn((key for keys in by_task.values() for key in keys), AuditSettings(share=share, seed=seed))
    return _Asked(
        {
            task_id: _Task(
                frozenset(keys - left_out),
                frozenset(keys),
                {
                    key: planned.get(key, AskedFor(1, _PLANS_FIRST))
                    for key in keys
                    if key in planned or key in picked
                },
            )
            for task_id, keys in sorted(by_task.items())
        }
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """Compared by what it is, so that what was made of it is kept with it."""

    tasks: Mapping[str, _Task]


@functools.lru_cache(maxsize=1)
def _queues_in(home: Home, asked: _Asked, _: tuple[str, ...]) -> Mapping[str, TaskLabels]:
    events = given_answers(home)
    return {
        task_id: task_labels(
            task_id, events.get(task_id, []), trainees=one.trainees, shown=one.shown, wanted=one.wanted
        )
        for task_id, one in asked.tasks.items()
    }


def _said_meanwhile(last: LabelEvent) -> LabelError:
    word = answer_text(last.critical_expected)
    return LabelError(
        f"{last.key}: you said “{word}” of it meanwhile, in another window. Nothing was kept of this answer: "
        "open the recording again and change that one if it is wrong.",
        ja="別の画面で、この録画の評価がすでに保存されています。今回の入力は保存されていません。"
        "録画を開き直し、必要なら評価を修正してください。",
    )


def _refuse_nothing_to_settle(key: str, about: Sequence[LabelEvent]) -> None:
    dispute = disputes(about).get(key)
    if dispute is not None and dispute.settled_by is None:
        return
    by = "" if dispute is None or dispute.settled_by is None else f" by {dispute.settled_by}"
    raise LabelError(
        f"{key}: expected a dispute that is open, found none: it was settled meanwhile{by}, or the raters "
        "agree by now. Nothing was kept of this answer; go on with the next one.",
        ja="この録画の判断の不一致は、すでに解決されています。今回の入力は保存されていません。"
        "次の録画に進んでください。",
    )
