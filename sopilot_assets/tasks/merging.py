"""Two people changed a task at once: what each of them changed, in one form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Final, TypeVar

from sopilot_assets.tasks.editing import StepEdit, TaskEdit

_Value = TypeVar("_Value")
_BY_NAME: Final = ("numbers", "severity")


def merged(base: TaskEdit, theirs: TaskEdit, mine: TaskEdit) -> TaskEdit:
    """``mine`` with what ``theirs`` changed of ``base``; where both changed the same field, mine stands.

    Steps go by their keys. Their order is mine where I moved some, else theirs; a step that only the other
    has stands after the one that it stands after there. A step that one of the two removed is gone unless
    the other changed it.
    """
    plain = {
        one.name: _chosen(getattr(base, one.name), getattr(theirs, one.name), getattr(mine, one.name))
        for one in fields(TaskEdit)
        if one.name not in (*_BY_NAME, "steps")
    }
    return replace(
        mine,
        **plain,
        numbers=_each(base.numbers, theirs.numbers, mine.numbers),
        severity=_each(base.severity, theirs.severity, mine.severity),
        steps=tuple(_steps(base.steps, theirs.steps, mine.steps)),
    )


def _chosen(base: _Value, theirs: _Value, mine: _Value) -> _Value:
    return theirs if mine == base else mine


def _each(base: Mapping[str, str], theirs: Mapping[str, str], mine: Mapping[str, str]) -> dict[str, str]:
    return {name: _chosen(base.get(name, ""), theirs.get(name, ""), mine.get(name, "")) for name in mine}


def _steps(
    base: Sequence[StepEdit], theirs: Sequence[StepEdit], mine: Sequence[StepEdit]
) -> Iterator[StepEdit]:
    was, its, own = ({step.key: step for step in steps} for steps in (base, theirs, mine))
    for key in _order(list(was), list(its), list(own)):
        if key in was and key in its and key in own:
            yield _step(was[key], its[key], own[key])
            continue
        only = its.get(key) or own.get(key)
        if only is not None and only != was.get(key):
            yield only


def _order(base: Sequence[str], theirs: Sequence[str], mine: Sequence[str]) -> list[str]:
    moved = [key for key in mine if key in base] != [key for key in base if key in mine]
    first, second = (mine, theirs) if moved else (theirs, mine)
    order = list(first)
    for place, key in enumerate(second):
        if key not in order:
            order.insert(order.index(second[place - 1]) + 1 if place else 0, key)
    return order


def _step(base: StepEdit, theirs: StepEdit, mine: StepEdit) -> StepEdit:
    chosen = {
        one.name: _chosen(getattr(base, one.name), getattr(theirs, one.name), getattr(mine, one.name))
        for one in fields(StepEdit)
        if one.name not in ("place", "after")
    }
    places = _chosen(*((one.place, one.after) for one in (base, theirs, mine)))
    return replace(mine, **chosen, place=places[0], after=places[1])
