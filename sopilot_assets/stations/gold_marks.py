"""Steps of golds marked by people: confirmed, read from a sheet and written as one.

What rests on the golds is stale after a mark that says something new, and is made again like after any other
change of golds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

from pydantic import ValidationError

from sopilot_assets.capture.marks import (
    MarkDraft,
    MarkEvent,
    append_marks,
    deciding_marks,
    marks_chain,
)
from sopilot_assets.capture.promotions import ConfirmedStep
from sopilot_assets.capture.registry import Recording, registered_recording
from sopilot_assets.errors import GoldError
from sopilot_assets.reference.annotations import (
    OVERLAP_S,
    PAST_END_S,
    StepInterval,
    shortest_name,
)
from sopilot_assets.stations.gold_inputs import GoldInputs, gold_names
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.tasks import TaskSpec, load_task

DIGITS: Final = 3
"""Decimals of the seconds that a mark keeps."""
SHEET: Final = "steps.csv"
"""What marks that were read from a sheet say that they come from."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """The steps that a person was shown before they marked, and what these came from."""

    steps: tuple[ConfirmedStep, ...] = ()
    by: str = ""


def marked_gold(home: Home, key: PartitionKey) -> Recording:
    """The gold with this key; raises `GoldError` where it is none, or counts no more."""
    found = registered_recording(home, key)
    if found is None or found.role != "gold" or found.retired is not None:
        why = "it is not registered" if found is None else found.retired or "it is a trainee's recording"
        raise GoldError(
            f"{key}: expected a gold that counts; {why}.", ja=f"{key}：使用中のお手本ではありません。"
        )
    return found


def confirm_steps(
    home: Home,
    key: PartitionKey,
    steps: Sequence[ConfirmedStep],
    *,
    who: str,
    at: datetime,
    run_id: str,
    based_on: str,
    proposed: Proposed | None = None,
    independent: bool = False,
) -> MarkEvent | None:
    """The event by which a person confirms the steps of a gold; None where the gold's mark says so already.

    ``based_on`` is the event that they saw as the newest of the gold. Raises `MarkConflict` where somebody
    else confirmed it meanwhile, and `GoldError` for steps that no recording can have, with what is wrong.
    """
    gold = marked_gold(home, key)
    task = load_task(home.tasks / f"{key.task_id}.yaml")
    kept = checked_steps(task, gold, steps)
    counts = deciding_marks(marks_chain(home).read(key.task_id)).get(str(key))
    if counts is not None and (counts.who, counts.steps) == (who, kept) and not independent:
        return None
    proposed = proposed or Proposed()
    draft = mark_draft(
        key,
        who=who,
        at=at,
        steps=kept,
        proposed=proposed,
        based_on=based_on,
        independent=independent,
    )
    added = append_marks(home, [draft], run_id=run_id, written_at=at.isoformat())
    return added[0] if added else None


def checked_steps(
    task: TaskSpec, gold: Recording, steps: Sequence[ConfirmedStep]
) -> tuple[ConfirmedStep, ...]:
    """The steps in order of time, to the millisecond; raises `GoldError` for an unknown step, one that ends
    before it begins or after the recording, and for steps that overlap.

    A step that is missing, or done in another order, is no fault: that is what the recording shows.
    """
    kept = sorted((_rounded(one) for one in steps), key=lambda one: (one.start_s, one.end_s))
    for one in kept:
        if one.step not in task.step_ids:
            known = ", ".join(task.step_ids)
            raise _refused(
                gold,
                f"expected steps of {task.task_id} ({known}), found {one.step!r}",
                f"{one.step!r} という手順はありません。手順は {known} です",
            )
        if one.end_s <= one.start_s:
            raise _refused(
                gold,
                f"expected {one.step} to end after it begins, found {one.start_s:g} to {one.end_s:g} s",
                f"{one.step} の終了は開始より後にしてください（{one.start_s:g} 秒から {one.end_s:g} 秒）",
            )
        if gold.duration_s and one.end_s > gold.duration_s + PAST_END_S:
            raise _refused(
                gold,
                f"expected {one.step} to end within the {gold.duration_s:.1f} s, found {one.end_s:g} s",
                f"長さは {gold.duration_s:.1f} 秒ですが、{one.step} の終了は {one.end_s:g} 秒です",
            )
    for one, other in pairwise(kept):
        if one.end_s - other.start_s > OVERLAP_S:
            raise _refused(
                gold,
                f"{other.step} begins at {other.start_s:g} s, before {one.step} ends at {one.end_s:g} s",
                f"{other.step}（{other.start_s:g} 秒から）が {one.step}（{one.end_s:g} 秒まで）と重なります",
            )
    if not kept:
        raise _refused(gold, "expected at least one step, found none", "手順が一つも記録されていません")
    return tuple(kept)


def steps_rows(task: TaskSpec, inputs: GoldInputs) -> list[dict[str, Cell]]:
    """The steps of all golds that have some, a row each with the columns of ``steps.csv``."""
    names = [gold_names(one) for one in inputs.golds]
    return [
        {
            "video": shortest_name(called, names),
            "step": task.step_ids[one.step],
            "start_s": round(one.segment.start_s, DIGITS),
            "end_s": round(one.segment.end_s, DIGITS),
        }
        for called in sorted(names, key=lambda one: one.path)
        for one in inputs.annotations.steps.get(called.video_id, ())
    ]


def confirmed_of(task: TaskSpec, steps: Sequence[StepInterval]) -> tuple[ConfirmedStep, ...]:
    """Steps of a gold as events keep them."""
    return tuple(
        ConfirmedStep(
            step=task.step_ids[one.step],
            start_s=round(one.segment.start_s, DIGITS),
            end_s=round(one.segment.end_s, DIGITS),
        )
        for one in steps
    )


def _rounded(one: ConfirmedStep) -> ConfirmedStep:
    times = {name: round(getattr(one, name), DIGITS) for name in ("start_s", "end_s")}
    return one.model_copy(update=times)


def _refused(gold: Recording, en: str, ja: str) -> GoldError:
    return GoldError(f"{gold.original_name}: {en}.", ja=f"{gold.original_name}：{ja}。")


def mark_draft(
    key: PartitionKey,
    *,
    who: str,
    at: datetime,
    steps: tuple[ConfirmedStep, ...],
    proposed: Proposed,
    based_on: str,
    independent: bool = False,
) -> MarkDraft:
    """What a person says of a gold, before it has its place in the chain; raises `GoldError`."""
    try:
        return MarkDraft(
            task_id=key.task_id,
            key=str(key),
            who=who,
            at=at.isoformat(),
            steps=steps,
            proposed=proposed.steps,
            proposed_by=proposed.by,
            based_on=based_on,
            independent=independent,
        )
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise GoldError(f"{key}, {fault['loc'][0]}: {fault['msg']}; found {fault['input']!r}.") from error
