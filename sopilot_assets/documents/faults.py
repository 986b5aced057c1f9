"""What is wrong with a file that people write, in words: each fault by line and field."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from sopilot_assets.documents.reading import Document, DocumentError, FieldPath, dotted, read_document
from sopilot_assets.errors import SopilotError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=BaseModel)
_Limits: TypeAlias = Mapping[str, object]

IDENTIFIER_PATTERN: Final = r"^[a-z][a-z0-9_]{0,47}$"
"""Names that files, ledgers and Dagster's partitions can all carry."""

_EXPECTED: Final[Mapping[str, Callable[[_Limits], str]]] = {
    "missing": lambda _: "a value",
    "string_type": lambda _: "text (put it in quotes)",
    "string_too_short": lambda _: "text that is not empty",
    "string_too_long": lambda limits: f"at most {limits['max_length']} characters",
    "string_pattern_mismatch": lambda limits: (
        "a-z, 0-9 and _, starting with a letter, at most 48 characters"
        if limits["pattern"] == IDENTIFIER_PATTERN
        else "one line of text"
    ),
    "int_type": lambda _: "a whole number",
    "float_type": lambda _: "a number",
    "finite_number": lambda _: "a finite number",
    "bool_type": lambda _: "true or false",
    "greater_than_equal": lambda limits: f"at least {limits['ge']:g}",
    "greater_than": lambda limits: f"more than {limits['gt']:g}",
    "less_than_equal": lambda limits: f"at most {limits['le']:g}",
    "less_than": lambda limits: f"less than {limits['lt']:g}",
    "enum": lambda limits: str(limits["expected"]),
    "tuple_type": lambda _: "a list",
    "too_short": lambda limits: f"a list of at least {limits['min_length']}",
    "dict_type": lambda _: "fields (name: value)",
    "model_type": lambda _: "fields (name: value)",
}


def parse_document(
    data: bytes | str, kind: type[Model], *, source: object, refuse: type[SopilotError], advice: str
) -> Model:
    """What a YAML file says, as a strict ``kind``; ``source`` is the name used in errors.

    Raises ``refuse`` with every fault, and ``advice`` on what to do.
    """
    try:
        document = read_document(data.encode("utf-8") if isinstance(data, str) else data)
    except DocumentError as error:
        place = f", line {error.line}" if error.line else ""
        raise refuse(f"{source}{place}: {error}. Correct the file and run the command again.") from error
    try:
        # as JSON, so that strict types and lists as tuples go together
        return kind.model_validate_json(json.dumps(document.content, default=str), strict=True)
    except ValidationError as error:
        faults = describe(error, kind, document)
        count = "1 field is" if len(faults) == 1 else f"{len(faults)} fields are"
        listed = "\n".join(f"  {fault}" for fault in faults)
        raise refuse(f"{source}: {count} not valid:\n{listed}\n{advice}") from error


def describe(error: ValidationError, kind: type[BaseModel], document: Document | None = None) -> list[str]:
    """One sentence for every fault of a ``kind``: ``line 12, steps[2].critical: expected true or false, found
    'ja'``; without a document there are no lines.
    """
    details = error.errors(include_url=False)
    return [
        _sentence(detail, kind, document) for detail in details if not _follows_from_another(detail, details)
    ]


def _follows_from_another(detail: ErrorDetails, details: Sequence[ErrorDetails]) -> bool:
    # pydantic also counts a list as too short when its items are invalid
    place = detail["loc"]
    return any(len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in details)


def _sentence(detail: ErrorDetails, kind: type[BaseModel], document: Document | None) -> str:
    path: FieldPath = tuple(part for part in detail["loc"] if part != "[key]")
    line = document.line_of(path) if document else None
    place = ", ".join(filter(None, (f"line {line}" if line else "", dotted(path) if path else "")))
    fault = _fault(detail, kind, path)
    return f"{place}: {fault}" if place else fault


def _fault(detail: ErrorDetails, kind: type[BaseModel], path: FieldPath) -> str:
    if detail["type"] == "value_error":
        return detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        return _unknown_field(kind, path)
    expect = _EXPECTED.get(detail["type"])
    expected = expect(detail.get("ctx", {})) if expect else detail["msg"]
    found = "nothing" if detail["type"] == "missing" or detail["input"] is None else _shown(detail["input"])
    return f"expected {expected}, found {found}"


def _unknown_field(kind: type[BaseModel], path: FieldPath) -> str:
    section: type[BaseModel] | None = kind
    for part in path[:-1]:
        # the places in a list say nothing about what it holds
        field = section.model_fields.get(str(part)) if section and isinstance(part, str) else None
        section = _section_in(field.annotation) if field else section
    known = list(section.model_fields) if section else []
    close = difflib.get_close_matches(str(path[-1]), known, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"expected one of {', '.join(known)}; found {str(path[-1])!r}{hint}"


def _section_in(annotation: object) -> type[BaseModel] | None:
    """The model that a field holds: itself, optional, or each item of a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_section_in, get_args(annotation))), None)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
