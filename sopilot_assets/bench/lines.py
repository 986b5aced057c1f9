"""The lines of a ``labels.jsonl`` and a ``tasks.json``, read with tolerance: unknown fields are passed over,
most known ones may be absent, and what is there has to make sense.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from sopilot_assets.bench.expected import LabelledDeviation
from sopilot_assets.errors import ConfigError

_STEP_LISTS: Final = ("steps", "sop_steps", "sop", "procedure")
_TASK_NAMES: Final = ("task", "task_id", "id", "name")
_PERFORMERS: Final = ("subject_ids", "subject_id", "performer", "person")
_GOLD_LISTS: Final = ("gold_files", "golds", "gold")

Seconds: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
Index: TypeAlias = Annotated[int, Field(ge=0)]
Word: TypeAlias = Annotated[str, Field(min_length=1)]


class _Tolerant(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, given: object) -> object:
        if isinstance(given, Mapping):
            return {name: value for name, value in given.items() if value is not None}
        return given


class Shown(_Tolerant):
    """A stretch of a recording and the step that it shows, by index (None for anything else)."""

    start_sec: Seconds
    end_sec: Seconds
    label: str = ""
    gold_step: Index | None = None


class LabelledEdit(LabelledDeviation, _Tolerant):
    """A deviation of a label; besides what is compared, its times in the recording in seconds."""

    label: str | None = None
    gold_label: str | None = None
    start_sec: Seconds | None = None
    end_sec: Seconds | None = None
    times: tuple[tuple[Seconds, Seconds], ...] = ()
    expected_at_sec: Seconds | None = None

    @model_validator(mode="before")
    @classmethod
    def _usual_form(cls, given: object) -> object:
        """A deviation that is only a word is its type."""
        return {"type": given} if isinstance(given, str) else given


class Line(_Tolerant):
    """One line of ``labels.jsonl``."""

    file: Word
    task: Word
    role: str | None = None
    variant: str | None = None
    site: str | None = None
    subject_ids: tuple[str, ...] = ()
    sop_steps: tuple[Word, ...] = ()
    steps: tuple[Shown, ...] | None = None
    deviations: tuple[LabelledEdit, ...] | None = None
    critical_expected: bool | None = None
    physically_missing_gold_steps: tuple[Index, ...] = ()
    duration_sec: Seconds | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_subject(cls, given: object) -> object:
        if not isinstance(given, Mapping):
            return given
        found = _first(given, _PERFORMERS)
        return {**given, "subject_ids": [found] if isinstance(found, str | int) else found}

    @property
    def performer(self) -> str | None:
        """Who is seen; several persons are one name, as are the recordings that show the same ones."""
        return "+".join(sorted(set(self.subject_ids))) or None


class TaskStep(_Tolerant):
    """A step in ``tasks.json``: its name, and whether leaving it out is critical."""

    name: Word
    critical: bool = True

    @model_validator(mode="before")
    @classmethod
    def _usual_form(cls, given: object) -> object:
        if isinstance(given, str):
            return {"name": given}
        if isinstance(given, Mapping):
            return {**given, "name": _first(given, ("id", "label", "step", "name"))}
        return given


class TaskEntry(_Tolerant):
    """A task in ``tasks.json``; ``gold_files`` is None where it names none."""

    task: Word
    steps: tuple[TaskStep, ...] = ()
    gold_files: tuple[Word, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _usual_form(cls, given: object) -> object:
        if not isinstance(given, Mapping):
            return given
        named = {"task": _first(given, _TASK_NAMES), "gold_files": _first(given, _GOLD_LISTS)}
        return {**named, "steps": _first(given, _STEP_LISTS)}


def read_lines(path: Path) -> dict[int, Line]:
    """The labels by their line number; raises ``ConfigError`` naming file, line and field of a fault."""
    lines = {}
    for number, text in enumerate(_text(path).split("\n"), start=1):
        if text.strip():
            lines[number] = _line(text, where=f"{path}, line {number}")
    return lines


def read_task_entries(path: Path) -> list[TaskEntry]:
    """The tasks of a ``tasks.json`` (a list of objects, or an object of them by task); none without the file.
    Raises ``ConfigError`` naming the field that is wrong.
    """
    if not path.is_file():
        return []
    try:
        content: object = json.loads(_text(path))
    except ValueError as error:
        raise ConfigError(f"{path}: expected JSON, found something else ({error}). Mend the file.") from error
    if isinstance(content, dict):
        content = content.get("tasks", content)
    if isinstance(content, dict):
        content = [
            {"task": name, **(entry if isinstance(entry, dict) else {"steps": entry})}
            for name, entry in content.items()
        ]
    try:
        return TypeAdapter(list[TaskEntry]).validate_python(content)
    except ValidationError as error:
        raise ConfigError(f"{path}: {_fault(error)}") from error


def _line(text: str, *, where: str) -> Line:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ConfigError(
            f"{where}: expected one JSON object a line, found {_short(text)} ({error}). Mend the line."
        ) from error
    try:
        return Line.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_fault(error)}") from error


def _fault(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    found = "nothing" if first["type"] == "missing" else _short(json.dumps(first["input"], default=str))
    return f"field {field or '(the whole)'}: {first['msg']}; found {found}. Mend the field."


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected a readable UTF-8 text file ({error}).") from error


def _first(given: Mapping[str, object], names: tuple[str, ...]) -> object:
    return next(_present(given, names), None)


def _present(given: Mapping[str, object], names: tuple[str, ...]) -> Iterator[object]:
    yield from (given[name] for name in names if given.get(name) is not None)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
