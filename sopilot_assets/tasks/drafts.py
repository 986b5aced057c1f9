"""A procedure as people begin one in a form: names and steps without ids, checked field by field."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import Final

from upath import UPath

from sopilot_assets.store.home import Home
from sopilot_assets.tasks.files import find_tasks, task_ids
from sopilot_assets.tasks.history import TaskHappening, keep, only_task_writer
from sopilot_assets.tasks.spec import Step
from sopilot_assets.tasks.starter import render_task
from sopilot_assets.texts.languages import Text

LONGEST_NAME: Final = 120
MOST_STEPS: Final = 60
_LONGEST_ID: Final = 40


@dataclass(frozen=True, slots=True)
class StepDraft:
    """One step: its names in English and Japanese, of which one may be empty, and whether leaving it out
    fails a recording.
    """

    name: str
    name_ja: str
    critical: bool = True

    @property
    def empty(self) -> bool:
        """Whether nothing was filled in."""
        return not self.name and not self.name_ja


@dataclass(frozen=True, slots=True)
class TaskDraft:
    """A procedure that is to begin. With ``fixed_order`` each step comes after the one above; else all of
    them may be done in any order.
    """

    name: str
    name_ja: str
    steps: tuple[StepDraft, ...]
    fixed_order: bool = True

    @property
    def filled(self) -> tuple[StepDraft, ...]:
        """The steps that have a name."""
        return tuple(step for step in self.steps if not step.empty)


@dataclass(frozen=True, slots=True)
class FieldFault:
    """What is wrong with a field: ``name``, ``name_ja``, ``steps``, or ``steps.2`` for the third step."""

    field: str
    why: Text


def draft_faults(home_root: str | Path | UPath, draft: TaskDraft) -> tuple[FieldFault, ...]:
    """What has to be mended before the procedure can begin; nothing where it can."""
    return tuple(_faults(home_root, draft))


def begin_task(home: Home, draft: TaskDraft, *, who: str, at: datetime) -> str:
    """The id of the new procedure, whose task file was written as `sopilot task create` does; its history
    says who began it.

    The draft has no faults. No file that is there is changed.
    """
    name = draft.name or draft.name_ja
    # one at a time, so that no two choose the same id
    with only_task_writer(home):
        task_id = free_id(name, "procedure", task_ids(home.root))
        text = render_task(task_id, name=name, name_ja=draft.name_ja or None, steps=_steps(draft))
        keep(home, task_id, TaskHappening.BEGUN, text.encode("utf-8"), before=None, who=who, why="", at=at)
    return task_id


def _steps(draft: TaskDraft) -> list[Step]:
    steps = list[Step]()
    for one in draft.filled:
        step_id = free_id(one.name or one.name_ja, "step", [step.id for step in steps])
        steps.append(
            Step(
                id=step_id,
                name=one.name or one.name_ja,
                name_ja=one.name_ja or None,
                critical=one.critical,
                after=None if draft.fixed_order else (),
            )
        )
    return steps


def free_id(name: str, kind: str, taken: Collection[str]) -> str:
    """An id like the name: ``oil_change`` for "Oil change"; with a number where that is taken, and where the
    name has no Latin letters.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    like = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:_LONGEST_ID].strip("_")
    if not re.match("[a-z]", like):
        like = "_".join(filter(None, (kind, like or "1")))
    numbered = (f"{like}_{number}" for number in count(2))
    return next(one for one in chain([like], numbered) if one not in taken)


def _faults(home_root: str | Path | UPath, draft: TaskDraft) -> Iterator[FieldFault]:
    yield from name_faults(draft.name, draft.name_ja)
    tasks = find_tasks(home_root).tasks.values()
    known = {name.casefold() for task in tasks for name in (task.name, task.name_ja or task.name)}
    for field, name in (("name", draft.name), ("name_ja", draft.name_ja)):
        if name.casefold() in known:
            yield FieldFault(
                field,
                Text("There is a procedure of this name already.", "同じ名前の手順書がすでにあります。"),
            )
    yield from step_faults(draft.steps)


def name_faults(name: str, name_ja: str) -> Iterator[FieldFault]:
    """What is wrong with the name of a procedure in English and Japanese, of which one may be empty."""
    if not name and not name_ja:
        yield FieldFault("name", Text("Give the procedure a name.", "手順書の名前を入力してください。"))
    yield from _too_long("name", name)
    yield from _too_long("name_ja", name_ja)


def step_faults(steps: Sequence[StepDraft]) -> Iterator[FieldFault]:
    """What is wrong with the names of steps; rows without one are passed over."""
    filled = [(number, step) for number, step in enumerate(steps) if not step.empty]
    if not filled:
        yield FieldFault("steps", Text("Name one step at least.", "手順を 1 つ以上入力してください。"))
    if len(filled) > MOST_STEPS:
        yield FieldFault(
            "steps",
            Text(f"Expected at most {MOST_STEPS} steps.", f"手順は {MOST_STEPS} 個以内にしてください。"),
        )
    seen = set[str]()
    for number, step in filled:
        yield from _too_long(f"steps.{number}", step.name)
        yield from _too_long(f"steps.{number}", step.name_ja)
        name = (step.name or step.name_ja).casefold()
        if name in seen:
            yield FieldFault(
                f"steps.{number}",
                Text(
                    "Another step has this name; say what differs.",
                    "同じ名前の手順があります。違いが分かる名前にしてください。",
                ),
            )
        seen.add(name)


def _too_long(field: str, name: str) -> Iterator[FieldFault]:
    if len(name) > LONGEST_NAME:
        yield FieldFault(
            field,
            Text(
                f"Expected at most {LONGEST_NAME} characters, found {len(name)}.",
                f"{LONGEST_NAME} 文字以内で入力してください（現在 {len(name)} 文字）。",
            ),
        )
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
        yield FieldFault(
            field,
            Text("Expected one line of plain text.", "改行や制御文字は使えません。"),
        )
