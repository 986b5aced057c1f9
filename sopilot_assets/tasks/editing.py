"""A task as people edit it in a form: everything as it was typed, and what it makes of the task."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from pydantic import ValidationError

from sopilot_assets.tasks.drafts import FieldFault, StepDraft, free_id, name_faults, step_faults
from sopilot_assets.tasks.spec import Step, TaskSpec
from sopilot_assets.tasks.words import NUMBERS, typed
from sopilot_assets.texts.languages import Text

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

LONGEST_SENTENCE: Final = 400
StepPlace: TypeAlias = Literal["above", "any", "these"]
"""What a step comes after: the step above, none, or the steps that are named."""


@dataclass(frozen=True, slots=True)
class StepEdit:
    """One step as it stands in the form. ``key`` is its id, or for a new one any other word; ``after`` are
    keys of the steps that it comes after, where its ``place`` is ``these``.
    """

    key: str
    name: str
    name_ja: str
    instruction: str = ""
    instruction_ja: str = ""
    critical: bool = True
    place: StepPlace = "above"
    after: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing was filled in."""
        return not any((self.name, self.name_ja, self.instruction, self.instruction_ja))

    @property
    def draft(self) -> StepDraft:
        """Its names, as a new task has them."""
        return StepDraft(self.name, self.name_ja)


@dataclass(frozen=True, slots=True)
class TaskEdit:
    """A task as it stands in the form: ``numbers`` by the place of the field (shares in percent),
    ``severity`` by the name of the deviation.
    """

    name: str
    name_ja: str
    steps: tuple[StepEdit, ...]
    numbers: Mapping[str, str]
    severity: Mapping[str, str]
    embedder: str
    looked_at: bool
    """Whether recordings have to keep the limits of filming."""


def edit_of(task: TaskSpec) -> TaskEdit:
    """The form of a task, filled with what it says."""
    content = task.model_dump(mode="json")
    return TaskEdit(
        name=_english(task),
        name_ja=task.name_ja or "",
        steps=tuple(
            StepEdit(
                key=step.id,
                name=_english(step),
                name_ja=step.name_ja or "",
                instruction=step.instruction or "",
                instruction_ja=step.instruction_ja or "",
                critical=step.critical,
                place="above" if step.after is None else "these" if step.after else "any",
                after=step.after or (),
            )
            for step in task.steps
        ),
        numbers={path: typed(path, _value(content, path)) for path in NUMBERS},
        severity=content["severity"],
        embedder=task.embedder.value,
        looked_at=task.quality_gate.enabled,
    )


def edited(task: TaskSpec, edit: TaskEdit, *, used: Collection[str]) -> TaskSpec | tuple[FieldFault, ...]:
    """The task as the form says it, under the same version; or what has to be mended, at its field.

    Steps with a key among ``used``, the ids that the task's steps have or had, keep it as their id; a new one
    never gets one of them, since marks and labels may name it.
    """
    steps = tuple(step for step in edit.steps if not step.empty or step.key in used)
    places = [place for place, step in enumerate(edit.steps) if step in steps]
    content = task.model_dump(mode="json")
    numbers, faults = _numbers(edit, content)
    faults += name_faults(edit.name, edit.name_ja)
    faults += step_faults([step.draft if step in steps else StepDraft("", "") for step in edit.steps])
    faults += _nameless(edit, used)
    if faults:
        return tuple(faults)
    content |= {"name": edit.name or edit.name_ja, "name_ja": edit.name_ja or None}
    content |= {"steps": _steps(steps, used), "severity": dict(edit.severity), "embedder": edit.embedder}
    content["quality_gate"]["enabled"] = edit.looked_at
    for path, value in numbers.items():
        *sections, last = path.split(".")
        inner = content[sections[0]] if sections else content
        inner[last] = value
    try:
        return TaskSpec.model_validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        return tuple(_fault(one, places) for one in error.errors(include_url=False))


def _english(named: TaskSpec | Step) -> str:
    """The English name; a task that was begun in Japanese alone has none."""
    return "" if named.name == named.name_ja else named.name


def _value(content: Mapping[str, object], path: str) -> object:
    value: object = content
    for part in path.split("."):
        value = value[part] if isinstance(value, dict) else None
    return value


def _numbers(
    edit: TaskEdit, content: Mapping[str, object]
) -> tuple[dict[str, float | None], list[FieldFault]]:
    """The numbers that are not what they were, and what is wrong with them."""
    found, faults = dict[str, float | None](), list[FieldFault]()
    for path, field in NUMBERS.items():
        # as Japanese keyboards and decimal commas have it
        text = unicodedata.normalize("NFKC", edit.numbers.get(path, "")).replace(",", ".")
        if text == typed(path, _value(content, path)):
            continue
        if field.optional and not text:
            found[path] = None
            continue
        try:
            number = float(Decimal(text) / (100 if field.percent else 1))
            found[path] = int(number) if field.whole and number.is_integer() else _finite(number)
        except (ArithmeticError, ValueError):
            faults.append(
                FieldFault(
                    path,
                    Text(
                        f"Expected a number such as 5 or 2.5, found “{text[:40]}”.",
                        f"5 や 2.5 のような数値を入力してください（現在「{text[:40]}」）。",
                    ),
                )
            )
    return found, faults


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError("expected a finite number")
    return number


def _nameless(edit: TaskEdit, used: Collection[str]) -> Iterator[FieldFault]:
    for place, step in enumerate(edit.steps):
        if not step.name and not step.name_ja and (step.key in used or not step.empty):
            yield FieldFault(
                f"steps.{place}",
                Text(
                    "Give the step a name, or remove it with ✕.",
                    "手順の名前を入力するか、✕ で削除してください。",
                ),
            )


def _steps(steps: Sequence[StepEdit], used: Collection[str]) -> list[dict[str, object]]:
    ids = dict[str, str]()
    for step in steps:
        new = free_id(step.name or step.name_ja, "step", {*used, *ids.values()})
        ids[step.key] = step.key if step.key in used else new
    return [
        {
            "id": ids[step.key],
            "name": step.name or step.name_ja,
            "name_ja": step.name_ja or None,
            "instruction": " ".join(step.instruction.split()) or None,
            "instruction_ja": " ".join(step.instruction_ja.split()) or None,
            "critical": step.critical,
            "after": _after(step, ids),
        }
        for step in steps
    ]


def _after(step: StepEdit, ids: Mapping[str, str]) -> list[str] | None:
    if step.place == "above":
        return None
    return [] if step.place == "any" else [ids[key] for key in step.after if key in ids]


_SAID: Final = {
    "greater_than_equal": ("at least {ge:g}", "{ge:g} 以上"),
    "greater_than": ("more than {gt:g}", "{gt:g} より大きい値"),
    "less_than_equal": ("at most {le:g}", "{le:g} 以下"),
    "less_than": ("less than {lt:g}", "{lt:g} より小さい値"),
    "int_type": ("a whole number", "整数"),
    "int_from_float": ("a whole number", "整数"),
    "string_too_long": ("at most {max_length} characters", "{max_length} 文字以内"),
}
_RULES: Final = {
    "retrain_score": Text(
        "Expected no more points than a recording passes from.", "合格の点数以下にしてください。"
    ),
    "quality_gate.brightness_max": Text(
        "Expected more than the least brightness.", "明るさの下限より大きくしてください。"
    ),
    "weights": Text(
        "Expected at least one weight above 0.", "配点のうち少なくとも 1 つを 0 より大きくしてください。"
    ),
    "steps": Text(
        "Expected an order that can be done, found steps that wait for each other.",
        "実行できる順序にしてください。互いに前の手順を待っています。",
    ),
}


def _fault(error: ErrorDetails, places: Sequence[int]) -> FieldFault:
    path = [str(part) for part in error["loc"]]
    field = ".".join(path)
    if path[0] == "steps" and len(path) > 1:
        field = f"steps.{places[int(path[1])]}"
    if error["type"] == "value_error" and field in _RULES:
        return FieldFault("weights.miss" if field == "weights" else field, _RULES[field])
    percent = 100 if field in NUMBERS and NUMBERS[field].percent else 1
    limits = {
        name: value * percent if isinstance(value, int | float) else value
        for name, value in error.get("ctx", {}).items()
    }
    en, ja = _SAID.get(error["type"], (error["msg"], error["msg"]))
    return FieldFault(
        field, Text(f"Expected {en.format_map(limits)}.", f"{ja.format_map(limits)}にしてください。")
    )
