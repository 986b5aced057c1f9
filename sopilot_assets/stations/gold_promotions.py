"""Trainee recordings made golds of their task by people, and taken back.

A recording is promoted when blind labels say that it is right, with the steps that the person confirms. What
rests on the golds is stale then, and is made again like after any other change of golds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from upath import UPath

from sopilot_assets.alignment.spans import Alignment, SpanKind
from sopilot_assets.alignment.stored import load_alignment
from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.capture.erasures import video_is_gone
from sopilot_assets.capture.lock import only_intake
from sopilot_assets.capture.promotions import (
    WHY_LETTERS,
    ConfirmedStep,
    PromotionChange,
    PromotionDraft,
    PromotionEvent,
    confirmed_steps,
    promotions_chain,
)
from sopilot_assets.capture.registry import Recording, Registry, registered_recording
from sopilot_assets.errors import GoldError, StoreError
from sopilot_assets.labels.blind import NOT_LABELED, why_not_right
from sopilot_assets.labels.chain import read_chain
from sopilot_assets.reference.annotations import StepInterval, read_annotations, told
from sopilot_assets.reference.ledger import current_reference_ids
from sopilot_assets.reference.step_names import StepNames
from sopilot_assets.stations.gold_inputs import GoldInputs, embedding_models, gold_names
from sopilot_assets.stations.gold_marks import Proposed, checked_steps, confirmed_of
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.tasks import TaskSpec, load_task

with at_first_use():  # they compute
    from sopilot_assets.reference import stored
    from sopilot_assets.stations import gold_references, step_proposals

DIGITS: Final = 3
"""Decimals of the seconds that an event keeps."""
ALIGNMENT: Final = "the alignment with reference"
CONFIRMED, CORRECTED = "confirmed at the desk", "corrected at the desk"
"""What ``steps_from`` begins with where scoring found the steps, and ends with where a person saw them."""


def promote_recording(
    home: Home,
    key: PartitionKey,
    *,
    who: str,
    why: str,
    at: datetime,
    run_id: str,
    steps_file: Path | None = None,
    marked: Proposed | None = None,
    task_id: str | None = None,
) -> PromotionEvent | None:
    """The event that makes a recording a gold of its task; None where it says nothing new.

    ``marked`` are steps that the person looked at and what they came from; ``steps_file`` has rows as in
    ``steps.csv``. Without either, the steps are those of the recording's alignment with its task's current
    reference, which the person confirms by promoting. ``task_id`` is the task that is meant, where somebody
    said so.

    Raises `GoldError` with the reason where it cannot be a gold: it is one already, it was withdrawn, its
    task is another one, blind labels do not say that it is right, it has no embedding, or no complete steps.
    """
    with only_intake(home, wait=True):
        recording = Registry.read_those(home, [key])[key]
        _require_trainee(recording, task_id)
        task = load_task(home.tasks / f"{key.task_id}.yaml")
        known = confirmed_steps(home, key.task_id).get(str(key))
        if known is None:
            _require_right(home, recording)
            _require_video(home, recording)
            _require_embedding(home, recording)
        elif steps_file is None and marked is None:
            return None
        steps, source = _steps(home, task, recording, steps_file, marked)
        if known is not None:
            _require_same(recording, known, steps)
            return None
        made_gold = PromotionChange.PROMOTE
        draft = _draft(key, who=who, at=at, change=made_gold, why=why, steps=steps, source=source)
        return promotions_chain(home).append([draft], run_id=run_id, written_at=at.isoformat())[0]


def demote_recording(
    home: Home, key: PartitionKey, *, who: str, why: str, at: datetime, run_id: str
) -> PromotionEvent | None:
    """The event that makes a promoted recording a trainee's again; None where it is one.

    Raises `GoldError` for a recording that was taken in as a gold.
    """
    with only_intake(home, wait=True):
        recording = Registry.read_those(home, [key])[key]
        if key.role == "gold":
            raise _refused(
                recording,
                "expected a promoted recording, found one that was taken in as a gold; `sopilot recording "
                "withdraw` takes it out",
                "最初からお手本として登録されています。外すには sopilot recording withdraw を使ってください",
            )
        if str(key) not in confirmed_steps(home, key.task_id):
            return None
        draft = _draft(key, who=who, at=at, change=PromotionChange.DEMOTE, why=why)
        return promotions_chain(home).append([draft], run_id=run_id, written_at=at.isoformat())[0]


def decoded_steps(home: Home, task: TaskSpec, recording: Recording) -> tuple[ConfirmedStep, ...]:
    """The steps that the recording's alignment with its task's current reference shows, in order of time.

    Raises `GoldError` where there is no such alignment, or where it lacks a step.
    """
    reference_id = current_reference_ids(home).get(task.task_id)
    path = None if reference_id is None else home.alignment(reference_id, recording.key.video_id)
    if path is None or not path.exists():
        score = f"sopilot score run {recording.key}"
        raise _refused(
            recording,
            f"it has no alignment with the present reference. Score it first (`{score}`), or name its steps "
            "with --steps FILE",
            f"今のお手本との対応付けがありません。先に {score} で採点するか、--steps FILE で手順の時刻を"
            "指定してください",
        )
    try:
        known = stored.stored_steps(home.reference(task.task_id, str(reference_id)))
        gold_references.require_steps(task, known)
        found = load_alignment(path)
    except StoreError as error:
        raise _refused(recording, f"{error} Or name its steps with --steps FILE", str(error)) from error
    steps = _shown(task, found)
    _require_complete(recording, task, steps, "its alignment shows", "Name its steps with --steps FILE")
    return steps


def _shown(task: TaskSpec, alignment: Alignment) -> tuple[ConfirmedStep, ...]:
    """The steps of an alignment; neighbouring stretches of one step are one."""
    steps: list[ConfirmedStep] = []
    for span in alignment.spans:
        if span.kind is not SpanKind.STEP or span.step is None or not span.segment:
            continue
        one = _confirmed(task, StepInterval(span.step, span.segment))
        if steps and steps[-1].step == one.step and steps[-1].end_s == one.start_s:
            one = one.model_copy(update={"start_s": steps.pop().start_s})
        steps.append(one)
    return tuple(steps)


def _confirmed(task: TaskSpec, one: StepInterval) -> ConfirmedStep:
    start_s, end_s = (round(value, DIGITS) for value in (one.segment.start_s, one.segment.end_s))
    return ConfirmedStep(step=task.step_ids[one.step], start_s=start_s, end_s=end_s)


def promotable_recording(home: Home, key: PartitionKey) -> Recording:
    """The recording with this key, which blind labels call right and which is no gold yet; raises `GoldError`
    with the reason where it cannot become one.
    """
    recording = registered_recording(home, key)
    if recording is None:
        raise GoldError(
            f"{key}: expected a registered recording, found none.",
            ja=f"{key}：登録された録画ではありません。",
        )
    _require_trainee(recording, None)
    if recording.promotion is not None:
        who, at = recording.promotion.who, recording.promotion.at
        en, ja = (
            f"it is a gold already: {who} promoted it ({at})",
            f"{who} がすでにお手本にしています（{at}）",
        )
        raise _refused(recording, en, ja)
    _require_right(home, recording)
    _require_video(home, recording)
    return recording


def proposed_to_promote(home: Home, task: TaskSpec, inputs: GoldInputs, recording: Recording) -> Proposed:
    """The steps that a person is shown before they promote a recording: those that scoring found, and where
    it found not all of them, those that the golds propose.

    Raises `GoldError` where the recording has no embedding.
    """
    try:
        return Proposed(decoded_steps(home, task, recording), _alignment_source(home, task))
    except GoldError:
        model_id = embedding_models(home).get(str(recording.key))
        embedded = {**inputs.embedded, **({str(recording.key): model_id} if model_id else {})}
        found = step_proposals.propose_steps(home, task, replace(inputs, embedded=embedded), recording)
        return Proposed(confirmed_of(task, found.steps), found.by)


def _alignment_source(home: Home, task: TaskSpec) -> str:
    return f"{ALIGNMENT} {current_reference_ids(home).get(task.task_id)}"


def _steps(
    home: Home, task: TaskSpec, recording: Recording, steps_file: Path | None, marked: Proposed | None
) -> tuple[tuple[ConfirmedStep, ...], str]:
    """The steps that are confirmed, and where they come from."""
    if marked is not None:
        steps = checked_steps(task, recording, marked.steps)
        _require_complete(recording, task, steps, "there is", "Mark it")
        return steps, marked.by
    if steps_file is None:
        return decoded_steps(home, task, recording), _alignment_source(home, task)
    if not steps_file.exists():
        raise GoldError(f"{steps_file}: expected a file with rows as in steps.csv, found none.")
    names = gold_names(recording)
    found = read_annotations(UPath(steps_file), StepNames.of(task), [names], source=str(steps_file))
    if found.faults:
        faults = list(told(found.faults))
        raise GoldError(
            f"{'; '.join(one.en for one in faults)}. Nothing was changed.",
            ja=f"{'。'.join(one.ja for one in faults)}。何も変更していません。",
        )
    steps = tuple(_confirmed(task, one) for one in found.steps.get(names.video_id, ()))
    hint = f"Rows about it have {names.name} in the column video"
    _require_complete(recording, task, steps, f"{steps_file} says", hint)
    return steps, steps_file.name


def _require_trainee(recording: Recording, task_id: str | None) -> None:
    own = recording.task_id
    if task_id not in (None, own):
        en, ja = f"expected a recording of task {task_id}, found one of {own}", f"作業 {own} の録画です"
        raise _refused(recording, en, ja)
    if recording.key.role == "gold":
        raise _refused(recording, "it is a gold already: it was taken in as one", "すでにお手本です")
    if recording.retired is not None:
        en = f"expected a recording that counts; {recording.retired}"
        raise _refused(recording, en, "取り下げられているか、置き換えられています")


def _require_right(home: Home, recording: Recording) -> None:
    said = why_not_right(read_chain(home, recording.task_id))
    why = said.get(str(recording.key), NOT_LABELED)
    if why is not None:
        sheet = f"sopilot label prepare {recording.task_id} SHEET.csv --who ID"
        raise _refused(
            recording,
            f"a gold needs blind labels that say it is right; {why.en}. `{sheet}` writes a blind sheet",
            f"お手本には、正しいというブラインドの評価が必要です。{why.ja}。{sheet} で評価用の表を作れます",
        )


def _require_video(home: Home, recording: Recording) -> None:
    gone = video_is_gone(home, str(recording.key))
    if gone is not None:
        en = f"a gold is shown beside others. {gone.en.removesuffix('.')}"
        raise _refused(recording, en, f"お手本は映像で示します。{gone.ja.removesuffix('。')}")


def _require_embedding(home: Home, recording: Recording) -> None:
    """A gold without an embedding teaches nothing."""
    if embedding_models(home).get(str(recording.key)) is None:
        score = f"sopilot score run {recording.key}"
        raise _refused(
            recording,
            f"it has no embedding yet, or none can be made of it; `{score}` makes it or says why not",
            f"まだ解析されていないか、解析できません。{score} で確認してください",
        )


def _require_complete(
    recording: Recording, task: TaskSpec, steps: Sequence[ConfirmedStep], what: str, hint: str
) -> None:
    lacking = [step for step in task.step_ids if step not in {one.step for one in steps}]
    if lacking:
        listed = ", ".join(lacking)
        en = f"a gold shows every step, and {what} no {listed}. {hint}"
        raise _refused(recording, en, f"お手本にはすべての手順が必要ですが、{listed} の時刻がありません")


def _require_same(
    recording: Recording, known: Sequence[ConfirmedStep], steps: Sequence[ConfirmedStep]
) -> None:
    if tuple(known) != tuple(steps):
        raise _refused(
            recording,
            "it is a gold already, with other steps. First take it back (`sopilot gold demote`, or at the "
            "desk), then promote it with these",
            "すでに別の手順時刻でお手本になっています。先にお手本から外して（sopilot gold demote または"
            "デスク）、登録し直してください",
        )


def _refused(recording: Recording, en: str, ja: str) -> GoldError:
    """Why a recording cannot be promoted or demoted."""
    name = f"{recording.original_name} ({recording.key})"
    return GoldError(f"{name}: {en}.", ja=f"{name}：{ja}。")


def _draft(
    key: PartitionKey,
    *,
    who: str,
    at: datetime,
    change: PromotionChange,
    why: str,
    steps: tuple[ConfirmedStep, ...] = (),
    source: str = "",
) -> PromotionDraft:
    try:
        return PromotionDraft(
            task_id=key.task_id,
            key=str(key),
            who=who,
            at=at.isoformat(timespec="seconds"),
            change=change,
            why=why,
            steps=steps,
            steps_from=source,
        )
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        name = str(fault["loc"][0]) if fault["loc"] else ""
        option = {"who": "--by", "why": "--reason"}.get(name, key)
        ja = f"理由を 1〜{WHY_LETTERS} 文字で入力してください。" if name == "why" else None
        raise GoldError(f"{option}: {fault['msg']}; found {fault['input']!r}.", ja=ja) from error
