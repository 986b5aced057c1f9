"""What is wrong with a task file, in words: pydantic's errors as field, line, expected and found."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from sopilot_assets.tasks.documents import Document, FieldPath, dotted
from sopilot_assets.tasks.spec import STEP_ID_PATTERN, QualityGate, Step, TaskSpec, Weights

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

_Limits: TypeAlias = Mapping[str, object]

_EXPECTED: Final[Mapping[str, Callable[[_Limits], str]]] = {
    "missing": lambda _: "a value",
    "string_type": lambda _: "text (put it in quotes)",
    "string_too_short": lambda _: "text that is not empty",
    "string_too_long": lambda limits: f"at most {limits['max_length']} characters",
    "string_pattern_mismatch": lambda limits: (
        "a-z, 0-9 and _, starting with a letter, at most 48 characters"
        if limits["pattern"] == STEP_ID_PATTERN
        else "one line of text"
    ),
    "int_type": lambda _: "a whole number",
    "float_type": lambda _: "a number",
    "finite_number": lambda _: "a finite number",
    "bool_type": lambda _: "true or false",
    "greater_than_equal": lambda limits: f"at least {limits['ge']:g}",
    "less_than_equal": lambda limits: f"at most {limits['le']:g}",
    "enum": lambda limits: str(limits["expected"]),
    "tuple_type": lambda _: "a list",
    "too_short": lambda limits: f"a list of at least {limits['min_length']}",
    "dict_type": lambda _: "fields (name: value)",
    "model_type": lambda _: "fields (name: value)",
}
_SECTIONS: Final[Mapping[str, type[BaseModel]]] = {
    "steps": Step,
    "weights": Weights,
    "quality_gate": QualityGate,
}


def describe(error: ValidationError, document: Document) -> list[str]:
    """One sentence for every fault, ``line 12, steps[2].critical: expected true or false, found 'ja'``."""
    details = error.errors(include_url=False)
    return [_sentence(detail, document) for detail in details if not _follows_from_another(detail, details)]


def _follows_from_another(detail: ErrorDetails, details: Sequence[ErrorDetails]) -> bool:
    # pydantic also counts a list as too short when its items are invalid
    place = detail["loc"]
    return any(len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in details)


def _sentence(detail: ErrorDetails, document: Document) -> str:
    path: FieldPath = tuple(part for part in detail["loc"] if part != "[key]")
    line = document.line_of(path)
    place = f"line {line}, {dotted(path)}" if line else dotted(path)
    return f"{place}: {_fault(detail, path)}"


def _fault(detail: ErrorDetails, path: FieldPath) -> str:
    if detail["type"] == "value_error":
        return detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        return _unknown_field(path)
    expect = _EXPECTED.get(detail["type"])
    expected = expect(detail.get("ctx", {})) if expect else detail["msg"]
    found = "nothing" if detail["type"] == "missing" or detail["input"] is None else _shown(detail["input"])
    return f"expected {expected}, found {found}"


def _unknown_field(path: FieldPath) -> str:
    section = _SECTIONS.get(str(path[0]), TaskSpec) if len(path) > 1 else TaskSpec
    known = list(section.model_fields)
    close = difflib.get_close_matches(str(path[-1]), known, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"expected one of {', '.join(known)}; found {str(path[-1])!r}{hint}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
