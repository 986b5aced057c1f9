"""Two versions of a task side by side, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sopilot_assets.tasks.differences import fields_of
from sopilot_assets.tasks.spec import TaskSpec
from sopilot_assets.tasks.words import NOTHING, field_name, value_text
from sopilot_assets.texts.languages import Text


@dataclass(frozen=True, slots=True)
class ToldDifference:
    """What a field is called, and what it said before and after."""

    name: Text
    before: Text
    after: Text


def told_differences(
    before: TaskSpec, after: TaskSpec, *, agreed: bool = False
) -> tuple[ToldDifference, ...]:
    """The differing fields in the order of the file. Steps go by their id: one that is only in one of the two
    is one difference, and so is their order. ``agreed``: of what a lock holds only.
    """
    return tuple(_told(before, after, agreed=agreed))


def _told(before: TaskSpec, after: TaskSpec, *, agreed: bool) -> Iterator[ToldDifference]:
    old, new = (
        dict(fields_of(one.agreed() if agreed else one.model_dump(mode="json"))) for one in (before, after)
    )
    for field in dict.fromkeys([*old, *new]):
        if old.get(field) == new.get(field):
            continue
        if field == "steps":
            yield ToldDifference(field_name(field), _order(before), _order(after))
            yield from _only_in_one(before, after)
        elif not field.startswith("steps.") or (field in old and field in new):
            its = (value_text(field, values.get(field), before, after) for values in (old, new))
            yield ToldDifference(field_name(field, before, after), *its)


def _order(task: TaskSpec) -> Text:
    names = [step.names for step in task.steps]
    return Text(" → ".join(one.en for one in names), " → ".join(one.ja for one in names))


def _only_in_one(before: TaskSpec, after: TaskSpec) -> Iterator[ToldDifference]:
    there = Text("there", "あり")
    for task, other, said in ((before, after, (there, NOTHING)), (after, before, (NOTHING, there))):
        for step in task.steps:
            if step.id not in other.step_ids:
                name = step.names
                told = Text(f"Step “{name.en}” ({step.id})", f"手順「{name.ja}」（{step.id}）")
                yield ToldDifference(told, *said)
